import CKernel
import Configuration
import EpollLoop
import Glibc
import Link
import MCP
import NIOCore
import NormalForms
import Policy
import Records
import StrictJSON
import Telemetry
import Worker

/// The worker of one upstream: takes exchanges from the ingress, confirms and forwards them over connections that the dialer hands over,
/// and reads the upstream's answers (DESIGN 4). It can open nothing itself.
public final class Route: WorkerRole {
    let context: WorkerContext
    let loop: EpollLoop
    var generations: ServedGenerations<RouteSettings>
    private let supervision: Supervision
    let pool: UpstreamPool
    let head: UpstreamHead
    let eventIDs: EventIDs
    let sessions: UpstreamSessions
    var serverRequests = ServerRequests()
    private let helper: HelperThread
    private var clients: ClientLink?
    let records: RecordDesk
    private let library: UnicodeLibrary
    /// The loop's; the helper thread makes its own for each message.
    private var evaluator: PolicyEvaluator
    private var callers: Callers
    /// Which arguments clients repeat in headers, as the server's lists of tools say.
    private var toolHeaders = ToolHeaders()
    /// Who asked lately over the link.
    var identities = KnownIdentities()
    /// Reused for every message; the loop reads one at a time.
    private var tape = JSONTape()
    private static let requestParser = JSONParser(limits: JSONLimits(), surrogates: .refuse)
    private static let replyParser = JSONParser(limits: JSONLimits(), surrogates: .replace)
    /// When a list of tools that could not be had was last logged.
    var listLogged: NIODeadline?
    /// Reused for small answers and events while they are written.
    var scratch = ByteBuffer()
    var eventText: [UInt8] = []
    /// Sessions that are being opened again, and who waits for that.
    var reopening: [SessionUUID: [(Bool) -> Void]] = [:]
    /// Bytes of messages held at once, at most; far below the role's address space (DESIGN 3).
    private static let byteBudget = 256 << 20
    /// Nodes of a JSON text that the worker keeps memory for: ordinary messages have far fewer.
    private static let tapeNodes = 16 * 1024
    private var heldBytes = 0
    private var inFlight = 0
    private var isDraining = false
    private var sweeps = 0
    /// The gateway's ids upstream.
    private var numbers: RouteNumber

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        LoopWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Route(context, loop: loop, supervision: supervision)
        }
    }

    init(_ context: WorkerContext, loop: EpollLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        let settings: RouteSettings
        do throws(GenerationRefusal) {
            settings = try RouteSettings(context.configuration, number: context.generation)
        } catch {
            context.log.error("\(error.text)")
            throw .badPayload
        }
        let generation = settings.generation
        library = settings.policy.library
        generations = ServedGenerations(settings, number: context.generation)
        do {
            sessions = try UpstreamSessions(context, generation)
        } catch {
            context.log.error("sessions cannot be kept: \(error)")
            throw .badPayload
        }
        records = try RecordDesk(context, loop: loop)
        evaluator = PolicyEvaluator(library)
        callers = Callers(library)
        let dialing = DialClient(context, loop: loop, supervision: supervision, generation: generation)
        pool = UpstreamPool(context, loop: loop, generation: generation, dialing: dialing)
        head = UpstreamHead(generation)
        guard let eventIDs = EventIDs(key: generation.eventKey, route: context.index) else { throw .badPayload }
        self.eventIDs = eventIDs
        numbers = RouteNumber(route: context.index)
        guard let helper = HelperThread(loop: loop) else {
            context.log.error("no descriptor is left for the helper thread")
            throw .badPayload
        }
        self.helper = helper
        sweep()
    }

    private func sweep() {
        // Twice a second: session times are whole seconds, and none in between may be missed.
        loop.schedule(in: .milliseconds(500)) { [self] in
            let now = NIODeadline.now()
            pool.checkTime(now)
            for exchange in clients?.all ?? [] {
                // Whatever is in flight keeps its session from being idle.
                if let session = exchange.session { sessions.noteUse(of: session) }
                if case .events(let relay) = exchange.reply { relay.keepAlive(now) }
                exchange.collection?.checkTime(now)
            }
            serverRequests.removeOld(now)
            // Seldom: malloc looks at each of its free pieces for it.
            sweeps &+= 1
            if sweeps & 3 == 0 { context.counters.set(.heapBytes, ck_heap_bytes()) }
            sessions.removeExpired { id, revision in endUpstreamSession(id, revision) }
            sweep()
        }
    }

    /// The link to the ingress or to the dialer, new at the start and after each restart of the other side.
    public func attach(_ link: AttachMessage, descriptors: [Int32]) {
        switch (link.kind, link.side) {
        case (.request, .acceptor):
            clients?.replace()
            clients = ClientLink(link, descriptor: descriptors[0], route: self, supervision: supervision)
        case (.dial, .opener):
            pool.dialing.attach(link, descriptors: descriptors)
            pool.prove()
        default:
            for descriptor in descriptors { close(descriptor) }
        }
    }

    /// Exits when the last exchange is answered.
    public func drain() {
        isDraining = true
        finishIfDrained()
    }

    /// Charges bytes to the budget; false if there is no room.
    func reserve(_ count: Int) -> Bool {
        guard heldBytes + count <= Route.byteBudget else { return false }
        heldBytes += count
        return true
    }

    func giveBack(_ count: Int) { heldBytes -= count }

    func begun() {
        inFlight += 1
        context.counters.set(.inFlight, UInt64(inFlight))
    }

    func finished() {
        inFlight -= 1
        context.counters.set(.inFlight, UInt64(inFlight))
        if inFlight == 0 { checkBudget() }
        finishIfDrained()
    }

    /// Every charge is an exchange's: with none left, room that is still missing would be missing for ever.
    private func checkBudget() {
        guard heldBytes != 0 else { return }
        context.log.error("\(heldBytes) bytes are charged to exchanges that are over; they are given back")
        heldBytes = 0
    }

    private func finishIfDrained() {
        if isDraining && inFlight == 0 { supervision.finish() }
    }

    // MARK: Exchanges

    /// An id of the gateway's own.
    func makeNumber() -> UInt64 {
        numbers.next()
    }

    /// The exchanges that are not over.
    var exchanges: [RouteExchange] { clients?.all ?? [] }

    /// The gateway's id of a call in flight, by the id that the same client gave it.
    ///
    /// Without a session nothing tells two clients apart that use the same id, and neither may cancel the other's call.
    func number(of callID: [UInt8], in exchange: RouteExchange) -> UInt64? {
        guard let session = exchange.session else { return nil }
        return exchanges.first { $0.callID == callID && $0.open.method == .post && $0.session == session }?.number
    }

    /// The client's token for progress that the server reports on another stream of the same session than the call's.
    func progressToken(_ spelt: Span<UInt8>, for exchange: RouteExchange) -> [UInt8]? {
        guard let number = UInt64(decimal: spelt), let session = exchange.session else { return nil }
        return exchanges.first { $0.number == number && $0.session == session }?.progressToken
    }

    // MARK: Reading

    /// The one who asks.
    func caller(_ identity: Identity) -> Caller { callers.find(identity) }

    /// The phases `confirmRoute` and `inspectRequest`.
    func confirm(
        _ body: ByteBuffer, _ open: RequestOpen, _ policy: RoutePolicy, _ caller: Caller
    ) throws(GatewayError) -> ConfirmedMessage {
        defer { tape.shrink(toCapacity: Route.tapeNodes) }
        return try ConfirmedMessage(
            body.readableBytesUInt8Span, Route.requestParser, &tape, open, policy, &evaluator, caller.policy,
            toolHeaders)
    }

    /// The same for a large message.
    func confirmElsewhere(
        _ body: ByteBuffer, _ open: RequestOpen, _ policy: RoutePolicy, _ caller: Caller,
        then: @escaping (Result<ConfirmedMessage, GatewayError>) -> Void
    ) {
        let caller = caller.policy
        let toolHeaders = toolHeaders
        let read: @Sendable () -> Result<ConfirmedMessage, GatewayError> = {
            var tape = JSONTape()
            var evaluator = PolicyEvaluator(policy.library)
            let body = body
            do throws(GatewayError) {
                return .success(
                    try ConfirmedMessage(
                        body.readableBytesUInt8Span, Route.requestParser, &tape, open, policy, &evaluator, caller,
                        toolHeaders))
            } catch {
                return .failure(error)
            }
        }
        helper.run(read, then: then)
    }

    /// The phases `readReply` and `inspectReply`; nil if it is no message.
    func read(_ bytes: Span<UInt8>, _ context: ReplyContext?) -> ReadReply? {
        defer { tape.shrink(toCapacity: Route.tapeNodes) }
        return ReadReply(bytes, Route.replyParser, &tape, context, &evaluator)
    }

    /// Remembers what a list of tools says of headers.
    func learn(_ inspection: ReplyInspection?) {
        if let found = inspection?.toolHeaders, !found.isEmpty { toolHeaders.learn(found) }
    }

    /// Whether the policy lets a server say this text beside its messages.
    func mayShow(_ text: Span<UInt8>, _ policy: RoutePolicy) -> Bool {
        evaluator.inspectReply(policy.compiled, text: text).passes
    }

    /// The same for a large message.
    func readElsewhere(_ text: ByteBuffer, _ context: ReplyContext?, then: @escaping (ReadReply?) -> Void) {
        let library = library
        let read: @Sendable () -> ReadReply? = {
            var tape = JSONTape()
            var evaluator = PolicyEvaluator(library)
            let text = text
            return ReadReply(text.readableBytesUInt8Span, Route.replyParser, &tape, context, &evaluator)
        }
        helper.run(read, then: then)
    }
}
