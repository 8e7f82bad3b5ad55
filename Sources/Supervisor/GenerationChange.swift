/// The change from one generation to the next, as a value: every running worker prepares, then all commit or all abandon.
///
/// A worker that is not running is not asked: it will be started under the generation in force. One that is starting is waited for, since it was
/// started under the old one.
struct GenerationChange<Worker: Hashable> {
    /// How far a worker is.
    enum Step: Equatable {
        /// Started under the old generation, not ready yet.
        case starting
        /// Sent `prepare`.
        case preparing
        /// Answered that it can.
        case prepared
        /// Sent `commit`.
        case committing
        /// Serves the new generation.
        case committed
    }

    enum Phase: Equatable {
        /// Waits for the answers to `prepare`.
        case preparing
        /// Waits for the answers to `commit`: the new generation is in force, nothing leads back.
        case committing
        /// All who run serve the new generation.
        case done
        /// The old generation stays.
        case failed
    }

    /// What happens.
    enum Event: Equatable {
        /// The worker is ready.
        case ready(Worker)
        case prepared(Worker)
        case refused(Worker, String)
        case committed(Worker)
        /// The worker's process was started anew.
        case started(Worker)
        /// The worker's process is gone or sentenced.
        case gone(Worker)
        /// The time for the present phase is over.
        case timeout
        /// The daemon stops.
        case stopping
    }

    /// What is to be done, in this order.
    enum Action: Equatable {
        case sendPrepare(Worker)
        /// The new generation is in force: whoever is started from here on gets it.
        case enforce
        case sendCommit(Worker)
        case sendAbandon(Worker)
        /// It does not do what cannot fail: only a new process will serve the generation.
        case kill(Worker)
        case succeed
        case fail(Failure)
    }

    /// Why the old generation stays.
    enum Failure: Equatable {
        case refused(Worker, String)
        /// These did not answer in time.
        case late([Worker])
        case stopping
    }

    private(set) var phase = Phase.preparing
    private(set) var steps: [Worker: Step] = [:]
    /// The order in which workers were named, so that actions have one.
    private var order: [Worker] = []

    /// Begins a change. `running` can be asked, `starting` are waited for.
    static func begin(running: [Worker], starting: [Worker]) -> (change: GenerationChange, actions: [Action]) {
        var change = GenerationChange()
        change.order = running + starting
        for worker in running { change.steps[worker] = .preparing }
        for worker in starting { change.steps[worker] = .starting }
        let actions = running.map { Action.sendPrepare($0) } + change.advance()
        return (change, actions)
    }

    /// Whether no answer is awaited any more.
    var isOver: Bool { phase == .done || phase == .failed }

    /// Takes an event. What does not fit the state changes nothing: which answers a worker may give at all is checked before, see `OwedAnswers`.
    mutating func handle(_ event: Event) -> [Action] {
        guard !isOver else { return [] }
        switch event {
        case .started(let worker):
            // Under the new generation there is nothing to wait for.
            guard phase == .preparing else { return [] }
            if !order.contains(worker) { order.append(worker) }
            steps[worker] = .starting
            return []
        case .ready(let worker):
            guard phase == .preparing, steps[worker] == .starting else { return [] }
            steps[worker] = .preparing
            return [.sendPrepare(worker)]
        case .prepared(let worker):
            guard phase == .preparing, steps[worker] == .preparing else { return [] }
            steps[worker] = .prepared
        case .refused(let worker, let reason):
            guard phase == .preparing, steps[worker] == .preparing else { return [] }
            steps[worker] = nil
            return fail(.refused(worker, reason))
        case .committed(let worker):
            guard phase == .committing, steps[worker] == .committing else { return [] }
            steps[worker] = .committed
        case .gone(let worker):
            steps[worker] = nil
        case .timeout:
            if phase == .preparing { return fail(.late(order.filter { isAwaited($0) })) }
            let late = order.filter { steps[$0] == .committing }
            for worker in late { steps[worker] = nil }
            return late.map { .kill($0) } + advance()
        case .stopping:
            guard phase == .preparing else { return [] }
            return fail(.stopping)
        }
        return advance()
    }

    private func isAwaited(_ worker: Worker) -> Bool {
        steps[worker] == .preparing || steps[worker] == .starting
    }

    /// Goes on to the next phase if nobody is waited for.
    private mutating func advance() -> [Action] {
        switch phase {
        case .preparing:
            guard steps.values.allSatisfy({ $0 == .prepared }) else { return [] }
            phase = .committing
            let workers = order.filter { steps[$0] == .prepared }
            for worker in workers { steps[worker] = .committing }
            return [.enforce] + workers.map { .sendCommit($0) } + advance()
        case .committing:
            guard steps.values.allSatisfy({ $0 == .committed }) else { return [] }
            phase = .done
            return [.succeed]
        case .done, .failed: return []
        }
    }

    private mutating func fail(_ failure: Failure) -> [Action] {
        phase = .failed
        // One that refused has nothing to forget; one that has not answered will have prepared by the time it reads this.
        let workers = order.filter { steps[$0] == .prepared || steps[$0] == .preparing }
        return workers.map { .sendAbandon($0) } + [.fail(failure)]
    }
}

/// Which answers about generations one worker's process owes, in the order in which it was asked: it may give no other.
struct OwedAnswers: Equatable {
    /// An answer, as it stands in a frame.
    enum Answer: Equatable {
        case prepared(UInt64)
        case refused(UInt64)
        case committed(UInt64)
    }

    private enum Owed: Equatable {
        case toPrepare(UInt64)
        case toCommit(UInt64)
    }

    /// Answers that may be outstanding at once. More are asked only of a worker that answers none, as it is abandoned each time.
    static let limit = 8

    private var owed: [Owed] = []

    /// Notes that `prepare` is sent. False: it owes too much already, and is to be treated as hung.
    mutating func askedToPrepare(_ generation: UInt64) -> Bool {
        guard owed.count < OwedAnswers.limit else { return false }
        owed.append(.toPrepare(generation))
        return true
    }

    /// Notes that `commit` is sent, which is done only to a worker that owes nothing.
    mutating func askedToCommit(_ generation: UInt64) { owed.append(.toCommit(generation)) }

    /// Takes an answer. False: it was not asked for, and the worker is condemned.
    mutating func take(_ answer: Answer) -> Bool {
        guard let next = owed.first else { return false }
        switch (answer, next) {
        case (.prepared(let given), .toPrepare(let asked)), (.refused(let given), .toPrepare(let asked)),
            (.committed(let given), .toCommit(let asked)):
            guard given == asked else { return false }
        default: return false
        }
        owed.removeFirst()
        return true
    }

    /// The process is gone: its successor owes nothing.
    mutating func clear() { owed.removeAll() }
}
