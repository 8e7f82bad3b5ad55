import StrictJSON

/// Writes text so that it cannot be more than it is: one line of visible, valid JSON, whatever the bytes.
enum RecordText {
    private static let hexDigits: StaticString = "0123456789abcdef"

    /// How much of a value went in.
    struct Taken {
        /// Bytes of the value that stand in the record.
        var bytes: Int
        /// Whether all of it does.
        var isWhole: Bool
    }

    /// Appends the content of a JSON string, without quotation marks: control, invisible and bidirectional characters and line breaks of any kind
    /// are escaped, what is no UTF-8 becomes U+FFFD.
    ///
    /// `limit`: bytes of the value at most; `room`: bytes of output at most.
    static func append(_ value: Span<UInt8>, limit: Int, room: Int, to output: inout [UInt8]) -> Taken {
        let end = min(value.count, limit)
        let last = output.count + room
        var index = 0
        while index < end {
            let start = index
            let most = min(end, start + max(0, last - output.count))
            index = plainEnd(value, start, most)
            if index > start { output.append(copying: value.extracting(start..<index)) }
            guard index < end else { break }
            // The longest escape is that of a character outside the basic plane: two of six bytes.
            guard output.count + 12 <= last else { return Taken(bytes: index, isWhole: false) }
            let length = value.lengthOfUTF8(at: index)
            // Never through a character.
            if length > 0, index + length > end { return Taken(bytes: index, isWhole: false) }
            appendUnusual(value, index, length, to: &output)
            index += max(1, length)
        }
        return Taken(bytes: index, isWhole: index == value.count)
    }

    /// Appends strict JSON as one line: white space outside strings becomes spaces, and what `append` escapes in a string is escaped.
    /// False, and nothing is appended, if it needs more than `room`.
    static func appendJSON(_ json: Span<UInt8>, room: Int, to output: inout [UInt8]) -> Bool {
        let start = output.count
        var index = 0
        while index < json.count {
            let begin = index
            // Quotation marks and reverse solidi are structure here.
            index = plainEnd(json, begin, json.count, keepsJSON: true)
            if index > begin { output.append(copying: json.extracting(begin..<index)) }
            guard output.count - start <= room else { break }
            guard index < json.count else { break }
            if json[index] < 0x20 {
                output.append(0x20)
                index += 1
            } else {
                let length = json.lengthOfUTF8(at: index)
                appendUnusual(json, index, length, to: &output)
                index += max(1, length)
            }
        }
        guard output.count - start <= room else {
            output.removeSubrange(start...)
            return false
        }
        return true
    }

    /// Where the run of bytes ends that stand for themselves.
    private static func plainEnd(_ value: Span<UInt8>, _ start: Int, _ end: Int, keepsJSON: Bool = false) -> Int {
        var index = start
        while index < end {
            // Eight bytes at a time: no control, no quotation mark, no reverse solidus, nothing above 0x7e.
            if index + 8 <= end {
                let word = value.word(at: index)
                let high = word | (word &+ 0x0101_0101_0101_0101)  // 0x7f and above
                let low = ~word & (word &- 0x2020_2020_2020_2020)  // below 0x20
                var found = (high | low) & 0x8080_8080_8080_8080
                if !keepsJSON { found |= zeros(word ^ 0x2222_2222_2222_2222) | zeros(word ^ 0x5c5c_5c5c_5c5c_5c5c) }
                if found == 0 {
                    index += 8
                    continue
                }
            }
            let byte = value[index]
            if byte < 0x20 || byte == 0x7f { return index }
            if byte < 0x7f {
                if !keepsJSON, byte == 0x22 || byte == 0x5c { return index }
                index += 1
                continue
            }
            let length = value.lengthOfUTF8(at: index)
            guard length > 0, index + length <= end, !isUnusual(scalar(value, index, length)) else { return index }
            index += length
        }
        return index
    }

    private static func zeros(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }

    private static func appendUnusual(_ value: Span<UInt8>, _ index: Int, _ length: Int, to output: inout [UInt8]) {
        guard length > 0 else { return appendUnit(0xfffd, to: &output) }
        let scalar = scalar(value, index, length)
        switch scalar {
        case 0x22, 0x5c:
            output.append(0x5c)
            output.append(UInt8(truncatingIfNeeded: scalar))
        case 0x0a: output.append(copying: ("\\n" as StaticString).span)
        case 0x0d: output.append(copying: ("\\r" as StaticString).span)
        case 0x09: output.append(copying: ("\\t" as StaticString).span)
        case 0x10000...:
            let rest = scalar - 0x10000
            appendUnit(0xd800 + rest >> 10, to: &output)
            appendUnit(0xdc00 + rest & 0x3ff, to: &output)
        default: appendUnit(scalar, to: &output)
        }
    }

    private static func appendUnit(_ unit: UInt32, to output: inout [UInt8]) {
        output.append(copying: ("\\u" as StaticString).span)
        for shift in [UInt32(12), 8, 4, 0] { output.append(hexDigits.span[Int(unit >> shift & 15)]) }
    }

    private static func scalar(_ value: Span<UInt8>, _ index: Int, _ length: Int) -> UInt32 {
        var scalar = UInt32(value[index])
        if length == 1 { return scalar }
        scalar &= 0x7f >> UInt32(length)
        for offset in 1..<length { scalar = scalar << 6 | UInt32(value[index + offset] & 0x3f) }
        return scalar
    }

    /// Characters above ASCII that nobody sees, or that move what others see: controls, format characters, fillers, separators, tags, variation
    /// selectors, private use at the top of the planes and non-characters.
    private static func isUnusual(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x80...0x9f, 0xad, 0x34f, 0x600...0x605, 0x61c, 0x6dd, 0x70f, 0x890...0x891, 0x8e2, 0x115f...0x1160,
            0x17b4...0x17b5, 0x180b...0x180f, 0x2000...0x200f, 0x2028...0x202f, 0x205f...0x206f, 0x3000, 0x3164,
            0xfdd0...0xfdef, 0xfe00...0xfe0f, 0xfeff, 0xffa0, 0xfff0...0xfffb, 0xfffe...0xffff, 0x110bd, 0x110cd,
            0x13430...0x1345f, 0x1bca0...0x1bca3, 0x1d173...0x1d17a, 0xe0000...0xe0fff:
            true
        default: scalar & 0xfffe == 0xfffe
        }
    }
}

extension Span<UInt8> {
    /// The length of the UTF-8 character that begins here (RFC 3629); 0 if none does.
    func lengthOfUTF8(at index: Int) -> Int {
        let first = self[index]
        func follows(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            index + offset < count && range.contains(self[index + offset])
        }
        switch first {
        case 0..<0x80: return 1
        case 0xc2...0xdf: return follows(1) ? 2 : 0
        case 0xe0: return follows(1, 0xa0...0xbf) && follows(2) ? 3 : 0
        case 0xed: return follows(1, 0x80...0x9f) && follows(2) ? 3 : 0
        case 0xe1...0xef: return follows(1) && follows(2) ? 3 : 0
        case 0xf0: return follows(1, 0x90...0xbf) && follows(2) && follows(3) ? 4 : 0
        case 0xf1...0xf3: return follows(1) && follows(2) && follows(3) ? 4 : 0
        case 0xf4: return follows(1, 0x80...0x8f) && follows(2) && follows(3) ? 4 : 0
        default: return 0
        }
    }
}
