/// What one head and one chunked body may cost (DESIGN 12). All sizes in bytes.
public struct HTTP1Limits: Sendable, Hashable {
    /// The whole head: start line, fields and the empty line.
    public var head = 64 * 1024
    /// The start line with its CRLF. Longer request lines are answered 414.
    public var startLine = 8 * 1024
    /// Field lines in a head.
    public var fields = 100
    /// Hexadecimal digits in a chunk size, leading zeros included; at most 15.
    public var chunkSizeDigits = 8

    /// The defaults of DESIGN 12.
    public init() {}
}
