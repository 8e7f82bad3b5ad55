import Testing

@testable import Supervisor

private typealias Change = GenerationChange<Int>

/// What a mutating call returns cannot stand in `#expect`.
private func same<Value: Equatable>(_ found: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    #expect(found == expected, sourceLocation: place)
}

@Suite struct GenerationChangeTests {
    @Test func allPrepareThenAllCommit() {
        var (change, actions) = Change.begin(running: [1, 2], starting: [])
        #expect(actions == [.sendPrepare(1), .sendPrepare(2)])
        same(change.handle(.prepared(2)), [])
        same(change.handle(.prepared(1)), [.enforce, .sendCommit(1), .sendCommit(2)])
        same(change.handle(.committed(1)), [])
        same(change.handle(.committed(2)), [.succeed])
        #expect(change.phase == .done)
    }

    @Test func oneRefusalAbandonsAll() {
        var (change, _) = Change.begin(running: [1, 2, 3], starting: [])
        _ = change.handle(.prepared(1))
        same(
            change.handle(.refused(2, "no")), [.sendAbandon(1), .sendAbandon(3), .fail(.refused(2, "no"))])
        // An answer that was on its way changes nothing any more.
        same(change.handle(.prepared(3)), [])
        #expect(change.phase == .failed)
    }

    @Test func whoIsLateIsNamedAndNobodySwitches() {
        var (change, _) = Change.begin(running: [1, 2], starting: [3])
        _ = change.handle(.prepared(1))
        same(change.handle(.timeout), [.sendAbandon(1), .sendAbandon(2), .fail(.late([2, 3]))])
    }

    @Test func aWorkerThatDiesIsNotWaitedFor() {
        var (change, _) = Change.begin(running: [1, 2], starting: [])
        _ = change.handle(.prepared(1))
        same(change.handle(.gone(2)), [.enforce, .sendCommit(1)])
        // It comes back under the new generation and has nothing to switch.
        same(change.handle(.started(2)), [])
        same(change.handle(.ready(2)), [])
        same(change.handle(.committed(1)), [.succeed])
    }

    @Test func aWorkerThatStartsMeanwhileIsWaitedForAndAsked() {
        var (change, _) = Change.begin(running: [1, 2], starting: [])
        _ = change.handle(.gone(2))
        _ = change.handle(.started(2))
        same(change.handle(.prepared(1)), [])
        same(change.handle(.ready(2)), [.sendPrepare(2)])
        same(change.handle(.prepared(2)), [.enforce, .sendCommit(1), .sendCommit(2)])
    }

    @Test func whoDoesNotCommitInTimeIsKilledAndTheNewGenerationStays() {
        var (change, _) = Change.begin(running: [1, 2], starting: [])
        _ = change.handle(.prepared(1))
        _ = change.handle(.prepared(2))
        _ = change.handle(.committed(1))
        same(change.handle(.timeout), [.kill(2), .succeed])
    }

    @Test func withNobodyToAskItSucceedsAtOnce() {
        let (change, actions) = Change.begin(running: [], starting: [])
        #expect(actions == [.enforce, .succeed])
        #expect(change.isOver)
    }

    @Test func stoppingAbandonsWhatIsNotCommitted() {
        var (change, _) = Change.begin(running: [1], starting: [])
        same(change.handle(.stopping), [.sendAbandon(1), .fail(.stopping)])
        var (later, _) = Change.begin(running: [1], starting: [])
        _ = later.handle(.prepared(1))
        same(later.handle(.stopping), [])
        same(later.handle(.gone(1)), [.succeed])
    }

    /// Workers that behave as the supervisor's table lets them, in every order: each that lives at the end serves the generation in force.
    @Test(arguments: 0..<400)
    func noOrderLeavesTwoGenerations(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var workers = (0..<Int.random(in: 0...5, using: &random)).map { _ in World.Worker(&random) }
        var (change, first) = Change.begin(
            running: workers.indices.filter { workers[$0].state == .running },
            starting: workers.indices.filter { workers[$0].state == .starting })
        // Many die, or next to none: a death also heals what was done wrong.
        var world = World(rarity: seed % 2 == 0 ? 8 : 1000)
        world.perform(first, &workers)
        var steps = 0
        while world.end == nil, steps < 300 {
            steps += 1
            let event = world.next(&workers, &random, mayEnd: steps > 60)
            guard let event else { continue }
            world.perform(change.handle(event), &workers)
        }
        #expect(world.end != nil, "it never ended")
        #expect(world.isEnforced == (world.end == .done))
        for (index, worker) in workers.enumerated() where worker.state != .away {
            // What was sent and not read yet is read now.
            let serves = worker.inbox.contains(.commit) ? 2 : worker.serves
            #expect(serves == (world.isEnforced ? 2 : 1), "worker \(index) after \(world.history)")
        }
    }
}

