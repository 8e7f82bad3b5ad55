import Link
import MCP
import Policy
import StrictJSON

/// The phase `inspectRequest`: what the chain says of a client's message. So far the chain is the policy.
struct RequestInspection: Sendable {
    /// What becomes of the message.
    enum Outcome: Sendable {
        /// It is forwarded.
        case passes
        /// It is answered, or a notification dropped, in this form.
        case denied(Denial)
        /// It names a tool that its caller may not know of.
        case unknownTool(String)
    }

    /// What policy decided; nil where no policy is named.
    private(set) var verdict: PolicyVerdict?
    private(set) var outcome = Outcome.passes
    /// Whether a tool call that is denied is answered with a result.
    private(set) var isToldAsResult = false
    /// The tool that is called, where answers are searched for what such a tool must not say.
    private(set) var tool: PolicyText?

    /// Inspects a message that stands in `tape`.
    init(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ open: RequestOpen,
        _ policy: RoutePolicy, _ evaluator: inout PolicyEvaluator, _ caller: PolicyCaller
    ) {
        if open.identity.method != .anonymous, message.namesTask(tape, bytes) {
            verdict = .unboundTask
            outcome = .denied(Denial(reason: policy.compiled.reason(of: .unboundTask), rule: nil))
            return
        }
        guard policy.isNamed else { return }
        var verdict = evaluator.decide(policy.compiled, message, tape, bytes, caller: caller, route: policy.route)
        if verdict.passes, message.method == .toolsCall, policy.compiled.looksAtArguments, !open.fields.bytes.isEmpty,
            let other = HeaderArguments.verdict(message, tape, bytes, open.fields, policy, &evaluator, caller),
            !other.passes
        {
            verdict = other
        }
        self.verdict = verdict
        guard !verdict.passes else {
            if policy.compiled.inspectsRepliesByTool, message.method == .toolsCall, let name = message.nameNode {
                var text: [UInt8] = []
                tape.appendString(name, in: bytes, to: &text)
                tool = PolicyText(text, policy.library)
            }
            return
        }
        outcome = .denied(policy.denial(verdict))
        guard message.kind == .request, message.method == .toolsCall, let name = message.nameNode else { return }
        var text: [UInt8] = []
        tape.appendString(name, in: bytes, to: &text)
        let isListed = evaluator.mayList(
            policy.compiled, .tool, text.span, caller: caller, route: policy.route)
        guard isListed else {
            outcome = .unknownTool(String(decoding: text, as: UTF8.self))
            return
        }
        isToldAsResult = policy.denials == .result
    }
}

extension MessageSummary {
    /// Whether a client's request is about a task that somebody else may have begun. The server sees one client, this gateway, and ids of tasks are its
    /// own: as long as they are not bound to callers (DESIGN 6), callers who are told apart have none.
    fileprivate func namesTask(_ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> Bool {
        switch method {
        case .tasksGet, .tasksList, .tasksResult, .tasksCancel, .tasksUpdate: return true
        case .subscriptionsListen:
            guard let params else { return false }
            if case .absent = tape.search("taskIds", of: params, in: bytes) {} else { return true }
            switch tape.search("notifications", of: params, in: bytes) {
            case .absent: return false
            case .ambiguous: return true
            case .found(let filter):
                guard tape.kind(filter) == .object, case .absent = tape.search("taskIds", of: filter, in: bytes) else {
                    return tape.kind(filter) == .object
                }
                return false
            }
        default: return false
        }
    }
}

/// The arguments that a modern client repeats in `Mcp-Param-*` fields. Which argument each stands for only the tool's schema says, and a server may
/// believe the field: so the call is decided about once more as one in which each field's argument has both values, the body's and the field's. A deny rule
/// then looks at either, and an allow rule must allow both (MCP 2026-07-28, Custom Headers from Tool Parameters).
private enum HeaderArguments {
    private struct Argument {
        let name: [UInt8]
        var values: [[UInt8]]
    }

