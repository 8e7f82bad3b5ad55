import Configuration
import Glibc
import Link
import PollLoop
import Roles

/// From one generation to the next while the daemon runs: all workers switch, or none (DESIGN 11, Reload).
extension Supervisor {
    /// Reads the configuration and, if it can be taken over, has every worker prepare it. While a reload is in progress, the next begins after it:
    /// what it has read may have changed since.
    func reloadConfiguration(for asker: ReloadState.Asker) {
        guard reload.running == nil else {
            if asker != .signal || !reload.nextAskers.contains(.signal) { reload.nextAskers.append(asker) }
            return
        }
        reload.askers.append(asker)
        beginReload()
    }

    private func beginReload() {
        guard !stopping else { return endReload(failure: "the daemon stops") }
        if announcedReady { notifier.send("RELOADING=1\nMONOTONIC_USEC=\(PollLoop.now() / 1000)\nSTATUS=Reloading") }
        let new: Configuration
        let warnings: [String]
        do throws(ConfigurationError) {
            (new, warnings) = try reload.load()
        } catch {
            return endReload(failure: error.description)
        }
        let difference = ConfigurationChange(from: configuration, to: new)
        if let refusal = difference.refusal { return endReload(failure: refusal) }
        // What held at the start holds for as long as the sockets are open.
        do throws(StartError) {
            try Listeners.refuseOpen(listeners, new)
        } catch {
            return endReload(failure: error.description)
        }
        guard new != configuration else {
            return endReload(summary: "nothing changed", warnings: warnings)
        }
        prepareGeneration(new, warnings, difference.summary)
    }

    private func prepareGeneration(_ new: Configuration, _ warnings: [String], _ summary: String) {
        reload.lastGeneration += 1
        let (change, actions) = GenerationChange.begin(
            running: inOrder.filter { $0.state == .running }.map(\.id),
            starting: inOrder.filter { $0.state == .starting }.map(\.id))
        // A copy: a generation that is not served must not use up slots.
        var rules = countedRules
        rules.add(new)
        reload.running = ReloadState.Running(
            generation: reload.lastGeneration, configuration: new, countedRules: rules, warnings: warnings,
            summary: summary, change: change)
        armReload()
        perform(actions)
    }

    /// Limits the present phase: a worker has as long for it as it has for its start.
    private func armReload() {
        if let timer = reload.running?.timer { loop.cancel(timer) }
        reload.running?.timer = loop.after(configuration.supervision.startTimeout) { [unowned self] in
            reload.running?.timer = nil
            armReload()
            reloadHandle(.timeout)
        }
    }

    private func reloadHandle(_ event: GenerationChange<Topology.WorkerID>.Event) {
        guard let actions = reload.running?.change.handle(event) else { return }
        perform(actions)
    }

    private func perform(_ actions: [GenerationChange<Topology.WorkerID>.Action]) {
        for action in actions {
            switch action {
            case .sendPrepare(let id): sendPrepare(id)
            case .enforce: enforce()
            case .sendCommit(let id):
                guard let worker = workers[id] else { continue }
                worker.owed.askedToCommit(generation)
                worker.control?.send(.commit, NumberMessage(number: generation).encode())
            case .sendAbandon(let id):
                guard let number = reload.running?.generation else { continue }
                workers[id]?.control?.send(.abandon, NumberMessage(number: number).encode())
            case .kill(let id): killHung(id, "does not serve generation \(generation)")
            case .succeed:
                guard let running = reload.running else { continue }
                endReload(summary: running.summary, warnings: running.warnings)
            case .fail(let failure): endReload(failure: text(failure))
            }
        }
    }

    private func sendPrepare(_ id: Topology.WorkerID) {
        guard let worker = workers[id], let running = reload.running else { return }
        let descriptor = sealedGeneration(worker, running.configuration, running.countedRules)
        defer { if descriptor >= 0 { close(descriptor) } }
        // One that answers nothing is pinged too; there is no need to say more to it.
        let isSent =
            descriptor >= 0 && worker.owed.askedToPrepare(running.generation)
            && worker.send(.prepare, descriptors: [descriptor]) {
                GenerationMessage(number: running.generation, ticket: $0).encode()
            }
        if !isSent { killHung(id, "takes no generation") }
    }

    private func killHung(_ id: Topology.WorkerID, _ reason: String) {
        guard let worker = workers[id] else { return }
        log.error("\(worker.label) \(reason); killed")
        worker.killReason = reason
        handle(.hung, worker)
    }

    /// From here on the new generation is what workers are started under.
    private func enforce() {
        guard let running = reload.running else { return }
        reload.kept.insert(generation)
        configuration = running.configuration
        countedRules = running.countedRules
        generation = running.generation
        reload.shown.loadedAt = ReloadState.now
        let limits = configuration.supervision
        for worker in workers.values {
            worker.history.adopt(
                minimum: limits.backoffMinimum, maximum: limits.backoffMaximum, limit: limits.crashLimit,
                window: limits.crashWindow)
        }
        armReload()
    }

