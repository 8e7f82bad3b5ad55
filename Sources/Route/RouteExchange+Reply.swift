import HTTP1
import Link
import MCP
import NIOCore
import Telemetry
import Worker

/// The phases `readReply` and what follows: the upstream's answer is read and handed on, or an error takes its place.
extension RouteExchange {
    // MARK: The head

    func replyHead(_ head: borrowing ResponseHead, _ bytes: Span<UInt8>) {
        let status = UInt16(head.status)
        guard !head.fields.contains(.contentEncoding) else {
            return endUnread { answer(.upstreamUnreadable("it is compressed, which nobody asked for")) }
        }
        if status == 429 || status == 503, let value = head.first(.retryAfter) {
            retryAfter = RouteExchange.seconds(bytes.extracting(value))
        }
        let media = head.first(.contentType).map { MediaType(bytes.extracting($0)) } ?? .other
        if open.session?.use == .opening, let id = head.first(.mcpSessionID) {
            beganSession = bytes.extracting(id).copy
        }
        switch media {
        case .events where status == 200 && (open.method == .get || message?.kind == .request):
            if let connection { route.pool.becameStream(connection) }
            reply = .events(EventRelay(self))
            // The session's revision stands in the first answer, and the head tells the client of the session.
            if open.session?.use != .opening { sendEventsHead(sessionRevision: 0) }
        case .json where status != 202 && status != 204: reply = .json(status: status)
        default:
            reply = .statusOnly(status: status)
            // The body means nothing; whoever sends one is not listened to any longer.
            if head.framing != .none, head.framing != .length(0) { endUnread { answerStatus(status) } }
        }
    }

    /// `Retry-After` in seconds, a day at most; 0 for a date or anything else (RFC 9110, 10.2.3).
    private static func seconds(_ text: Span<UInt8>) -> UInt32 {
        var seconds: UInt32 = 0
        for index in text.indices {
            guard text[index] &- 0x30 < 10 else { return 0 }
            seconds = min(seconds * 10 + UInt32(text[index] - 0x30), 86_400)
        }
        return seconds
    }

    /// Ends the connection with what it still carries, then answers.
    private func endUnread(_ answer: () -> Void) {
        connection?.close()
        connection = nil
        answer()
    }

    // MARK: The body

    func replyBody(_ bytes: ByteBuffer) {
        switch reply {
        case .none, .statusOnly: return
        case .json:
            guard reserve(bytes.readableBytes) else {
                return endUnread { answer(.capacity("too many messages at once")) }
            }
            guard UInt64(replyBody.readableBytes + bytes.readableBytes) <= settings.generation.reply else {
                return endUnread {
                    answer(.upstreamUnreadable("it is larger than \(settings.generation.reply) bytes"))
                }
            }
            if replyBody.readableBytes == 0 { replyBody = bytes } else { replyBody.writeImmutableBuffer(bytes) }
        case .events(let relay):
            relay.receive(bytes)
            if relay.isHeldBack { connection?.setReading(false) }
        }
    }

    func replyComplete() {
        connection = nil
        switch reply {
        case .none: answer(.upstreamUnreadable("it is empty"))
        case .events(let relay): relay.end()
        case .json(let status):
            // Servers label the empty answer to a DELETE as JSON too.
            guard replyBody.readableBytes > 0 else { return answerStatus(status) }
            let body = replyBody
            replyBody = ByteBuffer()
            let context = replyContext(isStream: false)
            guard body.readableBytes > RouteExchange.largeMessage else {
                return answerJSON(body, route.read(body.readableBytesUInt8Span, context), status)
            }
            route.readElsewhere(body, context) { [self] result in answerJSON(body, result, status) }
        case .statusOnly(let status): answerStatus(status)
        }
    }

    func replyBroken(_ reason: String, isStale: Bool) {
        connection = nil
        switch reply {
        case .none:
            if isStale, mayBeRepeated {
                route.context.counters.add(.repeatedRequests)
                return repeatRequest()
            }
            answer(.upstreamUnavailable(reason))
        case .statusOnly(let status): answerStatus(status)
        case .json: answer(.upstreamUnreadable("it broke off: \(reason)"))
        case .events(let relay): relay.breakOff()
        }
    }

