import MCP
import NormalForms
import StrictJSON

/// What a list is of.
public enum ListedItem: Sendable {
    /// Tools, by name.
    case tool
    /// Prompts, by name.
    case prompt
    /// Resources, by URI; of a template the URI template.
    case resource
}

extension PolicyEvaluator {
    /// Whether some call of a listed item could pass, whatever its arguments: what cannot be called is not listed.
    ///
    /// - Parameters:
    ///   - name: the name at the upstream, or the URI.
    ///   - alias: the name the caller sees, if that is another one.
    public mutating func mayList(
        _ policy: CompiledPolicy, _ item: ListedItem, _ name: Span<UInt8>, alias: [UInt8]? = nil,
        caller: borrowing PolicyCaller, route: borrowing PolicyText
    ) -> Bool {
        toolNames.removeAll()
        subjectNames.removeAll()
        methodNames.removeAll()
        let method = item.method
        switch item {
        case .tool:
            toolNames.add(name, [], &forms)
            if let alias { toolNames.add(alias.span, [], isAlias: true, &forms) }
            if let allowed = policy.allowedTools, policy.model.mode == .enforce,
                !toolNames.matches(allowed, policy.globs, everyForm: true)
            {
                return false
            }
        case .prompt: subjectNames.add(name, [], &forms)
        case .resource: subjectNames.add(name, [.paths, .percent], &forms)
        }
        collect(policy, method)
        while let index = nextRule(policy) {
            let rule = policy.rules[index]
            guard rule.decides, matches(rule, policy, method, caller, route) else { continue }
            // A denial that looks at arguments lets other calls through, so that what comes behind it counts.
            if rule.isAllow || rule.arguments.isEmpty { return rule.isAllow }
        }
        return policy.model.mode == .audit
    }
}

extension ListedItem {
    /// The method by which such an item is used.
    fileprivate var method: Method {
        switch self {
        case .tool: .toolsCall
        case .prompt: .promptsGet
        case .resource: .resourcesRead
        }
    }
}
