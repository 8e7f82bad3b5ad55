@testable import Supervisor

/// A small model of one worker: its process, the one wait that may run, and what has been announced. It does what the actions say and
/// knows what can happen in the world; a broken rule is an error.
struct WorkerModel: Hashable {
    enum Process: Hashable { case none, alive, sentenced }
    enum Wait: Hashable { case none, start, retry, stop }

    var state = WorkerState.idle
    var process = Process.none
    var wait = Wait.none
    var isAnnounced = false
    var isStopping = false
    /// The process could not be started; its end has not been reported yet.
    var failedToStart = false

    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    /// What may happen now. `condemned` and `stop` come from others and so at any time.
    var plausibleEvents: [WorkerEvent] {
        // The supervisor reports a failed start before anything else can happen.
        if failedToStart { return [.exited, .exitedTooOften] }
        var events: [WorkerEvent] = [.condemned, .stop]
        if state == .idle, !isStopping { events.append(.start) }
        if process != .none { events += [.exited, .exitedTooOften] }
        // A frame of a process that has been sentenced is not looked at.
        if process == .alive, state == .starting { events.append(.ready) }
        if process == .alive, state == .running || state == .draining { events.append(.hung) }
        switch wait {
        case .none: break
        case .start: events.append(.startTimeout)
        case .retry: events.append(.retry)
        case .stop: events.append(.stopTimeout)
        }
        return events
    }

    /// The event of the running wait.
    var waitEvent: WorkerEvent? {
        switch wait {
        case .none: nil
        case .start: .startTimeout
        case .retry: .retry
        case .stop: .stopTimeout
        }
    }

    /// Carries an event out; `startFails` decides what becomes of a spawn.
    /// - Returns: whether the table had a transition for it.
    mutating func handle(_ event: WorkerEvent, startFails: Bool) throws(Broken) -> Bool {
        switch event {
        case .exited, .exitedTooOften:
            process = .none
            failedToStart = false
        case .startTimeout, .retry, .stopTimeout: wait = .none
        case .stop: isStopping = true
        case .start, .ready, .hung, .condemned: break
        }
        guard let transition = WorkerTable.transition(state, event) else { return false }
        state = transition.next
        for action in transition.actions { try perform(action, startFails: startFails) }
        try check()
        return true
    }

    private mutating func perform(_ action: WorkerAction, startFails: Bool) throws(Broken) {
        switch action {
        case .spawn:
            guard process == .none else { throw Broken(description: "two processes at once") }
            guard !isStopping else { throw Broken(description: "started while stopping") }
            guard !isAnnounced else { throw Broken(description: "started while the last one still counts as ready") }
            wait = .start
            if startFails { failedToStart = true } else { process = .alive }
        case .announceReady:
            guard process == .alive, !isAnnounced else { throw Broken(description: "announced ready out of turn") }
            isAnnounced = true
        case .announceGone: isAnnounced = false
        case .announceDown:
            guard process == .none else { throw Broken(description: "down with a process") }
        case .kill:
            guard process == .alive else { throw Broken(description: "killed what does not run, or twice") }
            process = .sentenced
        case .drain:
            guard process == .alive else { throw Broken(description: "asked nobody to finish") }
            try arm(.stop)
        case .scheduleRestart, .scheduleRetry:
            guard process == .none else { throw Broken(description: "a restart is scheduled beside a process") }
            guard !isStopping else { throw Broken(description: "a restart is scheduled while stopping") }
            try arm(.retry)
        case .disarm: wait = .none
        }
    }

    private mutating func arm(_ next: Wait) throws(Broken) {
        guard wait == .none else { throw Broken(description: "a wait \(wait) is replaced by \(next) unasked") }
        wait = next
    }

    /// What must be true after every transition.
    private func check() throws(Broken) {
        if let waitEvent, WorkerTable.transition(state, waitEvent) == nil {
            throw Broken(description: "in \(state) the wait \(wait) leads nowhere")
        }
        // A way out that needs nobody's goodwill: a wait that ends, a process that a kill ends, or a failed start.
        let goesOn = wait != .none || process == .sentenced || failedToStart
        switch state {
        case .idle, .running: break
        case .starting, .killing, .backoff, .down, .draining, .ending:
            if !goesOn { throw Broken(description: "stuck in \(state)") }
        case .stopped:
            if process != .none || wait != .none || isAnnounced {
                throw Broken(description: "stopped with something left: \(self)")
            }
        }
        if process != .none, [.idle, .backoff, .down, .stopped].contains(state) {
            throw Broken(description: "a process in \(state)")
        }
        if isAnnounced, ![.running, .draining, .ending].contains(state) {
            throw Broken(description: "counts as ready in \(state)")
        }
    }
}
