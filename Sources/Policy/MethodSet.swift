import MCP
import NormalForms

/// Sets of methods, one bit each.
enum MethodSet {
    /// Every method.
    static let all = Method.allCases.reduce(0) { $0 | bit($1) }
    /// Those that name a resource.
    static let resources = set(
        .resourcesRead, .resourcesSubscribe, .resourcesUnsubscribe, .resourceUpdated,
        .completionComplete, .subscriptionsListen)
    /// Those that name a prompt.
    static let prompts = set(.promptsGet, .completionComplete)
    /// Those that carry arguments.
    static let arguments = set(.toolsCall, .promptsGet)
    /// What needs no rule, beside notifications.
    static let handshake = set(.initialize, .discover, .ping)

    static func bit(_ method: Method) -> UInt64 { 1 << UInt64(method.rawValue) }

    private static func set(_ methods: Method...) -> UInt64 { methods.reduce(0) { $0 | bit($1) } }

    /// What a rule's keys leave of the methods, whatever its `methods` are: the domain of `tools`, `resources`, `prompts`
    /// and `arguments`.
    static func domain(of match: PolicyModel.Match) -> UInt64 {
        var domain = all
        if !match.tools.isEmpty { domain &= bit(.toolsCall) }
        if !match.resources.isEmpty { domain &= resources }
        if !match.prompts.isEmpty { domain &= prompts }
        if match.namesArguments { domain &= arguments }
        return domain
    }

    /// The methods a rule can match; ``Method/other`` when its globs are to be asked.
    static func matched(by match: PolicyModel.Match) -> UInt64 {
        let domain = domain(of: match)
        if match.methods.isEmpty { return domain }
        var table = GlobTable()
        let globs = table.add(match.methods.map { Array($0.utf8) })
        var methods = bit(.other)
        for method in Method.allCases where method != .other {
            let name = Array(method.name.description.utf8)
            if table.matches(globs, name.span) { methods |= bit(method) }
        }
        return methods & domain
    }

    /// The known methods' names, folded.
    static func foldedNames(_ forms: inout NormalForms) -> Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        for method in Method.allCases where method != .other {
            names.insert(FoldedText.fold(Array(method.name.description.utf8), &forms))
        }
        return names
    }
}