    private func text(_ failure: GenerationChange<Topology.WorkerID>.Failure) -> String {
        switch failure {
        case .refused(let id, let reason): "\(workers[id]?.label ?? id.role.name) cannot serve it: \(reason)"
        case .late(let ids):
            ids.map { workers[$0]?.label ?? $0.role.name }.joined(separator: ", ") + " did not answer in time"
        case .stopping: "the daemon stops"
        }
    }

    // MARK: The end of a reload

    private func endReload(failure: String) {
        // What the files hold stands in messages; it must not make a second line.
        let line = failure.replacingControls.cut(toBytes: ReloadResultMessage.maximumText)
        reload.shown.failures += 1
        reload.shown.lastFailure = line
        reload.shown.lastFailureAt = ReloadState.now
        log.error("reload failed, generation \(generation) stays: \(line)")
        finishReload(isDone: false, line, warnings: [])
    }

    private func endReload(summary: String, warnings: [String]) {
        log.info("reloaded, generation \(generation): \(summary)")
        let warnings = warnings.map(\.replacingControls)
        for warning in warnings { log.warning(warning) }
        finishReload(isDone: true, summary, warnings: warnings)
    }

    private func finishReload(isDone: Bool, _ text: String, warnings: [String]) {
        if let timer = reload.running?.timer { loop.cancel(timer) }
        reload.running = nil
        if announcedReady, !stopping {
            lastStatus = statusLine
            notifier.send("READY=1\nSTATUS=\(lastStatus)")
        }
        publishState()
        let console = workers[Topology.WorkerID(role: .console, index: 0)]
        for case .console(let request) in reload.askers where console?.state == .running {
            let message = ReloadResultMessage(
                request: request, isDone: isDone, generation: generation, text: text, warnings: warnings)
            console?.control?.send(.reloadResult, message.encode())
        }
        reload.askers = []
        guard !reload.nextAskers.isEmpty else { return }
        // In a turn of its own: workers' frames and pings come first. One reload serves all who wait.
        loop.after(0) { [unowned self] in
            guard reload.running == nil, !reload.nextAskers.isEmpty else { return }
            reload.askers += reload.nextAskers
            reload.nextAskers = []
            beginReload()
        }
    }

    /// Nobody waits for what the console's last process asked for. What was asked for is done all the same.
    func forgetConsoleAskers() {
        reload.askers.removeAll { $0 != .signal }
        reload.nextAskers = reload.nextAskers.isEmpty ? [] : [.signal]
    }

    /// The daemon stops: what is not committed yet is given up.
    func abandonReload() { reloadHandle(.stopping) }

    // MARK: Workers

    /// Tells the reload in progress what became of a worker.
    func reloadNotes(_ worker: WorkerProcess) {
        guard reload.running != nil else { return }
        switch worker.state {
        case .starting: reloadHandle(.started(worker.id))
        case .running: reloadHandle(.ready(worker.id))
        default: reloadHandle(.gone(worker.id))
        }
    }

    /// Takes a worker's frame about generations. An answer that was not asked for condemns it.
    func receiveAboutGenerations(
        _ type: FrameType, _ payload: Span<UInt8>, from worker: WorkerProcess
    ) throws(LinkViolation) {
        switch type {
        case .prepared:
            let number = try NumberMessage(decoding: payload).number
            guard worker.owed.take(.prepared(number)) else { throw .notPermitted }
            if reload.running?.generation == number { reloadHandle(.prepared(worker.id)) }
        case .refused:
            let message = try RefusedMessage(decoding: payload)
            guard worker.owed.take(.refused(message.generation)) else { throw .notPermitted }
            if reload.running?.generation == message.generation {
                reloadHandle(.refused(worker.id, message.reason))
            }
        case .committed:
            let number = try NumberMessage(decoding: payload).number
            guard worker.owed.take(.committed(number)) else { throw .notPermitted }
            if reload.running?.generation == number { reloadHandle(.committed(worker.id)) }
        case .released:
            let number = try NumberMessage(decoding: payload).number
            guard worker.id.role == .ingress, reload.kept.contains(number) else { throw .notPermitted }
            releaseGeneration(number)
        case .reload:
            let number = try NumberMessage(decoding: payload).number
            let waiting = reload.askers.count + reload.nextAskers.count
            guard worker.id.role == .console, waiting < ReloadState.askerLimit else { throw .notPermitted }
            reloadConfiguration(for: .console(number))
        default: throw .notPermitted
        }
    }

    /// No request comes to the routes any more that was admitted under this generation.
    func releaseGeneration(_ number: UInt64) {
        reload.kept.remove(number)
        for worker in workers.values where worker.id.role == .route && worker.state == .running {
            worker.control?.send(.release, NumberMessage(number: number).encode())
        }
    }
}

extension String {
    /// The text on one line, without anything that a terminal would obey.
    fileprivate var replacingControls: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? " " : $0 }))
    }
}