    private static let prefix: StaticString = "mcp-param-"
    private static let parser = JSONParser(limits: JSONLimits(), surrogates: .replace)

    /// The verdict about that call; nil where there are no such fields.
    static func verdict(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ fields: FieldLines,
        _ policy: RoutePolicy, _ evaluator: inout PolicyEvaluator, _ caller: PolicyCaller
    ) -> PolicyVerdict? {
        // What cannot be read does not pass.
        guard let arguments = read(fields) else { return .unreadable }
        guard !arguments.isEmpty, let name = message.nameNode else { return nil }
        let text = call(of: bytes.extracting(tape.range(name)), message, tape, bytes, arguments)
        var parsed = JSONTape()
        guard (try? parser.parse(text.span, into: &parsed)) != nil,
            let call = try? MessageSummary(parsed, text.span, from: .client)
        else { return .unreadable }
        return evaluator.decide(policy.compiled, call, parsed, text.span, caller: caller, route: policy.route)
    }

    /// The arguments in the fields; nil if one cannot be read.
    private static func read(_ fields: FieldLines) -> [Argument]? {
        let lines = fields.bytes
        var found: [Argument] = []
        var start = 0
        while start < lines.count {
            var end = start
            while end < lines.count, lines[end] != 0x0D { end += 1 }
            let line = lines.span.extracting(start..<end)
            start = end + 2
            guard line.hasPrefix(prefix) else { continue }
            var colon = prefix.utf8CodeUnitCount
            while colon < line.count, line[colon] != 0x3A { colon += 1 }
            guard colon + 2 <= line.count, let value = HeaderValue.decoded(line.extracting(colon + 2..<line.count))
            else { return nil }
            let name = line.extracting(prefix.utf8CodeUnitCount..<colon).copy
            if let index = found.firstIndex(where: { $0.name == name }) {
                found[index].values.append(value)
            } else {
                found.append(Argument(name: name, values: [value]))
            }
        }
        return found
    }

    /// The call with both values. Names are compared exactly: rules take no notice of case and the like, and select both.
    private static func call(
        of tool: Span<UInt8>, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ arguments: [Argument]
    ) -> [UInt8] {
        var rest = arguments
        var text = Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"#.utf8)
        text.append(copying: tool)
        text += Array(#","arguments":{"#.utf8)
        var isFirst = true
        func begin(_ text: inout [UInt8]) {
            if !isFirst { text.append(0x2C) }
            isFirst = false
        }
        if let node = message.params.flatMap({ tape.member("arguments", of: $0, in: bytes) }),
            tape.kind(node) == .object
        {
            for (name, value) in tape.members(of: node) {
                begin(&text)
                var spelt: [UInt8] = []
                tape.appendString(name, in: bytes, to: &spelt)
                text.append(copying: bytes.extracting(tape.range(name)))
                text.append(0x3A)
                let own = bytes.extracting(tape.range(value))
                if let index = rest.firstIndex(where: { $0.name == spelt }) {
                    text.append(0x5B)
                    text.append(copying: own)
                    append(rest.remove(at: index).values, after: true, to: &text)
                    text.append(0x5D)
                } else {
                    text.append(copying: own)
                }
            }
        }
        for argument in rest {
            begin(&text)
            JSONText.appendString(argument.name.span, to: &text)
            text.append(0x3A)
            if argument.values.count > 1 { text.append(0x5B) }
            append(argument.values, after: false, to: &text)
            if argument.values.count > 1 { text.append(0x5D) }
        }
        text += Array("}}}".utf8)
        return text
    }

    private static func append(_ values: [[UInt8]], after: Bool, to text: inout [UInt8]) {
        for (index, value) in values.enumerated() {
            if after || index > 0 { text.append(0x2C) }
            let value = value
            JSONText.appendString(value.span, to: &text)
        }
    }
}
