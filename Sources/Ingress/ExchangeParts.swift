import Link
import MCP
import NIOCore

/// What one client exchange became among several routes: exchanges of its own, whose answers make the client's.
protocol ExchangeParts: AnyObject {
    /// Sends them on their way.
    func begin()
    /// The client left.
    func clientGone()
    /// The client takes more again.
    func release()
}

/// Such a group that does not wait for ever.
protocol TimedParts: ExchangeParts {
    /// Goes on without what has not come in time.
    func checkTime(_ now: NIODeadline)
}

extension Exchange {
    /// The same request once more, as a part of this one.
    func part(_ open: RequestOpen, of parts: any ReplyTaker, for gate: RouteGate, _ ingress: Ingress) -> Exchange {
        Exchange(open, body: body, callID: callID, taker: parts, gate: gate, ingress: ingress)
    }
}

/// The beginning of a client's use: one route answers for all, the home route, or the next if that is not there (DESIGN 7: one dead route degrades, it never
/// breaks the endpoint).
final class Handshake: ReplyTaker, ExchangeParts {
    private let whole: Exchange
    private let ingress: Ingress
    private var untried: ArraySlice<RouteGate>
    private var present: Exchange?

    init(_ whole: Exchange, routes: [RouteGate], ingress: Ingress) {
        self.whole = whole
        self.ingress = ingress
        untried = routes[...]
    }

    func begin() {
        guard let gate = untried.popFirst() else { return }
        let exchange = whole.part(whole.open, of: self, for: gate, ingress)
        present = exchange
        gate.begin(exchange)
    }

    func clientGone() {
        untried = []
        present?.clientGone()
        present = nil
    }

    func release() { present?.release() }

    // MARK: ReplyTaker

    var takesMore: Bool { whole.takesMore }

    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange) {
        guard present === exchange else { return }
        if head.isUnavailable, session == nil, !untried.isEmpty {
            exchange.clientGone()
            return begin()
        }
        whole.answerBegins(head, session: session)
    }

    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange) {
        if present === exchange { whole.answerContinues(bytes) }
    }

    func replyEnds(isEvents: Bool, of exchange: Exchange) {
        if present === exchange { whole.answerEnds() }
    }

    func replyFails(_ error: GatewayError, of exchange: Exchange) { fail(error, exchange) }

    func eventsBreak(_ error: GatewayError, of exchange: Exchange) { fail(error, exchange) }

    func replyIsLost(of exchange: Exchange) { fail(.upstreamUnavailable("its answer broke off"), exchange) }

    private func fail(_ error: GatewayError, _ exchange: Exchange) {
        guard present === exchange else { return }
        // What has begun to be answered cannot begin again; `Exchange.fail` knows what is left to say.
        guard whole.isUnanswered, error.isUnavailability, !untried.isEmpty else { return whole.fail(error) }
        begin()
    }
}

/// What all routes are told that have a part of the session: what its client announces, and its end. Their answers mean nothing to the client.
final class Broadcast: ReplyTaker, TimedParts {
    private static let limit = TimeAmount.seconds(3)

    private let whole: Exchange
    private let ingress: Ingress
    private let routes: [RouteGate]
    private var exchanges: [Exchange] = []
    private var remaining: Int
    private let deadline = NIODeadline.now() + limit

    init(_ whole: Exchange, routes: [RouteGate], ingress: Ingress) {
        self.whole = whole
        self.ingress = ingress
        self.routes = routes
        remaining = routes.count
    }

    func begin() {
        // From now on no request finds the session, so that none can open a part of it again behind its end.
        whole.endSession()
        guard remaining > 0 else { return end() }
        ingress.watch(self)
        exchanges = routes.map { whole.part(whole.open, of: self, for: $0, ingress) }
        for exchange in exchanges { exchange.gate.begin(exchange) }
    }

    func clientGone() { leave() }

    func release() {}

    func checkTime(_ now: NIODeadline) {
        guard now > deadline else { return }
        end()
    }

    /// The answer does not wait for what the routes still do.
    private func leave() {
        ingress.isOver(self)
        let left = exchanges
        exchanges = []
        for exchange in left { exchange.forgetTaker() }
    }

    private func end() {
        leave()
        whole.accept(status: whole.open.method == .delete ? 200 : 202)
    }

    private func endOne() {
        remaining -= 1
        if remaining == 0, !exchanges.isEmpty { end() }
    }

    // MARK: ReplyTaker

    var takesMore: Bool { true }

    func replyBegins(_ head: ReplyHead, session: [UInt8]?, of exchange: Exchange) {}

    func replyContinues(_ bytes: ByteBuffer, isEvents: Bool, of exchange: Exchange) {}

    func replyEnds(isEvents: Bool, of exchange: Exchange) { endOne() }

    func replyFails(_ error: GatewayError, of exchange: Exchange) { endOne() }

    func eventsBreak(_ error: GatewayError, of exchange: Exchange) { endOne() }

    func replyIsLost(of exchange: Exchange) { endOne() }
}
