import MCP
import NormalForms
import StrictJSON

/// Decides about messages. It keeps only memory between them, so that most decisions allocate nothing; one serves a loop.
public struct PolicyEvaluator: ~Copyable, Sendable {
    var forms: NormalForms
    /// The names a call is known by: the upstream's first, the one in the message if that differs.
    var toolNames = NameForms()
    /// The URI or prompt of the message.
    var subjectNames = NameForms()
    var methodNames = NameForms()
    var values: ValueForms
    /// Strings of the message that are JSON, by where they stand.
    var embedded: [Int: EmbeddedText] = [:]
    /// How many such strings stand around the values that are being looked at.
    var depth = 0
    static let maximumDepth = 3
    /// Whether a name that rules are about is there twice, in two spellings.
    var isAmbiguous = false
    var cursors: [RuleCursor] = []
    var replyMemory = ReplySearchMemory()
    let foldedMethods: Set<[UInt8]>

    /// An evaluator.
    public init(_ library: UnicodeLibrary) {
        forms = NormalForms(library)
        values = ValueForms()
        foldedMethods = MethodSet.foldedNames(&forms)
    }

    /// Decides about one message: the first rule that matches, else what holds without one.
    ///
    /// - Parameters:
    ///   - message: the message, as found in `tape`.
    ///   - caller: who sent it; of a server's message, who it is for.
    ///   - route: the name of the route.
    ///   - sender: which side sent it.
    ///   - upstreamName: the tool's name at the upstream, where that is not the one in the message. Deny rules match
    ///     both, allow rules the upstream's.
    public mutating func decide(
        _ policy: CompiledPolicy, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        caller: borrowing PolicyCaller, route: borrowing PolicyText, from sender: Peer = .client,
        upstreamName: [UInt8]? = nil
    ) -> PolicyVerdict {
        if message.kind == .response { return PolicyVerdict(.allow, .enforce, .answer) }
        prepare(message, tape, bytes, upstreamName)
        var noted: PolicyCause?
        if isAmbiguous {
            if policy.model.mode == .enforce { return .unreadable }
            noted = .unsearchable
        }
        if message.method == .other, isDisguised() {
            if policy.model.mode == .enforce { return PolicyVerdict(.deny, .enforce, .disguisedMethod) }
            noted = noted ?? .disguisedMethod
        }
        if message.method == .toolsCall, sender == .client, let allowed = policy.allowedTools,
            !toolNames.matches(allowed, policy.globs, everyForm: true)
        {
            if policy.model.mode == .enforce { return PolicyVerdict(.deny, .enforce, .allowedTools) }
            noted = noted ?? .allowedTools
        }
        collect(policy, message.method)
        while let index = nextRule(policy) {
            let rule = policy.rules[index]
            guard matches(rule, policy, message.method, caller, route),
                matchesArguments(rule, policy, message, tape, bytes)
            else { continue }
            if rule.decides {
                return verdict(rule.isAllow ? .allow : .deny, rule.mode, .rule(index), noted, policy)
            }
            noted = noted ?? .rule(index)
        }
        if let cause = exemption(message, sender) { return verdict(.allow, .enforce, cause, noted, policy) }
        return verdict(.deny, policy.model.mode, .noRule, noted, policy)
    }

    /// What was decided, together with what was noted: a message that passes although something in audit mode would have
    /// denied it is recorded as denied by that, in audit mode.
    private func verdict(
        _ action: PolicyAction, _ mode: PolicyMode, _ cause: PolicyCause, _ noted: PolicyCause?,
        _ policy: CompiledPolicy
    ) -> PolicyVerdict {
        guard let noted else { return PolicyVerdict(action, mode, cause) }
        var isDenial = true
        if case .rule(let index) = noted { isDenial = !policy.rules[index].isAllow }
        if isDenial, action == .allow || mode == .audit { return PolicyVerdict(.deny, .audit, noted) }
        return PolicyVerdict(action, mode, cause, noted: noted)
    }

    /// What passes without a rule (DESIGN 8): handshake and housekeeping, and what servers send.
    private func exemption(_ message: MessageSummary, _ sender: Peer) -> PolicyCause? {
        if sender == .server { return .serverMessage }
        if MethodSet.handshake & MethodSet.bit(message.method) != 0 { return .handshake }
        guard message.kind == .notification else { return nil }
        return message.method.isNotification || methodNames.hasPrefix("notifications/") ? .handshake : nil
    }

