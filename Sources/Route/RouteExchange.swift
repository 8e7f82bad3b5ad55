import HTTP1
import Link
import MCP
import NIOCore
import Telemetry
import Worker

/// One exchange inside a route: its request is assembled and confirmed, forwarded, and its answer read and sent back.
final class RouteExchange: UpstreamReader {
    private enum Reply {
        /// No head from the upstream yet.
        case none
        /// One JSON text, kept until it is whole and read.
        case json(status: UInt16, session: String)
        /// Server-sent events, handed on as they come.
        case events
        /// Only the status matters; the body is dropped.
        case statusOnly(status: UInt16, session: String)
    }

    private let route: Route
    private let open: RequestOpen
    /// Gone when the link to the ingress is: the answer is then read for nobody.
    private weak var link: PeerLink?
    private weak var owner: ClientLink?
    private let stream: StreamID
    private var body = ByteBuffer()
    private var messageID: [UInt8]?
    private var reply = Reply.none
    private var replyBody = ByteBuffer()
    /// Bytes of a stream that wait for the ingress's credit.
    private var unsent = ByteBuffer()
    private var connection: UpstreamConnection?
    private var queueNumber: Int?
    private var isOver = false
    /// Bytes charged to the worker's budget.
    private var reserved = 0

    init(_ open: RequestOpen, route: Route, owner: ClientLink, link: PeerLink, stream: StreamID) {
        self.open = open
        self.owner = owner
        self.route = route
        self.link = link
        self.stream = stream
        route.begun()
    }

    // MARK: The request

    func receive(_ bytes: ByteBuffer) throws(LinkViolation) {
        var piece = bytes
        guard reserve(bytes.readableBytes) else { return answer(.capacity("too many messages at once")) }
        body.writeBuffer(&piece)
        guard UInt64(body.readableBytes) <= min(open.bodyLength, route.generation.requestBody) else {
            throw .badPayload
        }
        // The message is held here until it is whole; its size is bounded above.
        link?.consumed(stream, count: bytes.readableBytes)
    }

    /// The request is whole: `confirmRoute` and `forward`.
    func forward() throws(LinkViolation) {
        guard !isOver else { return }
        guard UInt64(body.readableBytes) == open.bodyLength else { throw .badPayload }
        if open.method == .post {
            do throws(GatewayError) {
                let message = try route.confirmRoute(body)
                messageID = message.id.flatMap { body.getBytes(at: body.readerIndex + $0.lowerBound, length: $0.count) }
            } catch {
                return answer(error)
            }
        }
        queueNumber = route.pool.take { [self] result in
            queueNumber = nil
            switch result {
            case .success(let connection): send(on: connection)
            case .failure(.unreachable(let reason)): answer(.upstreamUnavailable(reason))
            case .failure(.timedOut): answer(.capacity("no connection to this server became free in time"))
            case .failure(.queueFull): answer(.capacity("too many requests wait for this server"))
            }
        }
    }

    private func reserve(_ count: Int) -> Bool {
        guard !isOver, route.reserve(count) else { return false }
        reserved += count
        return true
    }

    private func send(on connection: UpstreamConnection) {
        guard !isOver else { return route.pool.giveBack(connection) }
        self.connection = connection
        let method: HTTPMethod =
            switch open.method {
            case .post: .post
            case .get: .get
            case .delete: .delete
            }
        if open.method == .get { route.pool.becameStream(connection) }
        connection.start(requestBytes(), method: method, reader: self)
        body = ByteBuffer()
    }

