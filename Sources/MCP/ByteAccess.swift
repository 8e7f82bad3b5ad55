import StrictJSON

extension Span<UInt8> {
    /// Whether these are the bytes of a literal.
    @inlinable @inline(__always)
    public func isEqual(to literal: StaticString) -> Bool {
        count == literal.utf8CodeUnitCount && hasSameBytes(as: literal.span)
    }

    /// Whether both hold the same bytes.
    @inlinable @inline(__always)
    public func isEqual(to other: Span<UInt8>) -> Bool {
        count == other.count && hasSameBytes(as: other)
    }

    /// Compares two texts of the same length, the last word overlapping the one before it.
    @inlinable @inline(__always)
    func hasSameBytes(as other: Span<UInt8>) -> Bool {
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

    /// A copy of the bytes.
    public var copy: [UInt8] {
        // Safe: the array copies the bytes while the span lives.
        unsafe withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// The bytes as text. What is not UTF-8 becomes U+FFFD and so never equals anything expected.
    public var text: String {
        // Safe: the string copies the bytes while the span lives.
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Whether both are the same ASCII text but for the case of letters.
    func isEqualIgnoringCase(to other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index].lowerCase != other[index].lowerCase { return false }
        return true
    }

    /// Whether it begins with a literal.
    @inline(__always)
    public func hasPrefix(_ literal: StaticString) -> Bool {
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

extension [UInt8] {
    /// Appends a literal.
    mutating func append(_ literal: StaticString) { append(copying: literal.span) }
}
