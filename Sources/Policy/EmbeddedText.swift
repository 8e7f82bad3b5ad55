import NormalForms
import StrictJSON

/// A string of a message that is JSON itself. Servers parse such strings where they want a list or an object (the Python
/// SDK does), so that its values count like those of the message.
final class EmbeddedText: Sendable {
    /// The text.
    let bytes: [UInt8]
    /// Its tape; empty if ``isStrict`` is false.
    let tape: JSONTape
    /// Whether it is strict JSON. If not, a lenient reader may still read it: ``strings`` are all it can find.
    let isStrict: Bool
    /// The strings and bare words in it that are no names; only if it is not strict.
    let strings: [[UInt8]]

    /// Whether the content of a string, escapes and all, may be a list or an object: cheap.
    @inline(__always)
    static func mayApply(_ content: Span<UInt8>) -> Bool {
        let first = firstVisible(content)
        return first == UInt8(ascii: "[") || first == UInt8(ascii: "{") || first == UInt8(ascii: "\\")
    }

    @inline(__always)
    private static func firstVisible(_ text: Span<UInt8>) -> UInt8? {
        let index = start(text)
        return index < text.count ? text[index] : nil
    }

    /// Where the first byte stands that is neither white space nor part of what many take for it: no-break and other spaces, a byte order mark.
    @inline(__always)
    private static func start(_ text: Span<UInt8>) -> Int {
        var index = 0
        while index < text.count {
            if text[index] <= 0x20 {
                index += 1
            } else if text[index] < 0xC2 {
                break
            } else if index + 1 < text.count, text[index] == 0xC2, text[index + 1] == 0xA0 {
                index += 2
            } else if index + 2 < text.count, text[index] == 0xE2 || text[index] == 0xE3, text[index + 1] == 0x80 {
                index += 3
            } else if index + 2 < text.count, text[index] == 0xEF, text[index + 1] == 0xBB, text[index + 2] == 0xBF {
                index += 3
            } else {
                break
            }
        }
        return index
    }

    init(_ whole: [UInt8]) {
        let text = Array(whole[EmbeddedText.start(whole.span)...])
        bytes = text
        var tape = JSONTape()
        let first = EmbeddedText.firstVisible(text.span)
        guard first == UInt8(ascii: "[") || first == UInt8(ascii: "{") else {
            // Only its first escape looked like it.
            isStrict = false
            strings = []
            self.tape = tape
            return
        }
        do throws(JSONError) {
            try JSONParser(surrogates: .replace).parse(text.span, into: &tape)
            isStrict = true
            strings = []
        } catch {
            isStrict = false
            strings = EmbeddedText.scan(text)
        }
        self.tape = tape
    }

    /// The strings and words of a text, taken as leniently as can be.
    private static func scan(_ text: [UInt8]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                found.append(string(text, &index))
            } else if byte <= 0x20 || "[]{},:".utf8.contains(byte) {
                if byte == UInt8(ascii: ":"), !found.isEmpty { found.removeLast() }
                index += 1
            } else {
                let start = index
                while index < text.count, text[index] > 0x20, !"[]{},:\"".utf8.contains(text[index]) { index += 1 }
                found.append(Array(text[start..<index]))
            }
        }
        return found
    }

    private static func string(_ text: [UInt8], _ index: inout Int) -> [UInt8] {
        let quote = text[index]
        index += 1
        var units: [UInt16] = []
        var plain: [UInt8] = []
        var result: [UInt8] = []
        func flush() {
            if !units.isEmpty { result += String(decoding: units, as: UTF16.self).utf8 }
            result += plain
            units = []
            plain = []
        }
        while index < text.count, text[index] != quote {
            guard text[index] == UInt8(ascii: "\\"), index + 1 < text.count else {
                if !units.isEmpty { flush() }
                plain.append(text[index])
                index += 1
                continue
            }
            let escape = text[index + 1]
            if escape == UInt8(ascii: "u"), index + 6 <= text.count,
                let unit = UInt16(String(decoding: text[(index + 2)..<(index + 6)], as: UTF8.self), radix: 16)
            {
                if units.isEmpty { flush() }
                units.append(unit)
                index += 6
            } else {
                if !units.isEmpty { flush() }
                switch escape {
                case UInt8(ascii: "n"): plain.append(0x0A)
                case UInt8(ascii: "t"): plain.append(0x09)
                case UInt8(ascii: "r"): plain.append(0x0D)
                case UInt8(ascii: "b"), UInt8(ascii: "f"): break
                default: plain.append(escape)
                }
                index += 2
            }
        }
        if index < text.count { index += 1 }
        flush()
        return result
    }
}
