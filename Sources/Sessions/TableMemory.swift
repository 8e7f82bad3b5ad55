import CKernel
import Segment

/// The mapping of a table's segment: words with one writer, this process. What a dead predecessor left in it is hostile input.
///
/// Every store is ordered after the ones before it, so whoever opens the segment after a `SIGKILL` at any point finds a prefix of the stores, never a
/// mixture: the tables' orders of stores rest on this.
@safe class TableMemory {
    /// Start of the mapping; valid for `size` bytes while this object lives.
    private let base: UnsafeMutableRawPointer
    /// Bytes mapped.
    let size: Int

    /// A new segment of zeros.
    static func create(_ name: String, size: Int) throws(SegmentError) -> Int32 {
        let descriptor = unsafe ck_segment(name, size)
        guard descriptor >= 0 else { throw SegmentError(action: "make a segment", code: -descriptor) }
        return descriptor
    }

    /// Maps a descriptor, which stays open and the caller's.
    /// - Throws: `SegmentError` if it is not sealed against resizing or cannot be mapped.
    init(_ descriptor: Int32) throws(SegmentError) {
        let size = ck_sealed_size(descriptor)
        guard size >= 0 else { throw SegmentError(action: "check the seals of a segment", code: Int32(-size)) }
        guard size >= 8, let base = unsafe ck_map(descriptor, Int(size), true) else {
            throw SegmentError(action: "map a segment", code: 12)
        }
        unsafe self.base = base
        self.size = Int(size)
    }

    deinit { unsafe ck_unmap(base, size) }

    /// The word at a byte offset. An offset outside the mapping or not a multiple of 8 is a programming error.
    @inline(__always)
    final func load(_ offset: Int) -> UInt64 {
        check(offset)
        return unsafe ck_load(base, offset)
    }

    /// Stores a word after everything stored before. Tests record the stores here.
    func store(_ offset: Int, _ value: UInt64) {
        check(offset)
        unsafe ck_store_release(base, offset, value)
    }

    @inline(__always)
    private final func check(_ offset: Int) {
        precondition(offset >= 0 && offset & 7 == 0 && offset <= size - 8, "offset outside the segment")
    }
}
