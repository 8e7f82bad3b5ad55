import Configuration
import Crypto
import EpollLoop
import Glibc
import Link
import NIOCore
import Segment
import Telemetry
import Worker

/// Serves health, metrics and `mcpgw status`: reads what the others show in their segments, and asks nobody.
public final class Console: WorkerRole {
    let context: WorkerContext
    let gate: ConsoleGate
    let loop: EpollLoop
    private(set) var generation: ConsoleGeneration
    private let supervision: Supervision
    private let processTable: SnapshotSegment
    /// The counters of every worker, as the process table lists them.
    private(set) var counters: [WorkerKey: CounterSegment] = [:]
    private var connections: Set<ObjectIdentifier> = []
    private var listeners: [Listener] = []
    /// The connections on which a reload was asked for, by the number of the request.
    private var reloads: [UInt64: ConsoleConnection] = [:]
    private var lastReload: UInt64 = 0

    /// Connections at most: answers are small and short, more than this is a flood.
    private static let connectionLimit = 64

    /// Names one worker.
    struct WorkerKey: Hashable {
        let role: UInt8
        let index: UInt16
    }

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        LoopWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Console(context, loop: loop, supervision: supervision)
        }
    }

    private init(_ context: WorkerContext, loop: EpollLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        generation = try context.decode(ConsoleGeneration.self)
        // Loaded before the worker was confined; without it no key could be compared.
        guard let gate = try? ConsoleGate(CryptoLibrary.load()) else { throw .badPayload }
        self.gate = gate
        var table: SnapshotSegment?
        for segment in context.segments {
            defer { close(segment.descriptor) }
            switch segment.use {
            case .processTable: table = try? SnapshotSegment(descriptor: segment.descriptor, writable: false)
            case .counters:
                let key = WorkerKey(role: segment.role.rawValue, index: segment.index)
                counters[key] = try? CounterSegment(reading: segment.descriptor)
            case .ownCounters, .state, .ring, .ringReader, .recordDirectory: break
            }
        }
        guard let table else { throw .badPayload }
        processTable = table
    }

    /// Begins to answer on the management listener or the control socket.
    public func serve(_ listener: ListenerMessage, descriptor: Int32) {
        let access: ConsoleAccess =
            switch listener.name {
            case "control": .control
            default: ListenAddress.isLocal(bound: listener.address) ? .local : .remote
            }
        let serving = Listener.serve(
            descriptor, loop: loop,
            accepted: { [self] in ConsoleConnection(self, access).begin($0) },
            failed: { [self] _ in supervision.fail() })
        guard let serving else {
            context.log.error("cannot accept on \(listener.address)")
            supervision.fail()
        }
        listeners.append(serving)
        supervision.served(listener: listener.id)
    }

    func opened(_ connection: ConsoleConnection) -> Bool {
        guard connections.count < Console.connectionLimit else { return false }
        return connections.insert(ObjectIdentifier(connection)).inserted
    }

    func closed(_ connection: ConsoleConnection) {
        connections.remove(ObjectIdentifier(connection))
        for (number, waiting) in reloads where waiting === connection { reloads[number] = nil }
    }

    /// Switches at once: answers are made in one piece.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        let next = try GenerationRefusal.decoding(ConsoleGeneration.self, bytes)
        return { [unowned self] in generation = next }
    }

    /// Asks the supervisor for a reload and tells the connection what came of it.
    func reload(for connection: ConsoleConnection) {
        lastReload += 1
        reloads[lastReload] = connection
        supervision.reload(request: lastReload)
    }

    /// A reload that was asked for is over.
    public func reloadEnded(_ result: ReloadResultMessage) {
        reloads.removeValue(forKey: result.request)?.answer(reloadAnswer(result))
    }

    /// Answers take no time worth waiting for.
    public func drain() { supervision.finish() }

    /// The supervisor's table; nil while it shows none.
    func readTable() -> ProcessTable? {
        guard let bytes = processTable.read() else { return nil }
        return try? ProcessTable(decoding: bytes.span)
    }

    /// A worker's counter; 0 where its segment could not be read.
    func value(_ counter: Counter, of worker: ProcessTable.Worker) -> UInt64 {
        counters[WorkerKey(role: worker.role.rawValue, index: worker.index)]?[counter.rawValue] ?? 0
    }

    /// Whether a route can be reached: its worker runs and its last attempt at the upstream succeeded.
    func routeState(_ index: Int, _ table: ProcessTable) -> String {
        guard let worker = table.workers.first(where: { $0.role == .route && Int($0.index) == index }),
            worker.state == .running
        else { return "down" }
        switch UpstreamState(rawValue: value(.upstreamState, of: worker)) {
        case .reachable: return "up"
        case .unreachable: return "unreachable"
        case .unknown, nil: return "unknown"
        }
    }
}
