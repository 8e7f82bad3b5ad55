/// Text from records for people's eyes.
public enum VisibleText {
    /// Appends a line so that a terminal shows it and does nothing else: what a recorder wrote stays as it is, and in what somebody else put there control,
    /// invisible and bidirectional characters are escaped as in JSON, or become spaces.
    public static func append(_ line: Span<UInt8>, to output: inout [UInt8]) {
        _ = RecordText.appendJSON(line, room: .max, to: &output)
    }
}
