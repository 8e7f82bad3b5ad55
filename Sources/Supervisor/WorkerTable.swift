/// The state of one worker as the supervisor sees it.
enum WorkerState: CaseIterable, Sendable {
    /// Never started.
    case idle
    /// Executed; not ready yet.
    case starting
    /// Ready and at work.
    case running
    /// Sent SIGKILL; will be started again.
    case killing
    /// Waits before the next start.
    case backoff
    /// Crashed too often; waits longer.
    case down
    /// Asked to finish and exit.
    case draining
    /// Sent SIGKILL; will not be started again.
    case ending
    /// Gone, not to be started again.
    case stopped
}

/// What can happen to a worker.
enum WorkerEvent: CaseIterable, Sendable {
    /// Its stage begins.
    case start
    /// It reported ready.
    case ready
    /// Its process ended, or could not be started.
    case exited
    /// The same, and the crash limit is reached.
    case exitedTooOften
    /// It was not ready in time.
    case startTimeout
    /// It did not answer pings.
    case hung
    /// It broke the link protocol.
    case condemned
    /// Its waiting time is over.
    case retry
    /// The daemon stops.
    case stop
    /// It did not finish in time.
    case stopTimeout
}

/// What the supervisor does about it, in this order.
enum WorkerAction: Sendable {
    /// Start the process and the limit on its becoming ready.
    case spawn
    /// Begin pings, make its links, hand over listeners.
    case announceReady
    /// Forget its links and what it served.
    case announceGone
    /// Tell the ingress and the log that it is down.
    case announceDown
    /// SIGKILL.
    case kill
    /// Ask it to finish, and start the limit on that.
    case drain
    /// Start the wait before a restart.
    case scheduleRestart
    /// Start the long wait of a worker that is down.
    case scheduleRetry
    /// Stop whatever limit or wait is running.
    case disarm
}

/// The supervision of a worker: a table of state x event. What is not in it cannot happen or changes nothing.
enum WorkerTable {
    /// Where an event leads.
    struct Transition: Sendable {
        let next: WorkerState
        let actions: [WorkerAction]

        init(_ next: WorkerState, _ actions: [WorkerAction] = []) {
            self.next = next
            self.actions = actions
        }
    }

    /// The transition for an event in a state; nil if the event means nothing there.
    static func transition(_ state: WorkerState, _ event: WorkerEvent) -> Transition? {
        rows[state]?[event]
    }

    private static let rows: [WorkerState: [WorkerEvent: Transition]] = [
        .idle: [
            .start: Transition(.starting, [.spawn]),
            .stop: Transition(.stopped),
        ],
        .starting: [
            .ready: Transition(.running, [.disarm, .announceReady]),
            .exited: Transition(.backoff, [.disarm, .scheduleRestart]),
            .exitedTooOften: Transition(.down, [.disarm, .announceDown, .scheduleRetry]),
            .startTimeout: Transition(.killing, [.kill]),
            .condemned: Transition(.killing, [.disarm, .kill]),
            .stop: Transition(.ending, [.disarm, .kill]),
        ],
        .running: [
            .exited: Transition(.backoff, [.announceGone, .scheduleRestart]),
            .exitedTooOften: Transition(.down, [.announceGone, .announceDown, .scheduleRetry]),
            .hung: Transition(.killing, [.announceGone, .kill]),
            .condemned: Transition(.killing, [.announceGone, .kill]),
            .stop: Transition(.draining, [.drain]),
        ],
        .killing: [
            .exited: Transition(.backoff, [.scheduleRestart]),
            .exitedTooOften: Transition(.down, [.announceDown, .scheduleRetry]),
            .stop: Transition(.ending),
        ],
        .backoff: [
            .retry: Transition(.starting, [.spawn]),
            .stop: Transition(.stopped, [.disarm]),
        ],
        .down: [
            .retry: Transition(.starting, [.spawn]),
            .stop: Transition(.stopped, [.disarm]),
        ],
        .draining: [
            .exited: Transition(.stopped, [.disarm, .announceGone]),
            .exitedTooOften: Transition(.stopped, [.disarm, .announceGone]),
            .hung: Transition(.ending, [.disarm, .kill]),
            .condemned: Transition(.ending, [.disarm, .kill]),
            .stopTimeout: Transition(.ending, [.kill]),
        ],
        .ending: [
            .exited: Transition(.stopped, [.announceGone]),
            .exitedTooOften: Transition(.stopped, [.announceGone]),
        ],
        .stopped: [:],
    ]
}
