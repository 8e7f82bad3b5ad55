import NormalForms
import YAML

/// What became of a policy file.
public struct PolicyReading: Sendable {
    /// The policy; nil when there are mistakes.
    public let policy: PolicyModel?
    /// What is wrong, in the order of the file.
    public let errors: [YAMLError]
    /// What is probably not meant: rules that nothing reaches. Errors under `--strict`.
    public let warnings: [YAMLError]
}

extension PolicyModel {
    /// Reads a policy file (DESIGN 8), finding as many mistakes as there are.
    public static func read(_ bytes: [UInt8], _ library: UnicodeLibrary) -> PolicyReading {
        let root: YAMLNode?
        do throws(YAMLError) {
            root = try YAMLParser.parse(bytes)
        } catch {
            return PolicyReading(policy: nil, errors: [error], warnings: [])
        }
        guard let root, !root.isNull else {
            let start = YAMLPosition(line: 1, column: 1)
            let message = "the file is empty; a policy begins with version: v1 and has rules"
            return PolicyReading(policy: nil, errors: [YAMLError(start, message)], warnings: [])
        }
        var reader = PolicyReader(library)
        let policy = reader.read(root)
        let errors = reader.mistakes.sorted { $0.position < $1.position }
        guard errors.isEmpty, let policy else { return PolicyReading(policy: nil, errors: errors, warnings: []) }
        return PolicyReading(
            policy: policy, errors: [],
            warnings: (reader.warnings + policy.unreachableRules()).sorted { $0.position < $1.position })
    }
}

/// Reads a policy out of a YAML tree.
struct PolicyReader: ~Copyable {
    var mistakes: [YAMLError] = []
    var warnings: [YAMLError] = []
    /// Computes folded names of paths.
    var forms: NormalForms
    private let library: UnicodeLibrary
    private var expressionCount = 0

    init(_ library: UnicodeLibrary) {
        self.library = library
        forms = NormalForms(library)
    }

    mutating func note(_ position: YAMLPosition, _ message: String) { mistakes.append(YAMLError(position, message)) }

    mutating func read(_ root: YAMLNode) -> PolicyModel? {
        let known = ["version", "mode", "rules", "response_patterns", "allowed_tools"]
        guard let keys = YAMLMappingReader(root, "a policy", known: known, &mistakes) else { return nil }
        var policy = PolicyModel()
        if let node = keys["version"] {
            if let version = node.text("version", &mistakes), version != "v1" {
                note(node.position, "version is v1, not \(quoted(version))")
            }
        } else {
            note(keys.position, "version is missing; the first line of a policy is version: v1")
        }
        if let node = keys["mode"] { policy.mode = node.choice("mode", &mistakes) ?? .enforce }
        if let node = keys["allowed_tools"] { policy.allowedTools = globs(node, "allowed_tools") }
        if let node = keys["response_patterns"] { policy.responsePatterns = responsePatterns(node) }
        if let node = keys["rules"] {
            policy.rules = rules(node)
        } else {
            note(keys.position, "rules are missing; without one every call would be denied")
        }
        checkCompiled(policy)
        return policy
    }

    private mutating func rules(_ node: YAMLNode) -> [PolicyModel.Rule] {
        guard case .sequence(let elements) = node.value else {
            note(node.position, "rules are a list, each beginning with \"- name:\", not \(node.kindName)")
            return []
        }
        if elements.isEmpty {
            note(
                node.position,
                "rules is an empty list; to deny everything write a rule with methods: [\"*\"] and action: deny")
        }
        guard elements.count <= PolicyLimits.rules else {
            note(node.position, "more than \(PolicyLimits.rules) rules")
            return []
        }
        var lines: [String: Int] = [:]
        var rules: [PolicyModel.Rule] = []
        for element in elements {
            guard let rule = rule(element) else { continue }
            if let line = lines.updateValue(rule.position.line, forKey: rule.name) {
                note(
                    rule.position,
                    "a rule named \(quoted(rule.name)) is there already, in line \(line); give this one a "
                        + "name of its own"
                )
            }
            rules.append(rule)
        }
        return rules
    }

