/// What one text may cost.
public struct JSONLimits: Sendable, Hashable {
    /// Bytes of the text; never more than 4 GiB less one.
    public var bytes = 16 * 1024 * 1024
    /// Arrays and objects inside each other.
    public var depth = 128
    /// Values and member names; each takes 16 bytes of tape. Never more than 16,777,215.
    public var nodes = 4 * 1024 * 1024

    /// The defaults of DESIGN 5 and 12.
    public init() {}
}

/// Reads a JSON text strictly (RFC 8259, and DESIGN 5 where that leaves a choice) in a single pass.
///
/// Accepted is one value in UTF-8 without byte order mark, with JSON's own white space around it and nothing else; no
/// object holds two members of the same name.
public struct JSONParser: Sendable {
    /// What to make of an escaped surrogate without its partner.
    public enum Surrogates: Sendable, Hashable {
        /// Refuse the text. For what clients send.
        case refuse
        /// Accept it as U+FFFD. For what servers send: JavaScript's `slice` makes such strings in ordinary results.
        case replace
    }

    /// What one text may cost.
    public let limits: JSONLimits
    /// What to make of lone surrogates.
    public let surrogates: Surrogates

    /// A parser; it holds no state between texts.
    public init(limits: JSONLimits = JSONLimits(), surrogates: Surrogates = .refuse) {
        self.limits = limits
        self.surrogates = surrogates
    }

    /// Reads a text and fills the tape with its structure.
    ///
    /// - Throws: ``JSONError``; the tape is empty then.
    public func parse(_ bytes: Span<UInt8>, into tape: inout JSONTape) throws(JSONError) {
        tape.count = 0
        tape.loneSurrogateStrings = 0
        let maxBytes = min(limits.bytes, Int(UInt32.max) - 1)
        guard bytes.count <= maxBytes else { throw JSONError(.tooLarge, at: maxBytes) }
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            throw JSONError(.byteOrderMark, at: 0)
        }
        let maxNodes = min(limits.nodes, 0xFF_FFFF)
        if tape.openContainers.count < limits.depth + 1 {
            tape.openContainers = Array(repeating: OpenContainer(), count: limits.depth + 1)
        }
        var writer = TapeWriter(parser: self, hasher: tape.duplicates.hasher, start: skipWhitespace(bytes, 0))
        while try !writer.run(bytes, &tape.nodes, &tape.openContainers, &tape.duplicates) {
            guard tape.nodes.count < maxNodes else { throw JSONError(.tooManyNodes, at: writer.index) }
            let room = min(tape.nodes.count, maxNodes - tape.nodes.count)
            tape.nodes.append(contentsOf: repeatElement(.zero, count: max(room, 4)))
        }
        guard writer.used <= maxNodes else { throw JSONError(.tooManyNodes, at: writer.index) }
        tape.count = writer.used
        tape.loneSurrogateStrings = writer.loneSurrogateStrings
    }
}

/// The offset of the first byte at or after `start` that is no white space of JSON, or the end.
@inline(__always)
func skipWhitespace(_ bytes: Span<UInt8>, _ start: Int) -> Int {
    start < bytes.count && bytes[start] > 0x20 ? start : skipWhitespaceSlowly(bytes, start)
}

/// ``skipWhitespace(_:_:)`` where one space is usual: behind commas and colons.
@inline(__always)
func skipSpace(_ bytes: Span<UInt8>, _ start: Int) -> Int {
    start < bytes.count && bytes[start] == 0x20 ? skipWhitespace(bytes, start &+ 1) : skipWhitespace(bytes, start)
}

@inline(never)
private func skipWhitespaceSlowly(_ bytes: Span<UInt8>, _ start: Int) -> Int {
    var index = start
    while index < bytes.count {
        let byte = bytes[index]
        guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return index }
        index &+= 1
    }
    return index
}
