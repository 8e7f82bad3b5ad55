/// Reads a mapping whose names are known, collecting mistakes instead of stopping at the first.
public struct YAMLMappingReader: Sendable {
    /// Where the mapping begins.
    public let position: YAMLPosition
    private let entries: [YAMLNode.Entry]

    /// The members of a node.
    ///
    /// - Parameters:
    ///   - what: what it is to be, for the message ("a rule").
    ///   - known: the names it may have; any other is a mistake.
    /// - Returns: nil, with a mistake added, when the node is no mapping.
    public init?(_ node: YAMLNode, _ what: String, known: [String], _ mistakes: inout [YAMLError]) {
        guard case .mapping(let entries) = node.value else {
            mistakes.append(YAMLError(node.position, "\(what) is a mapping of names and values, not \(node.kindName)"))
            return nil
        }
        self.position = node.position
        self.entries = entries
        for entry in entries where !known.contains(entry.key) {
            let remedy = nearest(to: entry.key, among: known).map { "did you mean \($0)?" }
            mistakes.append(
                YAMLError(
                    entry.position,
                    "\(what) has no key \(quoted(entry.key)); "
                        + "\(remedy ?? "known are: \(known.joined(separator: ", "))")"
                ))
        }
    }

    /// A member, if it is there, null or not: a name without a value is rarely meant, and never to be passed over.
    public subscript(name: String) -> YAMLNode? { entry(name)?.value }

    /// A member with its name's place.
    public func entry(_ name: String) -> YAMLNode.Entry? { entries.first { $0.key == name } }
}

extension YAMLNode {
    /// The text of a scalar that is not null and not empty; else nil, with a mistake added.
    public func text(_ what: String, _ mistakes: inout [YAMLError]) -> String? {
        guard case .scalar(let text, _) = value, !isNull else {
            mistakes.append(YAMLError(position, "\(what) is a text, not \(kindName)"))
            return nil
        }
        guard !text.isEmpty else {
            mistakes.append(YAMLError(position, "\(what) is empty"))
            return nil
        }
        return text
    }

    /// One of some words; else nil, with a mistake added.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ what: String, _ mistakes: inout [YAMLError]
    ) -> Choice? where Choice.RawValue == String {
        guard let text = text(what, &mistakes) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        let remedy = nearest(to: text, among: words).map { "; did you mean \($0)?" } ?? ""
        mistakes.append(
            YAMLError(position, "\(what) is \(words.joined(separator: " or ")), not \(quoted(text))\(remedy)"))
        return nil
    }

    /// A list with at least one element, or a single value as a list of one; nothing, with a mistake added, for any other.
    public func list(_ what: String, _ mistakes: inout [YAMLError]) -> [YAMLNode] {
        switch value {
        case .sequence(let elements):
            if elements.isEmpty {
                mistakes.append(YAMLError(position, "\(what) is an empty list; remove the key or add a value"))
            }
            return elements
        case .scalar where !isNull: return [self]
        case .scalar, .mapping:
            mistakes.append(YAMLError(position, "\(what) is a list, not \(kindName)"))
            return []
        }
    }
}
