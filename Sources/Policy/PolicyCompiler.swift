import MCP
import NormalForms

/// Turns a policy's texts into tables.
struct PolicyCompiler: ~Copyable {
    /// What a glob is compared with.
    enum GlobUse {
        /// Names: as they are and in normal form.
        case names
        /// Arguments and URIs, which may be paths, too.
        case paths
    }

    private(set) var rules: [CompiledRule] = []
    private(set) var table = GlobTable()
    private(set) var labelConditions: [LabelCondition] = []
    private(set) var conditions: [ArgumentCondition] = []
    private(set) var steps: [FlatStep] = []
    private(set) var stepNames: [UInt8] = []
    private(set) var expressions: [Expression] = []
    private(set) var keyedRules: [(rule: Int, keys: [(bytes: [UInt8], isPrefix: Bool)])] = []
    /// The rules for `tools/call` that the index cannot find.
    private var unkeyed: [Bool] = []
    private var forms: NormalForms
    /// Equal lists are compiled once: policies repeat themselves.
    private var known: [GlobKey: GlobList] = [:]

    private struct GlobKey: Hashable {
        let texts: [String]
        let isPath: Bool
    }

    init(_ library: UnicodeLibrary) { forms = NormalForms(library) }

    mutating func compile(_ model: PolicyModel) throws(PolicyError) {
        for (index, rule) in model.rules.enumerated() { try compile(rule, index, model.mode) }
    }

    private mutating func compile(_ source: PolicyModel.Rule, _ index: Int, _ mode: PolicyMode) throws(PolicyError) {
        let match = source.match
        var rule = CompiledRule()
        rule.isAllow = source.action == .allow
        rule.mode = source.mode ?? mode
        // A denial in audit mode must not open the way for what a later rule forbids; nor may an allowance that is only tried.
        rule.decides = rule.isAllow ? source.mode != .audit : rule.mode == .enforce
        rule.methods = MethodSet.matched(by: match)
        rule.otherMethods = globs(match.methods, .names)
        rule.tools = globs(match.tools, .names)
        rule.subjects = globs(match.subjects, .names)
        rule.roles = globs(match.roles, .names)
        rule.resources = globs(match.resources, .paths)
        rule.prompts = globs(match.prompts, .names)
        rule.routes = globs(match.routes, .names)
        rule.tenants = globs(match.tenants, .names)
        rule.decodings = match.decode.union(.paths)
        let firstLabel = labelConditions.count
        for label in match.labels {
            labelConditions.append(LabelCondition(name: Array(label.path.utf8), values: globs(label.patterns, .names)))
        }
        rule.labels = firstLabel..<labelConditions.count
        let firstCondition = conditions.count
        for argument in match.arguments { try compile(argument, isExpression: false, source.name) }
        for argument in match.argumentPatterns { try compile(argument, isExpression: true, source.name) }
        rule.arguments = firstCondition..<conditions.count
        rules.append(rule)
        unkeyed.append(!addToIndex(match.tools, index))
    }

    /// Puts a rule into the index of tools.
    ///
    /// - Returns: whether every one of its tools can be found there.
    private mutating func addToIndex(_ tools: [String], _ rule: Int) -> Bool {
        guard !tools.isEmpty else { return false }
        var keys: [(bytes: [UInt8], isPrefix: Bool)] = []
        for tool in tools {
            for text in variants(tool, .names) {
                guard let key = NameIndex.key(of: text) else { return false }
                keys.append(key)
            }
        }
        keyedRules.append((rule, keys))
        return true
    }

    private mutating func compile(
        _ argument: PolicyModel.Argument, isExpression: Bool, _ rule: String
    ) throws(PolicyError) {
        let path: ArgumentPath
        do throws(ArgumentPath.Malformed) {
            path = try ArgumentPath(argument.path, &forms)
        } catch {
            throw PolicyError(description: "rule \(rule): argument \(argument.path): \(error.message)")
        }
        let firstStep = steps.count
        for step in path.steps {
            switch step {
            case .name(let name): steps.append(FlatStep(kind: .name, name: store(name)))
            case .anyMember: steps.append(FlatStep(kind: .anyMember))
            case .everyElement: steps.append(FlatStep(kind: .everyElement))
            case .element(let index): steps.append(FlatStep(kind: .element, element: index))
            }
        }
        let wholeName = path.wholeName.map { store($0) }
        let firstExpression = expressions.count
        if isExpression {
            for pattern in argument.patterns { expressions.append(try expression(pattern, "rule \(rule)")) }
        }
        conditions.append(
            ArgumentCondition(
                steps: firstStep..<steps.count, wholeName: wholeName,
                globs: isExpression ? GlobList() : globs(argument.patterns, .paths),
                expressions: firstExpression..<expressions.count))
    }

