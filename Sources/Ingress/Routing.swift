import Configuration
import Link
import MCP
import NormalForms
import Policy
import StrictJSON

/// Where a client's message belongs, among several routes (DESIGN 7).
enum Destination {
    /// The route that serves what belongs to no tool.
    case home
    /// One route.
    case route(Int)
    /// The home route; the next if it is not there: a client that begins needs one of them.
    case anyone
    /// Every route that has a part of the session.
    case everyone
    /// Every route, each with its part of the list of tools.
    case list
    /// The routes that carry the call with this id.
    case holders(of: [UInt8])
    /// No route: it is taken and dropped.
    case nobody
    /// No route: the client is told why.
    case refused(GatewayError)
}

/// The phase `resolveRoute`, as a value: which of several routes a message belongs to.
struct Routing: Sendable {
    let owners: ToolOwners

    /// Nil where there is one route, and nothing to choose.
    /// - Throws: `UnicodeLibrary.Unavailable` where the library was not loaded before confinement.
    init?(_ generation: IngressGeneration) throws {
        guard generation.routes.count > 1 else { return nil }
        owners = ToolOwners(generation.routes.map(\.matchTools), try UnicodeLibrary.load())
    }

    /// Where a message belongs.
    func destination(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ open: RequestOpen
    ) -> Destination {
        switch message.kind {
        case .response:
            // The number says who asked; whether it asked this client, only that route knows.
            guard let id = message.id, let number = decimal(bytes.extracting(id)) else { return .nobody }
            let route = RouteNumber.route(of: number)
            return route < owners.count ? .route(route) : .nobody
        case .notification where message.method == .cancelled:
            guard let id = message.cancelledRequest, !open.isModern else { return .nobody }
            return .holders(of: bytes.extracting(id).copy)
        case .notification where message.method != .toolsCall: return .everyone
        case .request, .notification: break
        }
        switch message.method {
        case .initialize, .discover: return .anyone
        case .toolsList:
            guard message.kind == .request else { return .nobody }
            // The whole list is one page: no cursor was ever given.
            let cursor = message.params.flatMap { tape.member("cursor", of: $0, in: bytes) }
            return cursor == nil ? .list : .refused(.invalidParams("no such cursor"))
        case .toolsCall:
            guard let name = message.nameNode else { return .refused(.invalidParams("params.name is missing")) }
            if let owner = owners.owner(of: name, tape, bytes) { return .route(owner) }
            var text: [UInt8] = []
            tape.appendString(name, in: bytes, to: &text)
            return .refused(.unknownTool(String(decoding: text, as: UTF8.self)))
        default: return .home
        }
    }

    /// Where a GET or DELETE belongs.
    func destination(_ open: RequestOpen) -> Destination {
        guard open.method == .get else { return .everyone }
        // The tag behind the last dot is the route's to check.
        guard let dot = open.lastEventID.lastIndex(of: UInt8(ascii: ".")) else { return .home }
        let id = Array(open.lastEventID[..<dot])
        guard let event = EventID(id.span), Int(event.route) < owners.count else { return .home }
        return .route(Int(event.route))
    }

    /// The number that is spelt so, if it is one of the gateway's.
    private func decimal(_ text: Span<UInt8>) -> UInt64? {
        guard text.count > 0, text.count <= 16 else { return nil }
        var value: UInt64 = 0
        for index in text.indices {
            guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
            value = value * 10 + UInt64(text[index] - 0x30)
        }
        return value
    }
}

extension Ingress {
    /// The route that serves what belongs to no tool.
    func home(_ settings: IngressSettings) -> RouteGate { routes[settings.routing?.owners.home ?? 0] }

    /// The phase `resolveRoute`: brings an exchange to the route, or the routes, that it belongs to.
    func resolveRoute(for exchange: Exchange, _ destination: Destination) {
        guard let routing = exchange.settings.routing else { return routes[0].begin(exchange) }
        let home = home(exchange.settings)
        switch destination {
        case .home: home.begin(exchange)
        case .route(let index): routes[index].begin(exchange)
        case .anyone:
            let first = routing.owners.home
            let order = [routes[first]] + routes[..<first] + routes[(first + 1)...]
            exchange.become(Handshake(exchange, routes: order, ingress: self))
        case .everyone:
            guard exchange.open.session?.use == .member else { return home.begin(exchange) }
            exchange.become(Broadcast(exchange, routes: routes, ingress: self))
        case .list: exchange.become(ListMerge(exchange, routes: routes, ingress: self))
        case .holders(let callID):
            guard let session = exchange.open.session?.uuid else { return exchange.accept() }
            let holders = routes.filter { $0.holds(callID, of: session) }
            exchange.become(Broadcast(exchange, routes: holders, ingress: self))
        case .nobody: exchange.accept()
        case .refused(let error):
            context.counters.add(.refused)
            exchange.fail(error)
        }
    }
}