    // MARK: Answers

    /// One JSON text: the answer to the request, whatever its status.
    private func answerJSON(_ body: ByteBuffer, _ read: ReadReply?, _ status: UInt16) {
        guard !isOver else { return }
        guard let callID, message?.kind == .request else { return answerStatus(status) }
        guard let read else {
            guard status < 300 else { return answerStatus(status) }
            return answer(.upstreamUnreadable("it is not strict JSON"))
        }
        if let inspection = read.inspection {
            route.learn(inspection)
            guard !inspection.isUnreadable else { return answer(.upstreamUnreadable(ReplyInspection.unreadableList)) }
            if let denial = inspection.denial { return withhold(read, denial, size: body.readableBytes) }
        }
        guard status < 300 else { return answerRefusal(body, read, status) }
        guard read.message.kind == .response else {
            return answer(.upstreamUnreadable("it is not the answer to a request"))
        }
        var text = read.text ?? body
        guard let id = read.message.id, text.holds(number, at: id) else {
            // A server that cannot read a request cannot name it either; that is an error without an id.
            guard read.message.isError, read.message.id == nil, let error = read.error else {
                return answer(.upstreamUnreadable("it answers another request"))
            }
            return send(200, carrying: error, of: text, callID)
        }
        var edit = MessageEdit()
        edit.replace(id, with: callID)
        if let subscription = read.message.subscription {
            guard text.holds(number, at: subscription) else {
                return answer(.upstreamUnreadable("it belongs to another subscription"))
            }
            edit.replace(subscription, with: callID)
        }
        if let inspection = read.inspection {
            edit.apply(inspection)
            route.context.counters.add(.withheldItems, UInt64(inspection.withheld))
        }
        var revision: UInt8 = 0
        if open.session?.use == .opening, !read.message.isError {
            guard let begun = beginSession(read.revision) else { return }
            revision = begun
        }
        let length = edit.length(of: text.readableBytes)
        guard recordReply(read.inspection, isError: read.message.isError, size: text.readableBytes) else {
            return refuseUnrecorded()
        }
        sendHead(ReplyHead(status: 200, kind: .json, bodyLength: UInt64(length), sessionRevision: revision))
        guard length >= RouteExchange.referenceSize else {
            if let link, link.sendWhole(stream, count: length, { $0.writeEdited(text, edit) }) { return finish() }
            route.scratch.clear()
            route.scratch.writeEdited(text, edit)
            return sendRest(&route.scratch)
        }
        // A large text is sent as it lies there, around the id.
        let isOtherwiseWhole = read.message.subscription == nil && read.inspection?.replacements.isEmpty ?? true
        guard text.readableBytes >= length - callID.count, isOtherwiseWhole else {
            var edited = ByteBuffer()
            edited.reserveCapacity(length)
            edited.writeEdited(text, edit)
            return sendRest(&edited)
        }
        route.scratch.clear()
        if let before = text.readSlice(length: id.lowerBound) { route.scratch.writeImmutableBuffer(before) }
        route.scratch.writeBytes(callID)
        text.moveReaderIndex(forwardBy: id.count)
        guard let link else { return finish() }
        link.sendData(stream, &route.scratch)
        guard route.scratch.readableBytes == 0 else {
            // Only a link that is full takes less than an id.
            unsent.writeImmutableBuffer(route.scratch)
            unsent.writeImmutableBuffer(text)
            return
        }
        sendRest(&text)
    }

    /// Sends what a body still has; `writable` goes on with what there is no credit for.
    private func sendRest(_ bytes: inout ByteBuffer) {
        guard let link else { return finish() }
        link.sendData(stream, &bytes, ends: true)
        if bytes.readableBytes == 0 { finish() } else { unsent = bytes }
    }

