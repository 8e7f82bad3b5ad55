import MCP
import NormalForms
import Policy
import StrictJSON

/// Recorded calls against another policy (DESIGN 8 and 10).
public struct PolicyReplay: ~Copyable {
    /// What became of one recorded call.
    public enum Outcome: Hashable, Sendable {
        /// Passed then and now, or was denied then and now.
        case same
        /// Passed, and would be denied.
        case newlyBlocked
        /// Was denied, and would pass.
        case newlyAllowed
        /// The record lacks what decides: it was cut or redacted.
        case undecidable
        /// Something else than policy denied it, which another policy does not change.
        case otherReason
    }

    /// Calls with the same outcome by the same rule.
    public struct Group: Sendable {
        /// What became of them.
        public let outcome: Outcome
        /// What decides by the candidate: a rule's name, or what holds without one in brackets.
        public let cause: String
        /// How many.
        public fileprivate(set) var count = 0
        /// The first of them: where they stand, as `FILE:LINE`, and what they call.
        public fileprivate(set) var examples: [(place: String, call: String)] = []
    }

    /// Examples kept of each group.
    private static let examples = 3

    private var runner: PolicyRunner
    private var tape = JSONTape()
    private var found: [String: Group] = [:]
    /// Records looked at that are requests.
    public private(set) var calls = 0
    /// Records of the other kinds.
    public private(set) var others = 0
    /// Calls whose outcome is the same.
    public private(set) var same = 0

    /// What was found, most calls first.
    public var groups: [Group] {
        found.values.sorted { ($1.count, $0.cause) < ($0.count, $1.cause) }
    }

    /// How many calls had an outcome.
    public func count(_ outcome: Outcome) -> Int {
        found.values.reduce(0) { $0 + ($1.outcome == outcome ? $1.count : 0) }
    }

    /// A replay against a policy.
    ///
    /// - Throws: `PolicyError`.
    public init(_ model: PolicyModel, _ library: UnicodeLibrary) throws(PolicyError) {
        runner = try PolicyRunner(model, library)
    }

    /// Takes one line of the log.
    ///
    /// - Returns: why it is no record; nil when it is one.
    public mutating func take(_ line: [UInt8], place: String) -> String? {
        do throws(JSONError) {
            try JSONParser(surrogates: .replace).parse(line.span, into: &tape)
        } catch {
            return "no line of JSON (\(error))"
        }
        guard tape.kind(.root) == .object else { return "a record is a JSON object" }
        guard let method = text("method", line) else {
            if text("kind", line) == nil { return "a record has a method or a kind" }
            others += 1
            return nil
        }
        if let kind = text("kind", line), kind != "request", kind != "notification" {
            others += 1
            return nil
        }
        // `s2c` is what this gateway writes; others write it out.
        if let direction = text("direction", line),
            direction == "s2c" || direction.hasPrefix("server") || direction == "response"
        {
            others += 1
            return nil
        }
        calls += 1
        judge(line, method, place)
        return nil
    }

    private func text(_ name: String, _ line: [UInt8]) -> String? {
        tape.member(named: name, of: .root, in: line.span).flatMap { tape.string($0, in: line.span) }
    }

    private func texts(_ name: String, _ line: [UInt8]) -> [String] {
        guard let node = tape.member(named: name, of: .root, in: line.span) else { return [] }
        if let text = tape.string(node, in: line.span) { return [text] }
        guard tape.kind(node) == .array else { return [] }
        var list: [String] = []
        for element in tape.elements(of: node) {
            if let text = tape.string(element, in: line.span) { list.append(text) }
        }
        return list
    }

    private mutating func judge(_ line: [UInt8], _ method: String, _ place: String) {
        let (call, isWhole, label) = call(line, method)
        let passed = ["allow", "audit", "redact"].contains(text("action", line) ?? "allow")
        let reason = text("reason", line)
        let isOther = reason == runner.unboundTaskReason || reason == HeaderFault.reason.description
        if !passed, isOther || text("threat_type", line) != nil {
            return note(.otherReason, "(not policy)", place, label)
        }
        guard let verdict = try? runner.decide(call) else { return note(.undecidable, "(unreadable)", place, label) }
        if !isWhole.arguments, let rule = firstRuleThatNeedsArguments(call) {
            return note(.undecidable, rule, place, label)
        }
        if !isWhole.name { return note(.undecidable, "(name cut)", place, label) }
        let cause = runner.causeName(verdict.cause)
        if verdict.passes == passed {
            same += 1
        } else {
            note(verdict.passes ? .newlyAllowed : .newlyBlocked, cause, place, label)
        }
    }

