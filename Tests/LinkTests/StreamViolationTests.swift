import Testing

@testable import Link

/// Every frame in every state: what it means, or which violation it is.
@Suite struct StreamViolationTests {
    private typealias Expected = StreamState.Expected
    private static let id = StreamState.id
    private static let no = Expected.violation(.notPermitted)
    private static let unknown = Expected.violation(.unknownStream)
    private static let wrong = Expected.violation(.badStream)

    private static func frame(_ type: FrameType, _ id: StreamID = id) -> FrameHead {
        FrameHead(type: type, length: type.payloadBounds.lowerBound, stream: id)
    }

    /// A table of an acceptor with the stream open.
    private static func accepted() throws -> StreamTable {
        var table = StreamTable(side: .acceptor, capacity: 4)
        _ = try table.receive(frame(.open))
        return table
    }

    /// How the table refuses a frame; nil if it takes it.
    private func refusal(_ table: inout StreamTable, _ frame: FrameHead, credit: Int = 0) -> LinkViolation? {
        violation { () throws(LinkViolation) in _ = try table.receive(frame, credit: credit) }
    }

    @Test(arguments: [LinkSide.acceptor, .opener])
    func everyFrameInEveryStateIsWhatTheRulesSay(side: LinkSide) throws {
        for state in StreamState.all(side) {
            #expect(state.expected.count == StreamState.columns.count)
            for (type, expected) in zip(StreamState.columns, state.expected) {
                let found = try outcome(side, state, Self.frame(type), credit: 1)
                #expect(found == expected, "\(side) \(state.name), \(type)")
            }
        }
    }

    @Test(arguments: [LinkSide.acceptor, .opener])
    func framesOfOtherGenerationsAndSlotsAreViolationsInEveryState(side: LinkSide) throws {
        let strangers = [
            StreamID(slot: 0, generation: 2), StreamID(slot: 0, generation: 0), StreamID(slot: 0, generation: .max),
            StreamID(slot: 1, generation: 1), StreamID(slot: 4, generation: 1), StreamID(slot: .max, generation: 1),
        ]
        for state in StreamState.all(side) {
            for id in strangers {
                for type in StreamState.columns where type != .open {
                    let found = try outcome(side, state, Self.frame(type, id), credit: 1)
                    #expect(found == Self.unknown, "\(state.name), \(type) of \(id)")
                }
            }
        }
    }

    @Test(arguments: [LinkSide.acceptor, .opener])
    func controlFramesAndImpossibleCreditAreViolationsInEveryState(side: LinkSide) throws {
        for state in StreamState.all(side) {
            for type in FrameType.allCases where !type.isStreamFrame {
                for id in [Self.id, .control] {
                    let found = try outcome(side, state, Self.frame(type, id), credit: 1)
                    #expect(found == Self.no || found == Self.unknown, "\(state.name), \(type)")
                }
            }
            for credit in [0, -1, Int.min, 11, StreamTable.window, StreamTable.window + 1, Int(UInt32.max), Int.max] {
                let found = try outcome(side, state, Self.frame(.credit), credit: credit)
                guard case .violation = found else {
                    Issue.record("\(side) \(state.name) takes credit \(credit)")
                    continue
                }
            }
        }
    }

