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
        /// Bytes of the answer's body.
        var received = 0
    }

    /// Bytes of an answer that are worth reading.
    private static let maximumReply = 1 << 20

    /// What a call says beside its message, and what is done with the answer.
    struct Options {
        /// Further field lines of the request, each with its end.
        var fields: [UInt8] = []
        /// How the answer is inspected.
        var context: ReplyContext?
        /// Bytes of the answer at most.
        var limit = GatewayCall.maximumReply
        /// The id of the request, where an answer to another one must not be taken for its own.
        var answers: UInt64?
        /// Whether so many bytes may be held.
        var mayHold: (Int) -> Bool = { _ in true }
    }

    private let route: Route
    let settings: RouteSettings
    private let method: ExchangeMethod
    private let session: [UInt8]?
    private let revision: ProtocolRevision?
    private let body: [UInt8]
    private let options: Options
    private let done: (Outcome) -> Void
    private var connection: UpstreamConnection?
    private var outcome = Outcome()
    private var media = MediaType.other
    private var text = ByteBuffer()
    private var queueNumber: Int?
    private var events = EventParser()
    private var isOver = false

    /// Sends it. `done` is called once, whatever happens; an empty session is none.
    @discardableResult
    static func start(
        _ method: ExchangeMethod, session: [UInt8]?, revision: ProtocolRevision?, body: [UInt8] = [], route: Route,
        options: Options = Options(), done: @escaping (Outcome) -> Void = { _ in }
    ) -> GatewayCall {
        let call = GatewayCall(
            method, session: session, revision: revision, body: body, route: route, options: options, done: done)
        if let connection = route.pool.takeIdle() {
            call.send(on: connection)
            return call
        }
        call.queueNumber = route.pool.wait { result in
            call.queueNumber = nil
            switch result {
            case .success(let connection): call.send(on: connection)
            case .failure: call.finish()
            }
        }
        return call
    }

    /// Ends it; `done` is called with what has come.
    func cancel() {
        if let queueNumber { route.pool.cancel(queueNumber) }
        end()
    }

    private init(
        _ method: ExchangeMethod, session: [UInt8]?, revision: ProtocolRevision?, body: [UInt8], route: Route,
        options: Options, done: @escaping (Outcome) -> Void
    ) {
        self.method = method
        self.session = session.flatMap { $0.isEmpty ? nil : $0 }
        self.options = options
        self.revision = revision
        self.body = body
        self.route = route
        settings = route.settings
        self.done = done
    }

    private func send(on connection: UpstreamConnection) {
        self.connection = connection
        connection.start(method: method == .post ? .post : .delete, reader: self) { output in
            route.head.write(
                method, acceptsJSON: true, acceptsEvents: true, bodyLength: body.count, to: &output)
            if let revision { output.writeField("MCP-Protocol-Version", revision.text) }
            if let session { output.writeField("Mcp-Session-Id", session.span) }
            output.writeBytes(options.fields)
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
        outcome.received += bytes.readableBytes
        guard outcome.received <= options.limit, options.mayHold(text.readableBytes) else { return end() }
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
        guard let reply = route.read(event.data, options.context), reply.message.kind == .response else { return false }
        guard isOwn(reply, event.data) else { return false }
        outcome.reply = reply
        return true
    }

    /// Whether an answer is that to this request; an error may come without an id.
    private func isOwn(_ reply: ReadReply, _ data: Span<UInt8>) -> Bool {
        guard let number = options.answers else { return true }
        guard let id = reply.message.id else { return reply.message.isError }
        if let text = reply.text { return text.holds(number, at: id) }
        return UInt64(decimal: data.extracting(id)) == number
    }

    /// The only answer there is.
    private func take(_ reply: ReadReply?) {
        let text = text
        if let reply, isOwn(reply, text.readableBytesUInt8Span) { outcome.reply = reply }
        finish()
    }

    func replyComplete() {
        connection = nil
        guard !isOver, case .json = media, text.readableBytes > 0 else { return finish() }
        guard text.readableBytes > RouteExchange.largeMessage else {
            let text = text
            return take(route.read(text.readableBytesUInt8Span, options.context))
        }
        route.readElsewhere(text, options.context) { [self] reply in take(reply) }
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
