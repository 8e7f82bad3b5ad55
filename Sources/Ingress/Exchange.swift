import Link
import MCP
import NIOCore
import Sessions
import Worker

/// Who gets the answer to an exchange: a client's connection, or the batch that the message stood in.
protocol ReplyTaker: AnyObject {
    /// Whether it takes more at the moment; when it does again, it calls `Exchange.release`.
    var takesMore: Bool { get }
    /// The answer's head; `session` is the id of the session that it begins.
    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange)
    /// A piece of the answer's body.
    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange)
    /// The answer is whole. The exchange is over.
    func replyEnds(isEvents: Bool, of exchange: Exchange)
    /// There is no answer but this error. The exchange is over.
    func replyFails(_ error: GatewayError, of exchange: Exchange)
    /// A stream of events broke off. The exchange is over.
    func eventsBreak(_ error: GatewayError, of exchange: Exchange)
    /// The answer broke off where no error can be told any more. The exchange is over.
    func replyIsLost(of exchange: Exchange)
}

/// One client exchange on its way through the gateway: what was asked, on which stream it travels, how much of the answer has come.
final class Exchange {
    private enum Reply {
        /// No head yet.
        case none
        /// A body of known length; so many bytes are still to come.
        case counted(remaining: UInt64)
        /// Server-sent events.
        case events
    }

    /// What the route is told.
    let open: RequestOpen
    /// The JSON-RPC id as spelt, for answers of the gateway's own; nil if the message has none.
    let callID: [UInt8]?
    /// The session that the request belongs to.
    private let grant: SessionGrant?
    private let ingress: Ingress
    /// Made of the generation that admitted the request; kept, so that routes keep theirs.
    let settings: IngressSettings
    /// The route that carries it.
    var gate: RouteGate
    private(set) var body: ByteBuffer
    /// The exchanges that it became, if it is one of several routes together.
    private var parts: (any ExchangeParts)?
    /// Nil when the client has left; the exchange then ends without it.
    private var taker: ReplyTaker?
    private var link: PeerLink?
    private var stream = StreamID.control
    private var reply = Reply.none
    /// Bytes of the answer the client has not taken yet: their credit is held back.
    private var unacknowledged = 0
    private var isOver = false

    init(
        _ open: RequestOpen, body: ByteBuffer, callID: [UInt8]?, grant: SessionGrant? = nil, taker: ReplyTaker,
        gate: RouteGate, ingress: Ingress
    ) {
        self.open = open
        self.grant = grant
        self.body = body
        self.callID = callID
        self.taker = taker
        self.gate = gate
        self.ingress = ingress
        settings = ingress.settings(of: open.generation)
    }

    // MARK: Towards the route

    func carried(by link: PeerLink, _ stream: StreamID) {
        self.link = link
        self.stream = stream
        sendBody()
    }

    /// Sends what credit allows of the body, and its end.
    func sendBody() {
        guard let link else { return }
        if body.readableBytes == 0 { return link.end(stream) }
        link.sendData(stream, &body, ends: true)
        // Whoever read these bytes may use their memory again.
        if body.readableBytes == 0 { body = ByteBuffer() }
    }

    /// The client's connection ended. The route is told and decides what becomes of the call (DESIGN 6, Cancellation).
    func clientGone() {
        taker = nil
        if let parts {
            self.parts = nil
            isOver = true
            parts.clientGone()
        } else if let link {
            link.cancel(stream, .clientGone)
            release()
        } else {
            gate.forget(self)
        }
    }

    /// A stream of events ends with the credential that it was opened with (DESIGN 6), be it expired or revoked by a later generation; the route
    /// goes on as if the client had left.
    func endIfExpired(_ now: UInt64) {
        guard case .events = reply, let taker else { return }
        let present = ingress.settings
        let isRevoked =
            present !== settings && !present.authenticator.stillServes(open.identity, of: settings.authenticator, now)
        guard isRevoked || open.identity.isExpired(now) else { return }
        self.taker = nil
        link?.cancel(stream, .clientGone)
        release()
        taker.eventsBreak(.unauthenticated, of: self)
    }

    /// The daemon stops: a stream of server messages has no end of its own.
    func drain() {
        if open.method == .get { link?.cancel(stream, .cancelled) }
    }

    // MARK: Several routes

    /// The exchange becomes several, which make its answer together.
    func become(_ parts: any ExchangeParts) {
        self.parts = parts
        parts.begin()
    }

    /// An answer that was put together, or is one of its parts': its head.
    func answerBegins(_ head: ReplyHead, session: [UInt8]? = nil) {
        reply = head.kind == .events ? .events : .counted(remaining: head.bodyLength)
        taker?.replyBegins(head, session: session, of: self)
    }