    private mutating func rule(_ node: YAMLNode) -> PolicyModel.Rule? {
        let known = ["name", "match", "action", "mode", "reason"]
        guard let keys = YAMLMappingReader(node, "a rule", known: known, &mistakes) else { return nil }
        let name = keys["name"].flatMap { boundedText($0, "name") }
        if keys["name"] == nil { note(node.position, "a rule has a name; records and messages refer to it") }
        var match: PolicyModel.Match?
        if let node = keys["match"] {
            match = self.match(node)
        } else {
            note(node.position, "a rule says what it matches; for every message write match: {methods: [\"*\"]}")
        }
        var action: PolicyAction?
        if let node = keys["action"] {
            action = node.choice("action", &mistakes)
        } else {
            note(node.position, "a rule has an action: allow or deny")
        }
        let mode: PolicyMode? = keys["mode"].flatMap { $0.choice("mode", &mistakes) }
        let reason = keys["reason"].flatMap { boundedText($0, "reason") }
        guard let name, let match, let action else { return nil }
        return PolicyModel.Rule(
            name: name, match: match, action: action, mode: mode, reason: reason, position: node.position)
    }

    private mutating func responsePatterns(_ node: YAMLNode) -> [PolicyModel.ResponsePattern] {
        guard case .sequence(let elements) = node.value else {
            note(node.position, "response_patterns is a list of expressions, not \(node.kindName)")
            return []
        }
        if elements.isEmpty {
            note(node.position, "response_patterns is an empty list; remove the key or add an expression")
        }
        var patterns: [PolicyModel.ResponsePattern] = []
        for (index, element) in elements.enumerated() {
            if case .scalar = element.value {
                guard let text = expression(element) else { continue }
                patterns.append(PolicyModel.ResponsePattern(name: "response_patterns[\(index)]", patterns: [text]))
            } else if let pattern = responsePattern(element, index) {
                patterns.append(pattern)
            }
        }
        var names: Set<String> = []
        for (pattern, element) in zip(patterns, elements) where !names.insert(pattern.name).inserted {
            note(element.position, "a response pattern named \(quoted(pattern.name)) is there already")
        }
        return patterns
    }

    private mutating func responsePattern(_ node: YAMLNode, _ index: Int) -> PolicyModel.ResponsePattern? {
        let known = ["name", "pattern", "patterns", "tools", "mode", "reason"]
        guard let keys = YAMLMappingReader(node, "a response pattern", known: known, &mistakes) else { return nil }
        var expressions: [String] = []
        switch (keys["pattern"], keys["patterns"]) {
        case (let node?, nil): expression(node).map { expressions = [$0] }
        case (nil, let node?): expressions = self.expressions(node, "patterns")
        default: note(node.position, "a response pattern has either pattern or patterns")
        }
        return PolicyModel.ResponsePattern(
            name: keys["name"].flatMap { boundedText($0, "name") } ?? "response_patterns[\(index)]",
            patterns: expressions, tools: keys["tools"].map { globs($0, "tools") } ?? [],
            mode: keys["mode"].flatMap { $0.choice("mode", &mistakes) },
            reason: keys["reason"].flatMap { boundedText($0, "reason") })
    }

    // MARK: - Texts

    mutating func boundedText(_ node: YAMLNode, _ what: String) -> String? {
        guard let text = node.text(what, &mistakes) else { return nil }
        guard text.utf8.count <= PolicyLimits.textBytes else {
            note(node.position, "\(what) is longer than \(PolicyLimits.textBytes) bytes")
            return nil
        }
        checkCharacters(text, node.position, what, isName: true)
        return text
    }

