import Configuration
import HTTP1
import Link
import MCP
import NIOCore
import PollLoop
import StrictJSON
import Telemetry
import Worker

/// One exchange inside a route: its request is assembled, confirmed and forwarded. What comes back is in `RouteExchange+Reply.swift` and,
/// for streams, in `EventRelay.swift`.
final class RouteExchange: UpstreamReader {
    /// What is known of the answer.
    enum Reply {
        /// No head from the upstream yet.
        case none
        /// One JSON text, kept until it is whole and read.
        case json(status: UInt16)
        /// Server-sent events, read and handed on one by one.
        case events(EventRelay)
        /// Only the status matters; the body is dropped.
        case statusOnly(status: UInt16)
    }

    /// Bodies from this size on are sent by reference; smaller ones are copied out of the buffer that many frames share.
    static let referenceSize = 16 * 1024
    /// Bytes of memory for events that a stream keeps between them.
    static let keptUnsent = 4096
    /// Messages above this size are read on the helper thread.
    static let largeMessage = 256 * 1024

    let route: Route
    let open: RequestOpen
    /// Made of the generation that admitted the request.
    let settings: RouteSettings
    /// That generation is not known here: this worker was started after it, and nobody may decide by a mixture.
    private let isUndecidable: Bool
    /// Gone when the link to the ingress is: the answer is then read for nobody.
    private(set) var link: PeerLink?
    private var owner: ClientLink?
    let stream: StreamID
    /// What has come of the request.
    private(set) var body = ByteBuffer()
    private(set) var message: ConfirmedMessage?
    /// The id and the progress token that stand for the client's upstream.
    private(set) var number: UInt64 = 0
    /// The client's id as spelt.
    private(set) var callID: [UInt8]?
    /// The client's progress token as spelt.
    private(set) var progressToken: [UInt8]?
    /// The upstream's id of the event after which the client's stream broke off.
    private var lastEvent: [UInt8] = []
    private var edit = MessageEdit()
    var reply = Reply.none
    var replyBody = ByteBuffer()
    /// The id of the session that the upstream's answer begins.
    var beganSession: [UInt8]?
    /// Seconds after which the upstream wants to be asked again; 0 if it does not say.
    var retryAfter: UInt32 = 0
    /// Bytes that wait for the ingress's credit.
    var unsent = ByteBuffer()
    var connection: UpstreamConnection?
    private var queueNumber: Int?
    /// Whether the request was sent a second time.
    private var isRepeated = false
    private(set) var isOver = false
    /// The status of the answer's head, once that is sent.
    var sentStatus: UInt16?
    /// Which of the upstream's sessions that stood behind the client's, one after the other, the request was sent in.
    private(set) var sentVersion: UInt32 = 0
    /// The client's connection is gone, or the whole ingress.
    private(set) var isAbandoned = false
    /// When the stream last carried something, for keep-alive comments.
    var lastSent: NIODeadline
    /// Bytes charged to the worker's budget.
    private var reserved = 0
    private var heldByStream = 0
    /// What is collected of the upstream's tools, while that goes on.
    var collection: ToolCollection?
    private var replyContext: ReplyContext?
    /// Who asks.
    let caller: Caller
    /// The request is on record as forwarded, and its answer is not yet.
    var isForwardRecorded = false
    /// What the records of its answer say it was about.
    var answerName = AnswerName()
    /// When the request's head came, in nanoseconds of the monotonic clock.
    let began = PollLoop.now()

    init(_ open: RequestOpen, route: Route, owner: ClientLink, link: PeerLink, stream: StreamID) {
        self.open = open
        let admitting = route.generations.find(open.generation)
        settings = admitting ?? route.settings
        isUndecidable = admitting == nil
        self.owner = owner
        self.route = route
        caller = route.caller(open.identity)
        self.link = link
        self.stream = stream
        lastSent = route.pool.now
        route.begun()
    }

    /// The session that the request belongs to.
    var session: SessionUUID? { open.session?.use == .member ? open.session?.uuid : nil }

    // MARK: The request

