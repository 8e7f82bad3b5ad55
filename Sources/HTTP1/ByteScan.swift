/// Bytes with names, and scans that take eight bytes at a time.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let comma: UInt8 = 0x2C
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let nine: UInt8 = 0x39
    static let colon: UInt8 = 0x3A
}

/// A set of ASCII characters, one bit each: a class is tested without a table in memory.
struct CharacterClass: Sendable {
    private let low: UInt64
    private let high: UInt64

    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let bits = byte & 64 == 0 ? low : high
        return (bits &>> UInt64(byte & 63)) & 1 == 1 && byte < 128
    }

    /// `tchar` of RFC 9110, 5.6.2: letters, digits and ``!#$%&'*+-.^_`|~``.
    static let token = CharacterClass(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// What a request target may hold: RFC 3986 without the fragment's `#`.
    static let target = CharacterClass(low: 0xAFFF_FFF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFF)
    /// What `host[:port]` may hold: unreserved, sub-delims, `%`, `:`, `[`, `]` (RFC 3986, 3.2.2).
    static let host = CharacterClass(low: 0x2FFF_7FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE)
}

/// Eight times the same byte.
@inline(__always)
func repeated(_ byte: UInt8) -> UInt64 {
    UInt64(byte) &* 0x0101_0101_0101_0101
}

extension Span<UInt8> {
    /// The eight bytes from `offset`, the first one lowest. Traps when they are not all there.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        // The load checks its bounds, and any eight bytes are a UInt64.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The first offset in `from..<end` that holds a control character other than a tab, or `end`.
    @inline(__always)
    func firstControl(from: Int, to end: Int) -> Int {
        var index = from
        while index &+ 8 <= end {
            let word = word(at: index)
            // The lowest set bit is exact: borrows only spoil bytes above a hit.
            let delete = word ^ repeated(0x7F)
            let hits =
                (((word &- repeated(0x20)) & ~word) | ((delete &- repeated(1)) & ~delete)) & repeated(0x80)
            if hits == 0 {
                index &+= 8
                continue
            }
            index &+= hits.trailingZeroBitCount >> 3
            if self[index] != ASCII.tab { return index }
            index &+= 1
        }
        while index < end {
            let byte = self[index]
            if (byte < 0x20 && byte != ASCII.tab) || byte == 0x7F { return index }
            index &+= 1
        }
        return end
    }

    /// The first offset in `from..<end` that holds no token character, or `end`. Letters and hyphens, which names are made
    /// of, are taken eight at a time.
    @inline(__always)
    func endOfToken(from: Int, to end: Int) -> Int {
        var index = from
        while index &+ 8 <= end {
            let word = word(at: index)
            // Every sum stays within its byte, since the bytes' own high bits are taken away first.
            let low = word & repeated(0x7F)
            let folded = low | repeated(0x20)
            let letters = (folded &+ repeated(0x80 - 0x61)) & ~(folded &+ repeated(0x80 - 0x7B))
            let hyphens = ~((low ^ repeated(0x2D)) &+ repeated(0x7F))
            let stops = (~(letters | hyphens) | word) & repeated(0x80)
            if stops == 0 {
                index &+= 8
                continue
            }
            index &+= stops.trailingZeroBitCount &>> 3
            guard CharacterClass.token.contains(self[index]) else { return index }
            index &+= 1
        }
        while index < end, CharacterClass.token.contains(self[index]) { index &+= 1 }
        return index
    }

    /// Whether `range` spells `lowercase`, which holds no upper-case letter, in any case of letters.
    func equalsIgnoringCase(_ range: Range<Int>, _ lowercase: StaticString) -> Bool {
        guard range.count == lowercase.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count {
            let byte = self[range.lowerBound &+ offset]
            let isUpper = byte &- 0x41 < 26
            guard (isUpper ? byte | 0x20 : byte) == lowercase.byte(at: offset) else { return false }
        }
        return true
    }

    /// `range` without spaces and tabs at its ends.
    @inline(__always)
    func trimmingWhitespace(_ range: Range<Int>) -> Range<Int> {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high, self[low] == ASCII.space || self[low] == ASCII.tab { low &+= 1 }
        while low < high, self[high &- 1] == ASCII.space || self[high &- 1] == ASCII.tab { high &-= 1 }
        return low..<high
    }
}

extension StaticString {
    /// One byte of the literal.
    fileprivate func byte(at offset: Int) -> UInt8 {
        precondition(0..<utf8CodeUnitCount ~= offset)
        // A literal lives as long as the program, and the offset is checked.
        return unsafe utf8Start[offset]
    }
}
