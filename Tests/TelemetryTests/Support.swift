import Link

/// SplitMix64, so that a printed seed repeats a failure.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// Any number of a type, small and extreme ones often.
    mutating func number<T: FixedWidthInteger & UnsignedInteger>() -> T {
        switch Int.random(in: 0..<3, using: &self) {
        case 0: T(truncatingIfNeeded: next() & 3)
        case 1: T.max - T(truncatingIfNeeded: next() & 3)
        default: T(truncatingIfNeeded: next())
        }
    }

    /// Text of any scalars, often empty.
    mutating func text(maximum: Int = 24) -> String {
        let alphabet: [Unicode.Scalar] = [
            "a", "Z", "0", " ", "\0", "\n", "\u{7F}", "é", "漢", "🔥", "\u{202E}", "\u{301}",
        ]
        var result = ""
        for _ in 0..<Int.random(in: 0...maximum / 4, using: &self) {
            result.unicodeScalars.append(alphabet.randomElement(using: &self) ?? "a")
        }
        return result
    }

    /// A list of at most four elements.
    mutating func list<T>(_ element: (inout SeededRandom) -> T) -> [T] {
        var result: [T] = []
        for _ in 0..<Int.random(in: 0...4, using: &self) { result.append(element(&self)) }
        return result
    }
}
