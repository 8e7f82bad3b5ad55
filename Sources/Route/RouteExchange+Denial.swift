import Link
import MCP
import NIOCore
import Policy
import Telemetry

/// Messages that the chain does not let pass, and what is said in their place (DESIGN 5, Errors).
extension RouteExchange {
    /// Counts a client's message by what becomes of it.
    func count(_ message: ConfirmedMessage) {
        let counters = route.context.counters
        let isRefused = message.kind == .request && message.headerFault != nil
        guard let verdict = message.inspection.verdict else {
            return counters.countMessage(method: message.method.rawValue, isRefused ? .block : .allow)
        }
        let passing: MessageAction = verdict.action == .allow ? .allow : .audit
        let action: MessageAction = verdict.passes && !isRefused ? passing : .block
        counters.countMessage(method: message.method.rawValue, action)
        if case .rule(let index) = verdict.cause {
            counters.countDecision(rule: Int(settings.generation.ruleSlots[index]))
        }
    }

    /// The client's message ends here.
    func deny(_ message: ConfirmedMessage) {
        route.context.counters.add(.denied)
        recordDenial(message) { [self] in answerDenied(message) }
    }

    private func answerDenied(_ message: ConfirmedMessage) {
        switch message.inspection.outcome {
        case .passes: return
        case .unknownTool(let name): refuse(.unknownTool(name))
        case .denied(let denial):
            guard message.kind == .request else {
                // Anything else than this status ends a legacy client's transport.
                if open.isModern { refuse(denial.error) } else { accept() }
                return
            }
            guard message.inspection.isToldAsResult, let callID else { return refuse(denial.error) }
            send(
                200,
                denial.result(id: callID, requestID: open.requestID, isAnswer: false, isModern: open.isModern))
        }
    }

    /// The server's answer ends here; the client gets another.
    func withhold(_ read: ReadReply, _ denial: Denial, size: Int) {
        route.context.counters.add(.denied)
        recordWithheld(read.inspection, size: size) { [self] in
            answerWithheld(read, denial)
        } otherwise: { [self] in
            refuseUnrecorded()
        }
    }

    /// Answers with what stands in the place of an answer that is withheld.
    func answerWithheld(_ read: ReadReply, _ denial: Denial) {
        // Nobody will ever know the session's name.
        if open.session?.use == .opening, let beganSession, let revision = read.revision {
            route.endUpstreamSession(beganSession, revision)
        }
        guard let callID else { return refuse(denial.error) }
        let isResult = message?.method == .toolsCall && settings.policy.denials == .result
        guard isResult else { return refuse(denial.error) }
        send(200, denial.result(id: callID, requestID: open.requestID, isAnswer: true, isModern: open.isModern))
    }

    /// The body of the answer in place of one that is withheld.
    func withheldBody(_ denial: Denial, _ callID: [UInt8]) -> [UInt8] {
        // What a stream taken up again answers, nobody knows here; an error is an answer to everything.
        guard message?.method == .toolsCall, settings.policy.denials == .result else {
            return denial.error.body(id: callID, requestID: open.requestID)
        }
        return denial.result(id: callID, requestID: open.requestID, isAnswer: true, isModern: open.isModern)
    }

    private func refuse(_ error: GatewayError) {
        send(error.status(isModern: open.isModern), error.body(id: callID, requestID: open.requestID))
    }
}