    @Test func slotsMustBeTakenInOrderAndReusedWithTheNextGeneration() throws {
        for state in StreamState.all(.acceptor) {
            func open(_ slot: UInt32, _ generation: UInt32) throws -> Expected {
                try outcome(
                    .acceptor, state, Self.frame(.open, StreamID(slot: slot, generation: generation)), credit: 0)
            }
            let isUsed = !state.moves.isEmpty
            let isLive = isUsed && !state.isFinished
            #expect(try open(0, 1) == (isUsed ? (isLive ? Self.no : Self.wrong) : .event(.opened)), "\(state.name)")
            #expect(try open(0, 2) == (isLive ? Self.no : isUsed ? .event(.opened) : Self.wrong), "\(state.name)")
            for generation in [0, 3, .max] as [UInt32] {
                #expect(try open(0, generation) == (isLive ? Self.no : Self.wrong), "\(state.name)")
            }
            #expect(try open(1, 1) == (isUsed ? .event(.opened) : Self.wrong), "\(state.name)")
            #expect(try open(1, 2) == Self.wrong, "\(state.name)")
            for slot in [2, 3, 4, .max] as [UInt32] { #expect(try open(slot, 1) == Self.wrong, "\(state.name)") }
        }
    }

    @Test func noMoreStreamsThanTheCapacity() throws {
        var table = StreamTable(side: .acceptor, capacity: 3)
        for slot in 0..<3 as Range<UInt32> {
            _ = try table.receive(Self.frame(.open, StreamID(slot: slot, generation: 1)))
        }
        #expect(refusal(&table, Self.frame(.open, StreamID(slot: 3, generation: 1))) == .badStream)
        #expect(table.activeCount == 3)
        var opener = StreamTable(side: .opener, capacity: 3)
        let opened = (0..<5).map { _ in opener.open() != nil }
        #expect(opened == [true, true, true, false, false])
    }

    @Test func dataBeyondTheCreditIsAViolation() throws {
        var table = try Self.accepted()
        let half = FrameHead(type: .data, length: FrameHead.maximumData, stream: Self.id)
        #expect(refusal(&table, half) == nil && refusal(&table, half) == nil)
        #expect(refusal(&table, Self.frame(.data)) == .creditExceeded)
        // What is used but not yet given back is not credit.
        let early = table.consumed(Self.id, count: 1)
        #expect(early == nil && refusal(&table, Self.frame(.data)) == .creditExceeded)
        let credit = table.consumed(Self.id, count: StreamTable.creditPortion)
        #expect(credit == StreamTable.creditPortion + 1)
        #expect(refusal(&table, FrameHead(type: .data, length: credit ?? 0, stream: Self.id)) == nil)
        #expect(refusal(&table, Self.frame(.data)) == .creditExceeded)
    }

    @Test func creditBeyondTheWindowIsAViolation() throws {
        var table = try Self.accepted()
        let did = table.sendHead(Self.id) && table.sendData(Self.id, count: 100)
        #expect(did && refusal(&table, Self.frame(.credit), credit: 101) == .creditExceeded)
        #expect(refusal(&table, Self.frame(.credit), credit: 100) == nil)
        #expect(table.sendable(Self.id) == StreamTable.window)
        #expect(refusal(&table, Self.frame(.credit), credit: 1) == .creditExceeded)
    }

    /// A peer whose data nobody wants any more is held to its credit, too.
    @Test func unwantedDataStillCosts() throws {
        var table = try Self.accepted()
        let did = table.sendReset(Self.id)
        let half = FrameHead(type: .data, length: FrameHead.maximumData, stream: Self.id)
        #expect(did && refusal(&table, half) == nil && refusal(&table, half) == nil)
        #expect(refusal(&table, Self.frame(.data)) == .creditExceeded)
    }

    /// Any frames at all, and going on after violations: no crash, and nothing grows beyond its bound.
    @Test(arguments: [71, 72, 73, 74] as [UInt64])
    func arbitraryFramesNeverBreakTheTable(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var violations = 0
        var accepted = 0
        for _ in 0..<40 {
            let side: LinkSide = random.oneIn(2) ? .opener : .acceptor
            var table = StreamTable(side: side, capacity: 4)
            for _ in 0..<500 {
                let id = StreamID(slot: UInt32(random.below(5)), generation: UInt32(random.below(4)))
                if random.oneIn(3) { local(&table, id, &random) }
                let type = FrameType.allCases[random.below(FrameType.allCases.count)]
                let length = random.oneIn(2) ? type.payloadBounds.lowerBound : type.payloadBounds.upperBound
                let credit = [0, 1, 1000, StreamTable.window, Int(UInt32.max)][random.below(5)]
                let refused = refusal(&table, FrameHead(type: type, length: length, stream: id), credit: credit)
                if refused == nil { accepted += 1 } else { violations += 1 }
                guard (0...4).contains(table.activeCount), (0...StreamTable.window).contains(table.sendable(id)) else {
                    throw Broken("\(table.activeCount) streams, \(table.sendable(id)) sendable", seed: seed)
                }
            }
        }
        #expect(accepted > 100 && violations > 100)
    }

    private func local(_ table: inout StreamTable, _ id: StreamID, _ random: inout SeededRandom) {
        switch random.below(7) {
        case 0: _ = table.open()
        case 1: _ = table.sendHead(id)
        case 2: _ = table.sendData(id, count: random.below(StreamTable.window + 2))
        case 3: _ = table.sendEnd(id)
        case 4: _ = table.sendReset(id)
        case 5: _ = table.sendCancel(id)
        default: _ = table.consumed(id, count: random.below(2 * StreamTable.window))
        }
    }

    private func outcome(
        _ side: LinkSide, _ state: StreamState, _ frame: FrameHead, credit: Int
    ) throws -> Expected {
        let reached = try state.table(side)
        var table = try #require(reached, "\(state.name) cannot be reached")
        do throws(LinkViolation) {
            let outcome = try table.receive(frame, credit: credit)
            return .event(outcome.event, answer: outcome.answerWithReset)
        } catch {
            return .violation(error)
        }
    }
}
