import Link
import MCP
import NIOCore
import StrictJSON

/// The list of tools of all routes (DESIGN 7): each gives its own items as checked bytes, and they are put one behind the other. A route that is dead, slow or
/// broken is left out.
final class ListMerge: ReplyTaker, TimedParts {
    /// How long a route may take (DESIGN 12, list merge).
    private static let limit = TimeAmount.seconds(3)
    /// Bytes of one route's items at most: what it may fetch, with the room that mending of lone surrogates takes.
    private static let itemsLimit: UInt64 = 8 << 20
    /// Bytes of an answer that is no list.
    private static let refusalLimit: UInt64 = 64 << 10

    private enum Part {
        case expected
        case items(ByteBuffer)
        /// The chain does not let its caller have the list, or something of the kind.
        case refusal(ReplyHead, ByteBuffer)
        case missing(String)
    }

    private let whole: Exchange
    private let ingress: Ingress
    private let routes: [RouteGate]
    private var exchanges: [Exchange] = []
    private var parts: [Part]
    private var heads: [ReplyHead?]
    private var bodies: [ByteBuffer]
    private var remaining: Int
    private var reserved = 0
    private var isOver = false
    private let deadline = NIODeadline.now() + limit

    init(_ whole: Exchange, routes: [RouteGate], ingress: Ingress) {
        self.whole = whole
        self.ingress = ingress
        self.routes = routes
        parts = routes.map { _ in .expected }
        heads = routes.map { _ in nil }
        bodies = routes.map { _ in ByteBuffer() }
        remaining = routes.count
    }

    func begin() {
        ingress.watch(self)
        var open = whole.open
        open.wantsItems = true
        exchanges = routes.map { gate in whole.part(open, of: self, for: gate, ingress) }
        for exchange in exchanges where !isOver { exchange.gate.begin(exchange) }
    }

    func clientGone() { leave() }

    func release() {}

    func checkTime(_ now: NIODeadline) {
        guard now > deadline else { return }
        for index in parts.indices {
            if case .expected = parts[index] { parts[index] = .missing("it did not answer in time") }
        }
        finish()
    }

    private func leave() {
        isOver = true
        ingress.isOver(self)
        ingress.giveBack(reserved)
        reserved = 0
        let left = exchanges
        exchanges = []
        for exchange in left { exchange.clientGone() }
    }

    // MARK: ReplyTaker

