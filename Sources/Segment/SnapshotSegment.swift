import CKernel

/// A byte string that one process publishes and others read, always whole.
///
/// Two slots take turns: a writer that the scheduler stops half way leaves the reader the last whole content, and the
/// reader never waits. The words: begun and ended counts of publications, then the slots (length, bytes).
public final class SnapshotSegment {
    /// Bytes of the segment.
    public static let byteCount = 256 * 1024
    /// The largest snapshot, in bytes.
    public static let capacity = slotCount - 8
    private static let slotCount = byteCount / 2 - 8
    private static let begun = 0
    private static let ended = 8

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
        begin(bytes)
        commit()
        return true
    }

    /// Writes the slot that no reader is sent to. Apart from `commit` so that tests can stop a writer here.
    func begin(_ bytes: [UInt8]) {
        let number = memory.load(SnapshotSegment.ended) &+ 1
        memory.store(SnapshotSegment.begun, number)
        ck_fence()
        let slot = SnapshotSegment.slot(number)
        memory.store(slot, UInt64(bytes.count))
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word |= UInt64(byte) << UInt64((index & 7) * 8)
            if index & 7 == 7 || index == bytes.count - 1 {
                memory.store(slot + 8 + index & ~7, word)
                word = 0
            }
        }
    }

    /// Sends readers to the slot just written.
    func commit() { memory.storeRelease(SnapshotSegment.ended, memory.load(SnapshotSegment.begun)) }

    private static func slot(_ number: UInt64) -> Int { 16 + Int(number & 1) * slotCount }

    /// The content, or nil if nothing was published or the writer keeps changing it (a hostile one could).
    public func read() -> [UInt8]? {
        for _ in 0..<64 {
            let number = memory.loadAcquire(SnapshotSegment.ended)
            guard number != 0 else { return nil }
            let slot = SnapshotSegment.slot(number)
            let count = memory.load(slot)
            var bytes: [UInt8] = []
            if count <= UInt64(SnapshotSegment.capacity) {
                bytes.reserveCapacity(Int(count))
                var offset = 0
                while offset < Int(count) {
                    let word = memory.load(slot + 8 + offset)
                    for shift in 0..<min(8, Int(count) - offset) {
                        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift * 8)))
                    }
                    offset += 8
                }
            }
            ck_fence()
            // The slot is written again from the second publication after this one on.
            if memory.load(SnapshotSegment.begun) &- number <= 1 {
                return count <= SnapshotSegment.capacity ? bytes : nil
            }
        }
        return nil
    }
}
