import CKernel
import Configuration
import Glibc
import Link
import PollLoop
import Processes
import Roles
import Segment
import Systemd
import Telemetry

/// The first process: owns sockets and shared memory, starts, watches and restarts the workers, and tells systemd (DESIGN 3).
///
/// One thread, one poll loop, no outside byte: it reads only its own configuration and the control frames of its workers.
public final class Supervisor {
    /// The configuration of the generation in force.
    var configuration: Configuration
    /// Which counter is which rule's.
    var countedRules: CountedRules
    let topology: Topology
    let loop = PollLoop()
    let log = Log(role: .supervisor)
    let notifier = Notifier()
    let image: ProcessImage
    let descriptorLimit: DescriptorLimit
    let nullDescriptor: Int32
    let errorDescriptor: Int32
    let errorsToCopy: Int32
    var workerLines = WorkerLines()
    let startedAt = PollLoop.now()
    /// The generation in force.
    var generation: UInt64 = 1
    var reload: ReloadState

    var workers: [Topology.WorkerID: WorkerProcess] = [:]
    var links: [Int: LiveLink] = [:]
    var listeners: [Listener]
    var served: Set<Listener.Use> = []
    /// Links reported lost that are looked at again in a moment.
    var lostLinks: Set<UInt64> = []
    var nextLink: UInt32 = 1
    /// Which workers' reports about their peers are believed.
    var accusations = Accusations()
    var stage = -1
    var stopping = false
    var announcedReady = false
    /// The status line last sent to the service manager.
    var lastStatus = ""
    var exitStatus: Int32 = 0
    var ticker: PollLoop.Timer?
    var lastTick = PollLoop.now()
    var readinessRetry: PollLoop.Timer?
    let processTable: (segment: SnapshotSegment, readOnly: Int32)
    /// Held for its lock, unless it is the state directory too.
    let runtimeDirectory: OwnDirectory?
    /// Held for its lock.
    let state: StateDirectory
    /// The keys of session ids, newest first: the ingress's, which gets them at each start.
    let sessionKeys: [[UInt8]]
    /// The secret of the key that signs checkpoints: the recorder's, which gets it at each start.
    let checkpointKey: [UInt8]
    /// Where the recorder writes.
    let records: RecordPlace
    /// The key of each route's event ids, for as long as this process lives.
    let eventKeys: [[UInt8]]

    /// A link that is up: its number and its place in the topology.
    struct LiveLink {
        let number: UInt32
        let opener: Topology.WorkerID
        let acceptor: Topology.WorkerID
    }

    /// Takes or binds everything the daemon needs, and becomes the unprivileged user.
    ///
    /// `load` reads the configuration anew, for a reload.
    /// - Throws: `StartError`; nothing has been started then.
    public init(
        _ configuration: Configuration, load: @escaping ConfigurationSource
    ) throws(StartError) {
        self.configuration = configuration
        countedRules = CountedRules(configuration)
        reload = ReloadState(load: load)
        topology = Topology(configuration)
        Supervisor.openStandardDescriptors()
        let needed = 128 + 16 * topology.workers.count
        descriptorLimit = DescriptorLimit(value: ck_raise_descriptor_limit(DescriptorLimit.wanted))
        guard descriptorLimit.value >= needed else {
            throw StartError(
                "the limit of open descriptors is \(descriptorLimit.value), \(topology.workers.count) workers need \(needed); raise it"
                    + " (ulimit -n, or LimitNOFILE= in the unit)")
        }
        switch ProcessImage.own() {
        case .success(let own): image = own
        case .failure(let error): throw StartError("cannot open the program's own file", code: error.code)
        }

        nullDescriptor = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nullDescriptor >= 0 else { throw StartError("cannot open /dev/null", code: errno) }
        (errorsToCopy, errorDescriptor) = try Supervisor.makeErrorPipe()

        var listeners = try Listeners.takePassed()
        try Listeners.refuseOpen(listeners, configuration)
        let account = try Supervisor.account(configuration)
        let owner = account.map { (uid: $0.uid, gid: $0.gid) }
        var state = StateDirectory(configuration)
        try state.prepare(owner: owner)
        try RecordPlace.prepare(configuration, owner: owner)
        try OwnDirectory.prepare(configuration.runtimeDirectory, purpose: "runtime directory", owner: owner)
        if !listeners.contains(where: { $0.use == .mcp }) {
            listeners.append(try Listeners.bind(.mcp, configuration.listen, option: "--listen"))
        }
        if !listeners.contains(where: { $0.use == .metrics }) {
            listeners.append(try Listeners.bind(.metrics, configuration.metricsAddress, option: "--metrics-addr"))
        }
        try Supervisor.dropPrivileges(account)
        try state.open()
        sessionKeys = try state.sessionKeys()
        checkpointKey = try state.auditKey()
        records = try RecordPlace(configuration)
        eventKeys = configuration.routes.map { _ in
            (0..<RouteGeneration.eventKeyLength).map { _ in UInt8.random(in: .min ... .max) }
        }
        if state.directory?.path == configuration.runtimeDirectory {
            runtimeDirectory = nil
        } else {
            runtimeDirectory = try OwnDirectory(
                configuration.runtimeDirectory, purpose: "runtime directory", option: "--runtime-dir")
        }
        self.state = state
        listeners.append(try Listeners.bindControl(path: configuration.runtimeDirectory + "/control.sock"))
        self.listeners = listeners
        processTable = try Supervisor.makeProcessTable()
        // With its memory the last run's knowledge of ended sessions is gone, so its sessions are over, unless other instances may have begun them.
        let floor = configuration.sessions.isShared ? 0 : UInt64(max(0, time(nil)))
        for worker in topology.workers {
            let limits = configuration.supervision
            let history = CrashHistory(
                minimum: limits.backoffMinimum, maximum: limits.backoffMaximum, limit: limits.crashLimit,
                window: limits.crashWindow)
            workers[worker.id] = try WorkerProcess(worker, history: history, sessionFloor: floor)
        }
    }

