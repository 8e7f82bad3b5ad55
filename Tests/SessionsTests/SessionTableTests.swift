import Glibc
import Link
import Segment
import Testing

@testable import Sessions

private let idle: UInt64 = 100
private let start: UInt64 = 1_800_000_000

private func table(_ memory: TableMemory) throws -> SessionTable { try SessionTable(memory, idleLimit: idle) }

private func newTable(_ capacity: Int = 64, floor: UInt64 = 0) throws -> SessionTable {
    try table(recordingMemory(SessionTable.create(capacity: capacity, floor: floor)))
}

private func liveCount(_ table: SessionTable, _ now: UInt64) -> Int {
    table.sweep(pages: .max, now: now)
    return table.liveCount
}

/// What a test knows of the sessions it began.
private struct Model {
    struct Entry {
        var grant: SessionGrant
        var lastUse: UInt64
        var isEnded = false
    }

    var entries: [Entry] = []

    func isLive(_ entry: Entry, _ now: UInt64) -> Bool {
        !entry.isEnded && now < entry.grant.expires && now - entry.lastUse < idle
    }

    func liveCount(_ now: UInt64) -> Int { entries.count { isLive($0, now) } }
}

@Suite struct SessionTableTests {
    @Test func aSessionLivesFromBeginToDelete() throws {
        var random = SeededRandom(seed: 1)
        let table = try newTable()
        let session = SessionGrant.sample(&random, created: start)
        #expect(table.touch(session, now: start) == .unknown)
        #expect(table.begin(session, now: start) == .begun)
        #expect(table.touch(session, now: start + 1) == .live)
        #expect(liveCount(table, start + 1) == 1)
        table.delete(session, now: start + 2)
        #expect(table.touch(session, now: start + 2) == .deleted)
        #expect(table.begin(session, now: start + 2) == .ended)
        #expect(table.adopt(session, now: start + 2) == .ended)
        #expect(liveCount(table, start + 2) == 0)
    }

    @Test func useProlongsASessionUpToItsAbsoluteEnd() throws {
        var random = SeededRandom(seed: 2)
        let table = try newTable()
        let session = SessionGrant.sample(&random, created: start, lifetime: 1000)
        #expect(table.begin(session, now: start) == .begun)
        for now in stride(from: start + idle - 1, to: start + 1000, by: Int(idle) - 1) {
            #expect(table.touch(session, now: now) == .live)
        }
        #expect(table.touch(session, now: start + 999) == .live)
        #expect(table.touch(session, now: start + 1000) == .expired)
        #expect(table.begin(session, now: start + 1000) == .ended)
    }

    @Test func idlenessEndsASessionForGood() throws {
        var random = SeededRandom(seed: 3)
        let table = try newTable()
        let session = SessionGrant.sample(&random, created: start)
        #expect(table.begin(session, now: start) == .begun)
        #expect(table.touch(session, now: start + idle) == .idleExpired)
        #expect(table.touch(session, now: start + idle) == .deleted)
        // Neither a longer limit nor a clock that was set back brings it back.
        table.idleLimit = 1_000_000
        #expect(table.touch(session, now: start + idle) == .deleted)
        #expect(table.touch(session, now: start) == .deleted)
    }