/// Some workers and what travels between them and the supervisor.
private struct World {
    enum Message { case prepare, commit, abandon }
    enum End { case done, failed }

    struct Worker {
        enum State: CaseIterable { case running, starting, away }

        var state: State
        var serves = 1
        var inbox: [Message] = []
        var outbox: [GenerationChange<Int>.Event] = []

        init(_ random: inout SeededRandom) { state = State.allCases.randomElement(using: &random) ?? .away }
    }

    /// One in so many events is a death.
    let rarity: Int
    var isEnforced = false
    var end: End?
    var history: [String] = []

    mutating func perform(_ actions: [GenerationChange<Int>.Action], _ workers: inout [Worker]) {
        for action in actions {
            history.append("\(action)")
            switch action {
            case .sendPrepare(let index): workers[index].inbox.append(.prepare)
            case .sendCommit(let index): workers[index].inbox.append(.commit)
            case .sendAbandon(let index): workers[index].inbox.append(.abandon)
            case .enforce: isEnforced = true
            case .kill(let index): workers[index].die()
            case .succeed: end = .done
            case .fail: end = .failed
            }
        }
    }

    /// Lets something happen; nil if nobody is told.
    mutating func next(
        _ workers: inout [Worker], _ random: inout SeededRandom, mayEnd: Bool
    ) -> GenerationChange<Int>.Event? {
        if random.oneIn(mayEnd ? 4 : 60) { return .timeout }
        if random.oneIn(200) { return .stopping }
        guard let index = workers.indices.randomElement(using: &random) else { return .timeout }
        if random.oneIn(rarity), workers[index].state != .away {
            workers[index].die()
            return .gone(index)
        }
        switch workers[index].state {
        case .away:
            workers[index].state = .starting
            workers[index].serves = isEnforced ? 2 : 1
            return .started(index)
        case .starting:
            workers[index].state = .running
            return .ready(index)
        case .running:
            if let answer = workers[index].outbox.first {
                workers[index].outbox.removeFirst()
                return answer
            }
            workers[index].read(index, &random)
            return nil
        }
    }
}

extension World.Worker {
    mutating func die() {
        state = .away
        inbox = []
        outbox = []
    }

    mutating func read(_ index: Int, _ random: inout SeededRandom) {
        guard let message = inbox.first else { return }
        inbox.removeFirst()
        switch message {
        case .prepare: outbox.append(random.oneIn(12) ? .refused(index, "no") : .prepared(index))
        case .commit:
            serves = 2
            outbox.append(.committed(index))
        case .abandon: break
        }
    }
}

@Suite struct OwedAnswersTests {
    @Test func onlyWhatWasAskedMayBeAnswered() {
        var owed = OwedAnswers()
        for answer in [OwedAnswers.Answer.prepared(1), .refused(1), .committed(1)] { same(owed.take(answer), false) }
        same(owed.askedToPrepare(2), true)
        for answer in [OwedAnswers.Answer.committed(2), .prepared(1), .refused(3)] { same(owed.take(answer), false) }
        same(owed.take(.prepared(2)), true)
        same(owed.take(.prepared(2)), false)
        owed.askedToCommit(2)
        same(owed.take(.prepared(2)), false)
        same(owed.take(.refused(2)), false)
        same(owed.take(.committed(2)), true)
        same(owed.take(.committed(2)), false)
    }

    @Test func answersComeInTheOrderOfTheQuestions() {
        var owed = OwedAnswers()
        same(owed.askedToPrepare(2), true)
        same(owed.askedToPrepare(3), true)
        same(owed.take(.prepared(3)), false)
        same(owed.take(.refused(2)), true)
        same(owed.take(.prepared(3)), true)
    }

    @Test func whoAnswersNothingIsAskedNoMore() {
        var owed = OwedAnswers()
        for number in 0..<OwedAnswers.limit { same(owed.askedToPrepare(UInt64(number) + 2), true) }
        same(owed.askedToPrepare(100), false)
        owed.clear()
        same(owed.askedToPrepare(101), true)
    }
}
