import MCP
import Policy

/// Calls made up from what policies mention, so that between them they meet the borders between rules: every glob and
/// expression written out, every value next to values of other rules, and something that no rule mentions.
struct SampleMaker {
    /// More are not made.
    static let limit = 40_000
    /// Values of one kind that are tried for one rule.
    private static let tried = 24
    /// Pairs of rules that are tried together.
    private static let pairs = 50_000

    private enum Subject: Hashable {
        case tool(String), prompt(String), resource(String), plain
    }

    /// The parts a call is made of.
    private struct Parts: Hashable {
        var method = "tools/call"
        var subject = Subject.plain
        var arguments: [ArgumentValue] = []
        var caller: String? = "someone-else"
        var roles: [String] = []
        var tenant: String?
        var route = "default"
        var labels: [PolicyCall.Label] = []
    }

    private struct ArgumentValue: Hashable {
        let path: String
        let value: String
    }

    private let models: [PolicyModel]
    private var seen: Set<PolicyCall> = []
    private(set) var calls: [PolicyCall] = []

    init(_ models: [PolicyModel]) { self.models = models }

    private var rules: [PolicyModel.Match] { models.flatMap { $0.rules.map(\.match) } }

    /// Makes all of them.
    mutating func make() {
        var pools = Pools(rules, allowedTools: models.flatMap { $0.allowedTools ?? [] })
        pools.cross()
        let matches = matchesInOrder()
        for method in Method.allCases where method != .other { add(Parts(method: method.name.description)) }
        // One call for each rule comes before many for one.
        for match in matches where hasRoom { for parts in parts(of: match, pools) { add(parts) } }
        for tool in pools.tools { add(Parts(subject: .tool(tool))) }
        for match in matches where hasRoom { for parts in parts(of: match, pools) { vary(parts, match, pools) } }
        var pairs = 0
        for first in matches where hasRoom && pairs < SampleMaker.pairs {
            for second in matches where hasRoom && pairs < SampleMaker.pairs {
                pairs += 1
                combine(first, second, pools)
            }
        }
    }

    private var hasRoom: Bool { calls.count < SampleMaker.limit }

    /// What rules match, each once; those first that only one of the policies has.
    private func matchesInOrder() -> [PolicyModel.Match] {
        func key(_ rule: PolicyModel.Rule, _ mode: PolicyMode) -> String {
            "\(rule.match) \(rule.action) \(rule.mode ?? mode)"
        }
        let keys = models.map { model in model.rules.map { key($0, model.mode) } }
        let common = keys.dropFirst().reduce(Set(keys.first ?? [])) { $0.intersection($1) }
        var seen: Set<String> = []
        var changed: [PolicyModel.Match] = []
        var same: [PolicyModel.Match] = []
        for (model, keys) in zip(models, keys) {
            for (rule, key) in zip(model.rules, keys) where seen.insert("\(rule.match)").inserted {
                if common.contains(key), models.count > 1 {
                    same.append(rule.match)
                } else {
                    changed.append(rule.match)
                }
            }
        }
        return changed + same
    }

    /// Calls that a rule matches.
    private func parts(of match: PolicyModel.Match, _ pools: Pools) -> [Parts] {
        var base = Parts()
        if let caller = match.subjects.first { base.caller = Instance.ofGlob(caller) }
        if let role = match.roles.first { base.roles = [Instance.ofGlob(role)] }
        if let tenant = match.tenants.first { base.tenant = Instance.ofGlob(tenant) }
        if let route = match.routes.first { base.route = Instance.ofGlob(route) }
        base.labels = match.labels.compactMap { label in
            label.patterns.first.map { PolicyCall.Label(name: label.path, value: Instance.ofGlob($0)) }
        }
        base.arguments = arguments(match)
        let methods = match.methods.isEmpty ? ["*"] : match.methods
        var found: [Parts] = []
        for method in methods.flatMap({ pools.methods(matching: $0) }).prefix(SampleMaker.tried * 2) {
            var parts = base
            parts.method = method
            switch method {
            case "tools/call":
                let tools = match.tools.isEmpty ? ["some_tool"] : match.tools.map(Instance.ofGlob)
                for tool in tools.prefix(SampleMaker.tried) {
                    parts.subject = .tool(tool)
                    found.append(parts)
                }
            case "prompts/get":
                for prompt in (match.prompts.isEmpty ? ["some-prompt"] : match.prompts.map(Instance.ofGlob)).prefix(8) {
                    parts.subject = .prompt(prompt)
                    found.append(parts)
                }
            case "resources/read", "resources/subscribe", "resources/unsubscribe":
                for uri in (match.resources.isEmpty ? ["some:resource"] : match.resources.map(Instance.ofGlob)).prefix(
                    8)
                {
                    parts.subject = .resource(uri)
                    found.append(parts)
                }
            default: found.append(parts)
            }
        }
        return found
    }

