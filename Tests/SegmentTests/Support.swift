import CKernel
import Glibc

@testable import Segment

/// A raw mapping of a segment, as a writer in an attacker's hands has it.
@safe final class RawMapping {
    private let base: UnsafeMutableRawPointer
    private let size: Int

    init?(_ descriptor: Int32, size: Int) {
        guard let base = unsafe ck_map(descriptor, size, true) else { return nil }
        unsafe self.base = base
        self.size = size
    }

    deinit { unsafe ck_unmap(base, size) }

    subscript(offset: Int) -> UInt64 {
        get {
            precondition(offset >= 0 && offset <= size - 8)
            return unsafe ck_load(base, offset)
        }
        set {
            precondition(offset >= 0 && offset <= size - 8)
            unsafe ck_store(base, offset, newValue)
        }
    }
}

/// The error that `body` throws, or nil.
func segmentError(_ body: () throws(SegmentError) -> Void) -> SegmentError? {
    do throws(SegmentError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The same file of the parent process, opened anew: how a spawned writer of a test comes by a segment.
func descriptorOfParent(_ number: Int32) -> Int32 {
    unsafe open("/proc/\(getppid())/fd/\(number)", O_RDWR | O_CLOEXEC)
}

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
}
