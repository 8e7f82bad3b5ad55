import CKernel

/// A byte string that one process publishes and others read, always whole: a sequence number is odd while it changes.
public final class SnapshotSegment {
    /// Bytes of the segment.
    public static let byteCount = 128 * 1024
    /// The largest snapshot, in bytes.
    public static let capacity = byteCount - 16

    private let memory: SharedMemory

    /// Makes a new, empty segment and returns its descriptor, which is the caller's.
    /// - Throws: `SegmentError` if the kernel has no memory or descriptor left.
    public static func create() throws(SegmentError) -> Int32 {
        let descriptor = unsafe ck_segment("mcpgw-snapshot", byteCount)
        guard descriptor >= 0 else { throw SegmentError(action: "make a segment", code: -descriptor) }
        return descriptor
    }

    /// Maps a segment.
    /// - Throws: `SegmentError` if the descriptor is no such segment.
    public init(descriptor: Int32, writable: Bool) throws(SegmentError) {
        memory = try SharedMemory(descriptor: descriptor, size: SnapshotSegment.byteCount, writable: writable)
    }

    /// Replaces the content; what does not fit is refused. One writer only.
    public func publish(_ bytes: [UInt8]) -> Bool {
        guard bytes.count <= SnapshotSegment.capacity else { return false }
        let sequence = memory.load(0)
        memory.store(0, sequence | 1)
        ck_fence()
        memory.store(8, UInt64(bytes.count))
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word |= UInt64(byte) << UInt64((index & 7) * 8)
            if index & 7 == 7 || index == bytes.count - 1 {
                memory.store(16 + index & ~7, word)
                word = 0
            }
        }
        memory.storeRelease(0, (sequence | 1) &+ 1)
        return true
    }

    /// The content, or nil if nothing was published or the writer keeps changing it (a hostile one could).
    public func read() -> [UInt8]? {
        for _ in 0..<64 {
            let before = memory.loadAcquire(0)
            guard before != 0, before & 1 == 0 else { continue }
            let count = memory.load(8)
            guard count <= UInt64(SnapshotSegment.capacity) else { return nil }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(Int(count))
            var offset = 0
            while offset < Int(count) {
                let word = memory.load(16 + offset)
                for shift in 0..<min(8, Int(count) - offset) {
                    bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift * 8)))
                }
                offset += 8
            }
            ck_fence()
            if memory.load(0) == before { return bytes }
        }
        return nil
    }
}