    /// Runs until told to stop; returns the exit status.
    public func run() -> Int32 {
        let signals = ck_signal_descriptor()
        guard signals >= 0 else {
            log.error("cannot take signals: \(unsafe String(cString: strerror(-signals)))")
            return 2
        }
        _ = loop.add(signals) { [unowned self] _, _ in handleSignals(signals) }
        _ = loop.add(errorsToCopy) { [unowned self] _, _ in copyErrors(errorsToCopy) }
        log.info(
            "starting \(workers.count) workers; clients connect to \(address(.mcp)), health and metrics at \(address(.metrics))"
        )
        for line in degradations { log.warning(line) }
        if !configuration.authentication.isRequired {
            log.warning("no auth: whoever reaches \(address(.mcp)) is served without a credential, anonymously")
        }
        advanceStage()
        tick()
        startWatchdog()
        loop.run()
        copyLastErrors(errorsToCopy)
        if announcedReady || stopping { unlinkControlSocket() }
        return exitStatus
    }

    /// The bound address of a listener.
    func address(_ use: Listener.Use) -> String { listeners.first(where: { $0.use == use })?.address ?? "" }

    /// Starts the workers of the next stage once all of the one before have been ready.
    func advanceStage() {
        while stage < topology.stageCount - 1, !stopping {
            let pending = workers.values.contains { $0.stage == stage && !$0.wasReady }
            guard !pending else { return }
            stage += 1
            for worker in inOrder where worker.stage == stage { handle(.start, worker) }
        }
    }

    /// The workers as the topology lists them.
    var inOrder: [WorkerProcess] { topology.workers.compactMap { workers[$0.id] } }

    // MARK: Signals

    private func handleSignals(_ descriptor: Int32) {
        while true {
            let signal = ck_next_signal(descriptor)
            switch signal {
            case 0: return
            case SIGCHLD: reap()
            case SIGTERM, SIGINT: stop(reason: signal == SIGTERM ? "SIGTERM" : "SIGINT")
            case SIGHUP: reloadConfiguration(for: .signal)
            default: break
            }
        }
    }

    private func reap() {
        while true {
            var status: Int32 = 0
            let pid = unsafe ck_reap(&status)
            guard pid > 0 else { return }
            // Not one of the workers: a child this process inherited from what executed it.
            guard let worker = workers.values.first(where: { $0.pid == pid }) else { continue }
            let signal = ck_exit_signal(status)
            let ending = signal != 0 ? "signal \(signal)" : "status \(ck_exit_code(status))"
            workerExited(worker, worker.killReason.map { "\(ending) (\($0))" } ?? ending)
        }
    }

    // MARK: Stopping

    /// Drains and stops all workers, last stage first; a second request ends everything at once.
    func stop(reason: String) {
        guard !stopping else {
            log.warning("\(reason) again: ending everything at once")
            for worker in workers.values { handle(.stopTimeout, worker) }
            return
        }
        stopping = true
        abandonReload()
        log.info("\(reason): stopping, \(configuration.drainTimeout / 1_000_000_000) s for what is in flight")
        notifier.send("STOPPING=1\nSTATUS=Draining")
        loop.after(configuration.drainTimeout) { [unowned self] in
            log.warning("drain timeout: ending what is left")
            for worker in workers.values {
                handle(.stop, worker)
                handle(.stopTimeout, worker)
            }
        }
        stage = topology.stageCount
        stopNextStage()
    }

    /// Stops the next lower stage when all workers of the present one are gone; ends the loop after the last.
    func stopNextStage() {
        while stopping {
            let left = workers.values.contains { $0.stage >= stage && $0.state != .stopped }
            guard !left else { return }
            stage -= 1
            guard stage >= 0 else {
                log.info("stopped")
                loop.stop()
                return
            }
            for worker in inOrder where worker.stage == stage { handle(.stop, worker) }
        }
    }

    private func unlinkControlSocket() {
        unsafe unlink(configuration.runtimeDirectory + "/control.sock")
    }
}
