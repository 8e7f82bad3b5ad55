import CCrypto

/// Random bytes of the kernel: getrandom(2), which waits only while the system boots and otherwise does not fail.
///
/// Not the library's generator: that one costs as much here, keeps state that a fork would share, and looks at the clock and the process id.
public enum SecureRandom {
    /// Appends random bytes.
    public static func append(_ count: Int, to output: inout [UInt8]) {
        let start = output.count
        output.append(contentsOf: repeatElement(0, count: count))
        let done = unsafe output.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return true }
            return unsafe cc_random(base + start, count) == 1
        }
        // Going on would mean predictable keys and ids.
        precondition(done, "the kernel gives no random numbers")
    }

    /// 64 random bits.
    public static func word() -> UInt64 {
        var word: UInt64 = 0
        let done = unsafe cc_random(&word, 8) == 1
        precondition(done, "the kernel gives no random numbers")
        return word
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
public func equalInConstantTime(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    guard a.count > 0 else { return true }
    return unsafe a.withUnsafeBufferPointer { a in
        unsafe b.withUnsafeBufferPointer { b in
            guard let x = a.baseAddress, let y = b.baseAddress else { return false }
            return unsafe cc_equal(x, y, a.count)
        }
    }
}

/// Overwrites and empties an array that held a secret. A copy of the array, if one was made, is not reached.
public func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { buffer in
        guard let base = buffer.baseAddress else { return }
        unsafe cc_wipe(base, buffer.count)
    }
    bytes.removeAll()
}
