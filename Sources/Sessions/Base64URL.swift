/// base64url without padding (RFC 4648, 5): visible ASCII, as `Mcp-Session-Id` must be. Reading is strict: one text for one byte string.
public enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let invalid: UInt8 = 0xFF
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: invalid, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// Appends the text of `bytes`.
    public static func encode(_ bytes: [UInt8], to output: inout [UInt8]) {
        let alphabet = alphabet.span
        var pending: UInt32 = 0
        var bits: UInt32 = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                output.append(alphabet[Int(pending >> bits & 63)])
            }
        }
        if bits > 0 { output.append(alphabet[Int(pending << (6 - bits) & 63)]) }
    }

    /// Appends the bytes of `text`.
    /// - Returns: false if a character is not of the alphabet, the length is impossible, or the last character has bits that stand for no byte; then
    ///   what was appended means nothing.
    static func decode(_ text: Span<UInt8>, to output: inout [UInt8]) -> Bool {
        guard text.count % 4 != 1 else { return false }
        let values = values.span
        var seen: UInt8 = 0
        var index = 0
        while index + 4 <= text.count {
            let a = values[Int(text[index])]
            let b = values[Int(text[index + 1])]
            let c = values[Int(text[index + 2])]
            let d = values[Int(text[index + 3])]
            seen |= a | b | c | d
            output.append(a << 2 | b >> 4)
            output.append(b << 4 | c >> 2)
            output.append(c << 6 | d)
            index += 4
        }
        if index < text.count {
            let a = values[Int(text[index])]
            let b = values[Int(text[index + 1])]
            seen |= a | b
            output.append(a << 2 | b >> 4)
            if index + 2 < text.count {
                let c = values[Int(text[index + 2])]
                seen |= c
                output.append(b << 4 | c >> 2)
                guard c & 0b11 == 0 else { return false }
            } else {
                guard b & 0b1111 == 0 else { return false }
            }
        }
        return seen < 64
    }
}
