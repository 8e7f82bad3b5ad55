import EpollLoop
import HTTP1
import Link
import MCP
import NIOCore

/// What a client is sent. Everything written in one turn of the loop is flushed together at its end.
extension ClientConnection: ReplyTaker {
    var takesMore: Bool { isWritable }

    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange) {
        writeHead(head, session: session)
    }

    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange) {
        if isEvents { writeChunk(bytes) } else { writeBody(bytes) }
    }

    func replyEnds(isEvents: Bool, of exchange: Exchange) {
        if isEvents { writeLastChunk() }
        finish(exchange)
    }

    func replyFails(_ error: GatewayError, of exchange: Exchange) {
        counters.add(.failed)
        writeError(error, callID: exchange.callID, open: exchange.open)
        finish(exchange)
    }

    func eventsBreak(_ error: GatewayError, of exchange: Exchange) {
        // The call is answered on its own stream; a stream of server messages just ends.
        if let callID = exchange.callID {
            writeEvent(ByteBuffer(bytes: error.body(id: callID, requestID: exchange.open.requestID)))
        }
        writeLastChunk()
        finish(exchange)
    }

    func replyIsLost(of exchange: Exchange) { abandonReply() }

    func writeHead(_ head: ReplyHead, session: [UInt8]? = nil) {
        counters.add(.answered)
        // Room for the head and a body that is copied behind it, at once.
        let body = head.kind == .json && head.bodyLength < ClientConnection.keptOutput / 2 ? Int(head.bodyLength) : 0
        output.reserveCapacity(minimumWritableBytes: 256 + body)
        output.writeReplyHead(head, session: session, closes: closesAfterReply)
        scheduleFlush()
    }

    func writeBody(_ bytes: ByteBuffer) {
        counters.add(.replyBytes, UInt64(bytes.readableBytes))
        append(bytes)
    }

    func writeChunk(_ bytes: ByteBuffer) {
        counters.add(.replyBytes, UInt64(bytes.readableBytes))
        output.writeChunkHead(bytes.readableBytes)
        append(bytes)
        output.writeStaticString("\r\n")
    }

    func writeLastChunk() {
        output.writeStaticString(HTTP1Encoding.lastChunk)
        scheduleFlush()
    }

    /// A server-sent event of one JSON text, which the gateway itself puts into a stream.
    func writeEvent(_ json: ByteBuffer) {
        var event = ByteBuffer()
        // The empty line ends whatever event the upstream was in the middle of; the NUL makes a cut `id` or `retry` line one
        // that clients ignore (HTML, server-sent events, interpreting an event stream).
        event.writeStaticString("\0\n\nevent: message\n")
        // A text that was spelt over several lines is data of several lines; both line ends of a text end a line of the stream.
        for line in json.readableBytesView.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            event.writeStaticString("data: ")
            event.writeBytes(line)
            event.writeStaticString("\n")
        }
        event.writeStaticString("\n")
        writeChunk(event)
    }

    /// An answer of the gateway's own to a message that goes no further.
    func writeRefusal(_ error: GatewayError, of message: borrowing ReadMessage) {
        // Anything but 202 to a notification would end the transport of a legacy client (DESIGN 5).
        let isDropped = message.callID == nil && message.open.method == .post && !message.open.isModern
        if isDropped, case .rateLimited = error {
            output.writeReplyHead(
                ReplyHead(status: 202, kind: .empty, bodyLength: 0), session: nil, closes: closesAfterReply)
            return scheduleFlush()
        }
        writeError(error, callID: message.callID, open: message.open)
    }

    /// An answer of the gateway's own to a message that has been read.
    func writeError(_ error: GatewayError, callID: [UInt8]?, open: RequestOpen) {
        // Without a message there is nothing for a transport to hang on to: GET and DELETE get the status itself.
        let status = open.method == .post ? error.status(isModern: open.isModern) : error.modernStatus
        let body = error.body(id: callID, requestID: open.requestID)
        let head = ReplyHead(
            status: status, kind: .json, bodyLength: UInt64(body.count),
            retryAfter: status == 200 ? 0 : error.retryAfter)
        output.writeReplyHead(head, session: nil, closes: closesAfterReply)
        output.writeBytes(body)
        scheduleFlush()
    }

    var closesAfterReply: Bool {
        if case .exchange(let keepAlive) = phase { return !keepAlive || ingress.isDraining }
        return true
    }

    private func append(_ bytes: ByteBuffer) {
        if bytes.readableBytes >= 16 * 1024, let socket {
            writeOutput(socket)
            socket.write(bytes)
        } else {
            output.writeImmutableBuffer(bytes)
        }
        scheduleFlush()
    }

    /// Hands over what is written so far; more is written behind it in this turn.
    func writeOutput(_ socket: StreamSocket) {
        guard output.readableBytes > 0 else { return }
        socket.write(output)
        output = ByteBuffer()
    }

    func scheduleFlush() {
        guard !flushScheduled else { return }
        flushScheduled = true
        ingress.scheduleFlush(self)
    }

    func flush() {
        flushScheduled = false
        guard let socket else { return }
        // What is written while the socket takes this begins a buffer of its own.
        var written = output
        output = ByteBuffer()
        if written.readableBytes > 0 {
            socket.writeAndFlush(written)
        } else {
            socket.flush()
        }
        // An ordinary answer's memory is used again for the next, if the socket has taken it; a thousand idle clients keep none.
        if output.readableBytes == 0, written.capacity <= ClientConnection.keptOutput {
            written.clear()
            output = written
        }
    }
}
