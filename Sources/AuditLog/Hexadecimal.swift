/// Hexadecimal text, lower case.
public enum Hexadecimal {
    /// Appends the digits.
    public static func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] { output.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
        }
    }

    /// The digits.
    public static func text(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        append(bytes, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The bytes that an even number of lower-case digits stands for.
    public static func bytes(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count & 1 == 0 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 2)
        for index in stride(from: 0, to: text.count, by: 2) {
            guard let high = digit(text[index]), let low = digit(text[index + 1]) else { return nil }
            result.append(high << 4 | low)
        }
        return result
    }

    /// The bytes that a text stands for.
    public static func bytes(_ text: String) -> [UInt8]? {
        let utf8 = Array(text.utf8)
        return bytes(utf8.span)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
