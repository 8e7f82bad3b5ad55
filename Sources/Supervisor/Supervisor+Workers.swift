import CKernel
import Configuration
import Glibc
import Link
import PollLoop
import Processes
import Roles
import Telemetry

/// The life of the workers: events into the table, actions out of it.
extension Supervisor {
    /// Looks an event up in the table and carries out what it says.
    func handle(_ event: WorkerEvent, _ worker: WorkerProcess) {
        guard let transition = WorkerTable.transition(worker.state, event) else { return }
        worker.state = transition.next
        for action in transition.actions { perform(action, worker) }
        reloadNotes(worker)
        publishState()
        if stopping { stopNextStage() }
    }

    private func perform(_ action: WorkerAction, _ worker: WorkerProcess) {
        switch action {
        case .spawn: spawn(worker)
        case .announceReady: announceReady(worker)
        case .announceGone: announceGone(worker)
        case .announceDown: announceDown(worker)
        case .kill:
            if worker.pid > 0 { Glibc.kill(worker.pid, SIGKILL) }
        case .drain:
            worker.control?.send(.drain)
            // The ingress has until the daemon's own limit; what is behind it has nothing in flight by then.
            if worker.id.role != .ingress { arm(worker, after: 2_000_000_000, .stopTimeout) }
        case .scheduleRestart:
            let wait = worker.history.delay(random: Double.random(in: 0..<1))
            arm(worker, after: wait, .retry)
        case .scheduleRetry:
            arm(worker, after: worker.history.window, .retry)
        case .disarm:
            if let timer = worker.timer { loop.cancel(timer) }
            worker.timer = nil
        }
    }

    private func arm(_ worker: WorkerProcess, after wait: UInt64, _ event: WorkerEvent) {
        if let timer = worker.timer { loop.cancel(timer) }
        worker.timer = loop.after(wait) { [unowned self, unowned worker] in
            worker.timer = nil
            if event == .startTimeout {
                worker.killReason = "not ready in time"
                log.warning("\(worker.label): not ready in time; killed")
            }
            if event == .retry, worker.state == .down { worker.history.noteRetry() }
            handle(event, worker)
        }
    }

    // MARK: Starting a process

    private func spawn(_ worker: WorkerProcess) {
        arm(worker, after: configuration.supervision.startTimeout, .startTimeout)
        worker.starts += 1
        worker.killReason = nil
        worker.confinement = []
        do throws(StartError) {
            try execute(worker)
        } catch {
            log.error("\(worker.label): \(error)")
            workerExited(worker, "not started")
        }
    }

    private func execute(_ worker: WorkerProcess) throws(StartError) {
        var control: [Int32] = [-1, -1]
        var packets: [Int32] = [-1, -1]
        var result = unsafe ck_stream_pair(&control, 256 * 1024)
        guard result == 0 else { throw StartError("cannot make a control link", code: -result) }
        defer { close(control[1]) }
        result = unsafe ck_packet_pair(&packets)
        guard result == 0 else {
            close(control[0])
            throw StartError("cannot make a descriptor socket", code: -result)
        }
        defer { close(packets[1]) }
        // Descriptors go to the worker only. The kernel counts those in flight per user, so one worker that may send could use up all.
        shutdown(packets[1], Int32(SHUT_WR))
        let connection = FrameConnection(loop: loop, descriptor: control[0])
        let companion = DescriptorSocket(descriptor: packets[0])

        let arguments = [
            "mcpgw-\(worker.id.role.name)", "worker", worker.id.role.name, String(worker.id.index), worker.name,
            String(getpid()), configuration.strictSandbox ? "strict" : "default",
        ]
        // Workers inherit nothing but what they need: a crash report by a second process could not run confined.
        let variables = ["SWIFT_BACKTRACE=enable=no", "LANG=C.UTF-8"]
        // The recorder outlives the supervisor until its rings are drained; all others end with it.
        let deathSignal = worker.id.role == .recorder ? 0 : SIGKILL
        let started = image.start(
            arguments: arguments, environment: variables,
            descriptors: [nullDescriptor, nullDescriptor, errorDescriptor, control[1], packets[1]],
            deathSignal: deathSignal)
        let pid: pid_t
        switch started {
        case .success(let started): pid = started
        case .failure(let error):
            connection.cancel()
            throw StartError("cannot start \(worker.label)", code: error.code)
        }
        worker.pid = pid
        worker.control = connection
        worker.descriptors = companion
        worker.owed.clear()
        worker.reportsLeft = 0
        connection.onFrame = { [unowned self, unowned worker] head, payload throws(LinkViolation) in
            try receive(head, payload, from: worker)
        }
        connection.onClose = { [unowned self, unowned worker] violation in
            // The end of file of an ending process is followed by SIGCHLD; a violation is the worker's own fault.
            if let violation { condemn(worker, violation, reporter: "supervisor") }
        }
        introduce(worker)
    }

