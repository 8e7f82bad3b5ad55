import Link
import MCP
import NIOCore
import SSE
import StrictJSON
import Telemetry
import Worker

/// A stream of server-sent events on its way to the client: every event is read, attributed to this exchange and its client, and written anew,
/// so that the client cannot read it in another way than the gateway did. Never more than one event is held.
final class EventRelay {
    let exchange: RouteExchange
    var route: Route { exchange.route }
    private var parser: EventParser
    /// What has come and is not read yet: while the client does not take what went before, and while a large event is read elsewhere.
    private var waiting = ByteBuffer()
    private var isReadingElsewhere = false
    /// The head is held back until the answer to `initialize` says which revision the session has.
    private(set) var isHeadSent: Bool
    /// The upstream has sent everything.
    private var isEnded = false
    private var isBroken = false
    /// Nothing that is still to be read matters any more.
    private var isGivenUp = false
    var hasAnswered = false
    /// Events have ids: a stream that breaks off can be taken up again.
    private var isResumable = false

    private let context: ReplyContext?

    init(_ exchange: RouteExchange) {
        self.exchange = exchange
        context = exchange.replyContext(isStream: true)
        var limits = EventLimits()
        limits.eventBytes = Int(clamping: exchange.settings.generation.event)
        parser = EventParser(limits: limits)
        isHeadSent = exchange.open.session?.use != .opening
    }

    /// Bytes that may come before the answer to `initialize`.
    private static let maximumBeforeHead = 64 * 1024

    /// Bytes that a stream may hold without being charged for them.
    private static let freeBytes = 64 * 1024

    /// Whether the upstream has to wait.
    var isHeldBack: Bool { isHeadSent && exchange.unsent.readableBytes > 0 || isReadingElsewhere }

    func receive(_ bytes: ByteBuffer) {
        if isHeldBack { waiting.writeImmutableBuffer(bytes) } else { read(bytes) }
        account()
    }

    /// Charges what the stream holds to the worker's budget.
    private func account() {
        guard !exchange.isOver else { return }
        let held = parser.bufferedCapacity + waiting.readableBytes + exchange.unsent.readableBytes
        guard !exchange.hold(held > EventRelay.freeBytes ? held : 0) else { return }
        fail(.capacity("too many messages at once"))
    }

    /// The client has taken what was written: read on.
    func resume() {
        guard !exchange.isOver, !isHeldBack else { return }
        if hasAnswered, exchange.open.method == .post { exchange.endToClient() }
        let bytes = waiting
        waiting = ByteBuffer()
        // Even if there is nothing: the parser lets go of a large event when it goes on.
        read(bytes)
        account()
        guard !isHeldBack, !exchange.isOver else { return }
        if isEnded || isBroken { finish() } else { exchange.connection?.setReading(true) }
    }

    func end() {
        isEnded = true
        if !isHeldBack { finish() }
    }

    func breakOff() {
        isBroken = true
        if !isHeldBack { finish() }
    }

    /// Nothing more comes.
    private func finish() {
        guard !exchange.isOver else { return }
        let isCall = exchange.open.method == .post && exchange.message?.kind == .request
        guard isCall, !hasAnswered, !isResumable || exchange.open.isModern || !isHeadSent else {
            return exchange.finish()
        }
        guard isBroken else { return fail(.upstreamUnreadable("it ended without an answer")) }
        fail(.upstreamUnavailable("the connection to it ended"))
    }

    /// Ends the call with an error on its own stream.
    func fail(_ error: GatewayError) {
        exchange.connection?.close()
        exchange.connection = nil
        guard isHeadSent else { return exchange.answer(error) }
        if !hasAnswered, let callID = exchange.callID, exchange.open.method == .post {
            hasAnswered = true
            route.context.counters.add(.failed)
            let body = error.body(id: callID, requestID: exchange.open.requestID)
            write(Event(data: body.span, name: EventRelay.messageName.span))
        }
        isGivenUp = true
        isEnded = true
        if exchange.unsent.readableBytes == 0 { exchange.finish() }
    }

