import StrictJSON

/// What a member of an object is to readers of every kind.
public enum MemberSearch: Equatable, Sendable {
    /// All find the same value.
    case found(JSONNode)
    /// None finds one.
    case absent
    /// A name that differs from it in case, width or invisible characters only: some readers find another value than others (Go's compares names
    /// without regard to case).
    case ambiguous
}

extension JSONTape {
    /// Finds a member by its name, as strict and as sloppy readers would.
    public func search(_ name: StaticString, of node: JSONNode, in bytes: Span<UInt8>) -> MemberSearch {
        var result = MemberSearch.absent
        for (key, value) in members(of: node) {
            // No letter of a folded name takes less than a byte of what was folded, nor of an escape.
            if contentRange(key).count < name.utf8CodeUnitCount { continue }
            if !isEscaped(key) {
                let text = bytes.extracting(contentRange(key))
                if text.isEqual(to: name) {
                    result = .found(value)
                } else if FoldedName(text).stands(for: name.span) {
                    return .ambiguous
                }
                continue
            }
            var text: [UInt8] = []
            appendString(key, in: bytes, to: &text)
            if text.span.isEqual(to: name) {
                result = .found(value)
            } else if FoldedName(text.span).stands(for: name.span) {
                return .ambiguous
            }
        }
        return result
    }
}
