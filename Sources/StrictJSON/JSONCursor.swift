/// The elements of an array, in order. To be used up before the tape is filled again, or that has to allocate.
public struct JSONElements: Sequence, IteratorProtocol, Sendable {
    let nodes: [TapeNode]
    var index: Int
    let end: Int

    /// The next element.
    public mutating func next() -> JSONNode? {
        guard index < end else { return nil }
        let node = JSONNode(index)
        index = Int(nodes[index].nextOrHash)
        return node
    }
}

/// The members of an object, in order. To be used up before the tape is filled again, or that has to allocate.
public struct JSONMembers: Sequence, IteratorProtocol, Sendable {
    let nodes: [TapeNode]
    var index: Int
    let end: Int

    /// The next member.
    public mutating func next() -> (name: JSONNode, value: JSONNode)? {
        guard index < end else { return nil }
        let name = JSONNode(index)
        index = Int(nodes[index + 1].nextOrHash)
        return (name, JSONNode(name.index + 1))
    }
}

extension JSONTape {
    /// The elements of an array; nothing for any other value.
    public func elements(of node: JSONNode) -> JSONElements {
        let isArray = nodes[node.index].kind == .array
        return JSONElements(nodes: nodes, index: node.index + 1, end: isArray ? after(node.index) : 0)
    }

    /// The members of an object; nothing for any other value.
    public func members(of node: JSONNode) -> JSONMembers {
        let isObject = nodes[node.index].kind == .object
        return JSONMembers(nodes: nodes, index: node.index + 1, end: isObject ? after(node.index) : 0)
    }

    /// The value of the member with this name, compared after unescaping; nil when there is none or the node is no object.
    public func member(_ name: Span<UInt8>, of node: JSONNode, in bytes: Span<UInt8>) -> JSONNode? {
        guard nodes[node.index].kind == .object else { return nil }
        let end = after(node.index)
        var index = node.index + 1
        while index < end {
            if equals(index, name, in: bytes) { return JSONNode(index + 1) }
            index = after(index + 1)
        }
        return nil
    }

    /// ``member(_:of:in:)-(Span<UInt8>,_,_)`` with a literal name.
    public func member(_ name: StaticString, of node: JSONNode, in bytes: Span<UInt8>) -> JSONNode? {
        member(name.span, of: node, in: bytes)
    }

    /// ``member(_:of:in:)-(Span<UInt8>,_,_)`` with the UTF-8 of a string.
    public func member(named name: String, of node: JSONNode, in bytes: Span<UInt8>) -> JSONNode? {
        // Not `name.utf8.span`: that of a small string dangles when optimised (Swift 6.3).
        let utf8 = Array(name.utf8)
        return member(utf8.span, of: node, in: bytes)
    }

    /// Whether a string or name, unescaped, is this UTF-8. False for values that are no strings.
    public func equals(_ node: JSONNode, _ text: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        equals(node.index, text, in: bytes)
    }

    /// ``equals(_:_:in:)-(_,Span<UInt8>,_)`` with a literal.
    public func equals(_ node: JSONNode, _ text: StaticString, in bytes: Span<UInt8>) -> Bool {
        equals(node.index, text.span, in: bytes)
    }

    @inline(__always)
    private func equals(_ index: Int, _ text: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        let entry = nodes[index]
        guard entry.kind == .string else { return false }
        let content = Int(entry.start) &+ 1..<Int(entry.end) &- 1
        if !entry.has(TapeFlag.escaped) {
            return content.count == text.count && bytes.hasSameBytes(content, text, 0..<text.count)
        }
        // An escape never makes a text longer.
        guard content.count >= text.count else { return false }
        var reader = UnescapingReader(bytes, content)
        var offset = 0
        while let byte = reader.next() {
            guard offset < text.count, text[offset] == byte else { return false }
            offset += 1
        }
        return offset == text.count
    }

    /// Appends the value of a string or name as UTF-8, with U+FFFD for every surrogate without its partner.
    ///
    /// - Precondition: the node is a string or name.
    public func appendString(_ node: JSONNode, in bytes: Span<UInt8>, to output: inout [UInt8]) {
        let content = contentRange(node)
        if isEscaped(node) {
            appendUnescaped(bytes, content, to: &output)
        } else {
            output.append(copying: bytes.extracting(content))
        }
    }

    /// The value of a string or name; nil for values that are no strings.
    public func string(_ node: JSONNode, in bytes: Span<UInt8>) -> String? {
        guard kind(node) == .string else { return nil }
        var utf8: [UInt8] = []
        utf8.reserveCapacity(contentRange(node).count)
        appendString(node, in: bytes, to: &utf8)
        return String(decoding: utf8, as: UTF8.self)
    }

    /// The exact value of a number written without fraction and exponent that fits 64 bits; else nil.
    public func integer(_ node: JSONNode, in bytes: Span<UInt8>) -> Int64? {
        guard isInteger(node) else { return nil }
        var index = range(node).lowerBound
        let end = range(node).upperBound
        let isNegative = bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        // Downwards, since there is one more negative value than there are positive ones.
        var value: Int64 = 0
        while index < end {
            let digit = Int64(bytes[index] &- 0x30)
            let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (next, tooLargeToo) = shifted.subtractingReportingOverflow(digit)
            guard !tooLarge, !tooLargeToo else { return nil }
            value = next
            index += 1
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    /// The truth value of `true` and `false`; else nil.
    public func boolean(_ node: JSONNode) -> Bool? {
        switch kind(node) {
        case .true: true
        case .false: false
        default: nil
        }
    }
}