    /// Whether answers are searched for what none may hold.
    private var searchesText: Bool { context?.policy.compiled.inspectsReplies ?? false }

    private static let messageName = Array("message".utf8)
    private static let keepAlive = Array("keep-alive".utf8)

    /// A comment now and then keeps a quiet stream from being taken for a dead one.
    func keepAlive(_ now: NIODeadline) {
        guard isHeadSent, !isHeldBack,
            now - exchange.lastSent >= .nanoseconds(Int64(exchange.settings.generation.keepAlive))
        else {
            return
        }
        try? EventEncoding.appendComment(EventRelay.keepAlive.span, to: &exchange.unsent)
        exchange.sendUnsent()
    }

    // MARK: Reading

    private func read(_ bytes: ByteBuffer) {
        let span = bytes.readableBytesUInt8Span
        var position = 0
        while !exchange.isOver, !isGivenUp {
            let rest = span.extracting(position..<span.count)
            do throws(SSEError) {
                switch try parser.next(rest) {
                case .needMore: return release(bytes, from: span.count)
                case .comment(let count):
                    position += count
                    relay(comment: parser.comment(in: rest))
                case .event(let count):
                    position += count
                    take(parser.event(in: rest))
                }
            } catch {
                let reason = error == .invalidUTF8 ? "its stream is not UTF-8" : "an event is too large"
                return fail(.upstreamUnreadable(reason))
            }
            if isHeldBack { return release(bytes, from: position) }
        }
    }

    /// Keeps what is not read yet.
    private func release(_ bytes: ByteBuffer, from position: Int) {
        guard position < bytes.readableBytes,
            let rest = bytes.getSlice(
                at: bytes.readerIndex + position, length: bytes.readableBytes - position)
        else { return }
        waiting.writeImmutableBuffer(rest)
    }

    private func relay(comment: Span<UInt8>) {
        guard isHeadSent else { return }
        // A comment that is no comment is not worth a stream. Where answers are searched, its text stays here: it is nothing but a sign of life.
        let text = searchesText ? Span<UInt8>() : comment
        try? EventEncoding.appendComment(text, to: &exchange.unsent)
        exchange.sendUnsent()
    }

    private func take(_ event: borrowing Event) {
        if event.hasID { isResumable = true }
        if searchesText, event.name.count > 0, !event.name.isEqual(to: EventRelay.messageName.span),
            !route.mayShow(event.name, exchange.settings.policy)
        {
            return fail(.upstreamUnreadable("the name of an event is what no answer may hold"))
        }
        guard event.hasData, event.data.count > 0 else { return write(event) }
        guard event.data.count > RouteExchange.largeMessage else {
            let result = route.read(event.data, context)
            return relay(result, event)
        }
        readElsewhere(event)
    }

    /// A large event is read on the helper thread; what follows it waits.
    private func readElsewhere(_ event: borrowing Event) {
        isReadingElsewhere = true
        let kept = KeptEvent(event)
        route.readElsewhere(ByteBuffer(bytes: kept.data), context) { [self] result in
            isReadingElsewhere = false
            guard !exchange.isOver else { return }
            relay(result, kept.event)
            resume()
        }
    }

    // MARK: Attributing

    private func relay(_ result: ReadReply?, _ event: borrowing Event) {
        guard let result else { return fail(.upstreamUnreadable("an event is not a JSON-RPC message")) }
        var edit = MessageEdit()
        // `text` is there only when the event's data had to be mended.
        if let text = result.text {
            relay(result, text.readableBytesUInt8Span, event, &edit)
        } else {
            relay(result, event.data, event, &edit)
        }
    }

