/// SipHash-2-4 (Aumasson and Bernstein, 2012): a short tag that only the holder of the key can make. It guards ids that the gateway gives away
/// and gets back; where bytes are to be kept secret, or tags are to last, libcrypto is used.
public struct KeyedTag: Sendable {
    /// Bytes of a key.
    public static let keyLength = 16

    private let low: UInt64
    private let high: UInt64

    /// Tags under this key; nil if it has not `keyLength` bytes.
    public init?(key: Span<UInt8>) {
        guard key.count == KeyedTag.keyLength else { return nil }
        low = KeyedTag.word(key, 0, 8)
        high = KeyedTag.word(key, 8, 8)
    }

    /// The tag of two numbers and the bytes behind them.
    public func tag(_ first: UInt64, _ second: UInt64, _ bytes: Span<UInt8>) -> UInt64 {
        var state = State(low, high)
        state.absorb(first)
        state.absorb(second)
        return finish(&state, bytes, length: bytes.count + 16)
    }

    /// The tag of some bytes.
    public func tag(_ bytes: Span<UInt8>) -> UInt64 {
        var state = State(low, high)
        return finish(&state, bytes, length: bytes.count)
    }

    private func finish(_ state: inout State, _ bytes: Span<UInt8>, length: Int) -> UInt64 {
        var index = 0
        while index + 8 <= bytes.count {
            state.absorb(KeyedTag.word(bytes, index, 8))
            index += 8
        }
        state.absorb(KeyedTag.word(bytes, index, bytes.count - index) | UInt64(truncatingIfNeeded: length) << 56)
        return state.finish()
    }

    private static func word(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(bytes[start + index]) << UInt64(8 * index) }
        return word
    }

    private struct State {
        private var v0: UInt64
        private var v1: UInt64
        private var v2: UInt64
        private var v3: UInt64

        init(_ low: UInt64, _ high: UInt64) {
            v0 = low ^ 0x736f_6d65_7073_6575
            v1 = high ^ 0x646f_7261_6e64_6f6d
            v2 = low ^ 0x6c79_6765_6e65_7261
            v3 = high ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<4 { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        private mutating func round() {
            v0 &+= v1
            v1 = (v1 << 13 | v1 >> 51) ^ v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = (v3 << 16 | v3 >> 48) ^ v2
            v0 &+= v3
            v3 = (v3 << 21 | v3 >> 43) ^ v0
            v2 &+= v1
            v1 = (v1 << 17 | v1 >> 47) ^ v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
