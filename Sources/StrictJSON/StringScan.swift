extension Span<UInt8> {
    /// The offset of the quotation mark that ends the string whose content begins at `start`.
    ///
    /// Plain ASCII is taken eight bytes at a time; `flags` and `surrogates` are touched by ``skipSpecial`` only.
    @inline(__always)
    func endOfString(
        from start: Int, surrogates: JSONParser.Surrogates, flags: inout UInt32
    ) throws(JSONError) -> Int {
        var index = start
        while true {
            index = endOfPlainBlocks(from: index)
            if index &+ 8 <= count {
                let word = word(at: index)
                let quote = word ^ repeated(0x22)
                let backslash = word ^ repeated(0x5C)
                // Hits: `"`, `\`, control characters, bytes above 127. The lowest set bit is exact: borrows only spoil
                // bytes above a hit.
                let hits =
                    ((((quote &- repeated(1)) & ~quote) | ((backslash &- repeated(1)) & ~backslash)
                        | (word &- repeated(0x20))) & ~word | word) & repeated(0x80)
                if hits == 0 {
                    index &+= 8
                    continue
                }
                index &+= hits.trailingZeroBitCount &>> 3
            } else {
                while index < count, !Span.isSpecial(self[index]) { index &+= 1 }
                guard index < count else { throw JSONError(.unexpectedEnd, at: count) }
            }
            if self[index] == UInt8(ascii: "\"") { return index }
            index = try skipSpecial(at: index, surrogates, &flags)
        }
    }

    /// The offset behind as many blocks of 64 bytes as hold nothing but ordinary ASCII: most of any long text.
    @inline(__always)
    private func endOfPlainBlocks(from start: Int) -> Int {
        var index = start
        while index &+ 64 <= count {
            // Safe: 64 bytes from `index` lie inside the span, and any bit pattern is a vector.
            let block = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: SIMD8<UInt64>.self)
            let quote = block ^ SIMD8(repeating: repeated(0x22))
            let backslash = block ^ SIMD8(repeating: repeated(0x5C))
            // The highest bit of a byte is set if the byte is above 127, below 32, a quotation mark or a backslash; borrows can set more,
            // which only sends the block the slower way.
            let one = SIMD8(repeating: repeated(1))
            let hits = (quote &- one) | (backslash &- one) | (block &- SIMD8(repeating: repeated(0x20))) | block
            let low = hits[0] | hits[1] | hits[2] | hits[3]
            let high = hits[4] | hits[5] | hits[6] | hits[7]
            guard (low | high) & repeated(0x80) == 0 else { break }
            index &+= 64
        }
        return index
    }

    @inline(__always)
    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 || byte >= 0x80
    }

    /// The offset behind a run of escapes or of characters outside ASCII.
    @inline(never)
    private func skipSpecial(
        at start: Int, _ surrogates: JSONParser.Surrogates, _ flags: inout UInt32
    ) throws(JSONError) -> Int {
        var index = start
        if self[index] >= 0x80 {
            repeat {
                let length = lengthOfCharacter(at: index)
                guard length > 0 else { throw JSONError(.invalidUTF8, at: index) }
                index &+= length
            } while index < count && self[index] >= 0x80
            return index
        }
        guard self[index] == UInt8(ascii: "\\") else { throw JSONError(.controlCharacter, at: index) }
        flags |= TapeFlag.escaped
        repeat {
            if index &+ 1 < count, Span.isShortEscape(self[index &+ 1]) {
                index &+= 2
                continue
            }
            let escape = decodeEscape(self, at: index, end: count)
            guard escape.length > 0 else { throw JSONError(.invalidEscape, at: index) }
            if escape.isLoneSurrogate {
                guard surrogates == .replace else { throw JSONError(.loneSurrogate, at: index) }
                flags |= TapeFlag.loneSurrogate
            }
            index &+= escape.length
        } while index < count && self[index] == UInt8(ascii: "\\")
        return index
    }

    /// Whether this byte after a backslash is a whole escape.
    @inline(__always)
    private static func isShortEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: true
        default: false
        }
    }

    /// The length of the UTF-8 character outside ASCII that begins at `index`, or zero when it is not well-formed
    /// (Unicode, table 3-7).
    @inline(__always)
    func lengthOfCharacter(at index: Int) -> Int {
        var word: UInt32 = 0
        if index &+ 4 <= count {
            word = halfWord(at: index)
        } else {
            // Zeros behind the end are no continuation bytes.
            for position in (index..<count).reversed() { word = word &<< 8 | UInt32(self[position]) }
        }
        let first = UInt8(truncatingIfNeeded: word)
        let second = UInt8(truncatingIfNeeded: word &>> 8)
        switch first {
        case 0xC2...0xDF:
            return word & 0xC000 == 0x8000 ? 2 : 0
        case 0xE0...0xEF:
            let isWrong = first == 0xE0 && second < 0xA0 || first == 0xED && second >= 0xA0
            return word & 0xC0_C000 == 0x80_8000 && !isWrong ? 3 : 0
        case 0xF0...0xF4:
            let isWrong = first == 0xF0 && second < 0x90 || first == 0xF4 && second >= 0x90
            return word & 0xC0C0_C000 == 0x8080_8000 && !isWrong ? 4 : 0
        default:
            return 0
        }
    }
}