    @Test func aBusySessionIsWrittenOnceASecond() throws {
        var random = SeededRandom(seed: 4)
        let memory = try recordingMemory(SessionTable.create(capacity: 64, floor: 0))
        let table = try table(memory)
        let session = SessionGrant.sample(&random, created: start)
        #expect(table.begin(session, now: start) == .begun)
        memory.stores = []
        for _ in 0..<1000 { #expect(table.touch(session, now: start) == .live) }
        #expect(memory.stores.isEmpty)
        for _ in 0..<1000 { #expect(table.touch(session, now: start + 1) == .live) }
        #expect(memory.stores.count == 1)
    }

    @Test func aSuccessorFindsEverySessionAndTombstone() throws {
        var random = SeededRandom(seed: 5)
        let descriptor = try SessionTable.create(capacity: 1024, floor: 0)
        defer { close(descriptor) }
        let sessions = (0..<500).map { _ in SessionGrant.sample(&random, created: start) }
        let first = try SessionTable(writing: descriptor, idleLimit: idle)
        for session in sessions { #expect(first.begin(session, now: start) == .begun) }
        for session in sessions.prefix(200) { first.delete(session, now: start) }
        let second = try SessionTable(writing: descriptor, idleLimit: idle)
        for (index, session) in sessions.enumerated() {
            #expect(second.touch(session, now: start) == (index < 200 ? .deleted : .live))
        }
        #expect(liveCount(second, start) == 300)
    }

    @Test func aFullTableRefusesNewSessionsAndKeepsTheOld() throws {
        var random = SeededRandom(seed: 6)
        let table = try newTable()
        let sessions = (0..<64).map { _ in SessionGrant.sample(&random, created: start) }
        for session in sessions { #expect(table.begin(session, now: start) == .begun) }
        for _ in 0..<1000 { #expect(table.begin(.sample(&random, created: start), now: start) == .full) }
        for session in sessions { #expect(table.touch(session, now: start) == .live) }
        #expect(liveCount(table, start) == 64)
        // A deletion of a session begun elsewhere is kept, though there is no room for it.
        let elsewhere = SessionGrant.sample(&random, created: start)
        let later = SessionGrant.sample(&random, created: start + 1)
        #expect(table.touch(elsewhere, now: start + 1) == .unknown)
        table.delete(elsewhere, now: start + 1)
        #expect(table.touch(elsewhere, now: start + 1) == .refused)
        #expect(table.adopt(elsewhere, now: start + 1) == .ended)
        #expect(table.touch(later, now: start + 1) == .unknown)
    }

    @Test func aTombstoneThatMakesRoomRaisesTheFloor() throws {
        var random = SeededRandom(seed: 7)
        let table = try newTable()
        let sessions = (0..<64).map { SessionGrant.sample(&random, created: start + UInt64($0)) }
        let now = start + 64
        for session in sessions.shuffled(using: &random) { #expect(table.begin(session, now: now) == .begun) }
        for session in sessions.prefix(10).shuffled(using: &random) { table.delete(session, now: now) }
        for round in 0..<10 {
            let absent = SessionGrant.sample(&random, created: start + UInt64(round))
            #expect(table.touch(absent, now: now) == .unknown)
            #expect(table.begin(.sample(&random, created: now), now: now) == .begun)
            // The oldest went: its second is under the floor, the next one's is not.
            #expect(table.touch(absent, now: now) == .refused)
            for (index, session) in sessions.enumerated() {
                let expected: SessionUse = index <= round ? .refused : index < 10 ? .deleted : .live
                #expect(table.touch(session, now: now) == expected)
            }
        }
        #expect(table.begin(.sample(&random, created: now), now: now) == .full)
    }

    @Test func sessionsPastTheirEndMakeRoomBeforeTombstonesDo() throws {
        var random = SeededRandom(seed: 8)
        let table = try newTable()
        let short = SessionGrant.sample(&random, created: start, lifetime: 10)
        let others = (0..<63).map { _ in SessionGrant.sample(&random, created: start) }
        for session in [short] + others { #expect(table.begin(session, now: start) == .begun) }
        table.delete(others[0], now: start)
        #expect(table.begin(.sample(&random, created: start), now: start + 10) == .begun)
        #expect(table.touch(others[0], now: start + 10) == .deleted)
        // The one that was forgotten stays over even if the clock is set back.
        #expect(table.touch(short, now: start) == .refused)
    }

    /// What a predecessor in an attacker's hands leaves must not keep its successors from beginning sessions.
    @Test(arguments: [false, true])
    func entriesWithTimesThatCannotBeMakeRoomWhenNothingElseCan(lastsTooLong: Bool) throws {
        var random = SeededRandom(seed: 11)
        let table = try newTable()
        let never: UInt64 = 1 << 39
        let forged = (0..<60).map { _ in
            SessionGrant.sample(
                &random, created: lastsTooLong ? start : never - 1, lifetime: lastsTooLong ? never : 1000)
        }
        for session in forged { #expect(table.begin(session, now: lastsTooLong ? start : never) == .begun) }
        let honest = (0..<4).map { _ in SessionGrant.sample(&random, created: start) }
        for session in honest { #expect(table.begin(session, now: start) == .begun) }
        // No gauge counts the others.
        #expect(liveCount(table, start) == 4)
        for _ in 0..<60 { #expect(table.begin(.sample(&random, created: start), now: start) == .begun) }
        #expect(table.begin(.sample(&random, created: start), now: start) == .full)
        for session in honest { #expect(table.touch(session, now: start) == .live) }
        #expect(liveCount(table, start) == 64)
        // What other instances begin later is welcome all the same.
        #expect(table.touch(.sample(&random, created: start + 3601), now: start + 3601) == .unknown)
    }

    @Test func timesWithinTheSlackOfAClockAreBelieved() throws {
        var random = SeededRandom(seed: 12)
        let table = try newTable()
        let ahead = start + 3600
        let sessions = (0..<64).map { _ in SessionGrant.sample(&random, created: ahead) }
        for session in sessions { #expect(table.begin(session, now: ahead) == .begun) }
        #expect(table.begin(.sample(&random, created: start), now: start) == .full)
        #expect(table.begin(.sample(&random, created: start - 1), now: start - 1) == .begun)
    }

    @Test func aClockThatWasSetBackByDaysEndsNoSessionWhileThereIsRoom() throws {
        var random = SeededRandom(seed: 13)
        let table = try newTable()
        let later = start + 10 * 86_400
        let sessions = (0..<40).map { _ in SessionGrant.sample(&random, created: later) }
        for session in sessions { #expect(table.begin(session, now: later) == .begun) }
        table.delete(sessions[0], now: later)
        table.sweep(pages: .max, now: start)
        for _ in 0..<24 { #expect(table.begin(.sample(&random, created: start), now: start) == .begun) }
        for session in sessions.dropFirst() { #expect(table.touch(session, now: start) == .live) }
        #expect(table.touch(sessions[0], now: start) == .deleted)
        // A tombstone that has to make room stays over, whatever the clock says.
        var taken = 0
        while table.touch(sessions[0], now: start) == .deleted, taken < 64 {
            #expect(table.begin(.sample(&random, created: start), now: start) == .begun)
            taken += 1
        }
        #expect(table.touch(sessions[0], now: start) == .refused)
    }

    @Test func theFloorGivenAtTheStartRefusesWhatItsTableNeverSaw() throws {
        var random = SeededRandom(seed: 9)
        let table = try newTable(floor: start)
        #expect(table.touch(.sample(&random, created: start - 1), now: start) == .refused)
        #expect(table.touch(.sample(&random, created: start), now: start) == .refused)
        #expect(table.adopt(.sample(&random, created: start), now: start) == .ended)
        let next = SessionGrant.sample(&random, created: start + 1)
        #expect(table.touch(next, now: start + 1) == .unknown)
        #expect(table.adopt(next, now: start + 1) == .begun)
        #expect(table.touch(next, now: start + 1) == .live)
        // A session of the same second that begins here is no stranger.
        let new = SessionGrant.sample(&random, created: start)
        #expect(table.begin(new, now: start) == .begun)
        #expect(table.touch(new, now: start) == .live)
    }

    @Test func floodsOfSessionsFillFourFifthsAndEndInBoundedTime() throws {
        var random = SeededRandom(seed: 10)
        let descriptor = try SessionTable.create(capacity: 4096, floor: 0)
        defer { close(descriptor) }
        let table = try SessionTable(writing: descriptor, idleLimit: idle)
        var begun = 0
        while table.begin(.sample(&random, created: start), now: start) == .begun { begun += 1 }
        #expect(begun >= 4096 * 3 / 4)
        #expect(liveCount(table, start) == begun)
        // When all are idle, as many find room again; once they are past their end the sweep leaves an empty table.
        begun = 0
        while table.begin(.sample(&random, created: start + idle), now: start + idle) == .begun { begun += 1 }
        #expect(begun >= 4096 * 3 / 4)
        #expect(liveCount(table, start + 86_400 + idle) == 0)
        let memory = try TableMemory(descriptor)
        let slots = stride(from: 4096, to: memory.size, by: 64)
        #expect(slots.count { memory.load($0) > 2 } == 0)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func randomOperationsAgreeWithAModel(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let table = try newTable()
        var model = Model()
        var now = start
        for _ in 0..<3000 {
            if Int.random(in: 0..<3, using: &random) == 0 { now += UInt64.random(in: 0...8, using: &random) }
            let chosen = model.entries.indices.randomElement(using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<3:
                let lifetime = UInt64.random(in: 1...600, using: &random)
                let grant = SessionGrant.sample(&random, created: now, lifetime: lifetime)
                let answer = table.begin(grant, now: now)
                #expect(answer != .ended)
                // Every slot is within one probe here, so it is full only of live sessions.
                #expect((answer == .full) == (model.liveCount(now) == 64))
                if answer == .begun { model.entries.append(.init(grant: grant, lastUse: now)) }
            case 3..<8:
                guard let chosen else { continue }
                let isLive = model.isLive(model.entries[chosen], now)
                let answer = table.touch(model.entries[chosen].grant, now: now)
                #expect((answer == .live) == isLive)
                #expect(answer != .unknown)
                if isLive { model.entries[chosen].lastUse = now } else { model.entries[chosen].isEnded = true }
            case 8:
                guard let chosen else { continue }
                table.delete(model.entries[chosen].grant, now: now)
                model.entries[chosen].isEnded = true
            default:
                #expect(liveCount(table, now) == model.liveCount(now))
            }
        }
        for entry in model.entries {
            #expect((table.touch(entry.grant, now: now) == .live) == model.isLive(entry, now))
        }
    }

    @Test func aDescriptorThatIsNoSessionTableIsRefused() throws {
        let upstream = try UpstreamSessionTable.create(capacity: 8)
        let counters = try CounterSegment.create()
        for descriptor in [upstream, counters, -1] {
            #expect(segmentError { () throws(SegmentError) in _ = try SessionTable(writing: descriptor) } != nil)
        }
        close(upstream)
        close(counters)
        for capacity in [-64, 0, 1, 32, 63, 65, 100, 1 << 40] {
            let error = segmentError { () throws(SegmentError) in
                _ = try SessionTable.create(capacity: capacity, floor: 0)
            }
            #expect(error != nil, "\(capacity)")
        }
    }
}

@Suite struct SessionTableCrashTests {
    /// Kills the writer after every store of every operation and lets a successor look.
    @Test(arguments: 0..<4 as Range<UInt64>)
    func aKillAtAnyPointLosesNoSessionAndRevivesNone(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let memory = try recordingMemory(SessionTable.create(capacity: 64, floor: 0))
        let table = try table(memory)
        var model = Model()
        var now = start
        for _ in 0..<250 {
            now += UInt64.random(in: 0...2, using: &random)
            let content = memory.content
            let before = model
            memory.stores = []
            var target: Int?
            switch (Int.random(in: 0..<4, using: &random), model.entries.indices.randomElement(using: &random)) {
            case (0, let chosen?):
                table.delete(model.entries[chosen].grant, now: now)
                model.entries[chosen].isEnded = true
                target = chosen
            case (1, let chosen?):
                if table.touch(model.entries[chosen].grant, now: now) == .live { model.entries[chosen].lastUse = now }
                target = chosen
            default:
                let grant = SessionGrant.sample(&random, created: now, lifetime: 60)
                guard table.begin(grant, now: now) == .begun else { continue }
                model.entries.append(.init(grant: grant, lastUse: now))
                target = model.entries.count - 1
            }
            let contents = memory.contentsIfKilled(after: content)
            for (stores, content) in contents.enumerated() {
                let successor = try SessionTableCrashTests.successor(content)
                for (index, entry) in model.entries.enumerated() {
                    let answer = successor.touch(entry.grant, now: now)
                    let isLiveAfter = model.isLive(entry, now)
                    let isLiveBefore = index < before.entries.count && before.isLive(before.entries[index], now)
                    if index != target || stores == contents.count - 1 {
                        #expect((answer == .live) == isLiveAfter, "after store \(stores)")
                    } else {
                        #expect(answer != .live || isLiveBefore || isLiveAfter)
                    }
                    // Never an id that another instance could have begun: only a session that never began is that.
                    if index < before.entries.count { #expect(answer != .unknown) }
                }
            }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func randomContentHoldsNoSessionAndEndsNoProcess(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let memory = try recordingMemory(SessionTable.create(capacity: 64, floor: 0))
        let isDense = seed % 2 == 0
        for offset in stride(from: 8, to: memory.size, by: 8) where isDense || Bool.random(using: &random) {
            memory.store(offset, isDense ? random.next() : random.next() % 4)
        }
        let table = try table(memory)
        #expect(liveCount(table, start) == 0)
        // Uuids that are in the slots, and others.
        for slot in 0..<64 {
            let offset = 4096 + slot * 64
            let uuid = SessionUUID(low: memory.load(offset + 8), high: memory.load(offset + 16))
            var grant = SessionGrant.sample(&random, created: start)
            #expect([.refused, .unknown].contains(table.touch(grant, now: start)))
            grant.uuid = uuid
            #expect([.refused, .unknown].contains(table.touch(grant, now: start)))
        }
        // It serves on: new sessions begin in the place of what is damaged.
        let sessions = (0..<64).map { _ in SessionGrant.sample(&random, created: start) }
        for session in sessions { #expect(table.begin(session, now: start) == .begun) }
        for session in sessions { #expect(table.touch(session, now: start) == .live) }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func damageNeverRevivesAnEndedSession(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let memory = try recordingMemory(SessionTable.create(capacity: 64, floor: 0))
        let healthy = try table(memory)
        let sessions = (0..<60).map { _ in SessionGrant.sample(&random, created: start) }
        for session in sessions { #expect(healthy.begin(session, now: start) == .begun) }
        for session in sessions.prefix(30) { healthy.delete(session, now: start) }
        for _ in 0..<40 {
            let offset = 8 * Int.random(in: 1..<memory.size / 8, using: &random)
            memory.store(offset, memory.load(offset) ^ 1 << UInt64.random(in: 0..<64, using: &random))
        }
        let table = try SessionTableCrashTests.successor(memory.content)
        for session in sessions.prefix(30) {
            #expect([.deleted, .refused].contains(table.touch(session, now: start)))
        }
    }

    @Test func aDamagedFloorRefusesEverythingAbsent() throws {
        var random = SeededRandom(seed: 1)
        for bit in 0..<64 as Range<UInt64> {
            let memory = try recordingMemory(SessionTable.create(capacity: 64, floor: start))
            memory.store(8, memory.load(8) ^ 1 << bit)
            let table = try table(memory)
            #expect(table.touch(.sample(&random, created: start + 1), now: start + 1) == .refused)
        }
    }

    private static func successor(_ content: [UInt64]) throws -> SessionTable {
        try SessionTable(RecordingMemory.holding(content), idleLimit: idle)
    }
}