    /// A JSON error with a status of its own.
    private func answerRefusal(_ body: ByteBuffer, _ read: ReadReply, _ status: UInt16) {
        guard let callID, read.message.isError, let error = read.error else { return answerStatus(status) }
        // The gateway's own credential was refused: the client can do nothing about it and learns nothing of it.
        guard status != 401, status != 403, status != 407 else { return answerStatus(status) }
        if status == 404, let session { return sessionIsLost(session) }
        let text = read.text ?? body
        if open.isModern { return send(status < 400 ? 502 : status, carrying: error, of: text, callID) }
        // A session that is missing keeps its status; anything else would end a legacy client's transport.
        let isOfTransport = read.message.errorCode == -32600 || read.message.errorCode == -32000
        send(status == 400 && isMissingSession && isOfTransport ? 400 : 200, carrying: error, of: text, callID)
    }

    /// A message outside a session, which not every server serves.
    private var isMissingSession: Bool { !open.isModern && open.session == nil }

    /// The server's error as an answer to this request.
    private func send(_ status: UInt16, carrying error: Range<Int>, of text: ByteBuffer, _ callID: [UInt8]) {
        guard recordReply(nil, isError: true, size: text.readableBytes) else { return refuseUnrecorded() }
        var body = Array(#"{"jsonrpc":"2.0","id":"#.utf8)
        body += callID
        body += Array(#","error":"#.utf8)
        body += text.readableBytesUInt8Span.extracting(error).copy
        body.append(UInt8(ascii: "}"))
        send(status, body, retryAfter: status == 200 ? 0 : retryAfter)
    }

    /// An answer without a JSON text: accepted notifications, refusals by status, pages of some other server.
    private func answerStatus(_ status: UInt16) {
        switch status {
        case 200...299:
            guard callID == nil || open.method != .post else {
                return answer(.upstreamUnreadable("its type is neither JSON nor events"))
            }
            if open.method == .get { return answer(.methodNotAllowed) }
            let accepted: UInt16 = open.method == .post ? 202 : status == 204 ? 204 : 200
            sendHead(ReplyHead(status: accepted, kind: .empty, bodyLength: 0))
            finish()
        case 404:
            if let session { return sessionIsLost(session) }
            answerRefusedStatus(status)
        case 400, 405, 406, 415: answerRefusedStatus(status)
        default: answer(.upstreamUnavailable("it answered with status \(status)"))
        }
    }

    /// A refusal of the transport's own, which means something to a client; its body does not.
    private func answerRefusedStatus(_ status: UInt16) {
        switch open.method {
        case .get: return answer(.methodNotAllowed)
        case .delete: return answer(status == 404 ? .sessionNotFound : .methodNotAllowed)
        case .post: break
        }
        let error = GatewayError.upstreamUnavailable("it answered with status \(status)")
        if open.isModern { return send(status, error.body(id: callID, requestID: open.requestID)) }
        if status == 400, isMissingSession, message?.method != .initialize { return answer(.sessionRequired) }
        answer(error)
    }

    /// The upstream does not know the session any more. It is opened again if nothing depended on it, else the client has to begin anew.
    private func sessionIsLost(_ session: SessionUUID) {
        connection?.close()
        connection = nil
        guard mayBeRepeatedInNewSession else {
            if sentVersion == route.sessions.version(of: session) { route.forget(session) }
            return answer(.sessionNotFound)
        }
        // It was sent in a session that another has taken the place of since.
        guard sentVersion == route.sessions.version(of: session) else { return repeatRequest() }
        route.reopen(session, for: self) { [self] isOpen in
            guard !isOver else { return }
            if isOpen { repeatRequest() } else { answer(.sessionNotFound) }
        }
    }

    /// Keeps the upstream's session for the client's. Nil: it cannot be kept, and the call is answered.
    func beginSession(_ revision: ProtocolRevision?) -> UInt8? {
        guard let revision, !revision.isModern else {
            answer(.upstreamUnreadable("it agrees to a protocol version that has no initialize"))
            return nil
        }
        // Among several routes the session is the gateway's, whether or not this upstream has one.
        let began = beganSession ?? (route.isOneOfSeveral ? [] : nil)
        guard let began, let opening = open.session else { return 0 }
        guard !isAbandoned else {
            // Nobody will ever know the session's name.
            route.endUpstreamSession(began, revision)
            return 0
        }
        switch route.sessions.begin(
            opening, id: began, revision: revision, mayBeEmpty: route.isOneOfSeveral)
        {
        case .stored: return revision.rawValue
        case .full: answer(.capacity("too many sessions"))
        case .unusableID: answer(.upstreamUnreadable("its session id is none"))
        }
        return nil
    }

    /// Ends the exchange with an error of the gateway's own.
    func answer(_ error: GatewayError) {
        guard !isOver else { return }
        route.context.counters.add(.failed)
        recordEnd(error.message)
        // What is admitted and then has no answer: see `GatewayError.status`.
        let status = open.method == .post ? error.status(isModern: open.isModern) : error.modernStatus
        send(
            status, error.body(id: callID, requestID: open.requestID),
            retryAfter: status == 200 ? 0 : max(error.retryAfter, retryAfter), isUnavailable: error.isUnavailability)
    }

    /// A notification, or an answer that nobody waits for: taken, and dropped.
    func accept() {
        sendHead(ReplyHead(status: 202, kind: .empty, bodyLength: 0))
        finish()
    }

    func send(_ status: UInt16, _ body: [UInt8], retryAfter: UInt32 = 0, isUnavailable: Bool = false) {
        sendHead(
            ReplyHead(
                status: status, kind: .json, bodyLength: UInt64(body.count), retryAfter: retryAfter,
                isUnavailable: isUnavailable))
        // Nobody waits for it any more.
        guard let link else { return finish() }
        var bytes = ByteBuffer(bytes: body)
        link.sendData(stream, &bytes, ends: true)
        unsent = bytes
        if unsent.readableBytes == 0 { finish() }
    }

    func sendHead(_ head: ReplyHead) {
        sentStatus = head.status
        if let link, !link.sendHead(stream, { head.write(&$0) }) { giveUp(.upstreamProtocol) }
    }

    func sendEventsHead(sessionRevision: UInt8) {
        sendHead(
            ReplyHead(
                status: 200, kind: .events, bodyLength: ReplyHead.unknownLength, sessionRevision: sessionRevision))
        lastSent = route.pool.now
    }

    // MARK: Credit

    /// The ingress takes more again.
    func writable() {
        guard unsent.readableBytes > 0 else { return }
        sendUnsent()
        guard unsent.readableBytes == 0 else { return }
        unsent = ByteBuffer()
        if case .events(let relay) = reply { return relay.resume() }
        if case .none = reply, connection != nil { return }
        finish()
    }

    /// Sends what waits, as far as there is credit for it. What nobody waits for any more is gone.
    func sendUnsent() {
        guard let link, link.isOpen else { return unsent.clear() }
        link.sendData(stream, &unsent)
        lastSent = route.pool.now
        guard unsent.readableBytes == 0 else { return }
        // The memory of an ordinary event is used again for the next.
        if unsent.capacity <= RouteExchange.keptUnsent { unsent.clear() } else { unsent = ByteBuffer() }
    }
}

/// The kinds of body the gateway reads.
enum MediaType {
    case json
    case events
    case other

    /// The kind that a Content-Type names, whatever its parameters.
    init(_ value: Span<UInt8>) {
        var end = 0
        while end < value.count, value[end] != UInt8(ascii: ";"), value[end] != 0x20, value[end] != 0x09 { end += 1 }
        let media = value.extracting(0..<end)
        if media.matches("application/json") {
            self = .json
        } else if media.matches("text/event-stream") {
            self = .events
        } else {
            self = .other
        }
    }
}

extension Span<UInt8> {
    /// Whether these are the bytes of a text in lower case, whatever their own case.
    fileprivate func matches(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in indices {
            let byte = self[index] >= 0x41 && self[index] <= 0x5A ? self[index] | 0x20 : self[index]
            // Safe: a static string's bytes live for ever, and `index` is below their count.
            guard unsafe byte == text.utf8Start[index] else { return false }
        }
        return true
    }
}

extension ByteBuffer {
    /// Whether a range of the readable bytes spells a number of the gateway's.
    func holds(_ number: UInt64, at range: Range<Int>) -> Bool {
        UInt64(decimal: readableBytesUInt8Span.extracting(range)) == number && number != 0
    }
}
