import HTTP1
import Link
import MCP
import NIOCore
import SSE
import StrictJSON
import Worker

/// A request of the gateway's own to the upstream: to open a session again, to end one, to answer what no client may answer.
final class GatewayCall: UpstreamReader {
    /// What came of it.
    struct Outcome {
        /// The HTTP status; 0 if there was no answer.
        var status: UInt16 = 0
        /// The session that the answer begins.
        var session: [UInt8]?
        /// The answer's message, if it has one.
        var reply: ReadReply?
    }

    /// Bytes of an answer that are worth reading.
    private static let maximumReply = 1 << 20

    private let route: Route
    private let method: ExchangeMethod
    private let session: [UInt8]?
    private let revision: ProtocolRevision?
    private let body: [UInt8]
    private let done: (Outcome) -> Void
    private var connection: UpstreamConnection?
    private var outcome = Outcome()
    private var media = MediaType.other
    private var text = ByteBuffer()
    private var received = 0
    private var events = EventParser()
    private var isOver = false

    /// Sends it. `done` is called once, whatever happens.
    static func start(
        _ method: ExchangeMethod, session: [UInt8]?, revision: ProtocolRevision?, body: [UInt8] = [], route: Route,
        done: @escaping (Outcome) -> Void = { _ in }
    ) {
        let call = GatewayCall(method, session: session, revision: revision, body: body, route: route, done: done)
        if let connection = route.pool.takeIdle() { return call.send(on: connection) }
        _ = route.pool.wait { result in
            switch result {
            case .success(let connection): call.send(on: connection)
            case .failure: call.finish()
            }
        }
    }

    private init(
        _ method: ExchangeMethod, session: [UInt8]?, revision: ProtocolRevision?, body: [UInt8], route: Route,
        done: @escaping (Outcome) -> Void
    ) {
        self.method = method
        self.session = session
        self.revision = revision
        self.body = body
        self.route = route
        self.done = done
    }

    private func send(on connection: UpstreamConnection) {
        self.connection = connection
        connection.start(method: method == .post ? .post : .delete, reader: self) { output in
            route.head.write(
                method, acceptsJSON: true, acceptsEvents: true, bodyLength: body.count, to: &output)
            if let revision { output.writeField("MCP-Protocol-Version", revision.text) }
            if let session { output.writeField("Mcp-Session-Id", session.span) }
            output.writeStaticString("\r\n")
            output.writeBytes(body)
        }
    }

    func replyHead(_ head: borrowing ResponseHead, _ bytes: Span<UInt8>) {
        outcome.status = UInt16(head.status)
        outcome.session = head.first(.mcpSessionID).map { bytes.extracting($0).copy }
        if let type = head.first(.contentType) { media = MediaType(bytes.extracting(type)) }
        if head.fields.contains(.contentEncoding) { end() }
    }

    func replyBody(_ bytes: ByteBuffer) {
        text.writeImmutableBuffer(bytes)
        received += bytes.readableBytes
        guard received <= GatewayCall.maximumReply else { return end() }
        guard case .events = media else { return }
        readEvents()
    }

    /// The first answer on the stream is the one that was asked for; nothing after it matters.
    private func readEvents() {
        let bytes = text
        let span = bytes.readableBytesUInt8Span
        var position = 0
        while position < span.count {
            let rest = span.extracting(position..<span.count)
            do throws(SSEError) {
                switch try events.next(rest) {
                case .needMore: position = span.count
                case .comment(let count): position += count
                case .event(let count):
                    position += count
                    if isAnswer(events.event(in: rest)) { return end() }
                }
            } catch {
                return end()
            }
        }
        text.clear()
    }

    private func isAnswer(_ event: borrowing Event) -> Bool {
        guard let reply = route.read(event.data, nil), reply.message.kind == .response else { return false }
        outcome.reply = reply
        return true
    }

    func replyComplete() {
        connection = nil
        if case .json = media, text.readableBytes > 0 { outcome.reply = route.read(text.readableBytesUInt8Span, nil) }
        finish()
    }

    func replyStalled() { end() }

    func replyBroken(_ reason: String, isStale: Bool) {
        connection = nil
        finish()
    }

    /// Ends the connection with what it still carries.
    private func end() {
        connection?.close()
        connection = nil
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        done(outcome)
    }
}
