import Link
import MCP
import Policy
import StrictJSON

extension RoutePolicy {
    /// Checks that a message is this route's: an ingress in an attacker's hands must not bring a call to a route that does not own the tool (DESIGN 4, `confirmRoute`).
    /// - Throws: `GatewayError` if it is not.
    func confirm(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ open: RequestOpen
    ) throws(GatewayError) {
        let isList = message.kind == .request && message.method == .toolsList
        guard open.wantsItems == (isList && owners != nil) else {
            throw .notAMessage("the list of tools is one of all servers")
        }
        guard let owners, message.method == .toolsCall else { return }
        guard let name = message.nameNode else { throw .invalidParams("params.name is missing") }
        guard owners.owner(of: name, tape, bytes) == index else {
            var text: [UInt8] = []
            tape.appendString(name, in: bytes, to: &text)
            throw .unknownTool(String(decoding: text, as: UTF8.self))
        }
    }
}
