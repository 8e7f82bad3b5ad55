import Link
import MCP
import Worker

/// What an exchange does otherwise where its route is one of several (DESIGN 7): a client's session is the gateway's, and each route opens its own part of it
/// when it is first needed.
extension RouteExchange {
    /// The revision that the upstream's part of the session has.
    var upstreamRevision: ProtocolRevision? {
        if route.isOneOfSeveral, let session, let part = route.sessions.find(session) { return part.revision }
        return ProtocolRevision(rawValue: open.revision)
    }

    /// Whether the upstream has heard of this notification already, when the gateway opened the session in the client's stead.
    var isSaidAlready: Bool {
        guard route.isOneOfSeveral, message?.method == .initialized, let session else { return false }
        return route.sessions.version(of: session) > 0
    }

    /// The upstream has no session for the client's. Only a request is worth opening one.
    func forwardOutsideSession() {
        guard route.isOneOfSeveral, let reference = open.session else { return answer(.sessionNotFound) }
        if open.method == .delete { return answer(.sessionNotFound) }
        if open.method == .post, message?.kind != .request { return accept() }
        route.openSession(reference, revision: open.revision) { [self] isOpen in
            guard !isOver else { return }
            if isOpen { forward() } else { answerUnopened() }
        }
    }

    /// The session that the exchange waited for could not be opened.
    func answerUnopened() {
        guard route.isOneOfSeveral else { return answer(.sessionNotFound) }
        // A stream of server messages is an offer that clients do without.
        answer(open.method == .get ? .methodNotAllowed : .upstreamUnavailable("it begins no session"))
    }

    /// The end of a session that the upstream does not know, because it has none.
    func endUnknownSession() {
        sendHead(ReplyHead(status: 200, kind: .empty, bodyLength: 0))
        finish()
    }

    // MARK: Lists

    /// Answers with the route's part of the list of tools.
    func collectTools() {
        collection = ToolCollection(self)
        collection?.begin()
    }

    /// Calls `then` when the upstream has a session for the client's, or none is needed.
    func withSession(_ then: @escaping (Bool) -> Void) {
        guard let session, let reference = open.session else { return then(true) }
        if route.reopening[session] == nil, route.sessions.contains(session) { return then(true) }
        route.openSession(reference, revision: open.revision, then: then)
    }

    /// The tools, as they are, with commas between them.
    func send(items: [UInt8]) {
        guard recordReply(nil, isError: false, size: items.count) else { return refuseUnrecorded() }
        sendHead(ReplyHead(status: 200, kind: .json, bodyLength: UInt64(items.count), isItems: true))
        guard let link else { return finish() }
        unsent.writeBytes(items)
        link.sendData(stream, &unsent, ends: true)
        if unsent.readableBytes == 0 { finish() }
    }
}

extension Route {
    /// Whether there are other routes.
    var isOneOfSeveral: Bool { settings.policy.owners != nil }
}
