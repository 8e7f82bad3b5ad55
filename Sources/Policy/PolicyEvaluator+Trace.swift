import MCP
import NormalForms
import StrictJSON

/// What one rule made of one message.
public struct RuleTrace: Sendable, Equatable {
    /// The rule.
    public let rule: Int
    /// The keys of its `match` that the message does not have, in the words of the policy; empty when the rule matches.
    public let missing: [String]
    /// Whether it decided; a rule that matches and does not is in audit mode.
    public let decided: Bool
    /// Whether it asks for arguments of a message that has everything else it asks for.
    public let hangsOnArguments: Bool
}

extension PolicyEvaluator {
    /// What each rule makes of a message, up to the one that decides. For people: it looks at every rule.
    public mutating func trace(
        _ policy: CompiledPolicy, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        caller: borrowing PolicyCaller, route: borrowing PolicyText, upstreamName: [UInt8]? = nil
    ) -> [RuleTrace] {
        if message.kind == .response { return [] }
        prepare(message, tape, bytes, upstreamName)
        var traces: [RuleTrace] = []
        for (index, rule) in policy.rules.enumerated() {
            var missing: [String] = []
            for (key, probe) in probes(of: rule, policy.model.rules[index].match, policy) {
                if !matches(probe, policy, message.method, caller, route) { missing.append(key) }
            }
            let hangsOnArguments = missing.isEmpty && !rule.arguments.isEmpty
            let match = policy.model.rules[index].match
            let paths =
                match.arguments.map { "arguments.\($0.path)" }
                + match.argumentPatterns.map { "argument_patterns.\($0.path)" }
            for (offset, condition) in rule.arguments.enumerated() {
                var probe = rule
                probe.arguments = condition..<condition + 1
                if !matchesArguments(probe, policy, message, tape, bytes) { missing.append(paths[offset]) }
            }
            let decided = missing.isEmpty && rule.decides
            traces.append(
                RuleTrace(rule: index, missing: missing, decided: decided, hangsOnArguments: hangsOnArguments))
            if decided { break }
        }
        return traces
    }

    /// A rule taken apart: one for each key but those for arguments.
    private func probes(
        of rule: CompiledRule, _ match: PolicyModel.Match, _ policy: CompiledPolicy
    ) -> [(key: String, rule: CompiledRule)] {
        var any = CompiledRule()
        any.methods = MethodSet.all
        any.isAllow = rule.isAllow
        var probes: [(key: String, rule: CompiledRule)] = []
        var probe = any
        probe.methods = rule.methods
        probe.otherMethods = rule.otherMethods
        probes.append((match.methods.isEmpty ? "method" : "methods", probe))
        let lists: [(String, WritableKeyPath<CompiledRule, GlobList>)] = [
            ("tools", \.tools), ("subjects", \.subjects), ("roles", \.roles), ("resources", \.resources),
            ("prompts", \.prompts), ("routes", \.routes), ("tenants", \.tenants),
        ]
        for (key, path) in lists where !rule[keyPath: path].isEmpty {
            probe = any
            probe[keyPath: path] = rule[keyPath: path]
            probes.append((key, probe))
        }
        for (offset, label) in rule.labels.enumerated() {
            probe = any
            probe.labels = label..<label + 1
            probes.append(("labels.\(match.labels[offset].path)", probe))
        }
        return probes
    }
}
