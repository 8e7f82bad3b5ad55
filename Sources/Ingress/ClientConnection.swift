import EpollLoop
import HTTP1
import Link
import MCP
import NIOCore
import Telemetry

/// One client's connection: reads requests one after the other, answers them in order, keeps nothing of a finished one.
final class ClientConnection: StreamSocketDelegate {
    enum Phase {
        /// Between requests, or in the middle of a head.
        case head
        /// The head is admitted, the body is coming.
        case body(AdmittedHead)
        /// A request is on its way; what the client sends meanwhile waits.
        case exchange(keepAlive: Bool)
        /// The last answer is written.
        case closing
    }

    /// Bytes of further requests that may wait behind the present one.
    private static let readAhead = 256 * 1024

    /// Bytes of memory for answers that a connection keeps between them.
    static let keptOutput = 16 * 1024

    /// A stream's credit fits below the mark: one ordinary answer never stops the reading of the next request.
    private static let limits = SocketLimits(reads: 2048...65536, lowWater: 128 << 10, highWater: 512 << 10)

    /// How long the client may take for the next piece of the last answer, and for its own end.
    private static let closingLimit = TimeAmount.seconds(5)
    /// How long a connection may be kept open between requests.
    private static let idleLimit = TimeAmount.seconds(75)

    let ingress: Ingress
    private let names: OwnNames
    /// The settings that the present request is admitted under, from its head to the end of its answer.
    private var admitted: IngressSettings?
    private(set) var socket: StreamSocket?
    /// The listener that accepted it: who is anonymous there is one subject.
    let listener: UInt32
    var phase = Phase.head
    private var input = ByteBuffer()
    var output = ByteBuffer()
    /// The head of a chunked request, which `parser.head` describes, until its message is read; others stay in `input` so long.
    private var chunkedHead = ByteBuffer()
    private var chunkedBody = ByteBuffer()
    private var parser = RequestParser()
    private var decoder: ChunkedDecoder?
    private var exchange: Exchange?
    private var batch: BatchReply?
    var flushScheduled = false
    /// Bytes of the present message that are charged to the worker's budget.
    private var reserved = 0
    private var reading = true
    private var inLoop = false
    /// The first bytes of a head have come; its time runs from there.
    private var inHead = false
    /// Bytes that waited for the client when that was last looked at.
    private var waitingBytes = Int.max
    /// When the present wait is over; nil while there is none.
    private var deadline: NIODeadline?

    init(_ ingress: Ingress, names: OwnNames, listener: UInt32) {
        self.ingress = ingress
        self.names = names
        self.listener = listener
        counters = ingress.context.counters
    }

    let counters: Counters

    /// Whether the client takes more at the moment.
    private(set) var isWritable = true

    /// Bytes written that the client has not taken.
    private var bufferedBytes: Int { socket?.bufferedBytes ?? 0 }

    // MARK: Reading

    /// Serves an accepted connection, which it owns from now on.
    func begin(_ descriptor: Int32) {
        socket = StreamSocket.serve(
            connection: descriptor, loop: ingress.loop, limits: ClientConnection.limits, delegate: self)
        guard let socket else { return }
        // Not even an answer: it would have to be waited for, with a descriptor that is needed for links.
        guard ingress.opened(self) else { return socket.close() }
        deadline = ingress.now + .nanoseconds(Int64(ingress.generation.headTimeout))
    }

    func received(_ bytes: ByteBuffer) {
        if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
        readRequests()
    }

    /// Reads as many requests as can be begun now.
    private func readRequests() {
        // Finishing an exchange calls this again; the loop then goes on by itself, at the same depth of the stack.
        guard !inLoop else { return }
        inLoop = true
        // As a local value: a property would be checked for exclusive access at every use.
        var bytes = ByteBuffer()
        swap(&bytes, &input)
        readRequests(&bytes)
        settle(&bytes)
        if input.readableBytes > 0 { bytes.writeBuffer(&input) }
        swap(&bytes, &input)
        inLoop = false
    }

    private func readRequests(_ input: inout ByteBuffer) {
        while socket != nil {
            switch phase {
            case .head:
                // Each answer may be as large as its stream's credit: a client that asks and does not read gets no further one begun.
                guard isWritable else {
                    if reading { setReading(false) }
                    return
                }
                guard input.readableBytes > 0, readRequest(&input) else { return }
            case .body(let head):
                guard readBody(head, &input) else { return }
            case .exchange: return
            case .closing: return input.clear()
            }
        }
    }

    /// Pauses reading while too much waits, and gives consumed memory back.
    private func settle(_ input: inout ByteBuffer) {
        if input.readableBytes == 0 { input = ByteBuffer() } else { input.discardReadBytes() }
        guard case .exchange = phase else { return }
        if reading, input.readableBytes > ClientConnection.readAhead { setReading(false) }
    }

    private func setReading(_ on: Bool) {
        reading = on
        socket?.setReading(on)
    }

