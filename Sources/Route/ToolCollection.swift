import Link
import MCP
import NIOCore
import Policy
import Telemetry

/// Fetches the whole list of the upstream's tools, page by page and within bounds, and keeps what the route owns and the caller may use.
final class ToolCollection {
    /// Pages at most.
    private static let pages = 64
    /// Bytes of all pages together at most.
    private static let bytes = 4 << 20
    /// A little less than the ingress waits (DESIGN 12, list merge), so that it hears why.
    private static let limit = TimeAmount.milliseconds(2400)

    private let exchange: RouteExchange
    private var route: Route { exchange.route }
    private let deadline = NIODeadline.now() + limit
    private var call: GatewayCall?
    private var items: [UInt8] = []
    private var names: Set<[UInt8]> = []
    private var received = 0
    private var pages = 0
    /// The session was lost once, and opened again.
    private var isRepeated = false
    private var isOver = false

    init(_ exchange: RouteExchange) { self.exchange = exchange }

    /// Begins with the first page, in the session's part here.
    func begin() {
        exchange.withSession { [self] isOpen in
            guard !isOver else { return }
            guard isOpen else { return fail(.upstreamUnavailable("it begins no session")) }
            fetch(cursor: nil)
        }
    }

    /// Gives up when the time is over.
    func checkTime(_ now: NIODeadline) {
        if !isOver, now > deadline { fail(.upstreamTimedOut) }
    }

    /// Nobody waits for the list any more.
    func cancel() {
        isOver = true
        call?.cancel()
        call = nil
    }

    private func fetch(cursor: [UInt8]?) {
        guard pages < ToolCollection.pages else {
            return fail(.upstreamUnreadable("its list of tools has more than \(ToolCollection.pages) pages"))
        }
        pages += 1
        let number = route.makeNumber()
        var options = GatewayCall.Options()
        options.fields = (exchange.open.isModern ? exchange.message?.headers ?? [] : []) + exchange.open.fields.bytes
        options.context = exchange.replyContext(isStream: false)
        options.limit = ToolCollection.bytes - received
        options.answers = number
        let kept = items.count
        options.mayHold = { [exchange] held in exchange.hold(kept + held) }
        let part = exchange.session.flatMap { route.sessions.find($0) }
        let revision = exchange.open.isModern ? nil : exchange.upstreamRevision
        call = GatewayCall.start(
            .post, session: part?.id, revision: revision, body: request(number, cursor: cursor), route: route,
            options: options
        ) { [self] outcome in
            call = nil
            guard !isOver else { return }
            take(outcome, number)
        }
    }

    /// `tools/list` with what the client says of itself, and nothing else of its own.
    private func request(_ number: UInt64, cursor: [UInt8]?) -> [UInt8] {
        var text = Array(#"{"jsonrpc":"2.0","id":\#(number),"method":"tools/list","params":{"#.utf8)
        if let message = exchange.message, let meta = message.meta {
            text += Array(#""_meta":"#.utf8)
            let spelt = exchange.bytes(meta)
            var edit = MessageEdit()
            if let token = message.progressToken {
                edit.replace(token.lowerBound - meta.lowerBound..<token.upperBound - meta.lowerBound, with: number)
            }
            edit.append(original: spelt.span, to: &text)
            if cursor != nil { text.append(0x2C) }
        }
        if let cursor { text += Array(#""cursor":"#.utf8) + cursor }
        return text + Array("}}".utf8)
    }

    private func take(_ outcome: GatewayCall.Outcome, _ number: UInt64) {
        received += outcome.received
        if outcome.status == 404, let session = exchange.session { return sessionIsLost(session) }
        guard outcome.status != 0 else { return fail(.upstreamUnavailable("it cannot be asked for its tools")) }
        guard received <= ToolCollection.bytes else {
            return fail(.upstreamUnreadable("its list of tools is larger than \(ToolCollection.bytes) bytes"))
        }
        guard outcome.status == 200, let reply = outcome.reply, reply.message.kind == .response,
            let inspection = reply.inspection
        else { return fail(.upstreamUnreadable("it is not the answer to tools/list")) }
        // A server without tools says that there is no such method: it has none to add.
        if reply.message.errorCode == -32601 { return finish() }
        guard !reply.message.isError else { return fail(.upstreamUnreadable("it refuses to list its tools")) }
        if let denial = inspection.denial {
            isOver = true
            return exchange.withhold(reply, denial, size: 0)
        }
        exchange.route.learn(inspection)
        guard !inspection.isUnreadable, let page = inspection.items else {
            return fail(.upstreamUnreadable(ReplyInspection.unreadableList))
        }
        add(page, withheld: inspection.withheld)
        guard exchange.hold(items.count) else { return fail(.capacity("too many messages at once")) }
        if let cursor = page.nextCursor { fetch(cursor: cursor) } else { finish() }
    }

    private func add(_ page: OwnedItems, withheld: Int) {
        var left = withheld
        for item in page.items {
            guard names.insert(item.name).inserted else {
                left += 1
                continue
            }
            if !items.isEmpty { items.append(0x2C) }
            items += item.text
        }
        route.context.counters.add(.withheldItems, UInt64(left))
    }

    private func sessionIsLost(_ session: SessionUUID) {
        guard !isRepeated else { return fail(.upstreamUnavailable("it does not keep its session")) }
        isRepeated = true
        route.reopen(session, for: exchange) { [self] isOpen in
            guard !isOver else { return }
            guard isOpen else { return fail(.upstreamUnavailable("it has lost its session")) }
            (items, names, pages) = ([], [], 0)
            fetch(cursor: nil)
        }
    }

    private func finish() {
        isOver = true
        route.context.counters.set(.toolsMissing, 0)
        exchange.send(items: items)
    }

    private func fail(_ error: GatewayError) {
        cancel()
        route.context.counters.set(.toolsMissing, 1)
        route.noteFailedList(error)
        exchange.answer(error)
    }
}

extension Route {
    /// Logs that the upstream does not give its tools, seldom.
    func noteFailedList(_ error: GatewayError) {
        let now = NIODeadline.now()
        if let listLogged, now - listLogged < .seconds(30) { return }
        listLogged = now
        context.log.warning("no tools of this route are listed: \(error.message)")
    }
}