    private func arguments(_ match: PolicyModel.Match) -> [ArgumentValue] {
        match.arguments.compactMap { argument in
            argument.patterns.first.map { ArgumentValue(path: argument.path, value: Instance.ofGlob($0)) }
        }
            + match.argumentPatterns.compactMap { argument in
                argument.patterns.first.map { ArgumentValue(path: argument.path, value: Instance.ofExpression($0)) }
            }
    }

    /// The same call with one thing changed.
    private mutating func vary(_ parts: Parts, _ match: PolicyModel.Match, _ pools: Pools) {
        for caller in pools.subjects.prefix(SampleMaker.tried) { add(parts) { $0.caller = caller } }
        add(parts) { $0.caller = nil }
        for role in pools.roles.prefix(SampleMaker.tried) { add(parts) { $0.roles = [role] } }
        add(parts) { $0.roles = [] }
        for tenant in pools.tenants.prefix(SampleMaker.tried) { add(parts) { $0.tenant = tenant } }
        for route in pools.routes.prefix(SampleMaker.tried) { add(parts) { $0.route = route } }
        add(parts) { $0.labels = [] }
        for label in pools.labels.prefix(SampleMaker.tried) { add(parts) { $0.labels = [label] } }
        switch parts.subject {
        case .tool: for tool in pools.tools.prefix(SampleMaker.tried) { add(parts) { $0.subject = .tool(tool) } }
        case .prompt: for name in pools.prompts.prefix(SampleMaker.tried) { add(parts) { $0.subject = .prompt(name) } }
        case .resource:
            for uri in pools.resources.prefix(SampleMaker.tried) { add(parts) { $0.subject = .resource(uri) } }
        case .plain: break
        }
        add(parts) { $0.arguments = [] }
        for (path, values) in pools.arguments.prefix(SampleMaker.tried) {
            for value in values.prefix(SampleMaker.tried) {
                add(parts) { parts in
                    parts.arguments.removeAll { $0.path == path }
                    parts.arguments.append(ArgumentValue(path: path, value: value))
                }
            }
        }
        for argument in match.arguments {
            for glob in argument.patterns.dropFirst().prefix(SampleMaker.tried) {
                add(parts) { parts in
                    parts.arguments.removeAll { $0.path == argument.path }
                    parts.arguments.append(ArgumentValue(path: argument.path, value: Instance.ofGlob(glob)))
                }
            }
        }
    }

    /// Calls that have what both rules ask for.
    private mutating func combine(_ first: PolicyModel.Match, _ second: PolicyModel.Match, _ pools: Pools) {
        for var parts in parts(of: first, pools).prefix(4) {
            for other in self.parts(of: second, pools).prefix(2) {
                if !second.tools.isEmpty, first.tools.isEmpty { parts.subject = other.subject }
                if !second.subjects.isEmpty { parts.caller = other.caller }
                parts.roles = Array(Set(parts.roles + other.roles)).sorted()
                if !second.tenants.isEmpty { parts.tenant = other.tenant }
                if !second.routes.isEmpty { parts.route = other.route }
                parts.labels += other.labels.filter { !parts.labels.contains($0) }
                parts.arguments += other.arguments.filter { argument in
                    !parts.arguments.contains { $0.path == argument.path }
                }
                add(parts)
            }
        }
    }