    /// The phases `readRequest`, `authenticate` and `admit`. False: more bytes are needed, or the request is refused.
    private func readRequest(_ input: inout ByteBuffer) -> Bool {
        let settings = ingress.settings
        do throws(HTTP1Error) {
            guard try parser.parseHead(input.readableBytesUInt8Span) else {
                if !inHead { deadline = ingress.now + .nanoseconds(Int64(ingress.generation.headTimeout)) }
                inHead = true
                return false
            }
            inHead = false
        } catch {
            refuse(Refusal(error.status, error.reason))
            return false
        }
        let head: AdmittedHead
        do throws(Refusal) {
            let bytes = input.readableBytesUInt8Span
            let identity = try ingress.access.authenticate(parser.head, bytes, settings.authenticator)
            head = try AdmittedHead(parser.head, bytes, names: names, identity: identity)
            if case .length(let count) = head.framing, count > settings.generation.requestBody {
                let limit = settings.generation.requestBody
                throw Refusal(413, "a message has at most \(limit) bytes", error: .tooLarge(limit: limit))
            }
        } catch {
            refuse(error)
            return false
        }
        if case .length(let count) = head.framing, !reserve(Int(count)) { return false }
        let isBodyless = input.readableBytes == parser.head.length
        if head.framing == .chunked {
            chunkedHead = input.readSlice(length: parser.head.length) ?? ByteBuffer()
            decoder = ChunkedDecoder(maxBody: settings.generation.requestBody)
        }
        admitted = settings
        phase = .body(head)
        deadline = ingress.now + .nanoseconds(Int64(settings.generation.bodyTimeout))
        if head.expectsContinue, isBodyless {
            output.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
            scheduleFlush()
        }
        return true
    }

    /// Takes body bytes. False: more are needed, or the request is refused.
    private func readBody(_ head: AdmittedHead, _ input: inout ByteBuffer) -> Bool {
        let before = input.readableBytes
        let generation = (admitted ?? ingress.settings).generation
        var count = 0
        switch head.framing {
        case .none, .untilClose: break
        case .length(let length):
            count = Int(length)
            guard input.readableBytes - parser.head.length >= count else {
                deadline = ingress.now + .nanoseconds(Int64(generation.bodyTimeout))
                return false
            }
        case .chunked:
            do throws(HTTP1Error) {
                guard try readChunks(&input) else {
                    if input.readableBytes != before {
                        deadline = ingress.now + .nanoseconds(Int64(generation.bodyTimeout))
                    }
                    return false
                }
            } catch {
                let limit = generation.requestBody
                let isTooLarge = error == .bodyTooLarge
                refuse(Refusal(error.status, error.reason, error: isTooLarge ? .tooLarge(limit: limit) : nil))
                return false
            }
        }
        deadline = nil
        phase = .exchange(keepAlive: head.keepAlive && !ingress.isDraining)
        if head.framing == .chunked {
            let (bytes, body) = (chunkedHead, chunkedBody)
            chunkedHead = ByteBuffer()
            chunkedBody = ByteBuffer()
            if let message = readMessage(head, bytes, body) { begin(message, body) }
        } else {
            let start = input.readerIndex + parser.head.length
            let body = input.getSlice(at: start, length: count) ?? ByteBuffer()
            let message = readMessage(head, input, body)
            input.moveReaderIndex(forwardBy: parser.head.length + count)
            if let message { begin(message, body) }
        }
        return true
    }

    private func readChunks(_ input: inout ByteBuffer) throws(HTTP1Error) -> Bool {
        while var decoder {
            let bytes = input
            switch try decoder.next(bytes.readableBytesUInt8Span) {
            case .needMore(let consumed):
                input.moveReaderIndex(forwardBy: consumed)
                self.decoder = decoder
                return false
            case .data(let range):
                input.moveReaderIndex(forwardBy: range.lowerBound)
                guard reserve(range.count) else { return false }
                if var piece = input.readSlice(length: range.count) { chunkedBody.writeBuffer(&piece) }
                self.decoder = decoder
            case .end(let consumed):
                input.moveReaderIndex(forwardBy: consumed)
                self.decoder = nil
            }
        }
        return true
    }

    /// Charges a body to the worker's byte budget. False: there is no room, and the request is refused.
    private func reserve(_ count: Int) -> Bool {
        guard ingress.reserve(count) else {
            refuse(Refusal(503, "the gateway holds too many messages", error: .capacity("too many messages at once")))
            return false
        }
        reserved += count
        return true
    }

    private func giveBackBudget() {
        ingress.giveBack(reserved)
        reserved = 0
    }

    // MARK: One exchange

