import CKernel
import Glibc

/// A page of 64-bit counters with one writer. It outlives the writer: a successor goes on counting where the crashed one stopped.
public final class CounterSegment {
    /// Bytes of the segment.
    public static let byteCount = 4096
    /// Counters there is room for; the first word is the format's mark.
    public static let capacity = byteCount / 8 - 1

    private static let mark: UInt64 = 0x6d63_7067_7763_0001

    private let memory: SharedMemory

    /// Makes a new segment, all counters 0, and returns its descriptor, which is the caller's.
    /// - Throws: `SegmentError` if the kernel has no memory or descriptor left.
    public static func create() throws(SegmentError) -> Int32 {
        let descriptor = unsafe ck_segment("mcpgw-counters", byteCount)
        guard descriptor >= 0 else { throw SegmentError(action: "make a segment", code: -descriptor) }
        do throws(SegmentError) {
            try CounterSegment(mapping: descriptor).memory.store(0, mark)
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Maps a segment as its writer.
    /// - Throws: `SegmentError` if the descriptor is no such segment.
    public convenience init(writing descriptor: Int32) throws(SegmentError) {
        try self.init(mapping: descriptor)
        guard memory.load(0) == CounterSegment.mark else {
            throw SegmentError(action: "read a segment's mark", code: 22)
        }
    }

    /// Maps another process's segment from a read-only descriptor.
    /// - Throws: `SegmentError` if the descriptor is no such segment.
    public init(reading descriptor: Int32) throws(SegmentError) {
        memory = try SharedMemory(descriptor: descriptor, size: CounterSegment.byteCount, writable: false)
        guard memory.load(0) == CounterSegment.mark else {
            throw SegmentError(action: "read a segment's mark", code: 22)
        }
    }

    private init(mapping descriptor: Int32) throws(SegmentError) {
        memory = try SharedMemory(descriptor: descriptor, size: CounterSegment.byteCount, writable: true)
    }

    /// Reads or sets a counter. Adding is a load and a store: there is one writer, so no lock prefix is needed.
    public subscript(index: Int) -> UInt64 {
        get { memory.load(8 + index * 8) }
        set { memory.store(8 + index * 8, newValue) }
    }
}
