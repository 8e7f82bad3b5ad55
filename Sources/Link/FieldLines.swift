/// Field lines of a client's head that go to the upstream as they are: `name: value CR LF`, in a form that both ends check, so that the owner
/// of one worker cannot write a head of its own into another's connection.
public struct FieldLines: Equatable, Sendable {
    /// The lines, ready to be copied into a head.
    public private(set) var bytes: [UInt8] = []

    /// No lines.
    public init() {}

    /// Lines from another process; nothing may be done with them before `isWellFormed`.
    init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Names that may be forwarded, besides `mcp-param-*`.
    private static let names: [StaticString] = ["traceparent", "tracestate", "baggage"]
    private static let parameterPrefix: StaticString = "mcp-param-"

    /// Whether a field of this name, in lower case, may be forwarded.
    public static func isForwarded(_ name: Span<UInt8>) -> Bool {
        for known in names where name.count == known.utf8CodeUnitCount && starts(name, with: known) { return true }
        return name.count > parameterPrefix.utf8CodeUnitCount && starts(name, with: parameterPrefix)
    }

    /// Appends a line with the name in lower case. What makes no line is found by `isWellFormed`.
    public mutating func append(name: Span<UInt8>, value: Span<UInt8>) {
        for index in name.indices {
            let byte = name[index]
            bytes.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
        }
        bytes.append(0x3A)
        bytes.append(0x20)
        for index in value.indices { bytes.append(value[index]) }
        bytes.append(0x0D)
        bytes.append(0x0A)
    }

    /// Whether all of it is lines, each with a name that may be forwarded and a value (RFC 9110, 5.5) that cannot end the line.
    public var isWellFormed: Bool {
        guard !bytes.isEmpty else { return true }
        let span = bytes.span
        var index = 0
        while index < span.count {
            let start = index
            while index < span.count, FieldLines.isNameByte(span[index]) { index += 1 }
            guard FieldLines.isForwarded(span.extracting(start..<index)), index + 1 < span.count, span[index] == 0x3A,
                span[index + 1] == 0x20
            else { return false }
            index += 2
            while index < span.count, FieldLines.isValueByte(span[index]) { index += 1 }
            guard index + 1 < span.count, span[index] == 0x0D, span[index + 1] == 0x0A else { return false }
            index += 2
        }
        return true
    }

    /// A byte of a token (RFC 9110, 5.6.2) in lower case.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"),
            UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// A byte of a field value: no control but the tab.
    static func isValueByte(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

    private static func starts(_ name: Span<UInt8>, with prefix: StaticString) -> Bool {
        let count = prefix.utf8CodeUnitCount
        guard name.count >= count else { return false }
        for index in 0..<count {
            // Safe: a static string's bytes live for ever, and `index` is below their count.
            guard unsafe prefix.utf8Start[index] == name[index] else { return false }
        }
        return true
    }
}
