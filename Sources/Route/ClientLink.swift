import Link
import NIOCore
import Worker

/// The route's end of the link to the ingress: one exchange per stream.
final class ClientLink: PeerLinkDelegate {
    private let route: Route
    private var link: PeerLink?
    private var exchanges = StreamMap<RouteExchange>()

    init(_ message: AttachMessage, descriptor: Int32, route: Route, supervision: Supervision) {
        self.route = route
        link = PeerLink.connect(
            message, descriptor: descriptor, loop: route.loop, supervision: supervision, delegate: self)
    }

    /// The exchanges that are not over.
    var all: [RouteExchange] { exchanges.all.map(\.element) }

    /// An exchange is over: nothing more is said on its stream.
    func finished(_ stream: StreamID) { exchanges.remove(stream) }

    /// A new ingress takes this one's place.
    func replace() { link?.close() }

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        let open = try RequestOpen(decoding: payload, known: &route.identities)
        // One that is not known any more is refused when it is whole. Nobody can speak of one that is not prepared here.
        guard open.generation <= route.generations.newest else { throw .notPermitted }
        let limit = route.generations.find(open.generation)?.generation.requestBody ?? .max
        guard open.bodyLength <= limit, open.method == .post || open.bodyLength == 0 else {
            throw .badPayload
        }
        route.context.counters.add(.requestsPost)
        let exchange = RouteExchange(open, route: route, owner: self, link: link, stream: stream)
        exchanges.insert(exchange, for: stream)
    }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        throw .notPermitted
    }

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation) {
        try exchanges[stream]?.receive(bytes, isLast: isLast)
    }

    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation) { try exchanges[stream]?.whole() }

    func writable(_ stream: StreamID, on link: PeerLink) { exchanges[stream]?.writable() }

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {
        exchanges[stream]?.cancelled(reason)
    }

    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {
        exchanges.remove(stream)?.abandoned()
    }

    func closed(_ link: PeerLink) {
        self.link = nil
        for (_, exchange) in exchanges.removeAll() { exchange.abandoned() }
    }
}
