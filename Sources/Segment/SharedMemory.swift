import CKernel

/// Why shared memory could not be used.
public struct SegmentError: Error, Equatable, Sendable {
    /// What was tried.
    public let action: String
    /// The error number, positive.
    public let code: Int32

    /// `action` failed with an error number.
    public init(action: String, code: Int32) {
        self.action = action
        self.code = code
    }
}

/// A mapping of a memfd that cannot be resized (DESIGN 3, Segments). It ends with the value's last owner.
///
/// The mapping is shared with a process of another trust: everything read from it is hostile input.
@safe final class SharedMemory {
    /// Start of the mapping; valid for `size` bytes while this object lives.
    let base: UnsafeMutableRawPointer
    /// Bytes mapped.
    let size: Int
    private let writable: Bool

    /// Maps a descriptor, which stays open and the caller's.
    /// - Throws: `SegmentError` if it is not sealed against resizing, has another size, or cannot be mapped.
    init(descriptor: Int32, size: Int, writable: Bool) throws(SegmentError) {
        let actual = ck_sealed_size(descriptor)
        guard actual >= 0 else { throw SegmentError(action: "check the seals of a segment", code: Int32(-actual)) }
        guard actual == Int64(size) else { throw SegmentError(action: "map a segment of another size", code: 22) }
        guard let base = unsafe ck_map(descriptor, size, writable) else {
            throw SegmentError(action: "map a segment", code: 12)
        }
        unsafe self.base = base
        self.size = size
        self.writable = writable
    }

    deinit { unsafe ck_unmap(base, size) }

    /// The word at a byte offset. An offset outside the mapping or not a multiple of 8 is a programming error.
    func load(_ offset: Int) -> UInt64 {
        check(offset)
        return unsafe ck_load(base, offset)
    }

    /// Like `load`; what the writer stored before a `storeRelease` of the value read is visible afterwards.
    func loadAcquire(_ offset: Int) -> UInt64 {
        check(offset)
        return unsafe ck_load_acquire(base, offset)
    }

    /// Stores a word. Only the one writer calls this.
    func store(_ offset: Int, _ value: UInt64) {
        check(offset)
        precondition(writable, "read-only segment")
        unsafe ck_store(base, offset, value)
    }

    /// Stores a word after everything stored before.
    func storeRelease(_ offset: Int, _ value: UInt64) {
        check(offset)
        precondition(writable, "read-only segment")
        unsafe ck_store_release(base, offset, value)
    }

    /// Copies bytes into the mapping. Only the one writer calls this; a range outside the mapping is a programming error.
    func write(_ bytes: Span<UInt8>, at offset: Int) {
        precondition(writable && offset >= 0 && bytes.count <= size - offset, "bytes outside the segment")
        // Safe: the range lies inside the mapping, as just checked, and the span is valid within the closure.
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe (base + offset).copyMemory(from: start, byteCount: source.count)
        }
    }

    /// Appends a copy of `count` bytes; what is judged is the copy, which the other process cannot change any more.
    func read(_ count: Int, at offset: Int, appendingTo bytes: inout [UInt8]) {
        precondition(offset >= 0 && count >= 0 && count <= size - offset, "bytes outside the segment")
        // Safe: as above.
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: base + offset, count: count))
    }

    @inline(__always)
    private func check(_ offset: Int) {
        precondition(offset >= 0 && offset & 7 == 0 && offset <= size - 8, "offset outside the segment")
    }
}
