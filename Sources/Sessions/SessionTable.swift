import Link
import Segment

/// The answer to the start of a session.
public enum SessionBegin: Equatable, Sendable {
    /// The session is in the table.
    case begun
    /// It ended before: deleted, idle too long, or past its absolute end.
    case ended
    /// There is no room; the caller answers -31016.
    case full
}

/// The answer to the use of a session. Clients hear 404 for everything but `live` and, where instances share a key, `unknown`.
public enum SessionUse: Equatable, Sendable {
    /// It goes on; its last use was noted.
    case live
    /// It was not used for longer than the limit. From now on it is deleted.
    case idleExpired
    /// It is past its absolute end.
    case expired
    /// It was ended by its client or by idleness.
    case deleted
    /// It is not here, and might have been forgotten after it ended: it is over.
    case refused
    /// It is not here and never was: another instance with the same key began it. `adopt` takes it over.
    case unknown
}

/// The ingress' legacy sessions: when each was last used, and which were ended (DESIGN 6). It lives in a segment that outlives the worker.
///
/// What it keeps, whenever the writer is killed: a session whose `begin` returned is live until it ends; one that was ended never comes back, neither when
/// its tombstone must make room (the floor rises first) nor when the table is full. Times are seconds since 1970 UTC and never read from a clock here. Nothing
/// here allocates or enters the kernel. One writer, one thread.
public final class SessionTable {
    private static let mark: UInt64 = 0x6d63_7067_7773_0001
    private static let slotLength = 64

    /// Seconds after its last use at which a session is over (`session.ttl`).
    public var idleLimit: UInt64

    /// The number of live sessions that the last complete round of ``sweep(pages:now:)`` counted.
    public private(set) var liveCount = 0

    /// Seconds that a session may last (`session.lifetime`).
    private let lifetime: UInt64
    private let table: SlotTable
    private var sweepPage = 0
    private var sweepCount = 0

    /// Makes an empty table and returns its descriptor, which is the caller's.
    ///
    /// `capacity` is a power of two from 64 to about two million; memory is used (64 bytes a slot) as slots are. Sessions created at `floor` or before it
    /// and not in the table are refused: the time of the start for a single instance, which forgot its tombstones with its last table; 0 where instances
    /// share the key and sessions begun elsewhere are welcome.
    /// - Throws: `SegmentError` if the capacity is impossible or the kernel has no memory or descriptor left.
    public static func create(capacity: Int = 65_536, floor: UInt64) throws(SegmentError) -> Int32 {
        try SlotTable.create("mcpgw-sessions", mark: mark, slotLength: slotLength, capacity: capacity, floor: floor)
    }

    /// Takes over a table as its one writer.
    /// - Throws: `SegmentError` if the descriptor is no such table.
    public convenience init(
        writing descriptor: Int32, idleLimit: UInt64 = 30 * 60, lifetime: UInt64 = 24 * 3600
    ) throws(SegmentError) {
        try self.init(TableMemory(descriptor), idleLimit: idleLimit, lifetime: lifetime)
    }

    init(_ memory: TableMemory, idleLimit: UInt64, lifetime: UInt64 = 24 * 3600) throws(SegmentError) {
        self.lifetime = lifetime
        table = try SlotTable(memory, mark: SessionTable.mark, slotLength: SessionTable.slotLength)
        self.idleLimit = idleLimit
    }

    /// Notes a session that begins now: its uuid is new.
    public func begin(_ session: SessionGrant, now: UInt64) -> SessionBegin {
        guard now < session.expires else { return .ended }
        guard let (slot, state) = find(session.uuid) else { return write(session, .live, now) ? .begun : .full }
        guard state == .live, let stamp = table.stamp(slot), !isIdle(stamp, now) else { return .ended }
        table.noteUse(slot, stamp, now)
        return .begun
    }

    /// Takes over a session that another instance with the same key began, after `touch` said `unknown`.
    public func adopt(_ session: SessionGrant, now: UInt64) -> SessionBegin {
        switch touch(session, now: now) {
        case .live: .begun
        case .unknown: write(session, .live, now) ? .begun : .full
        case .idleExpired, .expired, .deleted, .refused: .ended
        }
    }

    /// Notes a use of a session and says whether it goes on.
    public func touch(_ session: SessionGrant, now: UInt64) -> SessionUse {
        guard now < session.expires else { return .expired }
        guard let (slot, state) = find(session.uuid), let stamp = table.stamp(slot) else {
            let mayHaveEnded = session.created <= table.floor || survey(session.uuid, now).corrupt != nil
            return mayHaveEnded ? .refused : .unknown
        }
        guard state == .live else { return .deleted }
        guard !isIdle(stamp, now) else {
            table.finish(slot, .ended, payload: 0)
            return .idleExpired
        }
        table.noteUse(slot, stamp, now)
        return .live
    }