    var takesMore: Bool { true }

    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange) {
        guard let index = place(exchange) else { return }
        heads[index] = head
        let limit = head.isItems ? ListMerge.itemsLimit : ListMerge.refusalLimit
        guard head.kind == .json, head.bodyLength <= limit, !head.isUnavailable else {
            take(.missing(head.isUnavailable ? "its server does not give them" : "its answer is no list"), index)
            return exchange.clientGone()
        }
    }

    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange) {
        guard let index = place(exchange) else { return }
        guard ingress.reserve(bytes.readableBytes) else {
            take(.missing("the gateway holds too many messages"), index)
            return exchange.clientGone()
        }
        reserved += bytes.readableBytes
        bodies[index].writeImmutableBuffer(bytes)
    }

    func replyEnds(isEvents: Bool, of exchange: Exchange) {
        guard let index = place(exchange), let head = heads[index] else { return }
        let body = bodies[index]
        bodies[index] = ByteBuffer()
        guard head.isItems else { return take(.refusal(head, body), index) }
        guard ingress.areItems(body, of: index, whole.settings.routing) else {
            // Its worker checked them, or should have.
            take(.missing("its worker gives what is no list of its own"), index)
            return routes[index].condemn()
        }
        take(.items(body), index)
    }

    func replyFails(_ error: GatewayError, of exchange: Exchange) { lose(exchange) }

    func eventsBreak(_ error: GatewayError, of exchange: Exchange) { lose(exchange) }

    func replyIsLost(of exchange: Exchange) { lose(exchange) }

    private func lose(_ exchange: Exchange) {
        if let index = place(exchange) { take(.missing("its worker is not there"), index) }
    }

    /// Which route's part an exchange is; nil if nothing more is expected of it.
    private func place(_ exchange: Exchange) -> Int? {
        guard !isOver, let index = exchanges.firstIndex(where: { $0 === exchange }) else { return nil }
        guard case .expected = parts[index] else { return nil }
        return index
    }

    private func take(_ part: Part, _ index: Int) {
        parts[index] = part
        remaining -= 1
        if remaining == 0 { finish() }
    }

    // MARK: The answer

    private func finish() {
        guard !isOver else { return }
        let reserved = self.reserved
        self.reserved = 0
        defer { ingress.giveBack(reserved) }
        leave()
        note()
        var pieces: [ByteBuffer] = []
        var refusal: (ReplyHead, ByteBuffer)?
        for part in parts {
            switch part {
            case .items(let items): pieces.append(items)
            case .refusal(let head, let body): refusal = refusal ?? (head, body)
            case .expected, .missing: break
            }
        }
        guard pieces.isEmpty else { return answer(pieces.filter { $0.readableBytes > 0 }) }
        guard let (head, body) = refusal else {
            return whole.fail(.upstreamUnavailable("none of them gives its tools"))
        }
        whole.answerBegins(head)
        whole.answerContinues(body)
        whole.answerEnds()
    }

    private func answer(_ pieces: [ByteBuffer]) {
        var start = ByteBuffer()
        start.writeStaticString(#"{"jsonrpc":"2.0","id":"#)
        start.writeBytes(whole.callID ?? Array("null".utf8))
        start.writeStaticString(#","result":{"tools":["#)
        var end = ByteBuffer()
        end.writeStaticString("]")
        if whole.open.isModern {
            end.writeStaticString(#","resultType":"complete","ttlMs":0,"cacheScope":"private""#)
        }
        end.writeStaticString("}}")
        let commas = max(0, pieces.count - 1)
        let length = start.readableBytes + pieces.reduce(commas) { $0 + $1.readableBytes } + end.readableBytes
        whole.answerBegins(ReplyHead(status: 200, kind: .json, bodyLength: UInt64(length)))
        whole.answerContinues(start)
        for (index, piece) in pieces.enumerated() {
            if index > 0 { whole.answerContinues(ByteBuffer(staticString: ",")) }
            whole.answerContinues(piece)
        }
        whole.answerContinues(end)
        whole.answerEnds()
    }

    /// Names and counts what is left out.
    private func note() {
        var isComplete = true
        for (index, part) in parts.enumerated() {
            guard case .missing(let why) = part else { continue }
            isComplete = false
            routes[index].noteLeftOut(why)
        }
        if !isComplete { ingress.context.counters.add(.incompleteLists) }
    }
}

extension Ingress {
    /// Whether bytes of a route are items of a list and nothing else, each a tool that a call would bring to that very route: a route in an attacker's hands must
    /// not break another's items, nor put one in their place.
    func areItems(_ items: ByteBuffer, of route: Int, _ routing: Routing?) -> Bool {
        guard items.readableBytes > 0 else { return true }
        guard let routing else { return false }
        var text = ByteBuffer()
        text.writeInteger(UInt8(ascii: "["))
        text.writeImmutableBuffer(items)
        text.writeInteger(UInt8(ascii: "]"))
        let bytes = text.readableBytesUInt8Span
        defer { Ingress.release(&tape) }
        guard (try? parser.parse(bytes, into: &tape)) != nil, tape.kind(.root) == .array else { return false }
        for node in tape.elements(of: .root) {
            guard tape.kind(node) == .object, case .found(let name) = tape.search("name", of: node, in: bytes),
                routing.owners.owner(of: name, tape, bytes) == route
            else { return false }
        }
        return true
    }
}