    func receive(_ bytes: ByteBuffer, isLast: Bool) throws(LinkViolation) {
        // What still comes behind an early answer is read for nobody.
        guard sentStatus == nil else { return }
        guard reserve(bytes.readableBytes) else { return answer(.capacity("too many messages at once")) }
        if body.readableBytes == 0, isLast {
            // Its memory is shared with many frames: it is copied as soon as it has to wait (`keepBody`).
            body = bytes
        } else {
            body.writeImmutableBuffer(bytes)
        }
        guard UInt64(body.readableBytes) <= open.bodyLength else {
            throw .badPayload
        }
        // The message is held here until it is whole; its size is bounded above.
        link?.consumed(stream, count: bytes.readableBytes)
    }

    func reserve(_ count: Int) -> Bool {
        guard !isOver, route.reserve(count) else { return false }
        reserved += count
        return true
    }

    /// Charges this many bytes of a stream to the worker's budget, in place of what was charged for it before.
    func hold(_ count: Int) -> Bool {
        guard count != heldByStream else { return true }
        if count > heldByStream, !reserve(count - heldByStream) { return false }
        if count < heldByStream {
            route.giveBack(heldByStream - count)
            reserved -= heldByStream - count
        }
        heldByStream = count
        return true
    }

    /// The request is whole: `confirmRoute` and `forward`.
    func whole() throws(LinkViolation) {
        guard !isOver, sentStatus == nil else { return }
        guard UInt64(body.readableBytes) == open.bodyLength else { throw .badPayload }
        guard open.method == .post else { return isUndecidable ? answer(.restarted) : forwardStream() }
        guard body.readableBytes > RouteExchange.largeMessage else {
            defer { keepBody() }
            do throws(GatewayError) {
                return confirmed(try route.confirm(body, open, settings.policy, caller))
            } catch {
                return answer(error)
            }
        }
        route.confirmElsewhere(body, open, settings.policy, caller) { [self] result in
            switch result {
            case .success(let message): confirmed(message)
            case .failure(let error): answer(error)
            }
        }
    }

    /// Lets go of the memory that the body shares with other frames: it is copied if it may still be needed.
    private func keepBody() {
        let isNeeded = !isOver && (connection == nil || session != nil || mayBeRepeated)
        guard isNeeded else { return body = ByteBuffer() }
        // What waits holds little more than it was charged for.
        if body.storageCapacity > 2 * body.readableBytes { body = ByteBuffer(copying: body) }
    }

    private func confirmed(_ message: ConfirmedMessage) {
        guard !isOver else { return }
        self.message = message
        number = route.makeNumber()
        if isUndecidable {
            if message.kind == .request { callID = message.id.map(bytes) }
            return answer(.restarted)
        }
        count(message)
        switch message.kind {
        case .request:
            guard let id = message.id else { return answer(.notAMessage("a request has an id")) }
            callID = bytes(id)
            // Policy first: whoever may not know of a tool does not learn of its headers.
            guard case .passes = message.inspection.outcome else { return deny(message) }
            if let fault = message.headerFault {
                return recordRefusal(message, HeaderFault.reason) { [self] in
                    answer(.headerMismatch(.parameter, fault))
                }
            }
            edit.replace(id, with: number)
            if let token = message.progressToken {
                progressToken = bytes(token)
                edit.replace(token, with: number)
            }
            if open.wantsItems {
                guard recordRequest(message) else { return refuseUnrecorded() }
                return collectTools()
            }
        case .notification:
            guard case .passes = message.inspection.outcome else { return deny(message) }
            if isSaidAlready { return accept() }
            if let target = message.cancelledRequest {
                // What is over, or another's, cannot be cancelled: the server never knew it by this id. A modern client has no session to tell by whose a
                // request is, and cancels by leaving (MCP 2026-07-28, Cancellation).
                guard !open.isModern, let cancelled = route.number(of: bytes(target), in: self) else { return accept() }
                edit.replace(target, with: cancelled)
            }
        case .response:
            guard let id = message.id else { return accept() }
            let spelt = bytes(id)
            let asked = route.serverRequests.take(spelt.span, session: session)
            guard let asked else {
                route.context.counters.add(.droppedMessages)
                return accept()
            }
            edit.replace(id, with: asked)
        }
        guard recordRequest(message) else { return refuseUnrecorded() }
        if let session { route.sessions.note(message.method, in: session) }
        forward()
    }

