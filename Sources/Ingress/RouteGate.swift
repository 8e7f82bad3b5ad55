import Link
import MCP
import NIOCore
import Worker

/// The ingress's way to one route: the present link, the exchanges on it, and those that wait while the worker restarts.
final class RouteGate: PeerLinkDelegate {
    let index: Int
    private let ingress: Ingress
    private var link: PeerLink?
    private var isUp = true
    private var exchanges = StreamMap<Exchange>()
    /// When it was last logged that the route's tools are missing.
    private var leftOutLogged: NIODeadline?
    private var waiting: [(exchange: Exchange, since: NIODeadline)] = []

    init(index: Int, ingress: Ingress) {
        self.index = index
        self.ingress = ingress
    }

    func attach(_ message: AttachMessage, descriptor: Int32, supervision: Supervision) {
        if let old = link {
            link = nil
            old.close()
            failAll()
        }
        isUp = true
        link = PeerLink.connect(
            message, descriptor: descriptor, loop: ingress.loop, supervision: supervision, delegate: self)
        let queued = waiting
        waiting.removeAll()
        for item in queued { begin(item.exchange) }
    }

    func setUp(_ up: Bool) {
        isUp = up
        guard !up else { return }
        let queued = waiting
        waiting.removeAll()
        for item in queued { item.exchange.fail(.upstreamUnavailable("its worker is down")) }
    }

    /// Carries an exchange, or keeps it while the route's worker restarts.
    func begin(_ exchange: Exchange) {
        exchange.gate = self
        guard isUp else { return exchange.fail(.upstreamUnavailable("its worker is down")) }
        guard let link, link.isOpen else {
            guard waiting.count < Int(ingress.generation.queue) else {
                return exchange.fail(.capacity("too many requests wait for this server"))
            }
            waiting.append((exchange, NIODeadline.now()))
            return
        }
        switch link.open({ exchange.open.write(&$0) }) {
        case .refused:
            exchange.fail(.notAMessage("a header field is too long or holds characters it must not hold"))
        case .full: exchange.fail(.capacity("too many requests in flight to this server"))
        case .stream(let stream):
            exchanges.insert(exchange, for: stream)
            ingress.noteInFlight(1)
            exchange.carried(by: link, stream)
        }
    }

    /// A client that left while its request waited.
    func forget(_ exchange: Exchange) { waiting.removeAll { $0.exchange === exchange } }

    /// Whether a call with this id of this session is on its way or waits.
    func holds(_ callID: [UInt8], of session: SessionUUID) -> Bool {
        func isMeant(_ exchange: Exchange) -> Bool {
            exchange.callID == callID && exchange.open.method == .post && exchange.open.session?.uuid == session
        }
        return exchanges.all.contains { isMeant($0.element) } || waiting.contains { isMeant($0.exchange) }
    }

    /// Logs that the route's tools are left out of a list, seldom.
    func noteLeftOut(_ why: String) {
        let now = NIODeadline.now()
        if let leftOutLogged, now - leftOutLogged < .seconds(30) { return }
        leftOutLogged = now
        let name = ingress.generation.routes[index].name
        ingress.context.log.warning("the tools of route \(name) are left out of the list: \(why)")
    }

    /// The worker behind it breaks the rules: it is reported and replaced.
    func condemn() { link?.condemn(.badPayload) }

    func checkTime(_ now: NIODeadline) {
        let seconds = SessionDesk.now
        for (_, exchange) in exchanges.all {
            // Whatever is in flight keeps its session from being idle.
            exchange.keepSession()
            exchange.endIfExpired(seconds)
        }
        let limit = TimeAmount.nanoseconds(Int64(ingress.generation.routeWait))
        while let first = waiting.first, now - first.since > limit {
            waiting.removeFirst()
            first.exchange.fail(.upstreamUnavailable("its worker does not come back"))
        }
    }

    private func finish(_ stream: StreamID) {
        exchanges.remove(stream)
        ingress.noteInFlight(-1)
    }

    private func takeAll() -> [Exchange] {
        let all = exchanges.removeAll()
        ingress.noteInFlight(-all.count)
        return all.map(\.element)
    }

    /// Ends everything that has not ended by itself, each with an answer where there is still room for one.
    func endAll() {
        for (stream, _) in exchanges.all { link?.cancel(stream, .cancelled) }
        for exchange in takeAll() { exchange.fail(.upstreamUnavailable("the gateway stops")) }
        let queued = waiting
        waiting.removeAll()
        for item in queued { item.exchange.fail(.upstreamUnavailable("the gateway stops")) }
    }

    private func failAll() {
        for exchange in takeAll() { exchange.linkLost() }
    }

    // MARK: PeerLinkDelegate

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        throw .notPermitted
    }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        try exchanges[stream]?.replyBegins(try ReplyHead(decoding: payload))
    }

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation) {
        try exchanges[stream]?.replyContinues(bytes)
    }

    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation) {
        guard let exchange = exchanges[stream] else { return }
        finish(stream)
        try exchange.replyEnds()
    }

    func writable(_ stream: StreamID, on link: PeerLink) { exchanges[stream]?.sendBody() }

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}

    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {
        guard let exchange = exchanges[stream] else { return }
        finish(stream)
        exchange.replyBreaks(reason)
    }

    func closed(_ link: PeerLink) {
        guard self.link === link else { return }
        self.link = nil
        failAll()
    }
}
