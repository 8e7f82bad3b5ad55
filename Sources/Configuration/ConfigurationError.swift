/// A mistake in an option: what, where, and what to do.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the value came from: a flag, an environment variable, later a file with line and column.
    public let source: String
    /// What is wrong and what would be right.
    public let message: String

    /// A mistake in `source`.
    public init(_ source: String, _ message: String) {
        self.source = source
        self.message = message
    }

    /// The one line the user sees.
    public var description: String { "\(source): \(message)" }
}
