import StrictJSON

/// What the chain says in one line of an audit log, as read back.
public struct LogLine: Sendable {
    /// Its number.
    public let sequence: UInt64
    /// The SHA-256 of the line before, in hexadecimal digits.
    public let previous: [UInt8]
    /// What the record is of, as spelt; empty if it does not say.
    public let kind: String
    /// Where the record came from.
    public let source: RecordSource?
    /// The Ed25519 signature, and how many bytes of the line it is of.
    public let signature: (bytes: [UInt8], of: Int)?
    /// The HMAC, and how many bytes of the line it is of.
    public let code: (bytes: [UInt8], of: Int)?

    /// Bytes of a line at most, its end included.
    public static let maximum = 512 << 10

    /// Reads a line without its end. The tape holds its members afterwards.
    /// - Throws: `LogFault`.
    public init(_ line: Span<UInt8>, _ tape: inout JSONTape, _ parser: JSONParser) throws(LogFault) {
        for index in line.indices where line[index] < 0x20 { throw LogFault("it holds a control character") }
        do throws(JSONError) {
            try parser.parse(line, into: &tape)
        } catch {
            throw LogFault("it is not strict JSON (byte \(error.offset))")
        }
        guard tape.kind(.root) == .object else { throw LogFault("it is no JSON object") }
        guard let number = tape.member("seq", of: .root, in: line), let value = tape.integer(number, in: line),
            value > 0
        else { throw LogFault("it has no number (seq)") }
        sequence = UInt64(value)
        guard let member = tape.member("prev", of: .root, in: line), tape.kind(member) == .string,
            let bytes = Hexadecimal.bytes(line.extracting(tape.contentRange(member))), bytes.count == 32
        else { throw LogFault("it does not name the line before (prev)") }
        previous = LogLine.copy(line.extracting(tape.contentRange(member)))
        kind = tape.member("kind", of: .root, in: line).flatMap { tape.string($0, in: line) } ?? ""
        source = LogLine.source(line, tape)
        code = try LogLine.tag("sig", ",\"sig\":", 32, line, tape)
        signature = try LogLine.tag("signature", ",\"signature\":", 64, line, tape)
        if let code, code.of + 7 + 66 + 1 != line.count { throw LogFault("something stands behind its sig") }
    }

    private static func source(_ line: Span<UInt8>, _ tape: borrowing JSONTape) -> RecordSource? {
        guard let member = tape.member("src", of: .root, in: line), let text = tape.string(member, in: line) else {
            return nil
        }
        let parts = text.split(separator: ":")
        guard parts.count == 2, let ring = UInt64(parts[0], radix: 16), let position = UInt64(parts[1]) else {
            return nil
        }
        return RecordSource(ring: ring, position: position)
    }

    /// A tag, which covers everything before the comma in front of it.
    private static func tag(
        _ name: StaticString, _ lead: StaticString, _ count: Int, _ line: Span<UInt8>, _ tape: borrowing JSONTape
    ) throws(LogFault) -> (bytes: [UInt8], of: Int)? {
        guard let member = tape.member(name, of: .root, in: line) else { return nil }
        let start = tape.range(member).lowerBound - lead.span.count
        guard tape.kind(member) == .string, start > 0,
            let bytes = Hexadecimal.bytes(line.extracting(tape.contentRange(member))), bytes.count == count
        else { throw LogFault("its \(name) is malformed") }
        for index in lead.span.indices where line[start + index] != lead.span[index] {
            throw LogFault("its \(name) is not spelt as the recorder does")
        }
        return (bytes, start)
    }

    private static func copy(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(copying: span)
        return bytes
    }
}

/// What is wrong with a line or a file of the audit log.
public struct LogFault: Error, Equatable, Sendable {
    /// What was found, as the second half of a sentence about a line.
    public let reason: String

    /// A fault.
    public init(_ reason: String) { self.reason = reason }
}