    /// Hands over everything a worker needs before it confines itself.
    private func introduce(_ worker: WorkerProcess) {
        let descriptor = sealedGeneration(worker, configuration, countedRules)
        guard descriptor >= 0 else {
            worker.killReason = "no memory for its configuration"
            return handle(.condemned, worker)
        }
        defer { close(descriptor) }
        let generation = self.generation
        var sent = worker.send(.generation, descriptors: [descriptor]) {
            GenerationMessage(number: generation, ticket: $0).encode()
        }
        for segment in HandedSegment.all(
            for: worker, among: inOrder, processTable: processTable.readOnly, records: records)
        {
            sent = sent && worker.send(.segment, descriptors: segment.descriptors, segment.message)
        }
        guard sent else {
            worker.killReason = "does not take its descriptors"
            return handle(.condemned, worker)
        }
        worker.control?.send(.begin)
    }

    /// A sealed memfd with a worker's part of a configuration, the caller's to close; negative if there is no memory.
    func sealedGeneration(
        _ worker: WorkerProcess, _ configuration: Configuration, _ countedRules: CountedRules
    ) -> Int32 {
        let content = encodedGeneration(worker, configuration, countedRules)
        return unsafe content.withUnsafeBytes { unsafe ck_sealed_data("mcpgw-generation", $0.baseAddress, $0.count) }
    }

    private func encodedGeneration(
        _ worker: WorkerProcess, _ configuration: Configuration, _ countedRules: CountedRules
    ) -> [UInt8] {
        var writer = FieldWriter()
        switch worker.id.role {
        case .ingress: IngressGeneration(configuration, sessionKeys: sessionKeys).write(&writer)
        case .route:
            RouteGeneration(
                configuration, index: Int(worker.id.index), eventKey: eventKeys[Int(worker.id.index)],
                countedRules: countedRules
            ).write(&writer)
        case .dialer: DialerGeneration(configuration).write(&writer)
        case .console:
            ConsoleGeneration(configuration, owner: geteuid(), countedRules: countedRules).write(&writer)
        case .recorder: RecorderGeneration(configuration, checkpointKey: checkpointKey).write(&writer)
        case .supervisor, .launcher: EmptyGeneration().write(&writer)
        }
        return writer.bytes
    }

    // MARK: Frames from a worker

    /// What a worker may send depends on its state; anything else condemns it.
    private func receive(_ head: FrameHead, _ payload: Span<UInt8>, from worker: WorkerProcess) throws(LinkViolation) {
        switch (head.type, worker.state) {
        case (.ready, .starting):
            worker.confinement = copy(payload)
            handle(.ready, worker)
        case (.pong, .running), (.pong, .draining):
            let number = try NumberMessage(decoding: payload).number
            guard number > worker.lastPong, number <= worker.pingsSent else { throw .notPermitted }
            worker.lastPong = number
            worker.silentSince = number == worker.pingsSent ? nil : PollLoop.now()
        case (.served, .running), (.served, .draining):
            let number = try NumberMessage(decoding: payload).number
            guard let use = Listener.Use.allCases.first(where: { listenerNumber($0) == number }),
                server(of: use) == worker.id.role
            else { throw .notPermitted }
            if served.insert(use).inserted { publishState() }
        case (.lost, .running), (.lost, .draining):
            try countReport(worker)
            linkLost(try NumberMessage(decoding: payload).number, reporter: worker)
        case (.condemn, .running), (.condemn, .draining):
            let message = try CondemnMessage(decoding: payload)
            try countReport(worker)
            try condemnPeer(message, reporter: worker)
        case (.condemnProducer, .running), (.condemnProducer, .draining):
            try condemnProducer(try NumberMessage(decoding: payload).number, reporter: worker)
        case (.prepared, .running), (.refused, .running), (.committed, .running), (.reload, .running),
            (.released, .running), (.prepared, .draining), (.refused, .draining), (.committed, .draining),
            (.reload, .draining), (.released, .draining):
            try receiveAboutGenerations(head.type, payload, from: worker)
        case (_, .killing), (_, .ending):
            break  // already sentenced
        default:
            throw .notPermitted
        }
    }

    /// A worker reports the end of each link once. One that reports without end, whatever it names, is no honest one.
    private func countReport(_ worker: WorkerProcess) throws(LinkViolation) {
        guard worker.reportsLeft > 0 else { throw .notPermitted }
        worker.reportsLeft -= 1
    }

    private func condemnPeer(_ message: CondemnMessage, reporter: WorkerProcess) throws(LinkViolation) {
        guard let link = links.values.first(where: { $0.number == message.link }) else { return }  // gone meanwhile
        let peer: Topology.WorkerID
        switch reporter.id {
        case link.opener: peer = link.acceptor
        case link.acceptor: peer = link.opener
        default: throw .notPermitted
        }
        guard let accused = workers[peer] else { return }
        let window = configuration.supervision.crashWindow
        let verdict = accusations.worker(
            toRestartFor: peer, reportedBy: reporter.id, at: PollLoop.now(), window: window)
        guard verdict == peer else {
            log.error(
                "\(accused.label) is accused too often (now by \(reporter.label)); restarting \(reporter.label) instead"
            )
            reporter.killReason = "accuses its peers too often"
            return handle(.condemned, reporter)
        }
        condemn(accused, message.violation, reporter: reporter.label)
    }

