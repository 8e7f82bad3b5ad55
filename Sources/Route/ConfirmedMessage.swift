import Link
import MCP
import Policy
import StrictJSON

/// What the route keeps of a request's message once it is confirmed: ranges into the body, and the header fields that repeat it.
final class ConfirmedMessage: Sendable {
    let kind: MessageSummary.Kind
    let method: Method
    let isModern: Bool
    /// The id as it stands in the body.
    let id: Range<Int>?
    let progressToken: Range<Int>?
    let cancelledRequest: Range<Int>?
    /// The object `params._meta`.
    let meta: Range<Int>?
    /// What it is about, and the arguments, as they stand in the body.
    let named: NamedParts
    /// The name of a method that the gateway does not know.
    let methodName: Range<Int>?
    let arguments: Range<Int>?
    /// What is wrong with the headers that repeat its arguments.
    let headerFault: HeaderFault?
    /// What the chain says of it.
    let inspection: RequestInspection
    /// `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` of a modern message, made from the body and from nothing else.
    let headers: [UInt8]

    /// The phases `confirmRoute` and `inspectRequest`, while the text is parsed: the same bytes through the same parser as in the ingress, which may be in an attacker's hands.
    /// - Throws: `GatewayError`.
    init(
        _ bytes: Span<UInt8>, _ parser: JSONParser, _ tape: inout JSONTape, _ open: RequestOpen, _ policy: RoutePolicy,
        _ evaluator: inout PolicyEvaluator, _ caller: PolicyCaller, _ toolHeaders: ToolHeaders
    ) throws(GatewayError) {
        do throws(JSONError) {
            try parser.parse(bytes, into: &tape)
        } catch {
            throw .notJSON(offset: error.offset)
        }
        let message = try MessageSummary(tape, bytes, from: .client)
        guard message.isModern == open.isModern || (open.isModern && message.kind == .notification) else {
            throw .notAMessage("the message is not of the era it was admitted for")
        }
        let opensSession = message.kind == .request && message.method == .initialize
        guard opensSession == (open.session?.use == .opening) else {
            throw .notAMessage("a session begins with initialize and with nothing else")
        }
        kind = message.kind
        method = message.method
        isModern = message.isModern
        id = message.id
        progressToken = message.progressToken
        cancelledRequest = message.cancelledRequest
        meta = message.meta.map { tape.range($0) }
        try policy.confirm(message, tape, bytes, open)
        named = NamedParts(message, tape, bytes)
        methodName = message.method == .other ? message.methodNode.map { tape.range($0) } : nil
        arguments = message.params.flatMap { tape.member("arguments", of: $0, in: bytes) }.map { tape.range($0) }
        headerFault = open.isModern ? toolHeaders.fault(message, tape, bytes, fields: open.fields.bytes) : nil
        inspection = RequestInspection(message, tape, bytes, open, policy, &evaluator, caller)
        headers = open.isModern ? ConfirmedMessage.headers(message, tape, bytes) : []
    }

    private static func headers(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> [UInt8] {
        var headers: [UInt8] = []
        if let version = message.versionNode {
            headers += Array("MCP-Protocol-Version: ".utf8)
            HeaderValue.append(version, of: tape, bytes, to: &headers)
            headers += [0x0D, 0x0A]
        }
        guard let methodNode = message.methodNode else { return headers }
        let start = headers.count
        headers += Array("Mcp-Method: ".utf8)
        if HeaderValue.appendPlain(methodNode, of: tape, bytes, to: &headers) {
            headers += [0x0D, 0x0A]
        } else {
            headers.removeLast(headers.count - start)
        }
        if let name = message.nameNode {
            headers += Array("Mcp-Name: ".utf8)
            HeaderValue.append(name, of: tape, bytes, to: &headers)
            headers += [0x0D, 0x0A]
        }
        return headers
    }
}
