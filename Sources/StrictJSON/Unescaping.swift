/// Reads the content of a string that was accepted by ``JSONParser``, byte by byte, unescaped.
struct UnescapingReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var index: Int
    private let end: Int
    /// Bytes of a decoded escape still to be handed out, the next one lowest.
    private var pending: UInt32 = 0
    private var pendingCount = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ content: Range<Int>) {
        self.bytes = bytes
        index = content.lowerBound
        end = content.upperBound
    }

    /// The next byte of the value; nil at its end.
    @_lifetime(self: copy self)
    mutating func next() -> UInt8? {
        if pendingCount > 0 {
            let byte = UInt8(truncatingIfNeeded: pending)
            pending &>>= 8
            pendingCount &-= 1
            return byte
        }
        guard index < end else { return nil }
        let byte = bytes[index]
        guard byte == UInt8(ascii: "\\") else {
            index &+= 1
            return byte
        }
        let escape = decodeEscape(bytes, at: index, end: end)
        index &+= escape.length
        let encoded = UTF8Bytes(escape.scalar)
        pending = encoded.bytes &>> 8
        pendingCount = encoded.count &- 1
        return UInt8(truncatingIfNeeded: encoded.bytes)
    }
}

/// Appends the value of an accepted string's content, unescaped.
func appendUnescaped(_ bytes: Span<UInt8>, _ content: Range<Int>, to output: inout [UInt8]) {
    var index = content.lowerBound
    var runStart = index
    while index < content.upperBound {
        guard bytes[index] == UInt8(ascii: "\\") else {
            index &+= 1
            continue
        }
        output.append(copying: bytes.extracting(runStart..<index))
        let escape = decodeEscape(bytes, at: index, end: content.upperBound)
        var encoded = UTF8Bytes(escape.scalar)
        while encoded.count > 0 {
            output.append(UInt8(truncatingIfNeeded: encoded.bytes))
            encoded.bytes &>>= 8
            encoded.count &-= 1
        }
        index &+= escape.length
        runStart = index
    }
    output.append(copying: bytes.extracting(runStart..<content.upperBound))
}

/// The UTF-8 of a scalar value, the first byte lowest.
struct UTF8Bytes {
    var bytes: UInt32
    var count: Int

    init(_ scalar: UInt32) {
        switch scalar {
        case 0..<0x80:
            bytes = scalar
            count = 1
        case 0x80..<0x800:
            bytes = 0x80C0 | scalar >> 6 | (scalar & 0x3F) << 8
            count = 2
        case 0x800..<0x1_0000:
            bytes = 0x80_80E0 | scalar >> 12 | (scalar >> 6 & 0x3F) << 8 | (scalar & 0x3F) << 16
            count = 3
        default:
            bytes =
                0x8080_80F0 | scalar >> 18 | (scalar >> 12 & 0x3F) << 8 | (scalar >> 6 & 0x3F) << 16
                | (scalar & 0x3F) << 24
            count = 4
        }
    }
}

/// One decoded escape.
struct Escape {
    /// The scalar value it stands for; U+FFFD for a surrogate without its partner.
    var scalar: UInt32
    /// Its length in the text: 2, 6 or, for a pair of surrogates, 12. Zero when it is no escape.
    var length: Int
    /// Whether it is a surrogate without its partner.
    var isLoneSurrogate = false
}

/// Decodes the escape whose backslash stands at `start`. What does not begin an escape has length zero.
///
/// - Parameter end: no byte at or after this offset is looked at.
func decodeEscape(_ bytes: Span<UInt8>, at start: Int, end: Int) -> Escape {
    let none = Escape(scalar: 0, length: 0)
    guard start + 1 < end else { return none }
    let scalar: UInt32
    switch bytes[start + 1] {
    case UInt8(ascii: "\""): scalar = 0x22
    case UInt8(ascii: "\\"): scalar = 0x5C
    case UInt8(ascii: "/"): scalar = 0x2F
    case UInt8(ascii: "b"): scalar = 0x08
    case UInt8(ascii: "f"): scalar = 0x0C
    case UInt8(ascii: "n"): scalar = 0x0A
    case UInt8(ascii: "r"): scalar = 0x0D
    case UInt8(ascii: "t"): scalar = 0x09
    case UInt8(ascii: "u"):
        guard let unit = fourHexDigits(bytes, at: start + 2, end: end) else { return none }
        guard 0xD800...0xDFFF ~= unit else { return Escape(scalar: unit, length: 6) }
        if unit < 0xDC00, let low = lowSurrogate(bytes, at: start + 6, end: end) {
            return Escape(scalar: 0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00), length: 12)
        }
        return Escape(scalar: 0xFFFD, length: 6, isLoneSurrogate: true)
    default: return none
    }
    return Escape(scalar: scalar, length: 2)
}

/// The second half of a pair of surrogates, if its escape stands at `start`.
private func lowSurrogate(_ bytes: Span<UInt8>, at start: Int, end: Int) -> UInt32? {
    guard start + 1 < end, bytes[start] == UInt8(ascii: "\\"), bytes[start + 1] == UInt8(ascii: "u"),
        let unit = fourHexDigits(bytes, at: start + 2, end: end), 0xDC00...0xDFFF ~= unit
    else { return nil }
    return unit
}

private func fourHexDigits(_ bytes: Span<UInt8>, at start: Int, end: Int) -> UInt32? {
    guard start + 4 <= end else { return nil }
    var value: UInt32 = 0
    for index in start..<start + 4 {
        let byte = bytes[index]
        let digit: UInt8
        switch byte {
        case 0x30...0x39: digit = byte - 0x30
        case 0x41...0x46: digit = byte - 0x37
        case 0x61...0x66: digit = byte - 0x57
        default: return nil
        }
        value = value << 4 | UInt32(digit)
    }
    return value
}
