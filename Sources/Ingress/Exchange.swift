import Link
import MCP
import NIOCore
import Worker

/// One client exchange on its way through the gateway: what was asked, on which stream it travels, how much of the answer has come.
final class Exchange {
    private enum Reply {
        /// No head yet.
        case none
        /// A body of known length; so many bytes are still to come.
        case counted(remaining: UInt64)
        /// Server-sent events, chunked.
        case events
    }

    /// The gateway's id.
    let requestID: UInt64
    /// The JSON-RPC id as spelt, for answers of the gateway's own; nil if the message has none.
    private let messageID: [UInt8]?
    private let isModern: Bool
    private let open: RequestOpen
    private var body: ByteBuffer
    /// Gone when the client leaves; the exchange then ends without it.
    private weak var connection: ClientConnection?
    private weak var gate: RouteGate?
    private var link: PeerLink?
    private var stream = StreamID.control
    private var reply = Reply.none
    /// Bytes of the answer the client has not taken yet: their credit is held back.
    private var unacknowledged = 0
    private var isOver = false

    init(
        head: AdmittedHead, body: ByteBuffer, message: MessageSummary?, messageID: [UInt8]?, requestID: UInt64,
        generation: UInt64, connection: ClientConnection, gate: RouteGate
    ) {
        self.requestID = requestID
        self.messageID = messageID
        isModern = message?.isModern ?? false
        self.body = body
        self.connection = connection
        self.gate = gate
        open = RequestOpen(
            generation: generation, requestID: requestID, identity: .anonymous, session: head.session,
            method: head.method,
            acceptsJSON: head.acceptsJSON, acceptsEvents: head.acceptsEvents, isModern: isModern, fields: head.fields,
            bodyLength: UInt64(body.readableBytes))
    }

    /// The payload of `open`; nil if the head holds more than a link carries.
    func openPayload() -> [UInt8]? {
        var writer = FieldWriter()
        return open.write(&writer) ? writer.bytes : nil
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
        link.sendData(stream, &body)
        if body.readableBytes == 0 { link.end(stream) }
    }

    /// The client's connection ended. The route is told and decides what becomes of the call (DESIGN 6, Cancellation).
    func clientGone() {
        connection = nil
        if let link {
            link.cancel(stream, .clientGone)
            release()
        } else {
            gate?.forget(self)
        }
    }

    /// The daemon stops: a stream of server messages has no end of its own.
    func drain() {
        if open.method == .get { link?.cancel(stream, .cancelled) }
    }

    // MARK: From the route

    func replyBegins(_ head: ReplyHead) {
        switch head.kind {
        case .empty: reply = .counted(remaining: 0)
        case .json: reply = .counted(remaining: head.bodyLength)
        case .events: reply = .events
        }
        connection?.writeHead(head)
    }

    func replyContinues(_ bytes: ByteBuffer) throws(LinkViolation) {
        if case .counted(let remaining) = reply {
            guard UInt64(bytes.readableBytes) <= remaining else { throw .badPayload }
            reply = .counted(remaining: remaining - UInt64(bytes.readableBytes))
        }
        unacknowledged += bytes.readableBytes
        guard let connection else { return release() }
        if case .events = reply { connection.writeChunk(bytes) } else { connection.writeBody(bytes) }
        if connection.isWritable { release() }
    }

    func replyEnds() throws(LinkViolation) {
        isOver = true
        if case .counted(let remaining) = reply, remaining > 0 {
            connection?.abandonReply()
            throw .badPayload
        }
        if case .events = reply { connection?.writeLastChunk() }
        connection?.finish(self)
    }

    /// The client takes more again: the held credit goes back.
    func release() {
        guard unacknowledged > 0 else { return }
        link?.consumed(stream, count: unacknowledged)
        unacknowledged = 0
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
        link = nil
        guard let connection else { return }
        switch reply {
        case .none:
            connection.ingressCounters.add(.failed)
            connection.writeError(error, id: messageID, requestID: requestID, isModern: isModern, method: open.method)
        case .events:
            // The call is answered on its own stream; a stream of server messages just ends.
            if let messageID { connection.writeEvent(error.body(id: messageID, requestID: requestID)) }
            connection.writeLastChunk()
        case .counted:
            return connection.abandonReply()
        }
        connection.finish(self)
    }
}
