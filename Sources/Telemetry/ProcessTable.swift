import Link
import Roles

/// What the supervisor shows of itself and its workers: published in a segment, read by the console as hostile input.
public struct ProcessTable: Equatable, Sendable {
    /// The state of one worker.
    public enum WorkerState: UInt8, Sendable {
        /// Started, not ready yet.
        case starting = 0
        /// At work.
        case running = 1
        /// Ended; waits before it is started again.
        case backoff = 2
        /// Crashed too often; tried again later.
        case down = 3
        /// Finishing what is in flight.
        case draining = 4
        /// Not running and not to be started.
        case stopped = 5

        /// The word in status and metrics.
        public var name: String {
            switch self {
            case .starting: "starting"
            case .running: "running"
            case .backoff: "backoff"
            case .down: "down"
            case .draining: "draining"
            case .stopped: "stopped"
            }
        }
    }

    /// One worker.
    public struct Worker: Equatable, Sendable {
        /// What it does.
        public var role: Role
        /// Which one of its role.
        public var index: UInt16
        /// The role's name, or the route's.
        public var name: String
        /// The process, 0 if there is none.
        public var pid: Int32
        /// Its state.
        public var state: WorkerState
        /// Starts after the first.
        public var restarts: UInt64
        /// How it last ended, empty if it never did.
        public var lastExit: String
        /// Its encoded confinement report, empty before it is ready.
        public var confinement: [UInt8]

        /// A worker's row.
        public init(
            role: Role, index: UInt16, name: String, pid: Int32, state: WorkerState, restarts: UInt64, lastExit: String,
            confinement: [UInt8]
        ) {
            self.role = role
            self.index = index
            self.name = name
            self.pid = pid
            self.state = state
            self.restarts = restarts
            self.lastExit = lastExit
            self.confinement = confinement
        }
    }

    /// One route.
    public struct Route: Equatable, Sendable {
        /// Its name.
        public var name: String
        /// Its upstream, without secrets.
        public var upstream: String

        /// A route's row.
        public init(name: String, upstream: String) {
            self.name = name
            self.upstream = upstream
        }
    }

    /// One listening socket.
    public struct Listener: Equatable, Sendable {
        /// What is served there.
        public var name: String
        /// The bound address.
        public var address: String
        /// Whether a worker accepts on it.
        public var served: Bool

        /// A listener's row.
        public init(name: String, address: String, served: Bool) {
            self.name = name
            self.address = address
            self.served = served
        }
    }

    /// What became of reloads.
    public struct Reloads: Equatable, Sendable {
        /// When the generation in force was loaded, in seconds since 1970 UTC.
        public var loadedAt: UInt64
        /// Reloads that left the old generation in force.
        public var failures: UInt64
        /// When the last of them was, in seconds since 1970 UTC; 0 if there was none.
        public var lastFailureAt: UInt64
        /// Why; empty if there was none.
        public var lastFailure: String

        /// No reload yet.
        public init(loadedAt: UInt64 = 0, failures: UInt64 = 0, lastFailureAt: UInt64 = 0, lastFailure: String = "") {
            self.loadedAt = loadedAt
            self.failures = failures
            self.lastFailureAt = lastFailureAt
            self.lastFailure = lastFailure
        }
    }

    /// The supervisor's pid.
    public var supervisor: Int32
    /// The generation all workers serve.
    public var generation: UInt64
    /// Start of the supervisor, monotonic nanoseconds.
    public var startedAt: UInt64
    /// All workers ready and all listeners served.
    public var ready: Bool
    /// Stopping.
    public var draining: Bool
    /// The workers.
    public var workers: [Worker]
    /// The routes, by index.
    public var routes: [Route]
    /// The listeners.
    public var listeners: [Listener]
    /// What is degraded, in words.
    public var degraded: [String]
    /// Reloads.
    public var reloads: Reloads

    /// A table.
    public init(
        supervisor: Int32, generation: UInt64, startedAt: UInt64, ready: Bool, draining: Bool, workers: [Worker],
        routes: [Route], listeners: [Listener], degraded: [String],
        reloads: Reloads = Reloads()
    ) {
        self.supervisor = supervisor
        self.generation = generation
        self.startedAt = startedAt
        self.ready = ready
        self.draining = draining
        self.workers = workers
        self.routes = routes
        self.listeners = listeners
        self.degraded = degraded
        self.reloads = reloads
    }

    /// The published bytes.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u32(UInt32(bitPattern: supervisor))
        writer.u64(generation)
        writer.u64(startedAt)
        writer.bool(ready)
        writer.bool(draining)
        writer.u64(reloads.loadedAt)
        writer.u64(reloads.failures)
        writer.u64(reloads.lastFailureAt)
        writer.string(reloads.lastFailure)
        writer.count(workers.count)
        for worker in workers {
            writer.u8(worker.role.rawValue)
            writer.u16(worker.index)
            writer.string(worker.name)
            writer.u32(UInt32(bitPattern: worker.pid))
            writer.u8(worker.state.rawValue)
            writer.u64(worker.restarts)
            writer.string(worker.lastExit)
            writer.blob(worker.confinement)
        }
        writer.count(routes.count)
        for route in routes {
            writer.string(route.name)
            writer.string(route.upstream)
        }
        writer.count(listeners.count)
        for listener in listeners {
            writer.string(listener.name)
            writer.string(listener.address)
            writer.bool(listener.served)
        }
        writer.count(degraded.count)
        for line in degraded { writer.string(line) }
        return writer.bytes
    }

    /// Reads published bytes; throws `LinkViolation.badPayload`.
    public init(decoding bytes: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(bytes)
        supervisor = Int32(bitPattern: try reader.u32())
        generation = try reader.u64()
        startedAt = try reader.u64()
        ready = try reader.bool()
        draining = try reader.bool()
        reloads = Reloads(
            loadedAt: try reader.u64(), failures: try reader.u64(), lastFailureAt: try reader.u64(),
            lastFailure: try reader.string(maximum: 4096))
        workers = []
        for _ in 0..<(try reader.count(elementBytes: 28)) { workers.append(try Worker(reading: &reader)) }
        routes = []
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            let name = try reader.string(maximum: 4096)
            routes.append(Route(name: name, upstream: try reader.string(maximum: 65536)))
        }
        listeners = []
        for _ in 0..<(try reader.count(elementBytes: 9)) {
            let name = try reader.string(maximum: 4096)
            let address = try reader.string(maximum: 4096)
            listeners.append(Listener(name: name, address: address, served: try reader.bool()))
        }
        degraded = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { degraded.append(try reader.string(maximum: 4096)) }
        try reader.finish()
    }
}

extension ProcessTable.Worker {
    @_lifetime(reader: copy reader)
    fileprivate init(reading reader: inout FieldReader) throws(LinkViolation) {
        guard let role = Role(rawValue: try reader.u8()) else { throw .badPayload }
        let index = try reader.u16()
        let name = try reader.string(maximum: 4096)
        let pid = Int32(bitPattern: try reader.u32())
        guard let state = ProcessTable.WorkerState(rawValue: try reader.u8()) else { throw .badPayload }
        let restarts = try reader.u64()
        let lastExit = try reader.string(maximum: 4096)
        self.init(
            role: role, index: index, name: name, pid: pid, state: state, restarts: restarts, lastExit: lastExit,
            confinement: try reader.blob(maximum: 65536))
    }
}
