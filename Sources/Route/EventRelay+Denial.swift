import MCP
import SSE
import StrictJSON
import Telemetry

/// Messages on a stream that the chain does not let pass: neither side is left waiting for what will not come (DESIGN 4).
extension EventRelay {
    /// Puts a refusal in the place of a message of the server.
    func withhold(
        _ result: ReadReply, _ denial: Denial, _ data: Span<UInt8>, _ event: borrowing Event, _ edit: inout MessageEdit
    ) {
        route.context.counters.add(.denied)
        switch result.message.kind {
        case .request:
            guard let id = result.message.id, !exchange.open.isModern else { return }
            route.refuse(data.extracting(id).copy, of: exchange.session, exchange.beganSession, denial.error)
        case .notification: return
        case .response:
            guard case .answered = attribute(result.message, data, &edit), let callID = exchange.callID else { return }
            hasAnswered = true
            guard isHeadSent else {
                exchange.connection?.close()
                exchange.connection = nil
                return exchange.withhold(result, denial)
            }
            let body = exchange.withheldBody(denial, callID)
            write(Event(data: body.span, id: event.hasID ? event.id : nil, name: event.name))
            if exchange.open.method == .post { exchange.endToClient() }
        }
    }
}