    /// What the phase `inspectReply` must know; nil where it has nothing to do. A stream brings the server's own messages too.
    func replyContext(isStream: Bool) -> ReplyContext? {
        let learnsHeaders = open.isModern && message?.method == .toolsList
        guard settings.policy.isNamed || route.isOneOfSeveral || learnsHeaders else { return nil }
        if let replyContext { return replyContext }
        let asked: ReplyContext.Asked =
            if let message {
                switch message.method {
                case .toolsList where open.wantsItems: .items
                case .toolsList: .list(.tool)
                case .initialize, .discover: .handshake
                case .promptsList: .list(.prompt)
                case .resourcesList, .resourceTemplatesList: .list(.resource)
                // What the task was begun for, only the server knows.
                case .tasksGet, .tasksResult, .tasksUpdate, .tasksCancel, .subscriptionsListen: .unknown
                default: message.inspection.tool.map { .tool($0) } ?? .other
                }
            } else {
                .unknown
            }
        let context = ReplyContext(asked, settings.policy, caller.policy, learnsHeaders: learnsHeaders)
        replyContext = context
        return context
    }

    /// A GET opens a stream of the session, or takes up one that broke off; a DELETE ends the session.
    private func forwardStream() {
        if !open.lastEventID.isEmpty,
            let id = route.eventIDs.read(open.lastEventID, session: session, identity: open.identity)
        {
            lastEvent = id.upstream
            number = id.request
            callID = id.id.isEmpty ? nil : id.id
            progressToken = id.progressToken.isEmpty ? nil : id.progressToken
        }
        forward()
    }

    func bytes(_ range: Range<Int>) -> [UInt8] {
        let body = body
        return body.readableBytesUInt8Span.extracting(range).copy
    }

    /// The phase `forward`: over a connection that is free, or the next that will be.
    func forward() {
        if let session {
            // Not with an id that the upstream has just said to have lost.
            if route.reopening[session] != nil {
                route.reopening[session]?.append { [self] isOpen in
                    guard !isOver else { return }
                    if isOpen { forward() } else { answerUnopened() }
                }
                return
            }
            guard route.sessions.contains(session) else { return forwardOutsideSession() }
            if open.method == .delete, !route.sessions.hasID(session) { return endUnknownSession() }
        }
        if let connection = route.pool.takeIdle() { return send(on: connection) }
        queueNumber = route.pool.wait { [self] result in
            queueNumber = nil
            switch result {
            case .success(let connection): send(on: connection)
            case .failure(.unreachable(let reason)): answer(.upstreamUnavailable(reason))
            case .failure(.timedOut): answer(.capacity("no connection to this server became free in time"))
            case .failure(.queueFull): answer(.capacity("too many requests wait for this server"))
            }
        }
    }

    private func send(on connection: UpstreamConnection) {
        guard !isOver else { return route.pool.giveBack(connection) }
        if let session {
            // It may have ended while the request waited: outside its session nothing is sent.
            guard route.sessions.contains(session) else {
                route.pool.giveBack(connection)
                return answer(.sessionNotFound)
            }
            sentVersion = route.sessions.version(of: session)
        }
        self.connection = connection
        let length = edit.length(of: body.readableBytes)
        // A large body follows its head by reference.
        var large: ByteBuffer?
        if open.method == .post, length >= RouteExchange.referenceSize {
            if edit.isEmpty {
                large = body
            } else {
                var edited = ByteBuffer()
                edited.reserveCapacity(length)
                edited.writeEdited(body, edit)
                large = edited
            }
        }
        let method: HTTPMethod = open.method == .post ? .post : open.method == .get ? .get : .delete
        if open.method == .get || message?.method == .subscriptionsListen { route.pool.becameStream(connection) }
        connection.start(method: method, reader: self, largeBody: large) { output in
            writeHead(length, to: &output)
            if open.method == .post, large == nil { output.writeEdited(body, edit) }
        }
    }

