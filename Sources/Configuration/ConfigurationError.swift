/// A mistake in an option: what, where, and what to do.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the value came from: a flag, an environment variable, a file.
    public let source: String
    /// The line, from one on, where the source is a file or a text of several values.
    public let line: Int?
    /// The column, in characters, from one on.
    public let column: Int?
    /// What is wrong and what would be right.
    public let message: String

    /// A mistake in `source`.
    public init(_ source: String, _ message: String) {
        self.init(source, line: nil, column: nil, message)
    }

    /// A mistake at a place in `source`.
    public init(_ source: String, line: Int?, column: Int?, _ message: String) {
        self.source = source
        self.line = line
        self.column = column
        self.message = message
    }

    /// The one line the user sees.
    public var description: String {
        guard let line, let column else { return "\(source): \(message)" }
        return "\(source):\(line):\(column): \(message)"
    }
}
