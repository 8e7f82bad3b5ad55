import HTTP1
import Link
import MCP
import NIOCore

/// What a client is sent. Everything written in one turn of the loop is flushed together at its end.
extension ClientConnection {
    func writeHead(_ head: ReplyHead) {
        ingressCounters.add(.answered)
        output.writeReplyHead(head, closes: closesAfterReply)
        scheduleFlush()
    }

    func writeBody(_ bytes: ByteBuffer) {
        ingressCounters.add(.replyBytes, UInt64(bytes.readableBytes))
        append(bytes)
    }

    func writeChunk(_ bytes: ByteBuffer) {
        ingressCounters.add(.replyBytes, UInt64(bytes.readableBytes))
        output.writeChunkHead(bytes.readableBytes)
        append(bytes)
        output.writeStaticString("\r\n")
    }

    func writeLastChunk() {
        output.writeStaticString(HTTP1Encoding.lastChunk)
        scheduleFlush()
    }

    /// A server-sent event of the gateway's own.
    func writeEvent(_ json: [UInt8]) {
        var event = ByteBuffer()
        // The empty line ends whatever event the upstream was in the middle of; the NUL makes a cut `id` or `retry` line one
        // that clients ignore (HTML, server-sent events, interpreting an event stream).
        event.writeStaticString("\0\n\nevent: message\ndata: ")
        event.writeBytes(json)
        event.writeStaticString("\n\n")
        writeChunk(event)
    }

    func writeError(_ error: GatewayError, id: [UInt8]?, requestID: UInt64, isModern: Bool, method: ExchangeMethod) {
        let body = error.body(id: id, requestID: requestID)
        // Without a message there is nothing for a transport to hang on to: GET and DELETE get the status itself.
        let status = method == .post ? error.status(isModern: isModern) : error.modernStatus
        let head = ReplyHead(
            status: status, kind: .json, bodyLength: UInt64(body.count),
            retryAfter: status == 200 ? 0 : error.retryAfter)
        output.writeReplyHead(head, closes: closesAfterReply)
        output.writeBytes(body)
        scheduleFlush()
    }

    var closesAfterReply: Bool {
        if case .exchange(let keepAlive) = phase { return !keepAlive || ingress.isDraining }
        return true
    }

    func append(_ bytes: ByteBuffer) {
        if bytes.readableBytes >= 16 * 1024, let context {
            writeOutput(context)
            context.write(wrapOutboundOut(bytes), promise: nil)
        } else {
            var copy = bytes
            output.writeBuffer(&copy)
        }
        scheduleFlush()
    }

    func writeOutput(_ context: ChannelHandlerContext) {
        guard output.readableBytes > 0 else { return }
        context.write(wrapOutboundOut(output), promise: nil)
        output = ByteBuffer()
    }

    func scheduleFlush() {
        guard !flushScheduled else { return }
        flushScheduled = true
        ingress.scheduleFlush(self)
    }

    func flush() {
        flushScheduled = false
        guard let context else { return }
        writeOutput(context)
        context.flush()
    }
}
