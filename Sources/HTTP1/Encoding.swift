/// A number as ASCII, ready to be written into a head or before a chunk, without an allocation.
public struct ASCIINumber: Sendable {
    private var storage = InlineArray<20, UInt8>(repeating: ASCII.zero)
    private var first = 20

    /// The decimal form, as in Content-Length.
    public init(decimal value: UInt64) {
        var rest = value
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first &-= 1
            storage[first] = ASCII.zero &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest != 0
    }

    /// The hexadecimal form in lower case, as in a chunk size.
    public init(hexadecimal value: UInt64) {
        var rest = value
        repeat {
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            first &-= 1
            storage[first] = digit < 10 ? ASCII.zero &+ digit : 0x57 &+ digit
            rest &>>= 4
        } while rest != 0
    }

    /// How many characters it has.
    public var count: Int { 20 - first }

    /// The characters.
    public var span: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(first..<20) }
    }
}

extension [UInt8] {
    /// Appends the decimal form of a number.
    public mutating func appendDecimal(_ value: UInt64) {
        append(ASCIINumber(decimal: value))
    }

    /// Appends the line in front of a chunk of so many bytes. A chunk of none would end the body: write
    /// ``HTTP1Encoding/lastChunk`` for that.
    public mutating func appendChunkHead(_ count: Int) {
        precondition(count > 0, "an empty chunk ends the body")
        append(ASCIINumber(hexadecimal: UInt64(count)))
        append(ASCII.carriageReturn)
        append(ASCII.lineFeed)
    }

    private mutating func append(_ number: ASCIINumber) {
        let characters = number.span
        for index in characters.indices { append(characters[index]) }
    }
}

/// Checks and fixed pieces for what the gateway writes: nothing that fails them may stand in a head, or it would split it.
public enum HTTP1Encoding {
    /// The end of a chunked body after its last chunk's CRLF: an empty chunk and no trailer.
    public static let lastChunk: StaticString = "0\r\n\r\n"

    /// Whether `bytes` are a token (RFC 9110, 5.6.2), as methods and field names are.
    public static func isToken(_ bytes: Span<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.endOfToken(from: 0, to: bytes.count) == bytes.count
    }

    /// Whether `bytes` may stand as a field value or reason phrase: no control character but tabs, no white space at
    /// either end. Empty values and bytes above 127 are allowed, as ``RequestParser`` allows them.
    public static func isFieldValue(_ bytes: Span<UInt8>) -> Bool {
        let all = 0..<bytes.count
        return bytes.firstControl(from: 0, to: bytes.count) == bytes.count && bytes.trimmingWhitespace(all) == all
    }

    /// Whether `bytes` may stand as a request target: characters of RFC 3986 without `#`, at least one.
    public static func isTarget(_ bytes: Span<UInt8>) -> Bool {
        guard !bytes.isEmpty else { return false }
        for index in bytes.indices where !CharacterClass.target.contains(bytes[index]) { return false }
        return true
    }

    /// ``isToken(_:)-(Span<UInt8>)`` of a string's UTF-8.
    public static func isToken(_ string: String) -> Bool { check(string, isToken) }

    /// ``isFieldValue(_:)-(Span<UInt8>)`` of a string's UTF-8.
    public static func isFieldValue(_ string: String) -> Bool { check(string, isFieldValue) }

    /// ``isTarget(_:)-(Span<UInt8>)`` of a string's UTF-8.
    public static func isTarget(_ string: String) -> Bool { check(string, isTarget) }

    private static func check(_ string: String, _ rule: (Span<UInt8>) -> Bool) -> Bool {
        // Not `string.utf8.span`: that of a small string dangles when optimised (Swift 6.3).
        let utf8 = Array(string.utf8)
        return rule(utf8.span)
    }
}
