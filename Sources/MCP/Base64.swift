/// The alphabets and endings of RFC 4648 that the gateway writes and reads.
enum Base64Form {
    /// Section 4, with padding: header values.
    case standard
    /// Section 5, without padding: event ids.
    case url

    /// The value of a character; 64 for one that is none.
    @inline(__always)
    func value(of character: UInt8) -> UInt8 {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character &- 0x41
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character &- 0x61 &+ 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character &- 0x30 &+ 52
        case UInt8(ascii: "+") where self == .standard, UInt8(ascii: "-") where self == .url: 62
        case UInt8(ascii: "/") where self == .standard, UInt8(ascii: "_") where self == .url: 63
        default: 64
        }
    }

    private var alphabet: StaticString {
        switch self {
        case .standard: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        case .url: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        }
    }

    /// Appends bytes in this form.
    func append(_ bytes: Span<UInt8>, to output: inout [UInt8]) {
        let alphabet = alphabet.span
        var index = 0
        while index < bytes.count {
            let left = min(bytes.count - index, 3)
            var group: UInt32 = 0
            for offset in 0..<3 {
                group = group &<< 8 | (offset < left ? UInt32(bytes[index + offset]) : 0)
            }
            for place in 0...left {
                output.append(alphabet[Int(group &>> UInt32(18 &- 6 &* place) & 63)])
            }
            if self == .standard, left < 3 {
                for _ in left..<3 { output.append(UInt8(ascii: "=")) }
            }
            index += 3
        }
    }
}

/// Decodes Base64 of the one canonical spelling, byte by byte.
struct Base64Reader: ~Escapable {
    private let text: Span<UInt8>
    private let form: Base64Form
    /// Where the next character stands, and where the padding begins.
    private var index = 0
    private let end: Int
    private var bits: UInt32 = 0
    private var bitCount = 0
    /// The bytes it stands for.
    let count: Int

    /// Nil if the text has foreign characters, the wrong length or padding, or bits set that stand for nothing.
    @_lifetime(copy text)
    init?(_ text: Span<UInt8>, _ form: Base64Form) {
        var end = text.count
        if form == .standard {
            guard end % 4 == 0 else { return nil }
            if end > 0, text[end - 1] == UInt8(ascii: "=") { end -= text[end - 2] == UInt8(ascii: "=") ? 2 : 1 }
        }
        let rest = end % 4
        guard rest != 1 else { return nil }
        for index in 0..<end where form.value(of: text[index]) == 64 { return nil }
        if rest > 0, form.value(of: text[end - 1]) & (rest == 2 ? 0b1111 : 0b11) != 0 { return nil }
        self.text = text
        self.form = form
        self.end = end
        count = end / 4 * 3 + max(rest - 1, 0)
    }

    /// The next byte; nil at the end.
    @_lifetime(self: copy self)
    mutating func next() -> UInt8? {
        while bitCount < 8 {
            guard index < end else { return nil }
            bits = bits &<< 6 | UInt32(form.value(of: text[index]))
            bitCount &+= 6
            index &+= 1
        }
        bitCount &-= 8
        return UInt8(truncatingIfNeeded: bits &>> UInt32(bitCount))
    }

    /// Appends everything that has not been read yet.
    @_lifetime(self: copy self)
    mutating func appendRest(to output: inout [UInt8]) {
        while let byte = next() { output.append(byte) }
    }
}
