import Glibc
import Link
import Testing

@testable import Sessions

private let idle: UInt64 = 100
private let start: UInt64 = 1_800_000_000

/// One entry as a test knows it.
private struct Known: Equatable {
    var id: [UInt8]
    var revision: UInt8
    var flags: UpstreamSessionFlags
    var expires: UInt64
    var lastUse: UInt64

    func isOver(_ now: UInt64) -> Bool { now >= expires || flags.isEmpty && now - lastUse >= idle }
}

private enum Found: Equatable {
    case found(id: [UInt8], revision: UInt8, flags: UpstreamSessionFlags)
    case absent
    case lost

    init(_ known: Known?, _ now: UInt64) {
        guard let known, !known.isOver(now) else {
            self = .absent
            return
        }
        self = .found(id: known.id, revision: known.revision, flags: known.flags)
    }
}

private func look(_ table: UpstreamSessionTable, _ uuid: SessionUUID, _ now: UInt64) -> Found {
    switch table.lookup(uuid, now: now) {
    case .absent: .absent
    case .lost: .lost
    case .found(let session): .found(id: idBytes(session), revision: session.revision, flags: session.flags)
    }
}

private func idBytes(_ session: UpstreamSession) -> [UInt8] {
    let id = session.id
    return id.indices.map { id[$0] }
}

private func insert(
    _ table: UpstreamSessionTable, _ uuid: SessionUUID, _ id: [UInt8], expires: UInt64 = start + 1000,
    now: UInt64 = start, flags: UpstreamSessionFlags = []
) -> UpstreamInsertion {
    table.insert(uuid, id: id.span, revision: 3, flags: flags, expires: expires, now: now)
}

private func newMemory() throws -> RecordingMemory {
    try recordingMemory(UpstreamSessionTable.create(capacity: 8))
}

private func table(_ memory: TableMemory) throws -> UpstreamSessionTable {
    try UpstreamSessionTable(memory, idleLimit: idle)
}

@Suite struct UpstreamSessionTableTests {
    @Test(arguments: [1, 2, 7, 8, 9, 36, 399, 400])
    func anIdComesBackByteForByte(length: Int) throws {
        var random = SeededRandom(seed: UInt64(length))
        let table = try table(newMemory())
        let uuid = SessionUUID.random()
        #expect(look(table, uuid, start) == .absent)
        let id = (0..<length).map { _ in UInt8.random(in: 0x21...0x7E, using: &random) }
        #expect(insert(table, uuid, id, flags: .logLevelSet) == .stored)
        #expect(look(table, uuid, start) == .found(id: id, revision: 3, flags: .logLevelSet))
        // Replaced by a shorter one, nothing of the longer remains.
        #expect(insert(table, uuid, [0x41]) == .stored)
        #expect(look(table, uuid, start) == .found(id: [0x41], revision: 3, flags: []))
        #expect(table.setFlags(uuid, [.subscribed, .dependsOnStream]))
        #expect(look(table, uuid, start) == .found(id: [0x41], revision: 3, flags: [.subscribed, .dependsOnStream]))
        #expect(table.remove(uuid))
        #expect(look(table, uuid, start) == .absent)
        #expect(!table.remove(uuid))
        #expect(!table.setFlags(uuid, []))
    }

    @Test func anIdThatIsNoHeaderValueIsRefused() throws {
        let table = try table(newMemory())
        let uuid = SessionUUID.random()
        #expect(insert(table, uuid, []) == .unusableID)
        #expect(insert(table, uuid, [UInt8](repeating: 0x41, count: 401)) == .unusableID)
        for byte in 0...255 as ClosedRange<UInt8> where !(0x21...0x7E).contains(byte) {
            #expect(insert(table, uuid, [0x41, byte]) == .unusableID)
            #expect(insert(table, uuid, [byte, 0x41]) == .unusableID)
        }
        #expect(look(table, uuid, start) == .absent)
    }