    /// The recorder is believed without a limit: restarting it because one worker goes on writing nonsense would harm all the others.
    private func condemnProducer(_ number: UInt64, reporter: WorkerProcess) throws(LinkViolation) {
        guard reporter.id.role == .recorder, let role = Role(rawValue: UInt8(truncatingIfNeeded: number >> 32)),
            let accused = workers[Topology.WorkerID(role: role, index: UInt16(truncatingIfNeeded: number))],
            accused.ring != nil
        else { throw .notPermitted }
        condemn(accused, .badPayload, reporter: reporter.label)
    }

    private func condemn(_ worker: WorkerProcess, _ violation: LinkViolation, reporter: String) {
        log.error("\(worker.label) broke the link protocol (\(violation.text), reported by \(reporter)); restarting it")
        worker.killReason = "condemned: \(violation.text)"
        handle(.condemned, worker)
    }

    // MARK: What a transition announces

    private func announceReady(_ worker: WorkerProcess) {
        worker.history.noteReady(at: PollLoop.now())
        worker.wasReady = true
        worker.lastPong = worker.pingsSent
        worker.silentSince = nil
        log.info("\(worker.label)[\(worker.pid)] ready")
        makeLinks(for: worker)
        if worker.id.role == .ingress {
            for other in inOrder where other.id.role == .route && other.state == .down {
                tellIngress(other, isUp: false)
            }
        }
        if worker.id.role == .route { tellIngress(worker, isUp: true) }
        // It admits under the generation in force, and what its predecessor admitted is over.
        if worker.id.role == .ingress {
            for number in Array(reload.kept) { releaseGeneration(number) }
        }
        handOverListeners(to: worker)
        advanceStage()
    }

    private func announceGone(_ worker: WorkerProcess) {
        forgetLinks(of: worker)
        for use in Listener.Use.allCases where server(of: use) == worker.id.role { served.remove(use) }
        // Its successor numbers its requests anew.
        if worker.id.role == .console { forgetConsoleAskers() }
    }

    private func announceDown(_ worker: WorkerProcess) {
        let seconds = worker.history.window / 1_000_000_000
        log.error(
            "\(worker.label) is down after \(worker.history.limit) crashes within \(seconds) s; next try in \(seconds) s"
        )
        if worker.id.role == .route { tellIngress(worker, isUp: false) }
        // A role that never came up at all cannot be a passing fault: the daemon's start has failed.
        if !worker.wasReady, !announcedReady {
            log.error("cannot start: \(worker.label) ends with \(worker.lastExit) each time")
            exitStatus = 2
            stop(reason: "start failed")
        }
    }

    private func tellIngress(_ route: WorkerProcess, isUp: Bool) {
        guard let ingress = workers[Topology.WorkerID(role: .ingress, index: 0)], ingress.state == .running else {
            return
        }
        ingress.control?.send(.routeState, RouteStateMessage(index: UInt32(route.id.index), isUp: isUp).encode())
    }

    /// A process has ended, or could not be started.
    func workerExited(_ worker: WorkerProcess, _ ending: String) {
        worker.pid = 0
        worker.lastExit = ending
        worker.disconnect()
        let expected = worker.state == .draining || worker.state == .ending
        if !expected { log.warning("\(worker.label) ended: \(ending)") }
        let tooOften = !expected && worker.history.noteCrash(at: PollLoop.now())
        handle(tooOften ? .exitedTooOften : .exited, worker)
    }

    // MARK: Pings

    /// Pings every worker at the configured interval, and kills those that have been silent for too long.
    func tick() {
        let limits = configuration.supervision
        let now = PollLoop.now()
        // Whoever stopped this process (a debugger, a snapshot of the machine) has not made the workers hang.
        // The time this process stood still is not theirs.
        let elapsed = now - lastTick
        let stoodStill = elapsed > 2 * limits.pingInterval ? elapsed - limits.pingInterval : 0
        lastTick = now
        for worker in workers.values where worker.state == .running || worker.state == .draining {
            worker.silentSince = worker.silentSince.map { min(now, $0 + stoodStill) }
            if let since = worker.silentSince, now - since > limits.pingTimeout {
                log.error("\(worker.label) does not answer pings; killed")
                worker.killReason = "hung"
                handle(.hung, worker)
            } else {
                worker.pingsSent += 1
                if worker.silentSince == nil { worker.silentSince = now }
                worker.control?.send(.ping, NumberMessage(number: worker.pingsSent).encode())
            }
        }
        reportChange()
        ticker = loop.after(limits.pingInterval) { [unowned self] in tick() }
    }
}

private func copy(_ span: Span<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(span.count)
    for index in span.indices { bytes.append(span[index]) }
    return bytes
}
