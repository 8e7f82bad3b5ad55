/// Changes to one accepted text. Whatever is not changed is copied byte for byte: numbers keep their spelling, strings
/// their escapes, white space stays.
///
/// Surrogates without a partner, which only ``JSONParser/Surrogates/replace`` lets through, are always written as
/// `\ufffd`. Of changes within one another the outer one counts; of two to one node, the later. Reused from message to
/// message, a rewriter allocates only while it grows.
public struct JSONRewriter: Sendable {
    private struct Edit {
        /// What is replaced; empty for an insertion.
        var target: Range<Int>
        /// Where the new text stands in `text`.
        var text: Range<Int>
        /// Counts up.
        var order: Int

        /// Whether this one is applied before the other.
        func precedes(_ other: Edit) -> Bool {
            if target.lowerBound != other.target.lowerBound { return target.lowerBound < other.target.lowerBound }
            if target.isEmpty != other.target.isEmpty { return target.isEmpty }
            if target.isEmpty { return order < other.order }
            if target.upperBound != other.target.upperBound { return target.upperBound > other.target.upperBound }
            return order > other.order
        }
    }

    private var edits: [Edit] = []
    private var text: [UInt8] = []

    /// A rewriter without changes.
    public init() {}

    /// Whether no change was asked for.
    public var isEmpty: Bool { edits.isEmpty }

    /// Forgets all changes and keeps the memory.
    public mutating func removeAll() {
        edits.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
    }

    /// Puts another JSON text in the place of a value.
    ///
    /// - Parameter json: one complete value, which is not checked.
    public mutating func replace(_ node: JSONNode, of tape: borrowing JSONTape, with json: Span<UInt8>) {
        let start = text.count
        text.append(copying: json)
        add(tape.range(node), start)
    }

    /// Puts a string in the place of a value.
    public mutating func replace(
        _ node: JSONNode, of tape: borrowing JSONTape, withString string: Span<UInt8>
    ) {
        let start = text.count
        JSONText.appendString(string, to: &text)
        add(tape.range(node), start)
    }

    /// Puts an integer in the place of a value.
    public mutating func replace(_ node: JSONNode, of tape: borrowing JSONTape, withInteger value: Int64) {
        let start = text.count
        JSONText.appendInteger(value, to: &text)
        add(tape.range(node), start)
    }

    /// Gives an object's member another value, or the object a first member of this name.
    ///
    /// - Parameters:
    ///   - name: the name, unescaped. The same new name must not be set twice.
    ///   - json: one complete value, which is not checked.
    /// - Precondition: the node is an object.
    public mutating func setMember(
        _ name: Span<UInt8>, of object: JSONNode, to json: Span<UInt8>, in bytes: Span<UInt8>,
        _ tape: borrowing JSONTape
    ) {
        precondition(tape.kind(object) == .object, "only objects have members")
        if let value = tape.member(name, of: object, in: bytes) {
            replace(value, of: tape, with: json)
            return
        }
        let place = tape.range(object).lowerBound + 1
        let hasMembers = tape.childCount(object) > 0
        let start = text.count
        if !hasMembers, edits.contains(where: { $0.target == place..<place }) { text.append(UInt8(ascii: ",")) }
        JSONText.appendString(name, to: &text)
        text.append(UInt8(ascii: ":"))
        text.append(copying: json)
        if hasMembers { text.append(UInt8(ascii: ",")) }
        add(place..<place, start)
    }

    /// ``setMember(_:of:to:in:_:)-(Span<UInt8>,_,_,_,_)`` with a literal name.
    public mutating func setMember(
        _ name: StaticString, of object: JSONNode, to json: Span<UInt8>, in bytes: Span<UInt8>,
        _ tape: borrowing JSONTape
    ) {
        setMember(name.span, of: object, to: json, in: bytes, tape)
    }

    /// Appends the text with the changes made.
    ///
    /// - Parameters:
    ///   - bytes: the text that the tape describes.
    ///   - tape: the tape that the changes were made with.
    public mutating func append(_ bytes: Span<UInt8>, _ tape: borrowing JSONTape, to output: inout [UInt8]) {
        if tape.loneSurrogateStrings > 0 { addSurrogateRepairs(bytes, tape) }
        edits.sort { $0.precedes($1) }
        output.reserveCapacity(output.count + bytes.count + text.count)
        var position = 0
        for edit in edits where edit.target.lowerBound >= position {
            output.append(copying: bytes.extracting(position..<edit.target.lowerBound))
            output.append(copying: text.span.extracting(edit.text))
            position = edit.target.upperBound
        }
        output.append(copying: bytes.extracting(position..<bytes.count))
    }

    private mutating func add(_ target: Range<Int>, _ start: Int) {
        edits.append(Edit(target: target, text: start..<text.count, order: edits.count))
    }

    private mutating func addSurrogateRepairs(_ bytes: Span<UInt8>, _ tape: borrowing JSONTape) {
        for index in 0..<tape.count where tape.nodes[index].has(TapeFlag.loneSurrogate) {
            let content = tape.contentRange(JSONNode(index))
            var position = content.lowerBound
            while position < content.upperBound {
                guard bytes[position] == UInt8(ascii: "\\") else {
                    position += 1
                    continue
                }
                let escape = decodeEscape(bytes, at: position, end: content.upperBound)
                if escape.isLoneSurrogate {
                    let start = text.count
                    text.append(copying: ("\\ufffd" as StaticString).span)
                    add(position..<position + escape.length, start)
                }
                position += escape.length
            }
        }
    }
}
