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
        guard policy.isNamed else { return }
        var verdict = evaluator.decide(policy.compiled, message, tape, bytes, caller: caller, route: policy.route)
        if verdict.passes, message.method == .toolsCall, policy.compiled.looksAtArguments, !open.fields.bytes.isEmpty,
            let denied = HeaderArguments.verdict(message, tape, bytes, open.fields, policy, &evaluator, caller)
        {
            verdict = denied
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

/// The arguments that a modern client repeats in `Mcp-Param-*` fields. Which argument each stands for only the tool's schema says, and a server may
/// believe the field: so each is decided about as the argument of its name too (MCP 2026-07-28, Custom Headers from Tool Parameters).
private enum HeaderArguments {
    private static let prefix: StaticString = "mcp-param-"

    /// The first verdict by which such an argument would not pass; nil if all do.
    static func verdict(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ fields: FieldLines,
        _ policy: RoutePolicy, _ evaluator: inout PolicyEvaluator, _ caller: PolicyCaller
    ) -> PolicyVerdict? {
        guard let name = message.nameNode else { return nil }
        let lines = fields.bytes
        var parsed = JSONTape()
        var start = 0
        while start < lines.count {
            var end = start
            while end < lines.count, lines[end] != 0x0D { end += 1 }
            let line = lines.span.extracting(start..<end)
            start = end + 2
            guard line.hasPrefix(prefix) else { continue }
            guard let text = call(of: line, bytes.extracting(tape.range(name))),
                (try? parser.parse(text.span, into: &parsed)) != nil,
                let call = try? MessageSummary(parsed, text.span, from: .client)
            else {
                // What cannot be read does not pass.
                return PolicyVerdict.unreadable
            }
            let verdict = evaluator.decide(
                policy.compiled, call, parsed, text.span, caller: caller, route: policy.route)
            // Only what a rule denies for the argument's sake: an allow rule may ask for others beside it.
            if !verdict.passes, policy.compiled.dependsOnArguments(verdict.cause) { return verdict }
        }
        return nil
    }

    private static let parser = JSONParser(limits: JSONLimits(), surrogates: .replace)

    /// A call of the tool with this argument alone.
    private static func call(of line: Span<UInt8>, _ tool: Span<UInt8>) -> [UInt8]? {
        var colon = prefix.utf8CodeUnitCount
        while colon < line.count, line[colon] != 0x3A { colon += 1 }
        guard colon + 2 <= line.count,
            let value = HeaderValue.decoded(line.extracting(min(colon + 2, line.count)..<line.count))
        else { return nil }
        let name = line.extracting(prefix.utf8CodeUnitCount..<colon).copy
        var text = Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"#.utf8)
        text += tool.copy
        text += Array(#","arguments":{"#.utf8)
        JSONText.appendString(String(decoding: name, as: UTF8.self), to: &text)
        text.append(0x3A)
        JSONText.appendString(String(decoding: value, as: UTF8.self), to: &text)
        text += Array("}}}".utf8)
        return text
    }
}