    private func relay(
        _ result: ReadReply, _ data: Span<UInt8>, _ event: borrowing Event, _ edit: inout MessageEdit
    ) {
        if let inspection = result.inspection {
            route.learn(inspection)
            guard !inspection.isUnreadable else { return fail(.upstreamUnreadable(ReplyInspection.unreadableList)) }
            if let denial = inspection.denial { return withhold(result, denial, data, event, &edit) }
        }
        switch attribute(result.message, data, &edit) {
        case .dropped: route.context.counters.add(.droppedMessages)
        case .answered:
            guard exchange.recordReply(result.inspection, isError: result.message.isError, size: data.count) else {
                return fail(.capacity(RouteExchange.unrecorded))
            }
            hasAnswered = true
            guard isHeadSent || sendHead(result) else { return }
            if let inspection = result.inspection {
                edit.apply(inspection)
                route.context.counters.add(.withheldItems, UInt64(inspection.withheld))
            }
            write(data, edit, event)
            // Nothing comes after the answer to a call.
            if exchange.open.method == .post { exchange.endToClient() }
        case .relayed:
            guard exchange.recordServerMessage(result, size: data.count) else {
                return fail(.capacity(RouteExchange.unrecorded))
            }
            write(data, edit, event)
            if route.records.isCrowded { waitForRecorder() }
        }
    }

    /// A server that tells more than can be recorded is slowed down, so that the messages of others still can be.
    private func waitForRecorder() {
        hold()
        route.loop.schedule(in: .milliseconds(5)) { [self] in
            guard !exchange.isOver else { return }
            if route.records.isCrowded { waitForRecorder() } else { goOn() }
        }
    }

    /// What follows waits for `goOn`.
    func hold() { isReadingElsewhere = true }

    /// Goes on after `hold`.
    func goOn() {
        isReadingElsewhere = false
        resume()
    }

    enum Attribution {
        case relayed, answered, dropped
    }

    /// Finds whom a message of the server is for, and puts the client's own ids into it. What is for nobody here is dropped.
    func attribute(
        _ message: MessageSummary, _ data: Span<UInt8>, _ edit: inout MessageEdit
    ) -> Attribution {
        if let subscription = message.subscription {
            guard let callID = exchange.callID, isOwn(data.extracting(subscription)) else { return .dropped }
            edit.replace(subscription, with: callID)
        }
        switch message.kind {
        case .response:
            guard !hasAnswered, let id = message.id, let callID = exchange.callID, isOwn(data.extracting(id)) else {
                return .dropped
            }
            edit.replace(id, with: callID)
            return .answered
        case .request:
            guard !exchange.open.isModern, let id = message.id else { return .dropped }
            guard message.method.maySend(.server) else {
                route.refuse(
                    data.extracting(id).copy, of: exchange.session, .methodNotFound("clients do not serve it"))
                return .dropped
            }
            let spelt = data.extracting(id).copy
            guard isHeadSent else {
                // The client cannot be asked yet: it does not know its session before the answer that is still to come.
                route.answerEarly(spelt, message.method, of: exchange.beganSession)
                return .dropped
            }
            // Without a session nothing tells whose answer would come.
            guard let session = exchange.session ?? exchange.open.session?.uuid else { return .dropped }
            let number = route.makeNumber()
            guard route.serverRequests.add(number, session: session, id: spelt) else {
                route.refuse(spelt, of: exchange.session, .capacity("too many requests wait for this client"))
                return .dropped
            }
            edit.replace(id, with: number)
            return .relayed
        case .notification: return attributeNotification(message, data, &edit)
        }
    }

    private func attributeNotification(
        _ message: MessageSummary, _ data: Span<UInt8>, _ edit: inout MessageEdit
    ) -> Attribution {
        guard message.method.maySend(.server) else { return .dropped }
        if let subject = message.progressSubject {
            let spelt = data.extracting(subject)
            guard let token = isOwn(spelt) ? exchange.progressToken : route.progressToken(spelt, for: exchange) else {
                return .dropped
            }
            edit.replace(subject, with: token)
        } else if let target = message.cancelledRequest {
            let spelt = data.extracting(target)
            if isOwn(spelt), let callID = exchange.callID {
                edit.replace(target, with: callID)
            } else if let number = route.serverRequests.cancel(spelt, session: exchange.session) {
                edit.replace(target, with: number)
            } else {
                return .dropped
            }
        }
        return .relayed
    }

