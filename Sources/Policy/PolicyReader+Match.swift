import MCP
import NormalForms
import YAML

extension PolicyReader {
    /// What a rule asks of a message.
    mutating func match(_ node: YAMLNode) -> PolicyModel.Match? {
        let known = [
            "methods", "tools", "subjects", "roles", "arguments", "argument_patterns", "resources", "prompts", "routes",
            "labels", "tenants", "decode",
        ]
        guard let keys = YAMLMappingReader(node, "match", known: known, &mistakes) else { return nil }
        var match = PolicyModel.Match()
        if let node = keys["methods"] { match.methods = methods(node) }
        if let node = keys["tools"] { match.tools = globs(node, "tools") }
        if let node = keys["subjects"] { match.subjects = globs(node, "subjects") }
        if let node = keys["roles"] { match.roles = globs(node, "roles") }
        if let node = keys["resources"] { match.resources = globs(node, "resources") }
        if let node = keys["prompts"] { match.prompts = globs(node, "prompts") }
        if let node = keys["routes"] { match.routes = globs(node, "routes") }
        if let node = keys["tenants"] { match.tenants = globs(node, "tenants") }
        if let node = keys["labels"] { match.labels = labels(node) }
        if let node = keys["arguments"] { match.arguments = arguments(node, "arguments", areExpressions: false) }
        if let node = keys["argument_patterns"] {
            match.argumentPatterns = arguments(node, "argument_patterns", areExpressions: true)
        }
        if let node = keys["decode"] { match.decode = decodings(node) }
        if known.dropLast().allSatisfy({ keys.entry($0) == nil }) {
            note(node.position, "match has no key to match by; for every message write methods: [\"*\"]")
        }
        check(keys, match)
        return match
    }

    /// Keys that cannot go together.
    private mutating func check(_ keys: YAMLMappingReader, _ match: PolicyModel.Match) {
        let kinds = ["tools", "resources", "prompts"].compactMap { keys.entry($0) }
        if kinds.count > 1 {
            note(
                kinds[1].position,
                "one message never has both \(kinds[0].key) and \(kinds[1].key); make two rules of this one")
        }
        if let entry = keys.entry("resources"), match.namesArguments {
            note(entry.position, "a request for a resource has no arguments; make two rules of this one")
        }
        if let entry = keys.entry("decode"), !match.namesArguments {
            note(entry.position, "decode is for arguments and argument_patterns, and there are none")
        }
    }

    private mutating func methods(_ node: YAMLNode) -> [String] {
        let globs = globs(node, "methods")
        // An extension's method is none the gateway knows, but a slip of a known one is most likely a slip.
        let names = Method.allCases.filter { $0 != .other }.map(\.name.description)
        var elements = [node]
        if case .sequence(let list) = node.value { elements = list }
        for element in elements {
            guard case .scalar(let text, _) = element.value, !text.contains("*"), !text.contains("?"),
                !names.contains(text), let meant = nearest(to: text, among: names)
            else { continue }
            note(element.position, "no method is named \(quoted(text)); did you mean \(meant)?")
        }
        return globs
    }

    private mutating func labels(_ node: YAMLNode) -> [PolicyModel.Argument] {
        entries(node, "labels").map { entry in
            if entry.key.utf8.count > PolicyLimits.textBytes { note(entry.position, "a label's name is too long") }
            checkCharacters(entry.key, entry.position, "a label's name", isName: true)
            return PolicyModel.Argument(path: entry.key, patterns: globs(entry.value, "labels"))
        }
    }

    private mutating func arguments(
        _ node: YAMLNode, _ what: String, areExpressions: Bool
    ) -> [PolicyModel.Argument] {
        var arguments: [PolicyModel.Argument] = []
        var lines: [[UInt8]: Int] = [:]
        for entry in entries(node, what) {
            checkCharacters(entry.key, entry.position, "a path", isName: true)
            // Both would have to match, on the same values.
            if let line = lines.updateValue(entry.position.line, forKey: FoldedText.fold(Array(entry.key.utf8), &forms))
            {
                note(
                    entry.position,
                    "\(quoted(entry.key)) names the same argument as the one in line \(line); put the values in one list"
                )
            }
            do throws(ArgumentPath.Malformed) {
                _ = try ArgumentPath(entry.key, &forms)
            } catch {
                note(entry.position, "\(quoted(entry.key)): \(error.message)")
            }
            if entry.key.utf8.count > PolicyLimits.textBytes { note(entry.position, "the path is too long") }
            let patterns = areExpressions ? expressions(entry.value, what) : globs(entry.value, what)
            arguments.append(PolicyModel.Argument(path: entry.key, patterns: patterns))
        }
        return arguments
    }

    /// The members of a mapping that is not empty.
    private mutating func entries(_ node: YAMLNode, _ what: String) -> [YAMLNode.Entry] {
        guard case .mapping(let entries) = node.value, !entries.isEmpty else {
            note(
                node.position,
                "\(what) is a mapping of names to lists, not \(node.kindName) or empty; remove the key or add a name")
            return []
        }
        return entries
    }

    private mutating func decodings(_ node: YAMLNode) -> Decodings {
        enum Name: String, CaseIterable {
            case percent, base64
        }
        var decodings: Decodings = []
        for element in node.list("decode", &mistakes) {
            switch element.choice("decode", &mistakes) as Name? {
            case .percent: decodings.insert(.percent)
            case .base64: decodings.insert(.base64)
            case nil: break
            }
        }
        return decodings
    }
}
