import CKernel
import Glibc

/// A page of 64-bit counters with one writer. It outlives the writer: a successor goes on counting where the crashed one stopped.
@safe public final class CounterSegment {
    /// Bytes of the segment.
    @inlinable public static var byteCount: Int { 4096 }
    /// Counters there is room for; the first word is the format's mark.
    @inlinable public static var capacity: Int { byteCount / 8 - 1 }

    private static let mark: UInt64 = 0x6d63_7067_7763_0001

    private let memory: SharedMemory
    /// The words of `memory`, valid while this object lives: counting is inlined into what it counts.
    @usableFromInline let words: UnsafeMutableRawPointer
    @usableFromInline let isWritable: Bool

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
    public convenience init(reading descriptor: Int32) throws(SegmentError) {
        try self.init(descriptor, writable: false)
        guard memory.load(0) == CounterSegment.mark else {
            throw SegmentError(action: "read a segment's mark", code: 22)
        }
    }

    private convenience init(mapping descriptor: Int32) throws(SegmentError) {
        try self.init(descriptor, writable: true)
    }

    private init(_ descriptor: Int32, writable: Bool) throws(SegmentError) {
        memory = try SharedMemory(descriptor: descriptor, size: CounterSegment.byteCount, writable: writable)
        unsafe words = memory.base
        isWritable = writable
    }

    /// Reads or sets a counter. Adding is a load and a store: there is one writer, so no lock prefix is needed.
    @inlinable
    public subscript(index: Int) -> UInt64 {
        get {
            precondition(index >= 0 && index < CounterSegment.capacity, "no such counter")
            // Safe: the word lies inside the mapping, which lives as long as this object.
            return unsafe ck_load(words, 8 + index * 8)
        }
        set {
            precondition(index >= 0 && index < CounterSegment.capacity && isWritable, "no such counter to write")
            // Safe: as above, and the mapping is writable.
            unsafe ck_store(words, 8 + index * 8, newValue)
        }
    }
}
