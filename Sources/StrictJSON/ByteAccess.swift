/// Eight times the same byte.
@inline(__always)
func repeated(_ byte: UInt8) -> UInt64 {
    UInt64(byte) &* 0x0101_0101_0101_0101
}

extension Span<UInt8> {
    /// The eight bytes from `offset`, the first one lowest. Traps when they are not all there.
    @inlinable @inline(__always)
    public func word(at offset: Int) -> UInt64 {
        // The load checks its bounds, and any eight bytes are a UInt64.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The four bytes from `offset`, the first one lowest. Traps when they are not all there.
    @inlinable @inline(__always)
    public func halfWord(at offset: Int) -> UInt32 {
        // As above.
        unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Whether two ranges of the same length hold the same bytes.
    @inline(__always)
    func hasSameBytes(_ range: Range<Int>, _ other: Span<UInt8>, _ otherRange: Range<Int>) -> Bool {
        var index = range.lowerBound
        var position = otherRange.lowerBound
        while index &+ 8 <= range.upperBound {
            if word(at: index) != other.word(at: position) { return false }
            index &+= 8
            position &+= 8
        }
        while index < range.upperBound {
            if self[index] != other[position] { return false }
            index &+= 1
            position &+= 1
        }
        return true
    }
}

extension StaticString {
    /// The bytes of the literal.
    @inlinable public var span: Span<UInt8> {
        @_lifetime(immortal) get {
            // A literal lives as long as the program, and its count comes with it.
            unsafe _overrideLifetime(Span(_unsafeStart: utf8Start, count: utf8CodeUnitCount), copying: ())
        }
    }
}

extension [UInt8] {
    /// Appends bytes.
    @inlinable @inline(__always)
    public mutating func append(copying bytes: Span<UInt8>) {
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}