    /// Ends a session for good, whether or not it is in the table. If there is no room for a tombstone the floor rises instead.
    public func delete(_ session: SessionGrant, now: UInt64) {
        if let (slot, state) = find(session.uuid) {
            if state == .live { table.finish(slot, .ended, payload: 0) }
        } else if !write(session, .ended, now) {
            table.raiseFloor(to: session.created)
        }
    }

    /// Goes on round the table: counts the live sessions of the next `pages` pages (64 slots each) that were ever used and frees those past their absolute
    /// end. To be called about once a second; a page costs one to two microseconds, and a full table of the default capacity has 1,024.
    public func sweep(pages: Int = 128, now: UInt64) {
        let isRoundComplete = table.visitUsedSlots(from: &sweepPage, limit: pages) { slot in
            let state = table.state(slot, payload: 0)
            guard state == .live || state == .ended else { return }
            if isPast(slot, now) {
                table.raiseFloor(to: table.word(slot, SlotTable.createdWord))
                table.free(slot)
            } else if state == .live, let stamp = table.stamp(slot), !isIdle(stamp, now),
                isPlausible(slot, stamp, now)
            {
                sweepCount += 1
            }
        }
        guard isRoundComplete else { return }
        liveCount = sweepCount
        sweepCount = 0
    }

    // MARK: Searching and making room

    private func find(_ uuid: SessionUUID) -> (slot: Int, state: SlotState)? {
        for step in 0..<table.probeLength {
            let slot = table.slot(uuid, step)
            if table.isBlank(slot) { return nil }
            guard table.names(slot, uuid) else { continue }
            let state = table.state(slot, payload: 0)
            if state == .live || state == .ended { return (slot, state) }
        }
        return nil
    }

    /// What could take a session that is not in the table, in the order of preference.
    private struct Survey {
        /// The first slot that holds nothing or a session past its absolute end.
        var spare: Int?
        /// The session idle longest past the limit, and its last use.
        var idle: (slot: Int, lastUse: UInt64)?
        /// The tombstone of the oldest session, and its creation.
        var tombstone: (slot: Int, created: UInt64)?
        /// An entry or tombstone with times that cannot be.
        var implausible: Int?
        var corrupt: Int?

        var slot: Int? { spare ?? idle?.slot ?? tombstone?.slot ?? implausible ?? corrupt }
    }

    private func survey(_ uuid: SessionUUID, _ now: UInt64) -> Survey {
        var survey = Survey()
        for step in 0..<table.probeLength {
            let slot = table.slot(uuid, step)
            let state = table.state(slot, payload: 0)
            switch state {
            case .corrupt:
                if survey.corrupt == nil { survey.corrupt = slot }
            case .blank, .freed, .torn:
                if survey.spare == nil { survey.spare = slot }
            case .live, .ended:
                consider(slot, state, now, &survey)
            }
            if state == .blank { break }
        }
        return survey
    }

    private func consider(_ slot: Int, _ state: SlotState, _ now: UInt64, _ survey: inout Survey) {
        if isPast(slot, now) {
            if survey.spare == nil { survey.spare = slot }
        } else if let stamp = table.stamp(slot), !isPlausible(slot, stamp, now) {
            if survey.implausible == nil { survey.implausible = slot }
        } else if state == .ended {
            let created = table.word(slot, SlotTable.createdWord)
            if created < survey.tombstone?.created ?? .max { survey.tombstone = (slot, created) }
        } else if let stamp = table.stamp(slot), isIdle(stamp, now), stamp.lastUse < survey.idle?.lastUse ?? .max {
            survey.idle = (slot, stamp.lastUse)
        }
    }

    private func write(_ session: SessionGrant, _ state: SlotState, _ now: UInt64) -> Bool {
        guard let slot = survey(session.uuid, now).slot else { return false }
        // Whatever is forgotten here cannot come back: the floor rises before. A damaged slot could have been anyone's.
        switch table.state(slot, payload: 0) {
        // Not to any time that was forged: the floor would refuse every session that other instances begin.
        case .live:
            table.raiseFloor(to: min(now + SlotTable.clockSlack, table.word(slot, SlotTable.createdWord)))
        case .ended: table.raiseFloor(to: table.word(slot, SlotTable.createdWord))
        case .corrupt: table.raiseFloor(to: now)
        case .blank, .freed, .torn: break
        }
        table.start(
            slot, session.uuid, SlotStamp(lastUse: now), created: session.created, expires: session.expires)
        table.finish(slot, state, payload: 0)
        return true
    }

    private func isPlausible(_ slot: Int, _ stamp: SlotStamp, _ now: UInt64) -> Bool {
        table.isPlausible(slot, stamp, now: now, lifetime: lifetime)
    }

    private func isPast(_ slot: Int, _ now: UInt64) -> Bool { now >= table.word(slot, SlotTable.expiresWord) }

    private func isIdle(_ stamp: SlotStamp, _ now: UInt64) -> Bool {
        now > stamp.lastUse && now - stamp.lastUse >= idleLimit
    }
}
