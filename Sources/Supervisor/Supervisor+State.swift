import Glibc
import PollLoop
import Roles
import Telemetry

/// What the supervisor tells others: the process table for the console, readiness and state for systemd.
extension Supervisor {
    /// Whether every worker runs and every listener is served.
    var isReady: Bool {
        workers.values.allSatisfy { $0.state == .running } && listeners.allSatisfy { served.contains($0.use) }
    }

    /// Publishes the process table and, the first time everything is ready, says so.
    func publishState() {
        let table = ProcessTable(
            supervisor: getpid(), generation: generation, startedAt: startedAt, ready: isReady, draining: stopping,
            workers: inOrder.map { worker in
                ProcessTable.Worker(
                    role: worker.id.role, index: worker.id.index, name: worker.name, pid: worker.pid,
                    state: worker.shownState, restarts: worker.starts > 0 ? worker.starts - 1 : 0,
                    lastExit: worker.lastExit,
                    confinement: worker.confinement)
            },
            routes: configuration.routes.map { ProcessTable.Route(name: $0.name, upstream: $0.upstream.description) },
            listeners: listeners.map {
                ProcessTable.Listener(name: $0.use.rawValue, address: $0.address, served: served.contains($0.use))
            },
            degraded: degradations, reloads: reload.shown)
        if !processTable.segment.publish(table.encode()) { log.error("the process table does not fit its segment") }
        reportChange()
        announceReadiness()
    }

    /// Says once that everything is ready; tries again where the service manager is too busy to listen.
    private func announceReadiness() {
        guard isReady, !stopping, !announcedReady, readinessRetry == nil else { return }
        let code = notifier.send("READY=1\nSTATUS=\(statusLine)\nMAINPID=\(getpid())")
        if code == EAGAIN {
            readinessRetry = loop.after(50_000_000) { [unowned self] in
                readinessRetry = nil
                announceReadiness()
            }
            return
        }
        announcedReady = true
        lastStatus = statusLine
        let milliseconds = (PollLoop.now() - startedAt) / 1_000_000
        log.info("ready after \(milliseconds) ms: \(workers.count) workers, clients at \(address(.mcp))")
        if let code {
            log.error("cannot tell the service manager: \(unsafe String(cString: strerror(code)))")
        }
    }

    /// Keeps the service manager's status line true after the start.
    func reportChange() {
        guard announcedReady, !stopping else { return }
        let status = statusLine
        guard status != lastStatus, notifier.send("STATUS=\(status)") == nil else { return }
        lastStatus = status
    }

    var statusLine: String {
        let away = inOrder.filter { $0.state != .running }.map { "\($0.label) \($0.shownState.name)" }
        return away.isEmpty ? "\(workers.count) workers, clients at \(address(.mcp))" : away.joined(separator: ", ")
    }

    /// What works less than it should, in words.
    var degradations: [String] {
        var lines: [String] = []
        if configuration.policy.path == nil { lines.append("no policy: every message passes (name one with --policy)") }
        if configuration.policy.model.mode == .audit { lines.append("policy in audit mode: nothing is denied") }
        if let shortage = descriptorLimit.shortage { lines.append(shortage) }
        if let problem = state.problem { lines.append("sessions end with this process: \(problem)") }
        for worker in inOrder where worker.state == .down {
            lines.append("\(worker.label) is down: \(worker.lastExit)")
        }
        return lines
    }

    /// Reports the loop's turning to systemd, at a third of the time it allows.
    func startWatchdog() {
        guard let interval = notifier.watchdogMicroseconds else { return }
        notifier.send("WATCHDOG=1")
        loop.after(interval * 1000 / 3) { [unowned self] in startWatchdog() }
    }
}
