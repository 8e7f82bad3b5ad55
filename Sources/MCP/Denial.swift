import StrictJSON

/// The answer to a tool call that the gateway does not let pass, as a result: clients may hide protocol errors from the model, and the model is
/// who can do something else instead (DESIGN 5, Errors).
public struct Denial: Equatable, Sendable {
    /// What the caller is told about why; nil where nothing is to be told.
    public var reason: String?
    /// The name of the rule, where it may be told.
    public var rule: String?

    /// A denial.
    public init(reason: String?, rule: String?) {
        self.reason = reason
        self.rule = rule
    }

    /// The same as a JSON-RPC error.
    public var error: GatewayError { .denied(reason: reason, rule: rule) }

    /// The JSON-RPC response: a tool result with `isError` (MCP, Tools, Error Handling).
    /// - Parameters:
    ///   - id: the request's id as it was spelt.
    ///   - isAnswer: what was denied is the tool's answer, not the call: it ran.
    ///   - isModern: the request is of 2026-07-28 or later, whose results say their type.
    public func result(id: [UInt8], requestID: UInt64, isAnswer: Bool, isModern: Bool) -> [UInt8] {
        // A reason that is a sentence brings its own full stop.
        let why = reason.map { ": \($0.hasSuffix(".") ? String($0.dropLast()) : $0)" } ?? ""
        let request = RequestID.text(requestID)
        let text =
            isAnswer
            ? "The answer of this tool was withheld by the gateway's policy\(why). The tool has run; do not call it again for this answer. (request \(request))"
            : "This call was denied by the gateway's policy\(why). It did not reach the server. Do not repeat it unchanged. (request \(request))"
        var bytes = Array(#"{"jsonrpc":"2.0","id":"#.utf8)
        bytes += id
        bytes.append(#","result":{"content":[{"type":"text","text":"#)
        JSONText.appendString(text, to: &bytes)
        bytes.append(#"}],"isError":true"#)
        if isModern { bytes.append(#","resultType":"complete""#) }
        bytes.append(#","_meta":{"mcpgw/denial":{"type":"policy_denied","request_id":"#)
        JSONText.appendString(request, to: &bytes)
        if let rule {
            bytes.append(#","rule":"#)
            JSONText.appendString(rule, to: &bytes)
        }
        bytes.append("}}}}")
        return bytes
    }
}
