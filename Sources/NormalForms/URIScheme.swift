/// The scheme of a URI, which readers take in any case (RFC 3986, 3.1).
public enum URIScheme {
    private static let longest = 64

    /// The bytes of a text up to its first colon, if they are a scheme of two letters or more, and whether one is a capital.
    private static func find(_ text: Span<UInt8>) -> (length: Int, hasCapital: Bool)? {
        var hasCapital = false
        var index = 0
        while index < text.count, index < longest {
            let byte = text[index]
            if byte | 0x20 &- 0x61 < 26 {
                hasCapital = hasCapital || byte < 0x61
            } else if byte == UInt8(ascii: ":") {
                return index > 1 ? (index, hasCapital) : nil
            } else if index == 0 || !isBehindFirst(byte) {
                return nil
            }
            index += 1
        }
        return nil
    }

    /// Whether a scheme may hold the byte, but for letters and in the first place.
    static func isBehindFirst(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
    }

    /// Whether a text begins with a scheme that holds a capital letter; cheap.
    @inline(__always)
    static func mayFold(_ text: Span<UInt8>) -> Bool {
        guard text.count > 2, text[0] | 0x20 &- 0x61 < 26 else { return false }
        return find(text)?.hasCapital ?? false
    }

    /// The text with its scheme in lower case; nil if it has none, or it is.
    public static func folded(_ text: Span<UInt8>) -> [UInt8]? {
        guard let (length, hasCapital) = find(text), hasCapital else { return nil }
        var output: [UInt8] = []
        output.append(copying: text)
        for index in 0..<length where output[index] &- 0x41 < 26 { output[index] |= 0x20 }
        return output
    }
}
