import Testing

@testable import Supervisor

@Suite struct WorkerTableTests {
    /// What cannot happen in a state, or changes nothing there. Every other pair must have a transition.
    private static let meaningless: [WorkerState: Set<WorkerEvent>] = [
        // Nothing has been started; a peer cannot be condemned that never had a link.
        .idle: [.ready, .exited, .exitedTooOften, .startTimeout, .hung, .condemned, .retry, .stopTimeout],
        // Pings begin with ready; the restart's wait is over; nobody asked it to finish.
        .starting: [.start, .hung, .retry, .stopTimeout],
        // Ready once; the start's limit is disarmed.
        .running: [.start, .ready, .startTimeout, .retry, .stopTimeout],
        // Sentenced: only its end is awaited, its frames are not looked at.
        .killing: [.start, .ready, .startTimeout, .hung, .condemned, .retry, .stopTimeout],
        // No process: nothing of it can end, be late or be killed; a late accusation meets nobody.
        .backoff: [
            .start, .ready, .exited, .exitedTooOften, .startTimeout, .hung, .condemned, .stopTimeout,
        ],
        .down: [.start, .ready, .exited, .exitedTooOften, .startTimeout, .hung, .condemned, .stopTimeout],
        // Already stopping.
        .draining: [.start, .ready, .startTimeout, .retry, .stop],
        .ending: [.start, .ready, .startTimeout, .hung, .condemned, .retry, .stop, .stopTimeout],
        .stopped: Set(WorkerEvent.allCases),
    ]

    @Test func everyPairHasATransitionOrIsListedAsMeaningless() {
        for state in WorkerState.allCases {
            for event in WorkerEvent.allCases {
                let isMeaningless = Self.meaningless[state]?.contains(event) ?? false
                #expect((WorkerTable.transition(state, event) == nil) == isMeaningless, "\(state) \(event)")
            }
        }
    }

    /// Every situation that any sequence of plausible events can lead to, with the transitions between them.
    private static func explore() throws -> [WorkerModel: [(event: WorkerEvent, next: WorkerModel, isKnown: Bool)]] {
        var found: [WorkerModel: [(event: WorkerEvent, next: WorkerModel, isKnown: Bool)]] = [:]
        var open = [WorkerModel()]
        while let situation = open.popLast() {
            guard found[situation] == nil else { continue }
            var steps: [(event: WorkerEvent, next: WorkerModel, isKnown: Bool)] = []
            for event in situation.plausibleEvents {
                for startFails in [false, true] {
                    var next = situation
                    do {
                        let isKnown = try next.handle(event, startFails: startFails)
                        steps.append((event, next, isKnown))
                        open.append(next)
                    } catch {
                        throw WorkerModel.Broken(description: "\(error) after \(event) in \(situation)")
                    }
                }
            }
            found[situation] = steps
        }
        return found
    }

    /// The model throws where a rule is broken: two processes, a start while stopping, a kill without a process, a wait that leads
    /// nowhere, a state without a way out.
    @Test func noSequenceOfEventsBreaksARule() throws {
        let situations = try Self.explore()
        #expect(Set(situations.keys.map(\.state)) == Set(WorkerState.allCases))
        #expect(situations.keys.contains { $0.process == .sentenced && !$0.isStopping })
    }

    /// Nothing that can really happen is ignored, but for accusations and stops that come too late.
    @Test func onlyLateAccusationsAndRepeatedStopsAreIgnored() throws {
        for (situation, steps) in try Self.explore() {
            for step in steps where !step.isKnown {
                switch step.event {
                case .condemned: #expect(situation.process != .alive)
                case .stop: #expect(situation.isStopping)
                default: Issue.record("\(step.event) is ignored in \(situation)")
                }
            }
        }
    }

    /// After a stop no event leads back: the situations form no circle, and the only one without a way on is `stopped`.
    @Test func afterAStopEverySequenceEndsInStopped() throws {
        let situations = try Self.explore().filter { $0.key.isStopping }
        #expect(!situations.isEmpty)
        var done: Set<WorkerModel> = []
        func visit(_ situation: WorkerModel, _ path: Set<WorkerModel>) {
            guard !done.contains(situation) else { return }
            let steps = situations[situation, default: []].filter { $0.isKnown }
            if steps.isEmpty { #expect(situation.state == .stopped, "\(situation) has no way out") }
            for step in steps {
                #expect(step.next.isStopping)
                #expect(!path.contains(step.next), "a circle through \(step.event) in \(situation)")
                if !path.contains(step.next) { visit(step.next, path.union([step.next])) }
            }
            done.insert(situation)
        }
        for situation in situations.keys { visit(situation, [situation]) }
    }

    /// A worker that has not been stopped always comes back when it is given the chance: its process ends, its waits end, it becomes ready.
    @Test func everyWorkerThatIsNotStoppedCanRunAgain() throws {
        let situations = try Self.explore()
        for start in situations.keys where !start.isStopping {
            var seen: Set<WorkerModel> = [start]
            var open = [start]
            var canRun = false
            while let situation = open.popLast(), !canRun {
                canRun = situation.state == .running
                for step in situations[situation, default: []] where step.event != .stop {
                    if seen.insert(step.next).inserted { open.append(step.next) }
                }
            }
            #expect(canRun, "\(start)")
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func longRandomLivesKeepTheRules(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            var worker = WorkerModel()
            var history: [WorkerEvent] = []
            for _ in 0..<200 {
                // Stops are rare, else lives are short.
                let events = worker.plausibleEvents.filter { $0 != .stop || random.oneIn(40) }
                guard let event = events.randomElement(using: &random) else { continue }
                history.append(event)
                do {
                    _ = try worker.handle(event, startFails: random.oneIn(4))
                } catch {
                    throw WorkerModel.Broken(description: "\(error) (seed \(seed)) after \(history)")
                }
            }
        }
    }

    @Test func aSpawnAlwaysFollowsAnEndedWaitOrTheFirstStart() {
        for state in WorkerState.allCases {
            for event in WorkerEvent.allCases {
                guard let transition = WorkerTable.transition(state, event),
                    transition.actions.contains(where: { if case .spawn = $0 { true } else { false } })
                else { continue }
                #expect(event == .start || event == .retry)
                #expect(transition.next == .starting)
            }
        }
    }
}
