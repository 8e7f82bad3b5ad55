/// Finds the ends of lines and checks on the way that all is UTF-8, in whatever pieces it comes.
struct LineScanner: Sendable {
    /// Bytes that are still to come of a character that began in bytes given before.
    private var missing: UInt8 = 0
    /// What the next of them may be.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// The first offset in `start..<end` that holds CR or LF, or `end`.
    @inline(__always)
    mutating func endOfLine(in bytes: Span<UInt8>, from start: Int, to end: Int) throws(SSEError) -> Int {
        var index = start
        if missing > 0 { index = try resume(bytes, from: index, to: end) }
        while true {
            index = bytes.firstSpecial(from: index, to: end)
            guard index < end else { return end }
            let byte = bytes[index]
            if byte == ASCII.lineFeed || byte == ASCII.carriageReturn { return index }
            index = byte < 0x80 ? index &+ 1 : try skipCharacters(bytes, from: index, to: end)
        }
    }

    /// Begins a character with bytes that were taken for something else.
    mutating func begin(_ bytes: Span<UInt8>) throws(SSEError) {
        try begin(bytes[0])
        _ = try resume(bytes, from: 1, to: bytes.count)
    }

    private mutating func begin(_ first: UInt8) throws(SSEError) {
        lowest = 0x80
        highest = 0xBF
        switch first {
        case 0xC2...0xDF: missing = 1
        case 0xE0...0xEF:
            missing = 2
            if first == 0xE0 { lowest = 0xA0 }
            if first == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            missing = 3
            if first == 0xF0 { lowest = 0x90 }
            if first == 0xF4 { highest = 0x8F }
        default: throw .invalidUTF8
        }
    }

    /// The offset behind the begun character, or `end`.
    @inline(never)
    private mutating func resume(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(SSEError) -> Int {
        var index = start
        while missing > 0, index < end {
            guard lowest <= bytes[index], bytes[index] <= highest else { throw .invalidUTF8 }
            lowest = 0x80
            highest = 0xBF
            missing &-= 1
            index &+= 1
        }
        return index
    }

    /// The offset behind a run of characters outside ASCII.
    @inline(never)
    private mutating func skipCharacters(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(SSEError) -> Int {
        var index = start
        while index < end, bytes[index] >= 0x80 {
            let length = bytes.lengthOfCharacter(at: index, to: end)
            if length == 0 {
                // Not well-formed, or not all there.
                try begin(bytes[index])
                index = try resume(bytes, from: index &+ 1, to: end)
            } else {
                index &+= length
            }
        }
        return index
    }
}

extension Span<UInt8> {
    /// The length of the UTF-8 character outside ASCII that begins at `index` and ends before `end`, or zero when it is
    /// not well-formed (Unicode, table 3-7) or not all there.
    @inline(__always)
    fileprivate func lengthOfCharacter(at index: Int, to end: Int) -> Int {
        guard index &+ 4 <= end else { return 0 }
        // The load checks its bounds, and any four bytes are a UInt32.
        let word = unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt32.self))
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

    /// How many of these bytes, the beginning of something in UTF-8, end with a whole character.
    func countOfWholeCharacters() -> Int {
        var index = count
        while index > 0, count &- index < 3, self[index &- 1] & 0xC0 == 0x80 { index &-= 1 }
        guard index > 0 else { return 0 }
        let length: Int
        switch self[index &- 1] {
        case 0xF0...: length = 4
        case 0xE0...: length = 3
        case 0xC0...: length = 2
        default: length = 1
        }
        return index &- 1 &+ length <= count ? count : index &- 1
    }
}