    /// Finds what a text does not show: line breaks of a block text, invisible and control characters, and spaces at the
    /// ends of a name. None of them is ever meant, and a rule with one looks as if it matched what it does not.
    ///
    /// - Parameter isName: whether spaces at the ends are a mistake, too.
    mutating func checkCharacters(_ text: String, _ position: YAMLPosition, _ what: String, isName: Bool) {
        if text.utf8.contains(0x0A) || text.utf8.contains(0x0D) {
            return note(position, "\(what) holds a line break; write it on one line, in quotation marks")
        }
        let hidden = text.unicodeScalars.first { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .privateUse, .lineSeparator, .paragraphSeparator, .unassigned: true
            default: scalar.properties.isDefaultIgnorableCodePoint
            }
        }
        if let hidden {
            let code = String(hidden.value, radix: 16, uppercase: true)
            return note(
                position,
                "\(what) holds the invisible character U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code); "
                    + "remove it: values are matched without such")
        }
        if isName, text.hasPrefix(" ") || text.hasSuffix(" ") {
            note(position, "\(what) begins or ends with a space; remove it")
        }
    }

    /// What looks like another language's pattern, of which a glob takes every letter as it stands.
    private mutating func checkDialect(_ text: String, _ node: YAMLNode, _ what: String) {
        guard ["tools", "methods", "prompts", "allowed_tools"].contains(what) else { return }
        let looksForeign =
            text.hasPrefix("^") || text.hasSuffix("$") || text.contains(".*") || text.contains("|")
            || text.contains("{") || text.contains("[") || text.contains("\\")
        if looksForeign {
            warnings.append(
                YAMLError(
                    node.position,
                    "\(quoted(text)) in \(what) is taken letter by letter; the only wildcards are * and ?, and "
                        + "alternatives are elements of the list"))
        }
    }

    /// The globs of a list.
    mutating func globs(_ node: YAMLNode, _ what: String) -> [String] {
        var globs: [String] = []
        if case .scalar(let text, _) = node.value, text.contains(","),
            ["tools", "methods", "prompts", "allowed_tools"].contains(what)
        {
            note(node.position, "\(what) is one text with a comma in it; write a list: [a, b]")
        }
        for element in node.list(what, &mistakes) {
            guard let text = element.text("a glob in \(what)", &mistakes) else { continue }
            checkCharacters(text, element.position, "a glob in \(what)", isName: what != "arguments")
            checkDialect(text, element, what)
            if text.utf8.count > PolicyLimits.globBytes {
                note(element.position, "a glob is at most \(PolicyLimits.globBytes) bytes long")
            } else if text.split(separator: "*").contains(where: {
                $0.contains("?") && $0.utf8.count > PolicyLimits.wildPieceBytes
            }) {
                note(
                    element.position,
                    "what stands between two * may have ? only if it is at most "
                        + "\(PolicyLimits.wildPieceBytes) bytes long"
                )
            } else {
                globs.append(text)
            }
        }
        return globs
    }

    /// The expressions of a list.
    mutating func expressions(_ node: YAMLNode, _ what: String) -> [String] {
        node.list(what, &mistakes).compactMap { expression($0) }
    }

    /// A text that RE2 can compile.
    private mutating func expression(_ node: YAMLNode) -> String? {
        guard let text = node.text("an expression", &mistakes) else { return nil }
        guard text.utf8.count <= PolicyLimits.expressionBytes else {
            note(node.position, "an expression is at most \(PolicyLimits.expressionBytes) bytes long")
            return nil
        }
        checkCharacters(text, node.position, "an expression", isName: false)
        expressionCount += 1
        guard expressionCount <= PolicyLimits.expressions else {
            if expressionCount == PolicyLimits.expressions + 1 {
                note(node.position, "more than \(PolicyLimits.expressions) expressions; globs have no such limit")
            }
            return nil
        }
        do throws(ExpressionError) {
            _ = try Expression(text, memory: PolicyLimits.expressionMemory)
            return text
        } catch {
            note(node.position, "not an expression of RE2: \(error.message)")
            return nil
        }
    }

    /// What only compiling all of it together shows.
    private mutating func checkCompiled(_ policy: PolicyModel) {
        guard mistakes.isEmpty else { return }
        do throws(PolicyError) {
            _ = try CompiledPolicy(policy, library)
        } catch {
            note(YAMLPosition(line: 1, column: 1), error.description)
        }
    }
}
