import Records
import StrictJSON

/// A quick look at what nearly all records are: a flat object on one line, of plain texts, whole numbers and decimals, and perhaps short JSON.
///
/// It accepts some of what `RecordShape` accepts and nothing else; whatever it does not know, the strict parser judges.
struct PlainRecord {
    /// Bytes of an array or object within a record, and how deep it may be: more is the parser's.
    private static let nestedLimit = 16 * 1024
    private static let nestedDepth = 32

    private let names: WordTable
    private let kinds: WordTable
    /// The number of the name `kind`.
    private let kind: Int?

    init(names: WordTable, kinds: WordTable) {
        self.names = names
        self.kinds = kinds
        let word = Array("kind".utf8)
        kind = names.index(word.span, word.indices)
    }

    /// Whether the bytes are a record for certain.
    func accepts(_ bytes: Span<UInt8>, _ parser: JSONParser, _ tape: inout JSONTape) -> Bool {
        guard bytes.count > 2, bytes[0] == UInt8(ascii: "{") else { return false }
        var index = 1
        var seen: UInt64 = 0
        var hasKind = false
        while true {
            guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { return false }
            let nameEnd = PlainRecord.endOfText(bytes, index + 1)
            guard nameEnd + 2 < bytes.count, bytes[nameEnd + 1] == UInt8(ascii: ":"),
                let name = names.index(bytes, index + 1..<nameEnd), name < 64, seen & 1 << UInt64(name) == 0
            else { return false }
            seen |= 1 << UInt64(name)
            let start = nameEnd + 2
            switch bytes[start] {
            case UInt8(ascii: "\""):
                let end = PlainRecord.endOfText(bytes, start + 1)
                guard end < bytes.count else { return false }
                if name == kind {
                    guard kinds.index(bytes, start + 1..<end) != nil else { return false }
                    hasKind = true
                }
                index = end + 1
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard name != kind, let end = PlainRecord.endOfNumber(bytes, start) else { return false }
                index = end
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard name != kind, let end = PlainRecord.endOfNested(bytes, start),
                    (try? parser.parse(bytes.extracting(start..<end), into: &tape)) != nil
                else { return false }
                index = end
            default: return false
            }
            guard index < bytes.count else { return false }
            if bytes[index] == UInt8(ascii: ",") {
                index += 1
            } else {
                return bytes[index] == UInt8(ascii: "}") && index == bytes.count - 1 && hasKind
            }
        }
    }

    /// Where the quotation mark stands that ends a text of visible ASCII without escapes; the end of the bytes if it is another text.
    private static func endOfText(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let word = bytes.word(at: index)
            let low = ~word & (word &- 0x2020_2020_2020_2020)
            let found =
                (word | low | zeros(word ^ 0x2222_2222_2222_2222) | zeros(word ^ 0x5c5c_5c5c_5c5c_5c5c))
                & 0x8080_8080_8080_8080
            guard found == 0 else {
                index += found.trailingZeroBitCount / 8
                return bytes[index] == 0x22 ? index : bytes.count
            }
            index += 8
        }
        while index < bytes.count, bytes[index] >= 0x20, bytes[index] < 0x80, bytes[index] != 0x5c {
            if bytes[index] == 0x22 { return index }
            index += 1
        }
        return bytes.count
    }

    /// Sets the highest bit of each byte that is zero, and perhaps of others above one.
    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { ~word & (word &- 0x0101_0101_0101_0101) }

    /// Digits without a leading zero, perhaps a point and digits.
    private static func endOfNumber(_ bytes: Span<UInt8>, _ start: Int) -> Int? {
        var index = start
        while index < bytes.count, bytes[index] &- 0x30 < 10 { index += 1 }
        guard index == start + 1 || bytes[start] != 0x30 else { return nil }
        guard index < bytes.count, bytes[index] == UInt8(ascii: ".") else { return index }
        let point = index
        index += 1
        while index < bytes.count, bytes[index] &- 0x30 < 10 { index += 1 }
        return index > point + 1 ? index : nil
    }

    /// Behind the bracket that ends what begins here, if nothing in it is a control character, an escape or beyond ASCII.
    private static func endOfNested(_ bytes: Span<UInt8>, _ start: Int) -> Int? {
        let limit = min(bytes.count, start + nestedLimit)
        var depth = 0
        var index = start
        while index < limit {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth > nestedDepth { return nil }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return index + 1 }
            case UInt8(ascii: "\""):
                index = endOfText(bytes, index + 1)
            case ..<0x20, 0x80...: return nil
            default: break
            }
            index += 1
        }
        return nil
    }
}

/// A few words, found without allocating.
struct WordTable {
    /// The words one after the other, by length.
    private let bytes: [UInt8]
    /// Where those of each length begin, and how many shorter words there are; one more at the end.
    private let starts: [(offset: Int, number: Int)]

    init(_ words: [String]) {
        let sorted = words.map { Array($0.utf8) }.sorted { $0.count < $1.count }
        bytes = sorted.flatMap { $0 }
        starts = (0...(sorted.last?.count ?? 0) + 1).map { length in
            let shorter = sorted.filter { $0.count < length }
            return (shorter.reduce(0) { $0 + $1.count }, shorter.count)
        }
    }

    /// The number of a word; nil if it is none of them.
    func index(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let length = range.count
        guard length > 0, length + 1 < starts.count else { return nil }
        var (start, number) = starts[length]
        let end = starts[length + 1].offset
        while start < end {
            var index = 0
            while index < length, bytes[start + index] == text[range.lowerBound + index] { index += 1 }
            if index == length { return number }
            start += length
            number += 1
        }
        return nil
    }
}