    private func isOwn(_ spelt: Span<UInt8>) -> Bool {
        exchange.number != 0 && UInt64(decimal: spelt) == exchange.number
    }

    /// The answer to `initialize` is there: now the client may be told of its session.
    private func sendHead(_ result: ReadReply) -> Bool {
        var revision: UInt8 = 0
        if !result.message.isError {
            guard let begun = exchange.beginSession(result.revision) else {
                exchange.connection?.close()
                exchange.connection = nil
                return false
            }
            revision = begun
        }
        isHeadSent = true
        exchange.sendEventsHead(sessionRevision: revision)
        return true
    }

    // MARK: Writing

    private func write(_ data: Span<UInt8>, _ edit: MessageEdit, _ event: borrowing Event) {
        var text = route.eventText
        route.eventText = []
        text.removeAll(keepingCapacity: true)
        edit.append(original: data, to: &text)
        let id = event.hasID ? event.id : nil
        write(Event(data: text.span, id: id, name: event.name, retry: event.retry))
        if text.capacity <= RouteExchange.largeMessage { route.eventText = text }
    }

    /// Writes an event with an id that leads back here. Modern clients cannot take up a stream again, and get neither id nor retry time.
    func write(_ event: borrowing Event) {
        let id = event.hasID && !exchange.open.isModern ? mapped(event.id) : nil
        let retry = exchange.open.isModern ? nil : event.retry
        guard id != nil || retry != nil || event.hasData else { return }
        let data = event.hasData ? event.data : nil
        let isWritten =
            if let id {
                append(Event(data: data, id: id.span, name: event.name, retry: retry))
            } else {
                append(Event(data: data, name: event.name, retry: retry))
            }
        guard isWritten else { return fail(.upstreamUnreadable("an event cannot be written as one")) }
        if isHeadSent {
            exchange.sendUnsent()
        } else if exchange.unsent.readableBytes > EventRelay.maximumBeforeHead {
            fail(.upstreamUnreadable("it says too much before its answer"))
        }
    }

    private func append(_ event: borrowing Event) -> Bool {
        do throws(EventEncodingError) {
            try EncodedEvent(copy event).append(to: &exchange.unsent)
            return true
        } catch {
            return false
        }
    }

    /// The client's id for an event: it says all that is needed to go on after it. Nil: the upstream's is none that could come back.
    private func mapped(_ upstream: Span<UInt8>) -> [UInt8]? {
        guard !upstream.isEmpty else { return [] }
        return route.eventIDs.make(
            upstream, request: exchange.number, callID: exchange.callID.orEmpty,
            progressToken: exchange.progressToken.orEmpty, session: exchange.open.session?.uuid,
            identity: exchange.open.identity)
    }
}

extension Optional<[UInt8]> {
    fileprivate var orEmpty: [UInt8] { self ?? [] }
}

/// An event that outlives the bytes it was read from.
struct KeptEvent {
    let data: [UInt8]
    private let id: [UInt8]
    private let hasID: Bool
    private let name: [UInt8]
    private let retry: UInt64?

    init(_ event: borrowing Event) {
        data = event.data.copy
        id = event.id.copy
        hasID = event.hasID
        name = event.name.copy
        retry = event.retry
    }

    var event: Event {
        @_lifetime(borrow self) get {
            Event(data: data.span, id: hasID ? id.span : nil, name: name.span, retry: retry)
        }
    }
}

extension ByteBuffer: EventSink {
    /// Appends bytes that the encoder has made.
    public mutating func append(_ bytes: Span<UInt8>) { writeSpan(bytes) }
}
