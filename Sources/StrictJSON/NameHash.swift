/// Hashes member names with a secret, so that nobody can choose names that collide.
struct NameHasher: Sendable {
    private let first: UInt64
    private let second: UInt64

    /// A hasher with a secret of its own.
    init() {
        var random = SystemRandomNumberGenerator()
        first = random.next()
        // Odd, so that multiplying by it loses nothing.
        second = random.next() | 1
    }

    /// The hash of a range of bytes.
    @inline(__always)
    func hash(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt32 {
        let length = range.count
        var state = first ^ UInt64(truncatingIfNeeded: length)
        if length >= 8 {
            var index = range.lowerBound
            while index &+ 8 < range.upperBound {
                state = fold(state ^ bytes.word(at: index), second)
                index &+= 8
            }
            state = fold(state ^ bytes.word(at: range.upperBound &- 8), second)
        } else {
            var word: UInt64 = 0
            if range.lowerBound &+ 8 <= bytes.count {
                word = bytes.word(at: range.lowerBound) & ((1 &<< UInt64(length &* 8)) &- 1)
            } else {
                for index in range.reversed() { word = word &<< 8 | UInt64(bytes[index]) }
            }
            state = fold(state ^ word, second)
        }
        state = fold(state, first | 1)
        return UInt32(truncatingIfNeeded: state)
    }

    /// Both halves of the product in one word.
    @inline(__always)
    private func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
