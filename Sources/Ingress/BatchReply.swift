import HTTP1
import Link
import MCP
import NIOCore

/// The answer to a batch (JSON-RPC 2.0, 6; only in sessions of revision 2025-03-26): each message travels as an exchange of its own, and
/// their answers become one array, or one stream of events as soon as one of them is a stream.
final class BatchReply: ReplyTaker {
    private enum Form {
        /// Every answer so far is one JSON text, and is kept.
        case undecided
        /// The head of a stream is sent.
        case events
    }

    private let connection: ClientConnection
    private let ingress: Ingress
    /// The whole batch, as one message of no kind.
    private let open: RequestOpen
    private var exchanges: [Exchange] = []
    private let destinations: [Destination]
    /// Exchanges that are not over.
    private var remaining = 0
    private var form = Form.undecided
    /// What has come of each exchange's JSON answer, or of its present event.
    private var texts: [ObjectIdentifier: ByteBuffer] = [:]
    private var finished: [ByteBuffer] = []
    private var keptBytes = 0
    private var isOver = false
    /// Which of the exchanges carry answers to the server.
    private let areResponses: [Bool]
    private var status: UInt16 = 200

    init(_ message: borrowing ReadMessage, body: ByteBuffer, connection: ClientConnection, gate: RouteGate) {
        self.connection = connection
        ingress = connection.ingress
        open = message.open
        destinations = message.elements.map(\.destination)
        areResponses = message.elements.map(\.isResponse)
        for element in message.elements {
            var open = message.open
            open.requestID = ingress.makeRequestID()
            open.bodyLength = UInt64(element.range.count)
            let piece = body.getSlice(at: body.readerIndex + element.range.lowerBound, length: element.range.count)
            exchanges.append(
                Exchange(
                    open, body: piece ?? ByteBuffer(), callID: element.callID, grant: message.grant, taker: self,
                    gate: gate,
                    ingress: ingress))
        }
        remaining = exchanges.count
    }

    func begin() {
        for (index, exchange) in exchanges.enumerated() {
            do throws(GatewayError) {
                try ingress.access.charge(open.identity, connection.listener, isResponse: areResponses[index])
            } catch {
                exchange.fail(error)
                continue
            }
            ingress.resolveRoute(for: exchange, destinations[index])
        }
    }

    /// The client left.
    func clientGone() {
        isOver = true
        for exchange in exchanges { exchange.clientGone() }
        giveBack()
    }

    func drain() { for exchange in exchanges { exchange.drain() } }

    func release() { for exchange in exchanges { exchange.release() } }

    // MARK: ReplyTaker

    var takesMore: Bool {
        if case .undecided = form { return true }
        return connection.isWritable
    }

    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange) {
        if head.kind == .events { becomeStream() }
        // A lost session is the whole batch's.
        if head.status == 404 { status = 404 }
    }

    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange) {
        guard !isOver else { return }
        guard ingress.reserve(bytes.readableBytes) else { return abandon() }
        keptBytes += bytes.readableBytes
        texts[ObjectIdentifier(exchange), default: ByteBuffer()].writeImmutableBuffer(bytes)
        if isEvents { writeWholeEvents(of: exchange, newBytes: bytes.readableBytes) }
    }

    /// Events of several streams share one: each is written when it is whole.
    private func writeWholeEvents(of exchange: Exchange, newBytes: Int) {
        guard var text = texts.removeValue(forKey: ObjectIdentifier(exchange)) else { return }
        let bytes = text.readableBytesView
        var end = bytes.endIndex
        // What came before has no end of an event in it.
        let least = max(bytes.startIndex + 2, bytes.endIndex - newBytes)
        while end >= least, bytes[end - 1] != 0x0A || bytes[end - 2] != 0x0A { end -= 1 }
        if end >= least, let events = text.readSlice(length: end - bytes.startIndex) {
            connection.writeChunk(events)
            keptBytes -= events.readableBytes
            ingress.giveBack(events.readableBytes)
        }
        guard text.readableBytes > 0 else { return }
        text.discardReadBytes()
        texts[ObjectIdentifier(exchange)] = text
    }

    func replyEnds(isEvents: Bool, of exchange: Exchange) {
        if let text = texts.removeValue(forKey: ObjectIdentifier(exchange)), !isEvents { take(text) }
        finishOne()
    }

    func replyFails(_ error: GatewayError, of exchange: Exchange) {
        take(error, of: exchange)
        finishOne()
    }

    func eventsBreak(_ error: GatewayError, of exchange: Exchange) {
        texts[ObjectIdentifier(exchange)] = nil
        take(error, of: exchange)
        finishOne()
    }

    func replyIsLost(of exchange: Exchange) {
        texts[ObjectIdentifier(exchange)] = nil
        take(.upstreamUnavailable("its answer broke off"), of: exchange)
        finishOne()
    }

    // MARK: Collecting

    private func take(_ error: GatewayError, of exchange: Exchange) {
        // A notification has no answer, an error neither.
        guard let callID = exchange.callID else { return }
        take(ByteBuffer(bytes: error.body(id: callID, requestID: exchange.open.requestID)))
    }

    private func take(_ text: ByteBuffer) {
        guard !isOver, text.readableBytes > 0 else { return }
        switch form {
        case .undecided: finished.append(text)
        case .events: connection.writeEvent(text)
        }
    }

    private func becomeStream() {
        guard case .undecided = form, !isOver else { return }
        form = .events
        connection.writeHead(ReplyHead(status: 200, kind: .events, bodyLength: ReplyHead.unknownLength))
        for text in finished { connection.writeEvent(text) }
        finished.removeAll()
    }

    private func finishOne() {
        remaining -= 1
        guard remaining == 0, !isOver else { return }
        isOver = true
        switch form {
        case .events: connection.writeLastChunk()
        case .undecided:
            if finished.isEmpty {
                connection.writeHead(ReplyHead(status: 202, kind: .empty, bodyLength: 0))
            } else {
                writeArray()
            }
        }
        giveBack()
        connection.finish(self)
    }

    private func writeArray() {
        var array = ByteBuffer()
        array.writeInteger(UInt8(ascii: "["))
        for (index, text) in finished.enumerated() {
            if index > 0 { array.writeInteger(UInt8(ascii: ",")) }
            array.writeImmutableBuffer(text)
        }
        array.writeInteger(UInt8(ascii: "]"))
        connection.writeHead(ReplyHead(status: status, kind: .json, bodyLength: UInt64(array.readableBytes)))
        connection.writeBody(array)
    }

    private func abandon() {
        isOver = true
        for exchange in exchanges { exchange.clientGone() }
        giveBack()
        connection.abandonReply()
    }

    private func giveBack() {
        ingress.giveBack(keptBytes)
        keptBytes = 0
    }
}
