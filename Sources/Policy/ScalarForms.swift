/// Other spellings of numbers and truth values: servers convert what is not of the type they want.
enum ScalarForms {
    /// Digits that a plain decimal spelling may have.
    private static let longest = 40
    /// Longer texts are taken for no number.
    private static let longestText = 4096

    /// Whether a text may have another spelling; cheap, and false only if it has none.
    @inline(__always)
    static func mayApply(_ text: Span<UInt8>) -> Bool {
        guard text.count > 0, text.count <= longestText else { return false }
        let first = text[0]
        if first <= 0x39 {
            return first >= 0x30 || first <= 0x20 || first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
                || first == UInt8(ascii: ".")
        }
        return text.count <= 5
    }

    /// The plain decimal spelling of a number: no exponent, no point if it is whole, no zeros or signs that say nothing.
    /// nil if the text is none, or needs more than 40 digits.
    static func decimal(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count <= longest else { return nil }
        var rest = ArraySlice((0..<text.count).map { text[$0] }.filter { $0 != UInt8(ascii: "_") })
        while let first = rest.first, first <= 0x20 { rest.removeFirst() }
        while let last = rest.last, last <= 0x20 { rest.removeLast() }
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        var digits: [UInt8] = []
        var pointAt: Int?
        while let byte = rest.first {
            if byte >= 0x30, byte <= 0x39 {
                digits.append(byte)
            } else if byte == UInt8(ascii: "."), pointAt == nil {
                pointAt = digits.count
            } else {
                break
            }
            rest.removeFirst()
        }
        guard !digits.isEmpty else { return nil }
        var exponent = 0
        if let mark = rest.first {
            guard mark | 0x20 == UInt8(ascii: "e"), rest.count > 1, rest.count < 8,
                let value = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), abs(value) <= 2 * longest
            else { return nil }
            exponent = value
        }
        return plain(digits, (pointAt ?? digits.count) + exponent, isNegative)
    }

    /// - Parameter point: how many digits stand before the point; may lie outside of them.
    private static func plain(_ digits: [UInt8], _ point: Int, _ isNegative: Bool) -> [UInt8]? {
        var digits = digits
        var point = point
        while point > 0, digits.first == 0x30 {
            digits.removeFirst()
            point -= 1
        }
        if point < 0 {
            guard point > -longest else { return nil }
            digits.insert(contentsOf: [UInt8](repeating: 0x30, count: -point), at: 0)
            point = 0
        }
        while digits.count > point, digits.last == 0x30 { digits.removeLast() }
        guard point <= longest else { return digits.isEmpty ? Array("0".utf8) : nil }
        while digits.count < point { digits.append(0x30) }
        let whole = digits[..<point].isEmpty ? ArraySlice("0".utf8) : digits[..<point]
        let isZero = digits.allSatisfy { $0 == 0x30 }
        var result: [UInt8] = isNegative && !isZero ? [UInt8(ascii: "-")] : []
        result += whole
        if digits.count > point { result += [UInt8(ascii: ".")] + digits[point...] }
        return result
    }

    /// The number that readers have who keep 53 bits of it, as they spell it; of texts also what is written to base 2, 8 or 16. nil if the text is none, or
    /// so large that they have infinity.
    static func rounded(_ text: Span<UInt8>) -> [UInt8]? {
        var bytes = (0..<text.count).map { text[$0] }.filter { $0 > 0x20 && $0 != UInt8(ascii: "_") }
        if bytes.first == UInt8(ascii: "+") { bytes.removeFirst() }
        let sign = bytes.first == UInt8(ascii: "-") ? "-" : ""
        let digits = bytes.dropFirst(sign.utf8.count)
        if digits.count > 2, digits.first == 0x30,
            let radix = [0x78: 16, 0x6F: 8, 0x62: 2][Int(digits[digits.startIndex + 1] | 0x20)],
            let number = UInt64(String(decoding: digits.dropFirst(2), as: UTF8.self), radix: radix)
        {
            return Array("\(sign)\(number)".utf8)
        }
        guard let number = Double(String(decoding: bytes, as: UTF8.self)), number.isFinite else { return nil }
        if let whole = Int64(exactly: number) { return Array(String(whole).utf8) }
        return Array(String(number).utf8)
    }

    /// The truth value that lenient readers take a text for, as JSON spells it.
    static func truth(_ text: Span<UInt8>) -> StaticString? {
        guard text.count <= 5 else { return nil }
        switch String(decoding: (0..<text.count).map { text[$0] }, as: UTF8.self).lowercased() {
        case "true", "yes", "on", "y", "t", "1": return "true"
        case "false", "no", "off", "n", "f", "0": return "false"
        default: return nil
        }
    }
}