    private mutating func firstRuleThatNeedsArguments(_ call: PolicyCall) -> String? {
        guard let traces = try? runner.trace(call), let needy = traces.first(where: \.hangsOnArguments) else {
            return nil
        }
        return runner.policy.model.rules[needy.rule].name
    }

    /// Methods that name what they are about.
    private static let named: Set<String> = [
        "tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe",
        "completion/complete",
    ]

    /// The call that a record is of, whether it is all there, and a text for people.
    private func call(
        _ line: [UInt8], _ method: String
    ) -> (call: PolicyCall, isWhole: (name: Bool, arguments: Bool), label: String) {
        var arguments: String?
        var isWhole = (name: true, arguments: true)
        if let node = tape.member(named: "tool_args", of: .root, in: line.span) {
            let json = String(decoding: line[tape.range(node)], as: UTF8.self)
            if tape.kind(node) != .null { arguments = json }
            if json.contains("[hidden]") || json.contains("[REDACTED") { isWhole.arguments = false }
        }
        if let cuts = tape.member(named: "cut", of: .root, in: line.span), tape.kind(cuts) == .array {
            for cut in tape.elements(of: cuts) where tape.kind(cut) == .object {
                let name = tape.member(named: "name", of: cut, in: line.span).flatMap { tape.string($0, in: line.span) }
                if name == "tool_args" { isWhole.arguments = false } else { isWhole.name = false }
            }
        }
        // Cut to something that is no object: as if there were none, and whatever hangs on it is undecidable.
        if !isWhole.arguments { arguments = nil }
        let params = params(line, method, isWhole.arguments ? arguments : "{}")
        // Not recorded: a rule that looks at the name cannot be decided.
        if !params.isNamed, PolicyReplay.named.contains(method) { isWhole.name = false }
        let isNotification = text("kind", line).map { $0 == "notification" }
        var call = PolicyCall(method: method, params: params.json, isNotification: isNotification)
        call.subject = text("subject", line)
        call.roles = texts("roles", line)
        call.tenant = text("tenant", line)
        call.route = text("route", line) ?? "default"
        call.labels = labels("labels", line, areClaimed: false) + labels("claimed_labels", line, areClaimed: true)
        let shown = [method, params.shown, arguments].compactMap { $0 }.joined(separator: " ")
        return (call, isWhole, shown)
    }

    /// The params that a record tells of, as the method has them; whether anything in them says what the call is about, and that for people.
    private func params(
        _ line: [UInt8], _ method: String, _ arguments: String?
    ) -> (json: String?, isNamed: Bool, shown: String?) {
        func json(_ name: String) -> String? {
            tape.member(named: name, of: .root, in: line.span).map {
                String(decoding: line[tape.range($0)], as: UTF8.self)
            }
        }
        let (tool, prompt, resource) = (json("tool_name"), json("prompt"), json("resource"))
        var members: [String] = []
        switch method {
        case "completion/complete":
            let reference = [prompt.map { "\"name\":\($0)" }, resource.map { "\"uri\":\($0)" }].compactMap { $0 }
            if !reference.isEmpty { members.append("\"ref\":{\(reference.joined(separator: ","))}") }
        case "subscriptions/listen":
            if let resource { members.append("\"notifications\":{\"resourceSubscriptions\":\(resource)}") }
        case "tasks/get", "tasks/result", "tasks/cancel", "tasks/update":
            if let resource { members.append("\"taskId\":\(resource)") }
        default:
            if let name = tool ?? prompt { members.append("\"name\":\(name)") }
            if let resource { members.append("\"uri\":\(resource)") }
        }
        let isNamed = !members.isEmpty
        if let arguments { members.append("\"arguments\":\(arguments)") }
        let shown = text("tool_name", line) ?? text("prompt", line) ?? text("resource", line) ?? resource
        return (members.isEmpty ? nil : "{\(members.joined(separator: ","))}", isNamed, shown)
    }

    private func labels(_ member: String, _ line: [UInt8], areClaimed: Bool) -> [PolicyCall.Label] {
        guard let labels = tape.member(named: member, of: .root, in: line.span), tape.kind(labels) == .object else {
            return []
        }
        var list: [PolicyCall.Label] = []
        for (name, value) in tape.members(of: labels) {
            guard let name = tape.string(name, in: line.span), let value = tape.string(value, in: line.span) else {
                continue
            }
            list.append(PolicyCall.Label(name: name, value: value, isClaimed: areClaimed))
        }
        return list
    }

    private mutating func note(_ outcome: Outcome, _ cause: String, _ place: String, _ call: String) {
        var group = found["\(outcome) \(cause)"] ?? Group(outcome: outcome, cause: cause)
        group.count += 1
        if group.examples.count < PolicyReplay.examples { group.examples.append((place, call)) }
        found["\(outcome) \(cause)"] = group
    }
}
