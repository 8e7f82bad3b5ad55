/// Texts that patterns match.
enum Instance {
    /// A text that a glob matches.
    static func ofGlob(_ glob: String) -> String {
        String(glob.map { $0 == "*" ? "x" : $0 == "?" ? "a" : $0 })
    }

    /// A text that an expression most likely matches: the first of all alternatives, the least of all repetitions.
    static func ofExpression(_ expression: String) -> String {
        var reader = ExpressionReader(Array(expression.unicodeScalars))
        return reader.alternatives()
    }

    private struct ExpressionReader {
        let text: [Unicode.Scalar]
        var index = 0
        var depth = 0

        init(_ text: [Unicode.Scalar]) { self.text = text }

        mutating func alternatives() -> String {
            var first: String?
            var current = ""
            while index < text.count {
                let scalar = text[index]
                if scalar == ")" { break }
                if scalar == "|" {
                    index += 1
                    first = first ?? current
                    current = ""
                    continue
                }
                let unit = self.unit()
                current += repeated(unit)
            }
            return first ?? current
        }

        private mutating func unit() -> String {
            let scalar = text[index]
            index += 1
            switch scalar {
            case "(":
                if index + 1 < text.count, text[index] == "?" {
                    while index < text.count, text[index] != ":", text[index] != ")", text[index] != ">" { index += 1 }
                    if index < text.count, text[index] == ")" {
                        index += 1
                        return ""
                    }
                    index += 1
                }
                guard depth < 200 else { return "" }
                depth += 1
                let inner = alternatives()
                depth -= 1
                index += 1
                return inner
            case "[": return set()
            case ".": return "x"
            case "^", "$": return ""
            case "\\": return escape()
            default: return String(Character(scalar))
            }
        }

        private mutating func escape() -> String {
            guard index < text.count else { return "" }
            let scalar = text[index]
            index += 1
            switch scalar {
            case "d": return "1"
            case "w", "D", "S": return "x"
            case "s", "W": return " "
            case "b", "B", "A", "z", "Q", "E": return ""
            case "n": return "\n"
            case "t": return "\t"
            default: return String(Character(scalar))
            }
        }

        private mutating func set() -> String {
            let isNegated = index < text.count && text[index] == "^"
            if isNegated { index += 1 }
            var first = ""
            var isFirst = true
            while index < text.count, isFirst || text[index] != "]" {
                isFirst = false
                if text[index] == "\\" {
                    index += 1
                    let found = escape()
                    if first.isEmpty { first = found }
                } else {
                    if first.isEmpty { first = String(Character(text[index])) }
                    index += 1
                }
            }
            index += 1
            return isNegated ? "~" : first
        }

        private mutating func repeated(_ unit: String) -> String {
            guard index < text.count else { return unit }
            var result = unit
            switch text[index] {
            case "*", "?": index += 1
            case "+": index += 1
            case "{":
                let digits = text[(index + 1)...].prefix { $0.value >= 0x30 && $0.value <= 0x39 }
                guard !digits.isEmpty, digits.count < 4 else { return unit }
                let count = digits.reduce(0) { $0 * 10 + Int($1.value) - 0x30 }
                result = String(repeating: unit, count: min(max(count, 1), 200))
                while index < text.count, text[index] != "}" { index += 1 }
                index += 1
            default: return unit
            }
            if index < text.count, text[index] == "?" { index += 1 }
            return result
        }
    }
}

/// Puts values where paths say.
enum ArgumentTree {
    private indirect enum Node {
        case value(String)
        case object([(name: String, node: Node)])
        case array(Node)
    }

    /// The JSON object that has values at paths.
    static func json(_ values: [(path: String, value: String)]) -> String {
        var root = Node.object([])
        for (path, value) in values { root = put(value, steps(path)[...], root) }
        return text(root)
    }

    /// A path's names; an index is an empty one.
    private static func steps(_ path: String) -> [String] {
        path.split(separator: ".", omittingEmptySubsequences: false).flatMap { part -> [String] in
            let name = part.prefix { $0 != "[" }
            let indexes = part.filter { $0 == "[" }.count
            let names = name.isEmpty ? [] : [name == "*" ? "any" : String(name)]
            return names + [String](repeating: "", count: indexes)
        }
    }

    private static func put(_ value: String, _ steps: ArraySlice<String>, _ node: Node?) -> Node {
        guard let step = steps.first else { return .value(value) }
        let rest = steps.dropFirst()
        if step.isEmpty {
            if case .array(let inner) = node { return .array(put(value, rest, inner)) }
            return .array(put(value, rest, nil))
        }
        var members: [(name: String, node: Node)] = []
        if case .object(let known) = node { members = known }
        if let index = members.firstIndex(where: { $0.name == step }) {
            members[index].node = put(value, rest, members[index].node)
        } else {
            members.append((step, put(value, rest, nil)))
        }
        return .object(members)
    }

    private static func text(_ node: Node) -> String {
        switch node {
        case .value(let value): PolicyCall.json(value)
        case .array(let inner): "[\(text(inner))]"
        case .object(let members):
            "{" + members.map { "\(PolicyCall.json($0.name)):\(text($0.node))" }.joined(separator: ",") + "}"
        }
    }
}
