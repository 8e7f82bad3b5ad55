/// Writes JSON text.
public enum JSONText {
    private static let hexDigits: StaticString = "0123456789abcdef"

    /// Appends a string with its quotation marks.
    ///
    /// - Parameter utf8: the value; what is no UTF-8 in it becomes U+FFFD.
    public static func appendString(_ utf8: Span<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        var runStart = 0
        var index = 0
        while index < utf8.count {
            let byte = utf8[index]
            if byte >= 0x80 {
                let length = utf8.lengthOfCharacter(at: index)
                if length > 0 {
                    index += length
                    continue
                }
            } else if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                index += 1
                continue
            }
            output.append(copying: utf8.extracting(runStart..<index))
            appendEscape(byte, to: &output)
            index += 1
            runStart = index
        }
        output.append(copying: utf8.extracting(runStart..<utf8.count))
        output.append(UInt8(ascii: "\""))
    }

    /// Appends a string with its quotation marks.
    public static func appendString(_ string: String, to output: inout [UInt8]) {
        // Not `string.utf8.span`: that of a small string dangles when optimised (Swift 6.3).
        let utf8 = Array(string.utf8)
        appendString(utf8.span, to: &output)
    }

    /// Appends an integer.
    public static func appendInteger(_ value: Int64, to output: inout [UInt8]) {
        var digits = InlineArray<20, UInt8>(repeating: 0x2d)
        var first = 20
        var rest = value.magnitude
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first -= 1
            digits[first] = 0x30 + UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest != 0
        // At most 19 digits: there is room for the sign.
        if value < 0 { first -= 1 }
        output.append(copying: digits.span.extracting(first..<20))
    }

    /// Appends a number as 16 hexadecimal digits.
    public static func appendHex(_ value: UInt64, to output: inout [UInt8]) {
        var digits = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * index) & 15)
            digits[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
        }
        output.append(copying: digits.span)
    }

    private static func appendEscape(_ byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case 0x22, 0x5C: output.append(copying: [UInt8(ascii: "\\"), byte].span)
        case 0x08: output.append(copying: ("\\b" as StaticString).span)
        case 0x09: output.append(copying: ("\\t" as StaticString).span)
        case 0x0A: output.append(copying: ("\\n" as StaticString).span)
        case 0x0C: output.append(copying: ("\\f" as StaticString).span)
        case 0x0D: output.append(copying: ("\\r" as StaticString).span)
        case 0x80...: output.append(copying: ("\\ufffd" as StaticString).span)
        default:
            output.append(copying: ("\\u00" as StaticString).span)
            output.append(hexDigits.span[Int(byte >> 4)])
            output.append(hexDigits.span[Int(byte & 15)])
        }
    }
}