    private func expression(_ pattern: String, _ owner: String) throws(PolicyError) -> Expression {
        do throws(ExpressionError) {
            return try Expression(pattern, memory: PolicyLimits.expressionMemory)
        } catch {
            throw PolicyError(description: "\(owner): expression \(pattern): \(error.message)")
        }
    }

    private mutating func store(_ name: [UInt8]) -> Range<Int> {
        stepNames.append(contentsOf: name)
        return stepNames.count - name.count..<stepNames.count
    }

    /// The rules that the index does not have, by the raw value of the method they match.
    func generalRules() -> (ranges: [Range<Int>], rules: [UInt32]) {
        var ranges: [Range<Int>] = []
        var list: [UInt32] = []
        for method in Method.allCases {
            let first = list.count
            let bit = MethodSet.bit(method)
            for (index, rule) in rules.enumerated() where rule.methods & bit != 0 {
                if method != .toolsCall || unkeyed[index] { list.append(UInt32(index)) }
            }
            ranges.append(first..<list.count)
        }
        return (ranges, list)
    }

    /// Compiles globs, each in all its variants.
    mutating func globs(_ texts: [String], _ use: GlobUse) -> GlobList {
        guard !texts.isEmpty else { return GlobList() }
        let key = GlobKey(texts: texts, isPath: use == .paths)
        if let list = known[key] { return list }
        var variants: [[UInt8]] = []
        for text in texts { variants += self.variants(text, use) }
        let list = table.add(variants)
        known[key] = list
        return list
    }

    /// A glob as it is written and as it must read to match the other forms of what it matches: an allow rule asks all of
    /// them.
    private mutating func variants(_ text: String, _ use: GlobUse) -> [[UInt8]] {
        let written = Array(text.utf8)
        var result = [written]
        var normal: [UInt8] = []
        forms.appendNormal(written.span, to: &normal)
        // Not where that would make a wildcard of a character, or let go of spaces at the ends.
        if GlobVariant.isFaithful(normal, to: written), !result.contains(normal) { result.append(normal) }
        if use == .paths {
            for base in result {
                for variant in GlobVariant.paths(base) where !result.contains(variant) { result.append(variant) }
            }
        }
        return result
    }
}

/// Other spellings of a glob.
enum GlobVariant {
    private static func isWildcard(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?") }

    /// Whether the normal form of a glob still is that glob.
    static func isFaithful(_ normal: [UInt8], to written: [UInt8]) -> Bool {
        guard let first = written.first, let last = written.last, let normalFirst = normal.first,
            let normalLast = normal.last
        else { return false }
        // A space at an end stands before or behind something in the text, where it is not trimmed.
        guard !isWildcard(normalFirst) || normalFirst == first, !isWildcard(normalLast) || normalLast == last else {
            return false
        }
        return normal.filter(isWildcard) == written.filter(isWildcard)
    }

    /// How a glob reads as a path: with slashes, without one at the end, and a `file:` URL as the path it names.
    static func paths(_ glob: [UInt8]) -> [[UInt8]] {
        var path = glob.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }
        if path.prefix(7).map({ $0 | 0x20 }) == Array("file:".utf8) + [0x2F, 0x2F] {
            let authority = path[7...]
            if let slash = authority.firstIndex(of: UInt8(ascii: "/")) {
                path = Array(path[slash...])
            } else if authority.contains(UInt8(ascii: "*")) {
                path = Array("/*".utf8)
            }
        }
        if path.count > 1, path.last == UInt8(ascii: "/") { path.removeLast() }
        guard let folded = URIScheme.folded(path.span) else { return [path] }
        return [path, folded]
    }
}