    /// Whether an unknown method is a known one to a lenient reader.
    private mutating func isDisguised() -> Bool {
        foldedMethods.contains(FoldedText.fold(methodNames.firstName, &forms))
    }

    // MARK: - The rules in question

    /// Finds the lists in which the rules stand that could match.
    mutating func collect(_ policy: CompiledPolicy, _ method: Method) {
        cursors.removeAll(keepingCapacity: true)
        let general = policy.generalRanges[Int(method.rawValue)]
        if !general.isEmpty {
            cursors.append(
                RuleCursor(next: UInt32(general.lowerBound), end: UInt32(general.upperBound), isGeneral: true))
        }
        if method == .toolsCall { toolNames.find(in: policy.toolIndex, &cursors) }
    }

    /// The next rule of all lists, in the policy's order.
    mutating func nextRule(_ policy: CompiledPolicy) -> Int? {
        var least = UInt32.max
        for cursor in cursors where cursor.next < cursor.end {
            least = min(least, rule(at: cursor, policy))
        }
        guard least < .max else { return nil }
        for index in cursors.indices where cursors[index].next < cursors[index].end {
            if rule(at: cursors[index], policy) == least { cursors[index].next += 1 }
        }
        return Int(least)
    }

    @inline(__always)
    private func rule(at cursor: RuleCursor, _ policy: CompiledPolicy) -> UInt32 {
        cursor.isGeneral ? policy.general[Int(cursor.next)] : policy.toolIndex.rules[Int(cursor.next)]
    }

    // MARK: - One rule

    /// Whether everything but the arguments matches.
    func matches(
        _ rule: CompiledRule, _ policy: CompiledPolicy, _ method: Method, _ caller: borrowing PolicyCaller,
        _ route: borrowing PolicyText
    ) -> Bool {
        let every = rule.isAllow
        if rule.methods & MethodSet.bit(method) == 0 { return false }
        if method == .other, !rule.otherMethods.isEmpty,
            !methodNames.matches(rule.otherMethods, policy.globs, everyForm: every)
        {
            return false
        }
        if !rule.tools.isEmpty, !toolNames.matches(rule.tools, policy.globs, everyForm: every) { return false }
        if !rule.resources.isEmpty, !subjectNames.matches(rule.resources, policy.globs, everyForm: every) {
            return false
        }
        if !rule.prompts.isEmpty, !subjectNames.matches(rule.prompts, policy.globs, everyForm: every) { return false }
        return matchesCaller(rule, policy, caller, route)
    }

    private func matchesCaller(
        _ rule: CompiledRule, _ policy: CompiledPolicy, _ caller: borrowing PolicyCaller, _ route: borrowing PolicyText
    ) -> Bool {
        let every = rule.isAllow
        if !rule.subjects.isEmpty {
            guard let subject = caller.subject, subject.matches(rule.subjects, policy.globs, every) else {
                return false
            }
        }
        if !rule.tenants.isEmpty {
            guard let tenant = caller.tenant, tenant.matches(rule.tenants, policy.globs, every) else { return false }
        }
        if !rule.routes.isEmpty, !route.matches(rule.routes, policy.globs, every) { return false }
        if !rule.roles.isEmpty {
            // A role is one thing a caller may be, not a part of a value: one that matches is enough.
            var isFound = false
            for role in caller.roles where role.matches(rule.roles, policy.globs, every) { isFound = true }
            if !isFound { return false }
        }
        for index in rule.labels {
            let condition = policy.labelConditions[index]
            var isFound = false
            for label in caller.labels where label.name == condition.name && !(label.isRacy && every) {
                if label.value.matches(condition.values, policy.globs, every) { isFound = true }
            }
            if !isFound { return false }
        }
        return true
    }
}

extension PolicyText {
    /// Whether globs match any form of it, or every form.
    @inline(__always)
    func matches(_ list: GlobList, _ globs: GlobTable, _ everyForm: Bool) -> Bool {
        if globs.matches(list, bytes.span) != everyForm { return !everyForm }
        for index in 0..<forms.count where globs.matches(list, forms[index]) != everyForm { return !everyForm }
        return everyForm
    }
}
