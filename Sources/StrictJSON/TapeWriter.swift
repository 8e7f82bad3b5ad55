/// The state of one pass over a text, apart from the memory it fills. A pass stops where the tape is full and goes on
/// when it has grown.
struct TapeWriter {
    private let surrogates: JSONParser.Surrogates
    private let maxDepth: Int
    private let hasher: NameHasher

    /// Where a value is expected next.
    private(set) var index: Int
    /// The nodes written.
    private(set) var used = 0
    /// The strings that hold a lone surrogate.
    private(set) var loneSurrogateStrings = 0
    /// The containers that are open.
    private var depth = 0
    /// The innermost open container; those around it are in `JSONTape.openContainers`.
    private var top = OpenContainer()
    /// Whether a member name stands before the next value.
    private var expectsName = false

    init(parser: JSONParser, hasher: NameHasher, start: Int) {
        surrogates = parser.surrogates
        maxDepth = parser.limits.depth
        self.hasher = hasher
        index = start
    }

    /// Reads on, as far as the tape reaches.
    ///
    /// - Returns: whether the text is complete; otherwise the tape must grow.
    mutating func run(
        _ bytes: Span<UInt8>, _ nodes: inout [TapeNode], _ openContainers: inout [OpenContainer],
        _ duplicates: inout DuplicateFinder
    ) throws(JSONError) -> Bool {
        // A copy in registers.
        var writer = self
        defer { self = writer }
        var nodes = nodes.mutableSpan
        var openContainers = openContainers.mutableSpan
        return try writer.readValues(bytes, &nodes, &openContainers, &duplicates)
    }

    /// Every step is called from one place, so that all of them become one function.
    @inline(__always)
    private mutating func readValues(
        _ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>, _ openContainers: inout MutableSpan<OpenContainer>,
        _ duplicates: inout DuplicateFinder
    ) throws(JSONError) -> Bool {
        while true {
            // One for this value, one for its name.
            guard used &+ 2 <= nodes.count else { return false }
            if expectsName { try readName(bytes, &nodes, &duplicates) }
            guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "\""):
                try readString(bytes, &nodes)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if try open(isObject: byte == UInt8(ascii: "{"), bytes, &nodes, &openContainers) { continue }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                try readNumber(bytes, &nodes)
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
                try readLiteral(bytes, &nodes)
            default:
                throw JSONError(.unexpectedByte, at: index)
            }
            if try finishValue(bytes, &nodes, &openContainers, &duplicates) { return true }
        }
    }

    @inline(__always)
    private mutating func append(
        _ kind: JSONKind, _ start: Int, _ end: Int, next: Int, flags: UInt32, _ nodes: inout MutableSpan<TapeNode>
    ) {
        nodes[used] = TapeNode(
            start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end),
            nextOrHash: UInt32(truncatingIfNeeded: next), info: UInt32(kind.rawValue) | flags)
        used &+= 1
    }

    @inline(__always)
    private mutating func readString(_ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>) throws(JSONError) {
        var flags: UInt32 = 0
        let start = index
        index = try bytes.endOfString(from: start &+ 1, surrogates: surrogates, flags: &flags) &+ 1
        if flags & TapeFlag.loneSurrogate != 0 { loneSurrogateStrings &+= 1 }
        append(.string, start, index, next: used &+ 1, flags: flags, &nodes)
    }

    @inline(__always)
    private mutating func readNumber(_ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>) throws(JSONError) {
        var flags: UInt32 = 0
        let start = index
        index = try bytes.endOfNumber(from: start, flags: &flags)
        append(.number, start, index, next: used &+ 1, flags: flags, &nodes)
    }

    @inline(__always)
    private mutating func readLiteral(_ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>) throws(JSONError) {
        let start = index
        let kind: JSONKind
        switch bytes[start] {
        case UInt8(ascii: "t"): kind = .true
        case UInt8(ascii: "f"): kind = .false
        default: kind = .null
        }
        index = try bytes.endOfLiteral(kind, from: start)
        append(kind, start, index, next: used &+ 1, flags: 0, &nodes)
    }

    /// Opens a container and looks at what comes first in it.
    ///
    /// - Returns: whether that is a value; else the container is empty and its end comes next.
    @inline(__always)
    private mutating func open(
        isObject: Bool, _ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>,
        _ openContainers: inout MutableSpan<OpenContainer>
    ) throws(JSONError) -> Bool {
        guard depth < maxDepth else { throw JSONError(.tooDeep, at: index) }
        openContainers[depth] = top
        depth &+= 1
        top = OpenContainer(node: used, isObject: isObject)
        append(isObject ? .object : .array, index, 0, next: 0, flags: 0, &nodes)
        index = skipWhitespace(bytes, index &+ 1)
        guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        expectsName = isObject
        guard bytes[index] == top.lastByte else { return true }
        // The end of a value is what `finishValue` takes this for; it counts one child for it.
        top.children = .max
        return false
    }

    /// Reads a member name and its colon, up to where the value begins.
    @inline(__always)
    private mutating func readName(
        _ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>, _ duplicates: inout DuplicateFinder
    ) throws(JSONError) {
        guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        guard bytes[index] == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: index) }
        var flags = TapeFlag.name
        let start = index
        let end = try bytes.endOfString(from: start &+ 1, surrogates: surrogates, flags: &flags)
        let content = start &+ 1..<end
        let isPlain = flags & TapeFlag.escaped == 0
        let hash = isPlain ? hasher.hash(bytes, content) : duplicates.hashEscaped(bytes, content)
        if flags & TapeFlag.loneSurrogate != 0 { loneSurrogateStrings &+= 1 }
        append(.string, start, end &+ 1, next: Int(hash), flags: flags, &nodes)
        top.note(hash)

        index = skipWhitespace(bytes, end &+ 1)
        guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        guard bytes[index] == UInt8(ascii: ":") else { throw JSONError(.unexpectedByte, at: index) }
        index = skipSpace(bytes, index &+ 1)
    }

    /// Reads on from the end of a value, closing what ends there, to where the next name or value begins.
    ///
    /// - Returns: whether that was the last value of the text.
    @inline(__always)
    private mutating func finishValue(
        _ bytes: Span<UInt8>, _ nodes: inout MutableSpan<TapeNode>, _ openContainers: inout MutableSpan<OpenContainer>,
        _ duplicates: inout DuplicateFinder
    ) throws(JSONError) -> Bool {
        while true {
            index = skipWhitespace(bytes, index)
            if depth == 0 {
                guard index == bytes.count else { throw JSONError(.trailingBytes, at: index) }
                return true
            }
            top.children &+= 1
            guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
            let byte = bytes[index]
            index &+= 1
            if byte == UInt8(ascii: ",") {
                index = skipSpace(bytes, index)
                expectsName = top.isObject
                return false
            }
            guard byte == top.lastByte else { throw JSONError(.unexpectedByte, at: index &- 1) }
            close(&nodes)
            if top.isSuspect, let second = duplicates.find(in: Int(top.node), nodes.span, bytes) {
                throw JSONError(.duplicateMember, at: Int(nodes[second].start))
            }
            depth &-= 1
            top = openContainers[depth]
        }
    }

    /// Completes the node of the innermost container, which ends before ``index``.
    @inline(__always)
    private func close(_ nodes: inout MutableSpan<TapeNode>) {
        let node = Int(top.node)
        nodes[node].end = UInt32(truncatingIfNeeded: index)
        nodes[node].nextOrHash = UInt32(truncatingIfNeeded: used)
        nodes[node].info |= top.children &<< 8
    }
}