    /// A piece of that answer.
    func answerContinues(_ bytes: ByteBuffer) {
        guard !isOver else { return }
        taker?.replyContinues(bytes, isEvents: isStream, of: self)
    }

    /// Whether the client takes more of it at the moment.
    var takesMore: Bool { taker?.takesMore ?? true }

    private var isStream: Bool {
        if case .events = reply { return true }
        return false
    }

    /// The end of that answer.
    func answerEnds() {
        guard !isOver else { return }
        isOver = true
        parts = nil
        let taker = self.taker
        self.taker = nil
        taker?.replyEnds(isEvents: isStream, of: self)
    }

    /// Whether the client has been told nothing yet.
    var isUnanswered: Bool {
        if case .none = reply { return !isOver }
        return false
    }

    /// The exchange goes on, for nobody.
    func forgetTaker() { taker = nil }

    /// A message that needs no answer is taken.
    func accept(status: UInt16 = 202) {
        answerBegins(ReplyHead(status: status, kind: .empty, bodyLength: 0))
        answerEnds()
    }

    // MARK: From the route

    func replyBegins(_ head: ReplyHead) throws(LinkViolation) {
        switch head.kind {
        case .empty: reply = .counted(remaining: 0)
        case .json: reply = .counted(remaining: head.bodyLength)
        case .events: reply = .events
        }
        guard !head.isItems || open.wantsItems else { throw .badPayload }
        // A server that does not let clients end sessions says so; whatever else it answers, the client is done with this one.
        if head.status != 405 { endSession() }
        var session: [UInt8]?
        if head.sessionRevision != 0 {
            guard let opening = open.session, opening.use == .opening else { throw .badPayload }
            switch try ingress.sessions.begin(opening, revision: head.sessionRevision, identity: open.identity) {
            case .begun(let id): session = id
            case .full: return fail(.capacity("too many sessions"))
            }
        }
        taker?.replyBegins(head, session: session, of: self)
    }

    func replyContinues(_ bytes: ByteBuffer) throws(LinkViolation) {
        let isEvents: Bool
        switch reply {
        case .none: return
        case .events: isEvents = true
        case .counted(let remaining):
            isEvents = false
            guard UInt64(bytes.readableBytes) <= remaining else { throw .badPayload }
            reply = .counted(remaining: remaining - UInt64(bytes.readableBytes))
        }
        unacknowledged += bytes.readableBytes
        guard let taker, !isOver else { return release() }
        taker.replyContinues(bytes, isEvents: isEvents, of: self)
        if taker.takesMore { release() }
    }

    func replyEnds() throws(LinkViolation) {
        guard !isOver else { return }
        isOver = true
        let taker = self.taker
        self.taker = nil
        link = nil
        switch reply {
        case .counted(let remaining) where remaining > 0:
            taker?.replyIsLost(of: self)
            throw .badPayload
        case .none: throw .badPayload
        case .counted: taker?.replyEnds(isEvents: false, of: self)
        case .events: taker?.replyEnds(isEvents: true, of: self)
        }
    }

    /// The client takes more again: the held credit goes back.
    func release() {
        parts?.release()
        guard unacknowledged > 0 else { return }
        link?.consumed(stream, count: unacknowledged)
        unacknowledged = 0
    }

    /// Notes that the session is in use.
    func keepSession() {
        if let grant { ingress.sessions.noteUse(of: grant) }
    }

    /// The client is done with its session.
    func endSession() {
        if open.method == .delete, let grant { ingress.sessions.end(grant) }
    }

    func replyBreaks(_ reason: StreamEndReason) {
        switch reason {
        case .upstreamTimeout: fail(.upstreamUnavailable("it did not answer in time"))
        case .upstreamProtocol: fail(.upstreamUnreadable("it broke off or is malformed"))
        case .tooLarge: fail(.upstreamUnreadable("it is too large"))
        case .capacity: fail(.capacity("too many requests to this server"))
        case .cancelled, .clientGone, .finished: fail(.upstreamUnavailable("the request was cancelled"))
        case .upstreamUnavailable: fail(.upstreamUnavailable("the connection to it ended"))
        }
    }

    func linkLost() { fail(.upstreamUnavailable("its worker was restarted while it handled the request")) }

    /// Ends the exchange with an error of the gateway's own, in whatever form the reply still allows.
    func fail(_ error: GatewayError) {
        guard !isOver else { return }
        isOver = true
        parts = nil
        // What reached a route is recorded there.
        if link == nil { ingress.refusals.note(error, open, callID: callID) }
        endSession()
        let taker = self.taker
        self.taker = nil
        switch reply {
        case .none: taker?.replyFails(error, of: self)
        case .events: taker?.eventsBreak(error, of: self)
        case .counted: taker?.replyIsLost(of: self)
        }
    }
}
