import Configuration
import EpollLoop
import Glibc
import NIOCore
import Telemetry
import Worker

/// The connections to the upstream: kept while idle, capped, with a bounded queue before them.
final class UpstreamPool {
    /// Why an exchange gets no connection.
    enum Failure: Error {
        case unreachable(String)
        case queueFull
        case timedOut
    }

    private struct Waiter {
        let number: Int
        let since: NIODeadline
        let ready: (Result<UpstreamConnection, Failure>) -> Void
    }

    let dialing: DialClient
    private let context: WorkerContext
    private let loop: EpollLoop
    /// In force.
    var generation: RouteGeneration
    private var idle: [UpstreamConnection] = []
    /// Event streams at most, beside the connections that carry calls: clients of the legacy era keep one open each.
    private let streamLimit: Int
    /// All connections; `open` of them count against the limit of the generation, the others carry event streams.
    private var connections: [ObjectIdentifier: UpstreamConnection] = [:]
    private var open = 0
    private var dialsInProgress = 0
    private var waiters: [Waiter] = []
    private var nextNumber = 0
    private var retryDelay: Int64 = 500
    private var retryScheduled = false
    private var lastDial = NIODeadline.now()
    /// The time at the last look, at most a second ago: precise enough for limits of seconds.
    private(set) var now = NIODeadline.now()

    init(_ context: WorkerContext, loop: EpollLoop, generation: RouteGeneration, dialing: DialClient) {
        self.context = context
        self.loop = loop
        self.generation = generation
        self.dialing = dialing
        // What the descriptor limit allows, less what calls, links and the log need.
        var limit = rlimit()
        let known = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        streamLimit = max(64, (known ? Int(clamping: limit.rlim_cur) : 1024) - Int(generation.connections) - 64)
        sweep()
    }

    /// A connection that can carry an exchange now, if there is one and nobody waited for it before.
    func takeIdle() -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.isUsable { return connection }
        }
        return nil
    }

    /// Gives a connection, later. Returns a number to `cancel` with, nil if the answer was given at once.
    func wait(_ ready: @escaping (Result<UpstreamConnection, Failure>) -> Void) -> Int? {
        guard waiters.count < Int(generation.queue) else {
            ready(.failure(.queueFull))
            return nil
        }
        nextNumber += 1
        waiters.append(Waiter(number: nextNumber, since: .now(), ready: ready))
        let number = nextNumber
        dialForWaiters()
        return number
    }

    /// Leaves the queue.
    func cancel(_ number: Int) { waiters.removeAll { $0.number == number } }

    /// A connection whose exchange is over and that can carry another.
    func giveBack(_ connection: UpstreamConnection) {
        if connection.isStream {
            connection.isStream = false
            open += 1
        }
        if waiters.isEmpty { return idle.append(connection) }
        waiters.removeFirst().ready(.success(connection))
    }

    /// The connection carries an event stream now, for nobody knows how long: it no longer stands in the way of calls.
    func becameStream(_ connection: UpstreamConnection) {
        guard !connection.isStream, connections.count - open < streamLimit else { return }
        connection.isStream = true
        open -= 1
        dialForWaiters()
    }

    /// Ends exchanges whose upstream is silent, whoever still waits for them.
    func checkTime(_ now: NIODeadline) {
        for connection in connections.values { connection.checkTime(now) }
    }

    /// A connection is gone.
    func closed(_ connection: UpstreamConnection) {
        connections[ObjectIdentifier(connection)] = nil
        if !connection.isStream { open -= 1 }
        idle.removeAll { $0 === connection }
        dialForWaiters()
    }

    /// Opens a first connection, so that readiness shows whether the upstream can be reached; tries again until it can.
    func prove() {
        guard open == 0, dialsInProgress == 0 else { return }
        dial()
    }

    private func dialForWaiters() {
        while dialsInProgress < waiters.count, open + dialsInProgress < Int(generation.connections) { dial() }
    }

    private func dial() {
        dialsInProgress += 1
        lastDial = .now()
        dialing.dial { [self] result in
            dialsInProgress -= 1
            switch result {
            case .success(let descriptor): adopt(descriptor)
            case .failure(let error): failed(error)
            }
        }
    }

    private func adopt(_ descriptor: Int32) {
        open += 1
        context.counters.add(.upstreamConnections)
        setReachable(true)
        let connection = UpstreamConnection(pool: self, loop: loop)
        connections[ObjectIdentifier(connection)] = connection
        connection.begin(descriptor: descriptor) { [self] in giveBack(connection) }
    }

    private func failed(_ error: DialClient.DialError) {
        context.counters.add(.upstreamErrors)
        if context.counters.value(.upstreamState) != UpstreamState.unreachable.rawValue {
            context.log.warning("cannot reach the upstream \(generation.authority): \(error.text) (\(error.detail))")
        }
        setReachable(false)
        // Every waiter asked for a dial of its own, so each failure is one waiter's.
        if !waiters.isEmpty { waiters.removeFirst().ready(.failure(.unreachable(error.text))) }
        dialForWaiters()
        scheduleRetry()
    }

    private func setReachable(_ reachable: Bool) {
        if reachable { retryDelay = 500 }
        context.counters.set(.upstreamState, (reachable ? UpstreamState.reachable : .unreachable).rawValue)
    }

    private func scheduleRetry() {
        guard !retryScheduled else { return }
        retryScheduled = true
        loop.schedule(in: .milliseconds(retryDelay)) { [self] in
            retryScheduled = false
            retryDelay = min(retryDelay * 2, 30_000)
            prove()
        }
    }

    /// Looks once a second for idle connections and waiters whose time is over.
    private func sweep() {
        loop.schedule(in: .seconds(1)) { [self] in
            now = NIODeadline.now()
            let idleLimit = TimeAmount.nanoseconds(Int64(generation.idle))
            for connection in idle where now - connection.idleSince > idleLimit { connection.close() }
            let waitLimit = TimeAmount.nanoseconds(Int64(3 * generation.connectTimeout))
            while let first = waiters.first, now - first.since > waitLimit {
                waiters.removeFirst()
                first.ready(.failure(.timedOut))
            }
            // Readiness must not rest on an old success: with no connection left, the upstream is tried now and then.
            if now - lastDial > .seconds(15) { prove() }
            sweep()
        }
    }
}