    private mutating func add(_ parts: Parts, _ change: (inout Parts) -> Void = { _ in }) {
        guard calls.count < SampleMaker.limit else { return }
        var parts = parts
        change(&parts)
        let arguments = parts.arguments.isEmpty ? nil : ArgumentTree.json(parts.arguments.map { ($0.path, $0.value) })
        let params: String? =
            switch parts.subject {
            case .tool(let name), .prompt(let name): PolicyCall.params(name: name, arguments: arguments)
            case .resource(let uri): PolicyCall.params(uri: uri)
            case .plain: parts.method == "tools/call" ? PolicyCall.params(name: "some_tool", arguments: arguments) : nil
            }
        var call = PolicyCall(method: parts.method, params: params)
        call.subject = parts.caller
        call.roles = parts.roles
        call.tenant = parts.tenant
        call.route = parts.route
        call.labels = parts.labels
        if seen.insert(call).inserted { calls.append(call) }
    }
}

/// The values of every kind that policies mention, written out.
private struct Pools {
    private(set) var tools: [String] = ["some_tool"]
    private(set) var prompts: [String] = ["some-prompt"]
    private(set) var resources: [String] = ["some:resource"]
    private(set) var subjects: [String] = ["someone-else"]
    private(set) var roles: [String] = ["some-role"]
    private(set) var tenants: [String] = ["some-tenant"]
    private(set) var routes: [String] = ["default"]
    private(set) var labels: [PolicyCall.Label] = []
    private(set) var arguments: [(path: String, values: [String])] = []
    private var globs: [String]
    private let methodNames: [String]

    init(_ matches: [PolicyModel.Match], allowedTools: [String]) {
        globs = Pools.distinct(matches.flatMap(\.tools) + allowedTools)
        tools += globs.map(Instance.ofGlob)
        prompts += Pools.distinct(matches.flatMap(\.prompts)).map(Instance.ofGlob)
        resources += Pools.distinct(matches.flatMap(\.resources)).map(Instance.ofGlob)
        subjects += Pools.distinct(matches.flatMap(\.subjects)).map(Instance.ofGlob)
        roles += Pools.distinct(matches.flatMap(\.roles)).map(Instance.ofGlob)
        tenants += Pools.distinct(matches.flatMap(\.tenants)).map(Instance.ofGlob)
        routes += Pools.distinct(matches.flatMap(\.routes)).map(Instance.ofGlob)
        var values: [String: [String]] = [:]
        for match in matches {
            for label in match.labels {
                for glob in label.patterns {
                    labels.append(PolicyCall.Label(name: label.path, value: Instance.ofGlob(glob)))
                }
            }
            for argument in match.arguments {
                values[argument.path, default: []] += argument.patterns.map(Instance.ofGlob)
            }
            for argument in match.argumentPatterns {
                values[argument.path, default: []] += argument.patterns.map { Instance.ofExpression($0) }
            }
        }
        arguments = values.map { (path: $0, values: ["something else"] + Pools.distinct($1)) }
            .sorted { $0.path < $1.path }
        let known = Method.allCases.filter { $0 != .other }.map(\.name.description)
        methodNames =
            known + Pools.distinct(matches.flatMap(\.methods)).map(Instance.ofGlob).filter { !known.contains($0) }
    }

    private static func distinct(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }

    /// Adds names that two globs match: the beginning of one and the end of another.
    mutating func cross() {
        let beginnings = globs.filter { $0.hasSuffix("*") }.prefix(40)
        let ends = globs.filter { $0.hasPrefix("*") && $0.count > 1 }.prefix(40)
        for beginning in beginnings {
            for end in ends { tools.append(Instance.ofGlob(String(beginning.dropLast()) + String(end.dropFirst()))) }
        }
        tools = Pools.distinct(tools)
    }

    /// The methods worth trying for a glob.
    func methods(matching glob: String) -> [String] {
        let text = Instance.ofGlob(glob)
        if !glob.contains("*"), !glob.contains("?") { return [text] }
        let start = glob.prefix { $0 != "*" && $0 != "?" }
        return Pools.distinct(
            ["tools/call"].filter { $0.hasPrefix(start) } + methodNames.filter { $0.hasPrefix(start) } + [text])
    }
}
