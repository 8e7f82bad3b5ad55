import CKernel
import Configuration
import EpollLoop
import Glibc
import Link
import MCP
import NIOCore
import Records
import StrictJSON
import Telemetry
import Worker

/// The one worker that talks to clients: reads their requests, checks what can be checked without an upstream, and carries each
/// exchange over a link to the route it belongs to (DESIGN 4).
public final class Ingress: WorkerRole {
    let context: WorkerContext
    let loop: EpollLoop
    let supervision: Supervision
    /// Made of the generation in force.
    var settings: IngressSettings
    var usedGenerations: UsedGenerations
    /// Exchanges that became several and have a time to be done in.
    private var timed: [ObjectIdentifier: any TimedParts] = [:]
    /// The way to each route, by index.
    private(set) var routes: [RouteGate] = []
    private var listeners: [Listener] = []
    private var connections: [ObjectIdentifier: ClientConnection] = [:]
    private var unflushed: [ClientConnection] = []
    private var flushing: [ClientConnection] = []
    private(set) var isDraining = false
    /// Bytes of messages held at once, at most; far below the role's address space (DESIGN 3).
    private static let byteBudget = 256 << 20
    private var heldBytes = 0
    private var inFlight = 0
    /// Client connections at most: what the descriptor limit allows, less what links and listeners need.
    private let connectionLimit: Int
    /// Ids of exchanges: a random start, so that two runs do not share them.
    private var nextRequestID = UInt64.random(in: .min ... .max)
    /// The time at the last look, at most a second ago: precise enough for limits of seconds.
    private(set) var now = NIODeadline.now()
    let sessions: SessionDesk
    /// Where the ingress records; one at a time.
    let records: RecordDesk
    /// The records of what it refuses itself.
    let refusals: RefusalRecords
    let access: AccessDesk
    private var sweeps = 0
    /// Reused for every message; the loop reads one at a time.
    var tape = JSONTape()
    let parser = JSONParser(limits: JSONLimits(), surrogates: .refuse)

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        LoopWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Ingress(context, loop: loop, supervision: supervision)
        }
    }

    private init(_ context: WorkerContext, loop: EpollLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        let later = LaterEnd()
        do throws(GenerationRefusal) {
            settings = try IngressSettings(
                context.configuration, number: context.generation, ended: { later.call?($0) })
        } catch {
            context.log.error("\(error.text)")
            throw .badPayload
        }
        let generation = settings.generation
        usedGenerations = UsedGenerations(settings)
        do {
            sessions = try SessionDesk(context, generation)
        } catch {
            context.log.error("sessions cannot be kept: \(error)")
            throw .badPayload
        }
        records = try RecordDesk(context, loop: loop)
        refusals = RefusalRecords(records)
        access = AccessDesk(generation, context.counters)
        var limit = rlimit()
        let known = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        connectionLimit = (known ? Int(clamping: limit.rlim_cur) : 256) - 64 - 2 * generation.routes.count
        later.call = noteEnded
        routes = generation.routes.indices.map { RouteGate(index: $0, ingress: self) }
        sweep()
    }

    // MARK: What the supervisor tells

    /// The link to a route's new worker.
    public func attach(_ link: AttachMessage, descriptors: [Int32]) {
        guard link.kind == .request, link.side == .opener, Int(link.peerIndex) < routes.count else {
            for descriptor in descriptors { close(descriptor) }
            return
        }
        routes[Int(link.peerIndex)].attach(link, descriptor: descriptors[0], supervision: supervision)
    }

    /// Begins to accept clients.
    public func serve(_ listener: ListenerMessage, descriptor: Int32) {
        let names = OwnNames(address: listener.address)
        let number = listener.id
        let serving = Listener.serve(
            descriptor, loop: loop,
            accepted: { [self] in ClientConnection(self, names: names, listener: number).begin($0) },
            failed: { [self] in listenerClosed($0) })
        guard let serving else {
            context.log.error("cannot accept on \(listener.address)")
            supervision.fail()
        }
        listeners.append(serving)
        supervision.served(listener: listener.id)
    }

    /// A route came up or is down.
    public func routeChanged(_ state: RouteStateMessage) {
        guard Int(state.index) < routes.count else { return }
        routes[Int(state.index)].setUp(state.isUp)
    }

    /// Accepts nothing new and exits when the last exchange is answered.
    public func drain() {
        isDraining = true
        for listener in listeners { listener.close() }
        for connection in connections.values { connection.drain() }
        // Streams without an end of their own are ended in order while there is still time for it.
        let limit = Int64(generation.drainTimeout) - 1_000_000_000
        loop.schedule(in: .nanoseconds(max(0, limit))) { [self] in
            for route in routes { route.endAll() }
        }
        finishIfDrained()
    }

    // MARK: Connections

    func opened(_ connection: ClientConnection) -> Bool {
        context.counters.add(.connections)
        guard connections.count < connectionLimit else { return false }
        connections[ObjectIdentifier(connection)] = connection
        context.counters.set(.openConnections, UInt64(connections.count))
        return true
    }

    /// A listener that closes by itself (the kernel refused to accept) leaves this process deaf: a new one is needed.
    private func listenerClosed(_ code: Int32) {
        guard !isDraining else { return }
        context.log.error("a listener closed by itself (error \(code)); exiting to be restarted")
        supervision.fail()
    }

    func closed(_ connection: ClientConnection) {
        connections[ObjectIdentifier(connection)] = nil
        context.counters.set(.openConnections, UInt64(connections.count))
        if connections.isEmpty { checkBudget() }
        finishIfDrained()
    }

    /// Every charge is a connection's: with none left, room that is still missing would be missing for ever.
    private func checkBudget() {
        guard heldBytes != 0 else { return }
        context.log.error("\(heldBytes) bytes are charged to clients that are gone; they are given back")
        heldBytes = 0
    }

    /// Exits once draining and no client is left.
    private func finishIfDrained() {
        if isDraining && connections.isEmpty { supervision.finish() }
    }

    /// Charges bytes to the budget; false if there is no room.
    func reserve(_ count: Int) -> Bool {
        guard heldBytes + count <= Ingress.byteBudget else { return false }
        heldBytes += count
        return true
    }

    func giveBack(_ count: Int) { heldBytes -= count }

    /// Exchanges began (1) or ended (-1).
    func noteInFlight(_ change: Int) {
        inFlight += change
        context.counters.set(.inFlight, UInt64(inFlight))
    }

    /// Looks after the time of an exchange that became several, until it is over.
    func watch(_ parts: any TimedParts) { timed[ObjectIdentifier(parts)] = parts }

    func isOver(_ parts: any TimedParts) { timed[ObjectIdentifier(parts)] = nil }

    func makeRequestID() -> UInt64 {
        nextRequestID &+= 1
        return nextRequestID
    }

    /// Flushes a connection at the end of the loop's turn, once for everything written in it.
    func scheduleFlush(_ connection: ClientConnection) {
        if unflushed.isEmpty {
            loop.execute { [self] in
                // Two lists take turns, so that neither is copied.
                swap(&unflushed, &flushing)
                for connection in flushing { connection.flush() }
                flushing.removeAll(keepingCapacity: true)
            }
        }
        unflushed.append(connection)
    }

    /// Looks twice a second for connections and waiting exchanges whose time is over: cheaper than a timer for each.
    private func sweep() {
        loop.schedule(in: .milliseconds(500)) { [self] in
            now = NIODeadline.now()
            for connection in connections.values { connection.checkTime(now) }
            for route in routes { route.checkTime(now) }
            for parts in timed.values { parts.checkTime(now) }
            sessions.sweep()
            refusals.flush(now)
            // Seldom: malloc looks at each of its free pieces for it.
            sweeps &+= 1
            if sweeps & 3 == 0 { context.counters.set(.heapBytes, ck_heap_bytes()) }
            sweep()
        }
    }
}

extension Ingress {
    /// Nodes of a JSON text that the worker keeps memory for: ordinary messages have far fewer.
    private static let tapeNodes = 16 * 1024

    /// Parses a body of at most `limit` bytes. The caller holds `tape` for as long as it reads in it: one check for exclusive access instead of many.
    func parse(_ bytes: Span<UInt8>, into tape: inout JSONTape, limit: UInt64) throws(GatewayError) {
        do throws(JSONError) {
            try parser.parse(bytes, into: &tape)
        } catch {
            Ingress.release(&tape)
            throw error.kind.isSizeLimit ? .tooLarge(limit: limit) : .notJSON(offset: error.offset)
        }
    }

    /// One huge message must not leave its memory behind.
    static func release(_ tape: inout JSONTape) { tape.shrink(toCapacity: tapeNodes) }
}
