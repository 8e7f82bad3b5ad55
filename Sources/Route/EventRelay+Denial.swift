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
            _ = exchange.recordServerMessage(result, size: data.count)
            guard let id = result.message.id, !exchange.open.isModern else { return }
            route.refuse(data.extracting(id).copy, of: exchange.session, exchange.beganSession, denial.error)
        case .notification: _ = exchange.recordServerMessage(result, size: data.count)
        case .response:
            guard case .answered = attribute(result.message, data, &edit), let callID = exchange.callID else { return }
            hasAnswered = true
            let kept = KeptEvent(event)
            // Until the record is on disk, what follows waits.
            hold()
            exchange.recordWithheld(result.inspection, size: data.count) { [self] in
                answerWithheld(result, denial, callID, kept)
                goOn()
            } otherwise: { [self] in
                hasAnswered = false
                fail(.capacity(RouteExchange.unrecorded))
                goOn()
            }
        }
    }

    private func answerWithheld(_ result: ReadReply, _ denial: Denial, _ callID: [UInt8], _ kept: KeptEvent) {
        guard isHeadSent else {
            exchange.connection?.close()
            exchange.connection = nil
            return exchange.answerWithheld(result, denial)
        }
        let body = exchange.withheldBody(denial, callID)
        let event = kept.event
        write(Event(data: body.span, id: event.hasID ? event.id : nil, name: event.name))
        if exchange.open.method == .post { exchange.endToClient() }
    }
}