    private func requestBytes() -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(512 + body.readableBytes)
        bytes.writeString(
            "\(open.method.token) \(route.generation.target) HTTP/1.1\r\nHost: \(route.generation.authority)\r\n")
        let accept = [open.acceptsJSON ? "application/json" : nil, open.acceptsEvents ? "text/event-stream" : nil]
        bytes.writeString("Accept: \(accept.compactMap { $0 }.joined(separator: ", "))\r\nUser-Agent: mcpgw\r\n")
        if open.method == .post {
            bytes.writeString("Content-Type: application/json\r\nContent-Length: \(body.readableBytes)\r\n")
        }
        if !open.session.isEmpty { bytes.writeCheckedField("mcp-session-id", open.session) }
        for field in open.fields where RequestFields.isForwarded(field.name) {
            bytes.writeCheckedField(field.name, field.value)
        }
        bytes.writeStaticString("\r\n")
        bytes.writeImmutableBuffer(body)
        return bytes
    }

    // MARK: The answer

    func replyHead(_ head: borrowing ResponseHead, _ bytes: Span<UInt8>) {
        let status = UInt16(head.status)
        let session = head.first(.mcpSessionID).map { text(bytes, $0) } ?? ""
        let type = head.first(.contentType).map { text(bytes, $0).lowercased() } ?? ""
        let media = type.prefix(while: { $0 != ";" && $0 != " " })
        guard !head.fields.contains(.contentEncoding) else {
            connection?.close()
            connection = nil
            return answer(.upstreamUnreadable("it is compressed, which nobody asked for"))
        }
        if media == "text/event-stream", status == 200 {
            reply = .events
            if let connection { route.pool.becameStream(connection) }
            sendHead(ReplyHead(status: status, kind: .events, bodyLength: ReplyHead.unknownLength, session: session))
        } else if media == "application/json", status != 202, status != 204 {
            reply = .json(status: status, session: session)
        } else {
            reply = .statusOnly(status: status, session: session)
            // The body means nothing; whoever sends one is not listened to any longer.
            if head.framing != .none, head.framing != .length(0) { endUnread(status, session) }
        }
    }

    private func endUnread(_ status: UInt16, _ session: String) {
        connection?.close()
        connection = nil
        answerStatus(status, session)
    }

    func replyBody(_ bytes: ByteBuffer) {
        var piece = bytes
        switch reply {
        case .none, .statusOnly: return
        case .json:
            guard reserve(bytes.readableBytes) else {
                connection?.close()
                connection = nil
                return answer(.capacity("too many messages at once"))
            }
            replyBody.writeBuffer(&piece)
            guard UInt64(replyBody.readableBytes) <= route.generation.reply else {
                connection?.close()
                connection = nil
                return answer(.upstreamUnreadable("it is larger than \(route.generation.reply) bytes"))
            }
        case .events:
            unsent.writeBuffer(&piece)
            sendUnsent()
            if unsent.readableBytes > 0 { connection?.setReading(false) }
        }
    }

    /// The ingress takes more again.
    func writable() {
        guard unsent.readableBytes > 0 else { return }
        sendUnsent()
        guard unsent.readableBytes == 0 else { return }
        unsent = ByteBuffer()
        if let connection { connection.setReading(true) } else { finish() }
    }

    func replyComplete() {
        connection = nil
        switch reply {
        case .none: answer(.upstreamUnreadable("it is empty"))
        case .events:
            // What still waits for credit is sent first; the stream ends when it is gone.
            if unsent.readableBytes == 0 { finish() }
        case .json(let status, let session):
            // Servers label the empty answer to a DELETE as JSON too.
            if replyBody.readableBytes == 0 { answerStatus(status, session) } else { answerJSON(status, session) }
        case .statusOnly(let status, let session): answerStatus(status, session)
        }
    }

    func replyBroken(_ reason: String) {
        connection = nil
        route.context.counters.add(.upstreamErrors)
        if case .events = reply {
            giveUp(.upstreamUnavailable)
        } else {
            answer(.upstreamUnavailable(reason))
        }
    }

    private func answerJSON(_ status: UInt16, _ session: String) {
        guard var text = route.readReply(replyBody) else {
            return answer(.upstreamUnreadable("it is not strict JSON"))
        }
        guard let link, link.isOpen else { return finish() }
        let length = UInt64(text.readableBytes)
        sendHead(ReplyHead(status: status, kind: .json, bodyLength: length, session: session))
        replyBody = ByteBuffer()
        link.sendData(stream, &text)
        unsent = text
        if unsent.readableBytes == 0 { finish() }
    }

    /// An answer without a JSON text: accepted notifications, refusals by status, pages of some other server.
    private func answerStatus(_ status: UInt16, _ session: String) {
        switch status {
        case 200...299:
            guard messageID == nil else { return answer(.upstreamUnreadable("its type is neither JSON nor events")) }
            sendHead(ReplyHead(status: status == 200 ? 200 : 202, kind: .empty, bodyLength: 0, session: session))
            finish()
        case 400, 404, 405, 406, 415:
            // The transport's own refusals mean something to a client (a lost session, no GET stream); their bodies do not.
            let body = GatewayError.notAMessage("the MCP server answered with status \(status)")
                .body(id: messageID, requestID: open.requestID)
            send(status, body)
        default: answer(.upstreamUnavailable("it answered with status \(status)"))
        }
    }

    /// Ends the exchange with an error of the gateway's own.
    private func answer(_ error: GatewayError) {
        guard !isOver else { return }
        route.context.counters.add(.failed)
        let status = open.method == .post ? error.status(isModern: open.isModern) : error.modernStatus
        send(
            status, error.body(id: messageID, requestID: open.requestID),
            retryAfter: status == 200 ? 0 : error.retryAfter)
    }

    private func send(_ status: UInt16, _ body: [UInt8], retryAfter: UInt32 = 0) {
        sendHead(ReplyHead(status: status, kind: .json, bodyLength: UInt64(body.count), retryAfter: retryAfter))
        var bytes = ByteBuffer(bytes: body)
        link?.sendData(stream, &bytes)
        finish()
    }

    private func sendHead(_ head: ReplyHead) {
        var writer = FieldWriter()
        var carried = head
        if !carried.write(&writer) {
            // The session is the only part that is the upstream's own words: one that no link carries is no session.
            carried.session = ""
            guard carried.write(&writer) else { return giveUp(.upstreamProtocol) }
        }
        link?.sendHead(stream, writer.bytes)
    }

    private func sendUnsent() {
        guard let link, link.isOpen else { return unsent.clear() }
        link.sendData(stream, &unsent)
    }

    // MARK: The end

    /// Ends a call whose upstream has been silent for too long. A stream that a client opened by GET may be silent for ever.
    func replyStalled() {
        guard open.method == .post, let connection else { return }
        if case .events = reply { return giveUp(.upstreamTimeout) }
        connection.close()
        self.connection = nil
        answer(.upstreamUnavailable("it did not answer in time"))
    }

    /// The client left. A modern client's call ends upstream; a legacy one's is read to its end (DESIGN 6).
    func cancelled(_ reason: StreamEndReason) {
        guard !isOver, open.isModern || open.method != .post else { return }
        giveUp(.cancelled)
    }

    /// The ingress reset the stream or is gone.
    func abandoned() {
        link = nil
        unsent.clear()
        // A legacy call goes on without its client; what has nothing left to wait for is over.
        if open.isModern || open.method != .post || (connection == nil && queueNumber == nil) { giveUp(.cancelled) }
    }

    private func giveUp(_ reason: StreamEndReason) {
        guard !isOver else { return }
        if let queueNumber { route.pool.cancel(queueNumber) }
        connection?.close()
        connection = nil
        link?.reset(stream, reason)
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        route.giveBack(reserved)
        reserved = 0
        link?.end(stream)
        route.context.counters.add(.answered)
        owner?.finished(stream)
        route.finished()
    }
}

private func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
    var copy: [UInt8] = []
    for index in range { copy.append(bytes[index]) }
    return String(decoding: copy, as: UTF8.self)
}

extension ByteBuffer {
    /// A field whose parts came from another process: written only if it is one token and one field value.
    fileprivate mutating func writeCheckedField(_ name: String, _ value: String) {
        guard HTTP1Encoding.isToken(name), HTTP1Encoding.isFieldValue(value) else { return }
        writeString("\(name): \(value)\r\n")
    }
}

/// Fields of a client that reach the upstream. The ingress chooses the same ones; this side does not rely on it.
private enum RequestFields {
    private static let names: Set<String> = [
        "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id", "traceparent", "tracestate", "baggage",
    ]

    static func isForwarded(_ name: String) -> Bool { names.contains(name) || name.hasPrefix("mcp-param-") }
}
