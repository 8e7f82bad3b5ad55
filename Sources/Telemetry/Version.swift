/// The program's version.
public enum Version {
    /// As shown by `mcpgw version` and in status.
    public static let text = "0.1.0"
}
