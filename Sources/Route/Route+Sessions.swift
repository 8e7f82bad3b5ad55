import Link
import MCP
import Sessions
import Telemetry
import Worker

/// Sessions of the legacy era, as far as the upstream is concerned.
extension Route {
    /// The session is over: its streams end, and what its client was asked is forgotten.
    func forget(_ session: SessionUUID) {
        sessions.remove(session)
        serverRequests.removeAll(of: session)
        for exchange in exchanges where exchange.session == session && exchange.open.method == .get {
            exchange.connection?.close()
            exchange.connection = nil
            if exchange.sentStatus == nil { exchange.answer(.sessionNotFound) } else { exchange.finish() }
        }
    }

    /// Opens a session again that the upstream has lost, if nothing depends on the lost one: no stream, no subscription, no log level, no
    /// request in either direction.
    func reopen(_ session: SessionUUID, for exchange: RouteExchange, then: @escaping (Bool) -> Void) {
        if reopening[session] != nil {
            reopening[session]?.append(then)
            return
        }
        let others = exchanges.contains { $0 !== exchange && $0.session == session && $0.connection != nil }
        guard let lost = sessions.find(session), lost.flags.isEmpty, !others, !serverRequests.contains(session),
            let reference = exchange.open.session
        else {
            forget(session)
            return then(false)
        }
        reopening[session] = [then]
        begin(reference, lost.revision, isFirst: false)
    }

    /// Opens a session for a client's that another route began (DESIGN 7): its first request here, and others that come meanwhile, wait for that.
    func openSession(_ reference: SessionReference, revision: UInt8, then: @escaping (Bool) -> Void) {
        if reopening[reference.uuid] != nil {
            reopening[reference.uuid]?.append(then)
            return
        }
        guard let revision = ProtocolRevision(rawValue: revision), !revision.isModern else { return then(false) }
        reopening[reference.uuid] = [then]
        begin(reference, revision, isFirst: true)
    }

    private func begin(_ reference: SessionReference, _ revision: ProtocolRevision, isFirst: Bool) {
        let session = reference.uuid
        let capable = SessionCapabilities(rawValue: reference.capabilities)
        let call = GatewayMessages.initialize(makeNumber(), revision: revision, capable)
        GatewayCall.start(.post, session: nil, revision: nil, body: call, route: self) { [self] outcome in
            guard outcome.status == 200, let id = outcome.session ?? (isOneOfSeveral ? [] : nil),
                let reply = outcome.reply, !reply.message.isError, let agreed = reply.revision,
                // The client knows the revision that its own `initialize` agreed to; what lies behind may be older or newer.
                agreed == revision || isOneOfSeveral && !agreed.isModern,
                sessions.begin(reference, id: id, revision: agreed, mayBeEmpty: isOneOfSeveral) == .stored
            else {
                forget(session)
                return finishReopening(session, false)
            }
            let notice = GatewayMessages.initialized
            GatewayCall.start(.post, session: id, revision: agreed, body: notice, route: self) { [self] _ in
                if !isFirst { context.counters.add(.reopenedSessions) }
                sessions.noteReopened(session)
                finishReopening(session, true)
            }
        }
    }

    private func finishReopening(_ session: SessionUUID, _ isOpen: Bool) {
        for then in reopening.removeValue(forKey: session) ?? [] { then(isOpen) }
    }

    /// Tells the upstream that a session is over which no client can use any more.
    func endUpstreamSession(_ id: [UInt8], _ revision: ProtocolRevision) {
        guard !id.isEmpty else { return }
        GatewayCall.start(.delete, session: id, revision: revision, route: self)
    }

    /// Answers what a server asks before its client can be asked: it is alive; anything else has to wait.
    func answerEarly(_ id: [UInt8], _ method: Method, of session: [UInt8]?) {
        var body = Array(#"{"jsonrpc":"2.0","id":"#.utf8) + id + Array(#","result":{}}"#.utf8)
        if method != .ping {
            body = GatewayError.capacity("the client is not connected yet").body(id: id, requestID: 0)
        }
        GatewayCall.start(.post, session: session, revision: nil, body: body, route: self)
    }

    /// The same for a request that may come before the client knows its session, on the stream that begins it.
    func refuse(_ id: [UInt8], of session: SessionUUID?, _ began: [UInt8]?, _ error: GatewayError) {
        guard session == nil, let began else { return refuse(id, of: session, error) }
        GatewayCall.start(
            .post, session: began, revision: nil, body: error.body(id: id, requestID: 0), route: self)
    }

    /// Answers a request of the server in a client's stead, so that it does not wait for an answer that will not come.
    func refuse(_ id: [UInt8], of session: SessionUUID?, _ error: GatewayError) {
        guard let session, let upstream = sessions.find(session) else { return }
        let body = error.body(id: id, requestID: 0)
        GatewayCall.start(.post, session: upstream.id, revision: upstream.revision, body: body, route: self)
    }
}
