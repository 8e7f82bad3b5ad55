extension Span<UInt8> {
    /// Eight bytes as a number. Traps when they are not all there.
    @inline(__always)
    private func word(at offset: Int) -> UInt64 {
        // The load checks its bounds, and any eight bytes are a UInt64.
        unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    /// Four bytes as a number. Traps when they are not all there.
    @inline(__always)
    private func halfWord(at offset: Int) -> UInt32 {
        // As above.
        unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }

    /// Whether these are the bytes of a literal.
    @inline(__always)
    func isEqual(to literal: StaticString) -> Bool {
        count == literal.utf8CodeUnitCount && hasSameBytes(as: literal.span)
    }

    /// Whether both hold the same bytes.
    @inline(__always)
    func isEqual(to other: Span<UInt8>) -> Bool {
        count == other.count && hasSameBytes(as: other)
    }

    /// Compares two texts of the same length, the last word overlapping the one before it.
    @inline(__always)
    private func hasSameBytes(as other: Span<UInt8>) -> Bool {
        if count >= 8 {
            var index = 0
            while index &+ 8 <= count {
                if word(at: index) != other.word(at: index) { return false }
                index &+= 8
            }
            return word(at: count &- 8) == other.word(at: count &- 8)
        }
        if count >= 4 {
            return halfWord(at: 0) == other.halfWord(at: 0)
                && halfWord(at: count &- 4) == other.halfWord(at: count &- 4)
        }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// Whether both are the same ASCII text but for the case of letters.
    func isEqualIgnoringCase(to other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index].lowerCase != other[index].lowerCase { return false }
        return true
    }

    /// Whether it begins with a literal.
    @inline(__always)
    func hasPrefix(_ literal: StaticString) -> Bool {
        count >= literal.utf8CodeUnitCount && extracting(first: literal.utf8CodeUnitCount).isEqual(to: literal)
    }

    /// Whether it ends with a literal.
    @inline(__always)
    func hasSuffix(_ literal: StaticString) -> Bool {
        count >= literal.utf8CodeUnitCount && extracting(last: literal.utf8CodeUnitCount).isEqual(to: literal)
    }
}

extension UInt8 {
    /// An ASCII letter in lower case; every other byte as it is.
    @inline(__always)
    var lowerCase: UInt8 { 0x41...0x5A ~= self ? self &+ 0x20 : self }
}

extension StaticString {
    /// The bytes of the literal.
    var span: Span<UInt8> {
        @_lifetime(immortal) get {
            // A literal lives as long as the program, and its count comes with it.
            unsafe _overrideLifetime(Span(_unsafeStart: utf8Start, count: utf8CodeUnitCount), copying: ())
        }
    }
}

extension [UInt8] {
    /// Appends bytes.
    @inline(__always)
    mutating func append(copying bytes: Span<UInt8>) {
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }

    /// Appends a literal.
    mutating func append(_ literal: StaticString) { append(copying: literal.span) }
}
