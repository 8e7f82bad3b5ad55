/// Bytes with names.
enum ASCII {
    static let null: UInt8 = 0x00
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3A
}

/// Eight times the same byte.
@inline(__always)
private func repeated(_ byte: UInt8) -> UInt64 {
    UInt64(byte) &* 0x0101_0101_0101_0101
}

extension Span<UInt8> {
    /// The eight bytes from `offset`, the first one lowest. Traps when they are not all there.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        // The load checks its bounds, and any eight bytes are a UInt64.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Marks in the word at `offset`, one bit a byte, control characters below a space and bytes above 127. The lowest
    /// mark is exact: borrows only spoil bytes above it.
    @inline(__always)
    private func specials(at offset: Int) -> UInt64 {
        let word = word(at: offset)
        return word | (word &- repeated(0x20))
    }

    /// The first offset in `start..<end` that holds a control character below a space or a byte above 127, or `end`.
    @inline(__always)
    func firstSpecial(from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 32 <= end {
            let marks =
                specials(at: index) | specials(at: index &+ 8) | specials(at: index &+ 16) | specials(at: index &+ 24)
            guard marks & repeated(0x80) == 0 else { break }
            index &+= 32
        }
        while index &+ 8 <= end {
            let marks = specials(at: index) & repeated(0x80)
            guard marks == 0 else { return index &+ marks.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end, self[index] >= 0x20, self[index] < 0x80 { index &+= 1 }
        return index
    }
}

extension Span<UInt8> {
    /// An offset in `start..<end` before which no line ends, as any reader understands it, or `end`: that of a byte that
    /// can begin a line end, or one behind which characters outside ASCII become rare.
    @inline(never)
    func firstBreakLead(from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = word(at: index)
            guard word & repeated(0x80) != 0 else { return index }
            // The first bytes of NEL, and of LS and PS. As above, the lowest mark is exact.
            let nextLine = word ^ repeated(0xC2)
            let separator = word ^ repeated(0xE2)
            let marks =
                ((nextLine &- repeated(1)) & ~nextLine | (separator &- repeated(1)) & ~separator
                    | (word &- repeated(0x20)) & ~word) & repeated(0x80)
            guard marks == 0 else { return index &+ marks.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end, self[index] >= 0x20, self[index] != 0xC2, self[index] != 0xE2 { index &+= 1 }
        return index
    }

    /// Whether a NUL is among the bytes.
    var holdsNull: Bool {
        var index = 0
        while true {
            index = firstSpecial(from: index, to: count)
            guard index < count else { return false }
            if self[index] == ASCII.null { return true }
            index &+= 1
        }
    }
}

extension [UInt8] {
    /// Appends bytes. Grows by doubling, but not past `limit` while that is enough.
    @inline(__always)
    mutating func append(copying bytes: Span<UInt8>, limit: Int) {
        let needed = count &+ bytes.count
        if needed > capacity { grow(to: needed, limit: limit) }
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }

    @inline(never)
    private mutating func grow(to needed: Int, limit: Int) {
        reserveCapacity(Swift.max(needed, Swift.min(capacity &* 2, limit), 256))
    }
}
