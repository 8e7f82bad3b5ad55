/// What a value is.
public enum JSONKind: UInt8, Sendable, Hashable {
    case null, `false`, `true`, number, string, array, object
}

/// One value, or one member name, of a ``JSONTape``. It means something only together with the tape it came from.
public struct JSONNode: Hashable, Sendable {
    let index: Int

    @inline(__always)
    init(_ index: Int) { self.index = index }

    /// The value of the whole text.
    public static let root = JSONNode(0)
}

/// One entry of the tape: 16 bytes.
struct TapeNode: Sendable {
    /// Where the value begins and ends in the text; strings with their quotation marks.
    var start: UInt32
    var end: UInt32
    /// Of a value: the index of the first node behind it and all it holds. Of a member name: the hash of the name.
    var nextOrHash: UInt32
    /// The kind in bits 0 to 2, ``TapeFlag``s in bits 3 to 7, the number of children from bit 8 on.
    var info: UInt32

    static let zero = TapeNode(start: 0, end: 0, nextOrHash: 0, info: 0)

    @inline(__always)
    var kind: JSONKind { JSONKind(rawValue: UInt8(truncatingIfNeeded: info & 7)) ?? .null }
    @inline(__always)
    var childCount: Int { Int(info &>> 8) }
    @inline(__always)
    func has(_ flag: UInt32) -> Bool { info & flag != 0 }
}

/// What a tape remembers about a string or number beside where it stands.
enum TapeFlag {
    /// The string holds an escape.
    static let escaped: UInt32 = 1 << 3
    /// The string holds a surrogate without its partner.
    static let loneSurrogate: UInt32 = 1 << 4
    /// The string is the name of a member.
    static let name: UInt32 = 1 << 5
    /// The number has a fraction or an exponent.
    static let fractional: UInt32 = 1 << 6
}

/// The structure of one JSON text: an array of 16-byte nodes in document order, each with the range of its bytes. Nothing
/// of the text is copied, so every question about content takes the same bytes again.
///
/// A tape is filled by ``JSONParser/parse(_:into:)`` and reused from message to message: it allocates only while it grows.
/// It cannot be copied, so that reading it, wherever it is kept, never counts references.
public struct JSONTape: ~Copyable, Sendable {
    /// Room for nodes; ``count`` of them are in use.
    var nodes: [TapeNode]
    /// The nodes in use. Zero when the last parse failed.
    public internal(set) var count = 0
    /// The strings, names included, that hold a surrogate without its partner.
    public internal(set) var loneSurrogateStrings = 0
    /// The containers around the current one while a text is read, the outermost first.
    var openContainers: [OpenContainer] = []
    var duplicates = DuplicateFinder()

    /// An empty tape with room for some nodes.
    public init(capacity: Int = 256) {
        nodes = [TapeNode](repeating: .zero, count: max(capacity, 4))
    }

    /// Gives back memory that a large message made the tape take, keeping room for so many nodes.
    public mutating func shrink(toCapacity capacity: Int) {
        guard nodes.count > max(capacity, count, 4) else { return }
        nodes = Array(nodes[0..<max(capacity, count, 4)])
        duplicates.shrink()
    }

    /// The kind of a value.
    public func kind(_ node: JSONNode) -> JSONKind { nodes[node.index].kind }

    /// Where a value stands in the text; a string with its quotation marks.
    public func range(_ node: JSONNode) -> Range<Int> {
        let entry = nodes[node.index]
        return Int(entry.start)..<Int(entry.end)
    }

    /// Where the content of a string or name stands, escapes and all, without quotation marks.
    ///
    /// - Precondition: the node is a string or name.
    public func contentRange(_ node: JSONNode) -> Range<Int> {
        let entry = nodes[node.index]
        precondition(entry.kind == .string, "only strings have content")
        return Int(entry.start) + 1..<Int(entry.end) - 1
    }

    /// The elements of an array or members of an object; zero for everything else.
    public func childCount(_ node: JSONNode) -> Int { nodes[node.index].childCount }

    /// Whether a string or name holds an escape, so that its content is not its value.
    public func isEscaped(_ node: JSONNode) -> Bool { nodes[node.index].has(TapeFlag.escaped) }

    /// Whether a string or name holds a surrogate without its partner, to be read as U+FFFD.
    public func hasLoneSurrogate(_ node: JSONNode) -> Bool { nodes[node.index].has(TapeFlag.loneSurrogate) }

    /// Whether a number is written without fraction and exponent.
    public func isInteger(_ node: JSONNode) -> Bool {
        let entry = nodes[node.index]
        return entry.kind == .number && !entry.has(TapeFlag.fractional)
    }

    /// The index behind a value and all it holds.
    @inline(__always)
    func after(_ index: Int) -> Int { Int(nodes[index].nextOrHash) }
}