    /// The phase `readMessage`; `bytes` begin with the head. Nil: the request is answered with an error.
    private func readMessage(_ head: AdmittedHead, _ bytes: ByteBuffer, _ body: ByteBuffer) -> ReadMessage? {
        counters.add(head.method == .post ? .requestsPost : head.method == .get ? .requestsGet : .requestsDelete)
        counters.add(.requestBytes, UInt64(body.readableBytes))
        let settings = admitted ?? ingress.settings
        var message = ReadMessage(head, requestID: ingress.makeRequestID(), settings: settings)
        do throws(GatewayError) {
            do throws(GatewayError) {
                try message.read(body, parser.head, bytes.readableBytesUInt8Span, ingress)
            } catch {
                // What cannot be read is work all the same.
                ingress.access.note(head.identity, listener)
                throw error
            }
            // Each message of a batch is charged by itself.
            if !message.isBatch { try ingress.access.charge(head.identity, listener, isResponse: message.isResponse) }
        } catch {
            counters.add(.refused)
            let toolName = message.toolName.map { body.readableBytesUInt8Span.extracting($0).copy }
            ingress.refusals.note(
                error, message.open, callID: message.callID, method: message.method, toolName: toolName,
                listener: names.address)
            writeRefusal(error, of: message)
            finishExchange()
            return nil
        }
        return message
    }

    /// The phase `resolveRoute`, and the way to the route.
    private func begin(_ message: consuming ReadMessage, _ body: ByteBuffer) {
        let gate = ingress.home(admitted ?? ingress.settings)
        if message.isBatch {
            let batch = BatchReply(message, body: body, connection: self, gate: gate)
            self.batch = batch
            return batch.begin()
        }
        let exchange = Exchange(
            message.open, body: body, callID: message.callID, grant: message.grant, taker: self, gate: gate,
            ingress: ingress)
        self.exchange = exchange
        ingress.resolveRoute(for: exchange, message.destination)
    }

    /// The exchange is answered: the next request may be read.
    func finish(_ finished: Exchange) {
        guard exchange === finished else { return }
        exchange = nil
        finishExchange()
        readRequests()
    }

    /// The batch is answered.
    func finish(_ finished: BatchReply) {
        guard batch === finished else { return }
        batch = nil
        finishExchange()
        readRequests()
    }

    private func finishExchange() {
        giveBackBudget()
        admitted = nil
        guard case .exchange(let keepAlive) = phase else { return }
        scheduleFlush()
        guard keepAlive, !ingress.isDraining else { return closeAfterFlush() }
        phase = .head
        deadline = ingress.now + ClientConnection.idleLimit
        waitingBytes = .max
        if !reading { setReading(true) }
    }

    /// The daemon stops: an idle connection closes, a busy one after its answer.
    func drain() {
        if case .head = phase, input.readableBytes == 0 { closeAfterFlush() }
        exchange?.drain()
        batch?.drain()
    }

    /// Ends the connection when its present wait has lasted too long.
    func checkTime(_ now: NIODeadline) {
        guard let deadline, now > deadline else { return }
        self.deadline = nil
        switch phase {
        case .closing where takesBytes(): self.deadline = now + ClientConnection.closingLimit
        case .head where takesBytes(): self.deadline = now + ClientConnection.idleLimit
        case .closing: socket?.close()
        case .head where input.readableBytes == 0: socket?.close()
        case .head, .body, .exchange: refuse(Refusal(408, "the request did not arrive in time"))
        }
    }

    /// Whether the client has taken some of what waits for it since this was last asked. A slow reader gets what was promised; one
    /// that takes nothing at all is gone.
    private func takesBytes() -> Bool {
        let waiting = bufferedBytes
        defer { waitingBytes = waiting }
        return waiting > 0 && waiting < waitingBytes
    }

    // MARK: Ending

    /// The reply broke off in the middle of a counted body: only closing tells the client.
    func abandonReply() {
        exchange = nil
        batch = nil
        phase = .closing
        socket?.close()
    }

    /// Answers before or instead of reading the body, and closes: what follows on the connection cannot be trusted.
    private func refuse(_ refusal: Refusal) {
        counters.add(.refused)
        ingress.refusals.note(refusal, listener: names.address)
        output.writeRefusal(refusal, requestID: ingress.makeRequestID())
        closeAfterFlush()
    }

    /// Sends what is written, then the end of the stream, and reads on for a moment: closing a socket with unread bytes
    /// would reset it, and the client might lose the answer.
    private func closeAfterFlush() {
        phase = .closing
        deadline = ingress.now + ClientConnection.closingLimit
        waitingBytes = .max
        guard let socket else { return }
        if !reading { setReading(true) }
        writeOutput(socket)
        socket.closeOutput()
    }

    func writabilityChanged(_ isWritable: Bool) {
        self.isWritable = isWritable
        guard isWritable else { return }
        exchange?.release()
        batch?.release()
        if case .head = phase, !reading { setReading(true) }
        readRequests()
    }

    func closed() {
        socket = nil
        giveBackBudget()
        exchange?.clientGone()
        exchange = nil
        batch?.clientGone()
        batch = nil
        admitted = nil
        ingress.closed(self)
    }
}
