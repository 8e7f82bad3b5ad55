/// A value of the event being read: where it lies in the bytes now given, or a copy when they were not given at once.
struct StoredValue: Sendable {
    /// Where the value lies in the bytes now given; unused when ``isCopied``.
    private(set) var range = 0..<0
    private(set) var isCopied = false
    private var copy: [UInt8] = []

    var count: Int { isCopied ? copy.count : range.count }

    /// Bytes of memory held.
    var capacity: Int { copy.capacity }

    /// The value; `bytes` are those now given.
    @_lifetime(borrow self, copy bytes)
    @inline(__always)
    func span(in bytes: Span<UInt8>) -> Span<UInt8> {
        isCopied ? copy.span : bytes.extracting(range)
    }

    /// Forgets the value, and gives memory back that is more than `keptCapacity`.
    @inline(__always)
    mutating func clear(keptCapacity: Int) {
        range = 0..<0
        isCopied = false
        if copy.capacity > keptCapacity { copy = [] }
    }

    /// Appends what stands at `added` in the bytes now given.
    @inline(__always)
    mutating func append(_ added: Range<Int>, of bytes: Span<UInt8>, limit: Int) {
        if !isCopied, range.isEmpty {
            range = added
        } else if !added.isEmpty {
            makeCopy(of: bytes, limit: limit)
            copy.append(copying: bytes.extracting(added), limit: limit)
        }
    }

    /// Appends a line feed.
    mutating func appendLineFeed(_ bytes: Span<UInt8>, limit: Int) {
        makeCopy(of: bytes, limit: limit)
        copy.append(ASCII.lineFeed)
    }

    /// Makes the value outlast the bytes now given.
    @inline(__always)
    mutating func keep(_ bytes: Span<UInt8>, limit: Int) {
        guard !isCopied else { return }
        if range.isEmpty {
            // It may lie beyond the bytes given next.
            range = 0..<0
        } else {
            makeCopy(of: bytes, limit: limit)
        }
    }

    private mutating func makeCopy(of bytes: Span<UInt8>, limit: Int) {
        guard !isCopied else { return }
        copy.removeAll(keepingCapacity: true)
        copy.append(copying: bytes.extracting(range), limit: limit)
        isCopied = true
    }
}
