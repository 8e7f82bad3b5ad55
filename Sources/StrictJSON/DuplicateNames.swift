/// One open container.
struct OpenContainer: Sendable {
    /// Its node.
    var node: UInt32 = 0
    /// Its children so far.
    var children: UInt32 = 0
    /// Two bits for each member name so far, chosen by its hash.
    private var lowFilter: UInt64 = 0
    private var highFilter: UInt64 = 0
    /// Whether a name fell on bits that earlier names had set.
    private(set) var isSuspect = false
    let isObject: Bool

    init(node: Int = 0, isObject: Bool = false) {
        self.node = UInt32(truncatingIfNeeded: node)
        self.isObject = isObject
    }

    /// Notes the hash of a member name.
    @inline(__always)
    mutating func note(_ hash: UInt32) {
        let low: UInt64 = 1 &<< UInt64(hash & 63)
        let high: UInt64 = 1 &<< UInt64(hash &>> 6 & 63)
        if lowFilter & low != 0, highFilter & high != 0 { isSuspect = true }
        lowFilter |= low
        highFilter |= high
    }

    /// The byte that ends it.
    @inline(__always)
    var lastByte: UInt8 { isObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }
}

/// Finds duplicate member names. Its memory is reused from text to text.
struct DuplicateFinder: Sendable {
    let hasher = NameHasher()
    /// An open-addressed table of name nodes plus one; zero is a free slot.
    private var table: [UInt32] = []
    /// A name unescaped, for hashing.
    private var unescaped: [UInt8] = []
    /// How many pairs of names were compared in all, by hash or by content. Tests assert that it stays linear.
    private(set) var comparisons = 0

    /// Objects with more members are checked by table, smaller ones pair by pair.
    private static let pairwiseLimit = 16

    mutating func shrink() {
        table = []
        unescaped = []
    }

    /// The hash of a name with escapes: that of its unescaped form.
    @inline(never)
    mutating func hashEscaped(_ bytes: Span<UInt8>, _ content: Range<Int>) -> UInt32 {
        unescaped.removeAll(keepingCapacity: true)
        appendUnescaped(bytes, content, to: &unescaped)
        return hasher.hash(unescaped.span, 0..<unescaped.count)
    }

    /// The first member name of a complete object that equals an earlier one.
    ///
    /// - Parameter object: the index of the object's node.
    @inline(never)
    mutating func find(in object: Int, _ nodes: Span<TapeNode>, _ bytes: Span<UInt8>) -> Int? {
        let end = Int(nodes[object].nextOrHash)
        let count = nodes[object].childCount
        return count <= DuplicateFinder.pairwiseLimit
            ? duplicateByPairs(object, end, nodes, bytes) : duplicateByTable(object, end, count, nodes, bytes)
    }

    private mutating func duplicateByPairs(
        _ object: Int, _ end: Int, _ nodes: Span<TapeNode>, _ bytes: Span<UInt8>
    ) -> Int? {
        var seen = InlineArray<16, UInt32>(repeating: 0)
        var seenCount = 0
        var name = object + 1
        while name < end {
            let hash = nodes[name].nextOrHash
            for earlier in 0..<seenCount {
                let other = Int(seen[earlier])
                comparisons &+= 1
                if nodes[other].nextOrHash == hash, sameName(name, other, nodes, bytes) { return name }
            }
            seen[seenCount] = UInt32(truncatingIfNeeded: name)
            seenCount += 1
            name = Int(nodes[name + 1].nextOrHash)
        }
        return nil
    }

    private mutating func duplicateByTable(
        _ object: Int, _ end: Int, _ count: Int, _ nodes: Span<TapeNode>, _ bytes: Span<UInt8>
    ) -> Int? {
        var size = 64
        while size < count * 2 { size *= 2 }
        if table.count < size {
            table = [UInt32](repeating: 0, count: size)
        } else {
            for slot in 0..<size { table[slot] = 0 }
        }
        let mask = size - 1
        var name = object + 1
        while name < end {
            let hash = nodes[name].nextOrHash
            var slot = Int(hash) & mask
            while table[slot] != 0 {
                let other = Int(table[slot]) - 1
                comparisons &+= 1
                if nodes[other].nextOrHash == hash, sameName(name, other, nodes, bytes) { return name }
                slot = (slot + 1) & mask
            }
            table[slot] = UInt32(truncatingIfNeeded: name + 1)
            name = Int(nodes[name + 1].nextOrHash)
        }
        return nil
    }

    private func sameName(_ left: Int, _ right: Int, _ nodes: Span<TapeNode>, _ bytes: Span<UInt8>) -> Bool {
        let leftContent = Int(nodes[left].start) + 1..<Int(nodes[left].end) - 1
        let rightContent = Int(nodes[right].start) + 1..<Int(nodes[right].end) - 1
        if !nodes[left].has(TapeFlag.escaped), !nodes[right].has(TapeFlag.escaped) {
            return leftContent.count == rightContent.count && bytes.hasSameBytes(leftContent, bytes, rightContent)
        }
        var leftReader = UnescapingReader(bytes, leftContent)
        var rightReader = UnescapingReader(bytes, rightContent)
        while true {
            let leftByte = leftReader.next()
            if leftByte != rightReader.next() { return false }
            if leftByte == nil { return true }
        }
    }
}
