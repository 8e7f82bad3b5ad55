extension FieldName {
    /// Whether a field of this name speaks about one connection only (RFC 9110, 7.6.1), whatever Connection says: no proxy
    /// hands it on.
    public var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .te, .trailer, .transferEncoding, .upgrade, .proxyAuthorization,
            .proxyAuthenticate,
            .proxyConnection:
            true
        default: false
        }
    }
}

extension FieldList {
    /// Whether the field at a position speaks about this connection only and is not handed on: those that always do
    /// (``FieldName/isHopByHop``), every `Proxy-` field, and those that a Connection field names (RFC 9110, 7.6.1).
    ///
    /// A sender can so take any field of its own away from the next hop, `Mcp-Session-Id` too: decide from what is handed
    /// on, not from what came.
    ///
    /// - Parameter bytes: those the head was read from.
    public func isHopByHop(at position: Int, in bytes: Span<UInt8>) -> Bool {
        let field = self[position]
        if field.id.isHopByHop { return true }
        if field.id == .other, bytes.hasPrefix(field.name, "proxy-") { return true }
        guard contains(.connection) else { return false }
        for index in indices where self[index].id == .connection {
            if bytes.list(self[index].value, names: field.name) { return true }
        }
        return false
    }
}

extension Span<UInt8> {
    /// Whether `range` begins with `lowercase`, which holds no upper-case letter, in any case of letters.
    fileprivate func hasPrefix(_ range: Range<Int>, _ lowercase: StaticString) -> Bool {
        let count = lowercase.utf8CodeUnitCount
        return range.count >= count
            && equalsIgnoringCase(range.lowerBound..<range.lowerBound + count, lowercase)
    }

    /// Whether one of the tokens of a list, with commas between them, is spelt as `name`, in any case of letters.
    fileprivate func list(_ list: Range<Int>, names name: Range<Int>) -> Bool {
        var start = list.lowerBound
        while start < list.upperBound {
            var end = start
            while end < list.upperBound, self[end] != ASCII.comma { end += 1 }
            if isSameName(trimmingWhitespace(start..<end), name) { return true }
            start = end + 1
        }
        return false
    }

    private func isSameName(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
        guard one.count == other.count else { return false }
        for offset in 0..<one.count {
            guard lowercased(one.lowerBound + offset) == lowercased(other.lowerBound + offset) else { return false }
        }
        return true
    }

    private func lowercased(_ index: Int) -> UInt8 {
        let byte = self[index]
        return byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
}
