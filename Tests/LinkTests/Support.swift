import Glibc
import Link

/// SplitMix64: small, seeded, the same everywhere, so that a printed seed repeats a failure.
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

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// True once in `count` times.
    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    /// A number whose size varies: small ones, powers of two, extremes.
    mutating func number<T: FixedWidthInteger & UnsignedInteger>() -> T {
        switch below(4) {
        case 0: T(truncatingIfNeeded: next() & 3)
        case 1: T.max - T(truncatingIfNeeded: next() & 3)
        default: T(truncatingIfNeeded: next() >> UInt64(below(64)))
        }
    }

    /// Text of any scalars, at most `maximum` UTF-8 bytes; often empty, sometimes exactly full.
    mutating func text(maximum: Int = 24) -> String {
        let alphabet: [Unicode.Scalar] = [
            "a", "Z", "0", " ", "\0", "\n", "\u{7F}", "é", "漢", "🔥", "\u{202E}", "\u{301}",
        ]
        if oneIn(4) { return "" }
        if oneIn(20) { return String(repeating: "x", count: maximum) }
        var result = ""
        for _ in 0..<below(maximum / 4 + 1) { result.unicodeScalars.append(alphabet[below(alphabet.count)]) }
        return result
    }

    /// A header field's value.
    mutating func value(maximum: Int = 24) -> String {
        let alphabet: [Unicode.Scalar] = ["a", "Z", "0", " ", "\t", "~", "!", "é", "漢", "\""]
        if oneIn(20) { return String(repeating: "v", count: maximum) }
        var result = ""
        for _ in 0..<below(maximum / 4 + 1) { result.unicodeScalars.append(alphabet[below(alphabet.count)]) }
        return result
    }

    /// A list of at most four elements.
    mutating func list<T>(_ element: (inout SeededRandom) -> T) -> [T] {
        var result: [T] = []
        for _ in 0..<below(5) { result.append(element(&self)) }
        return result
    }
}

/// What a property test found, with what is needed to repeat it.
struct Broken: Error, CustomStringConvertible {
    var description: String

    init(_ text: String, seed: UInt64) { description = "\(text) (seed \(seed))" }
}

/// The violation that `body` throws, or nil.
func violation(_ body: () throws(LinkViolation) -> Void) -> LinkViolation? {
    do throws(LinkViolation) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The most virtual memory this process has ever reserved, in bytes (`VmPeak` of proc(5)): memory that was reserved and
/// given back before anyone looked still shows.
func peakVirtualMemory() -> Int? {
    let file = unsafe open("/proc/self/status", O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = unsafe read(file, &bytes, bytes.count)
    guard count > 0 else { return nil }
    for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") where line.hasPrefix("VmPeak:")
    {
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1024 }
    }
    return nil
}