    private func writeHead(_ length: Int, to output: inout ByteBuffer) {
        route.head.write(
            open.method, acceptsJSON: open.acceptsJSON, acceptsEvents: open.acceptsEvents, bodyLength: length,
            to: &output)
        if let message, open.isModern {
            output.writeBytes(message.headers)
        } else if let revision = upstreamRevision {
            output.writeField("MCP-Protocol-Version", revision.text)
        }
        if let session { route.sessions.writeID(of: session, to: &output) }
        if !lastEvent.isEmpty { output.writeField("Last-Event-ID", lastEvent.span) }
        if !open.fields.bytes.isEmpty { output.writeBytes(open.fields.bytes) }
        output.writeStaticString("\r\n")
    }

    /// Sends the request once more, when that can do no harm: over another connection, or in the session that was opened again.
    func repeatRequest() {
        isRepeated = true
        reply = .none
        retryAfter = 0
        connection = nil
        forward()
    }

    /// Whether the request may be sent again after its connection ended without an answer.
    var mayBeRepeated: Bool {
        guard !isRepeated, !isOver, case .none = reply else { return false }
        return switch open.method {
        case .get: true
        case .delete: false
        case .post: message.map { $0.kind == .request && $0.method.isSafeToRepeat } ?? false
        }
    }

    /// Whether the request may be sent again after the server said that it does not know the session, and so has done nothing.
    var mayBeRepeatedInNewSession: Bool { !isRepeated && open.method == .post && message?.kind != .response }

    // MARK: The end

    /// Ends a call whose upstream has been silent for too long. A stream that serves no single call may be silent for ever.
    func replyStalled() {
        guard open.method == .post, message?.method != .subscriptionsListen, let connection else { return }
        if case .events = reply { return giveUp(.upstreamTimeout) }
        connection.close()
        self.connection = nil
        answer(.upstreamTimedOut)
    }

    /// The client left. A modern client's call ends upstream; a legacy one's is read to its end (DESIGN 6).
    func cancelled(_ reason: StreamEndReason) {
        isAbandoned = true
        guard !isOver, open.isModern || open.method != .post || open.wantsItems else { return }
        giveUp(.cancelled)
    }

    /// The ingress reset the stream or is gone.
    func abandoned() {
        link = nil
        isAbandoned = true
        unsent.clear()
        // A legacy call goes on without its client; what has nothing left to wait for is over.
        if open.isModern || open.method != .post || (connection == nil && queueNumber == nil) { giveUp(.cancelled) }
        // Nobody holds it back any more.
        if case .events(let relay) = reply { relay.resume() }
    }

    func giveUp(_ reason: StreamEndReason) {
        guard !isOver else { return }
        if let queueNumber { route.pool.cancel(queueNumber) }
        connection?.close()
        connection = nil
        collection?.cancel()
        link?.reset(stream, reason)
        link = nil
        finish()
    }

    /// Ends a stream that waits for whatever the server may say; calls are left to their answers.
    func endStream(_ reason: String) {
        guard !isOver, open.method == .get || message?.method == .subscriptionsListen else { return }
        connection?.close()
        connection = nil
        recordEnd(reason)
        finish()
    }

    func finish() {
        guard !isOver else { return }
        // No end without a head: the ingress would take it for a broken worker.
        if sentStatus == nil, link != nil { return answer(.upstreamUnavailable("it ended before it answered")) }
        recordEnd(isAbandoned ? "the client left" : "it ended without an answer")
        isOver = true
        reply = .none
        collection?.cancel()
        collection = nil
        route.giveBack(reserved)
        reserved = 0
        link?.end(stream)
        link = nil
        route.context.counters.add(.answered)
        if message?.kind == .request { route.context.counters.noteDuration(PollLoop.now() - began) }
        owner?.finished(stream)
        owner = nil
        // The client is done with its session, whatever the upstream makes of that; only a server that lets no client end one keeps it.
        if open.method == .delete, sentStatus != 405 || route.isOneOfSeveral, let session { route.forget(session) }
        route.finished()
    }

    /// The call is answered: its client's stream ends, and what the upstream still says on it is read for nobody.
    func endToClient() {
        guard !isOver, unsent.readableBytes == 0 else { return }
        link?.end(stream)
        link = nil
        owner?.finished(stream)
        owner = nil
    }
}

extension GatewayError {
    /// The worker that could have decided the request was restarted.
    fileprivate static var restarted: GatewayError { .upstreamUnavailable("its worker was restarted") }
}