    @Test func onlyWhatNothingDependsOnIsForgottenForIdleness() throws {
        let table = try table(newMemory())
        let plain = SessionUUID.random()
        let subscribed = SessionUUID.random()
        #expect(insert(table, plain, [0x41]) == .stored)
        #expect(insert(table, subscribed, [0x42], flags: .subscribed) == .stored)
        #expect(look(table, plain, start + idle - 1) != .absent)
        #expect(look(table, plain, start + 2 * idle - 2) != .absent)
        #expect(look(table, plain, start + 3 * idle) == .absent)
        #expect(look(table, subscribed, start + 999) == .found(id: [0x42], revision: 3, flags: .subscribed))
        #expect(look(table, subscribed, start + 1000) == .absent)
    }

    @Test func theSweepHandsOverWhatItForgets() throws {
        let table = try UpstreamSessionTable(
            recordingMemory(UpstreamSessionTable.create(capacity: 64)), idleLimit: idle)
        var expected: Set<SessionUUID> = []
        for index in 0..<40 {
            let uuid = SessionUUID.random()
            let isOver = index % 2 == 0
            #expect(insert(table, uuid, [0x41], expires: start + (isOver ? 10 : 1000)) == .stored)
            if isOver { expected.insert(uuid) }
        }
        var handedOver: Set<SessionUUID> = []
        for _ in 0..<9 {
            table.sweep(pages: 1, now: start + 10) { uuid, session in
                #expect(idBytes(session) == [0x41])
                #expect(handedOver.insert(uuid).inserted)
            }
        }
        #expect(handedOver == expected)
        for uuid in expected { #expect(look(table, uuid, start) == .absent) }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func randomOperationsAgreeWithAModel(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var current = try newMemory()
        var table = try table(current)
        let uuids = (0..<12).map { _ in SessionUUID(low: random.next(), high: random.next()) }
        var model: [SessionUUID: Known] = [:]
        var now = start
        for _ in 0..<3000 {
            now += UInt64.random(in: 0...5, using: &random)
            apply(to: table, &model, uuids, now, &random)
            if Int.random(in: 0..<50, using: &random) == 0 {
                // A successor, at any time.
                current = try RecordingMemory.holding(current.content)
                table = try UpstreamSessionTable(current, idleLimit: idle)
            }
            for uuid in uuids where Int.random(in: 0..<20, using: &random) == 0 {
                #expect(look(table, uuid, now) == Found(model[uuid], now))
                if model[uuid]?.isOver(now) == false { model[uuid]?.lastUse = now }
            }
        }
    }

    /// Kills the writer after every store of every operation and lets a successor look: the target is as before, as after, or known to be lost; all
    /// others are as they were.
    @Test(arguments: 0..<4 as Range<UInt64>)
    func aKillAtAnyPointLeavesWholeEntries(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let memory = try newMemory()
        let table = try table(memory)
        let uuids = (0..<12).map { _ in SessionUUID(low: random.next(), high: random.next()) }
        var model: [SessionUUID: Known] = [:]
        var now = start
        var losses = 0
        for _ in 0..<400 {
            now += UInt64.random(in: 0...5, using: &random)
            let content = memory.content
            let before = model
            memory.stores = []
            let target = apply(to: table, &model, uuids, now, &random)
            let contents = memory.contentsIfKilled(after: content)
            for (stores, content) in contents.enumerated() {
                let successor = try UpstreamSessionTable(RecordingMemory.holding(content), idleLimit: idle)
                for uuid in uuids {
                    let found = look(successor, uuid, now)
                    let isFirst = found == Found(before[uuid], now)
                    let isLast = found == Found(model[uuid], now)
                    if uuid != target || stores == contents.count - 1 {
                        #expect(isLast, "after store \(stores)")
                    } else {
                        let isReplacement = before[uuid] != nil && model[uuid] != nil
                        #expect(isFirst || isLast || found == .lost && isReplacement, "after store \(stores)")
                        if found == .lost { losses += 1 }
                    }
                }
            }
        }
        #expect(losses > 0)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func randomContentHoldsNoSessionAndEndsNoProcess(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let memory = try newMemory()
        let isDense = seed % 2 == 0
        for offset in stride(from: 8, to: memory.size, by: 8) where isDense || Bool.random(using: &random) {
            memory.store(offset, isDense ? random.next() : random.next() % 4)
        }
        let table = try table(memory)
        for slot in 0..<8 {
            let offset = 4096 + slot * 512
            let uuid = SessionUUID(low: memory.load(offset + 8), high: memory.load(offset + 16))
            #expect([.absent, .lost].contains(look(table, uuid, start)))
            #expect(look(table, SessionUUID(low: random.next(), high: random.next()), start) == .absent)
        }
        table.sweep(pages: .max, now: .max) { _, _ in Issue.record("a session out of nothing") }
        let uuids = (0..<8).map { _ in SessionUUID(low: random.next(), high: random.next()) }
        for uuid in uuids { #expect(insert(table, uuid, [0x41]) == .stored) }
        for uuid in uuids { #expect(look(table, uuid, start) == .found(id: [0x41], revision: 3, flags: [])) }
    }

    @Test func everyChangedBitOfAnEntryLosesIt() throws {
        let memory = try newMemory()
        let healthy = try table(memory)
        let uuid = SessionUUID(low: 0, high: 77)
        #expect(insert(healthy, uuid, Array("session-0123456789".utf8), flags: .subscribed) == .stored)
        let content = memory.content
        // Words in use: check, uuid, stamp, created, expires, shape and three of the id.
        for bit in 0..<10 * 64 {
            var changed = content
            changed[512 + bit / 64] ^= 1 << UInt64(bit % 64)
            let table = try table(RecordingMemory.holding(changed))
            #expect([.absent, .lost].contains(look(table, uuid, start)), "bit \(bit)")
        }
        #expect(look(try table(RecordingMemory.holding(content)), uuid, start) != .absent)
    }

    /// One random operation on table and model; returns its target.
    @discardableResult
    private func apply(
        to table: UpstreamSessionTable, _ model: inout [SessionUUID: Known], _ uuids: [SessionUUID], _ now: UInt64,
        _ random: inout SeededRandom
    ) -> SessionUUID? {
        guard let uuid = uuids.randomElement(using: &random) else { return nil }
        switch Int.random(in: 0..<6, using: &random) {
        case 0...2:
            let id = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                UInt8.random(in: 0x21...0x7E, using: &random)
            }
            let known = Known(
                id: id, revision: UInt8.random(in: 0...9, using: &random),
                flags: UpstreamSessionFlags(rawValue: UInt16.random(in: 0...3, using: &random)),
                expires: now + UInt64.random(in: 1...400, using: &random), lastUse: now)
            let others = model.count { $0.key != uuid && !$0.value.isOver(now) }
            let answer = table.insert(
                uuid, id: id.span, revision: known.revision, flags: known.flags, expires: known.expires, now: now)
            if answer == .stored { model[uuid] = known } else { #expect(others == 8) }
        case 3:
            let flags = UpstreamSessionFlags(rawValue: UInt16.random(in: 0...7, using: &random))
            guard model[uuid]?.isOver(now) == false else { break }
            #expect(table.setFlags(uuid, flags))
            model[uuid]?.flags = flags
        case 4:
            table.remove(uuid)
            model[uuid] = nil
        default:
            let expected = Found(model[uuid], now)
            #expect(look(table, uuid, now) == expected)
            if expected != .absent { model[uuid]?.lastUse = now }
        }
        return uuid
    }

    /// What a predecessor in an attacker's hands leaves must not keep its successors from opening sessions.
    @Test func entriesWithTimesThatCannotBeMakeRoomWhenNothingElseCan() throws {
        let table = try table(newMemory())
        let never: UInt64 = 1 << 39
        for _ in 0..<7 {
            #expect(insert(table, .random(), [0x42], expires: never, now: never, flags: .subscribed) == .stored)
        }
        let honest = SessionUUID.random()
        #expect(insert(table, honest, [0x41], flags: .subscribed) == .stored)
        for _ in 0..<7 { #expect(insert(table, .random(), [0x43], flags: .subscribed) == .stored) }
        #expect(insert(table, .random(), [0x43], flags: .subscribed) == .full)
        #expect(look(table, honest, start) == .found(id: [0x41], revision: 3, flags: .subscribed))
    }
}
