import Link
import Segment

/// The answer to storing an upstream session.
public enum UpstreamInsertion: Equatable, Sendable {
    /// It is in the table.
    case stored
    /// Its id is empty, longer than 400 bytes, or not visible ASCII: the upstream breaks the protocol.
    case unusableID
    /// There is no room; the caller answers -31016.
    case full
}

/// The answer to a search for an upstream session.
public enum UpstreamLookup: Sendable {
    /// It is here.
    case found(UpstreamSession)
    /// The client's session has none at this upstream, or it is over.
    case absent
    /// The worker died while it replaced it. Nobody knows what depended on it: the caller answers 404.
    case lost
}

/// A route's map from client sessions to upstream sessions (DESIGN 6). It lives in a segment that outlives the worker.
///
/// What it keeps, whenever the writer is killed: an entry is whole, absent, or known to be lost; a search never finds parts of one. An entry on which
/// something depends is forgotten only at its absolute end; one without at the idle limit too, because such a session can be opened again. Times are seconds
/// since 1970 UTC and never read from a clock here. Nothing here allocates or enters the kernel. One writer, one thread.
public final class UpstreamSessionTable {
    /// Bytes of an upstream's session id, at most.
    public static let longestID = 400

    private static let mark: UInt64 = 0x6d63_7067_7775_0001
    private static let slotLength = 512

    /// Seconds after its last use at which an entry without flags is forgotten.
    public var idleLimit: UInt64

    /// Seconds that a session may last (`session.lifetime`).
    private let lifetime: UInt64
    private let table: SlotTable
    private var sweepPage = 0

    /// Makes an empty table and returns its descriptor, which is the caller's. `capacity` is a power of two from 8 to about 250,000; memory is used (512
    /// bytes a slot) as slots are.
    /// - Throws: `SegmentError` if the capacity is impossible or the kernel has no memory or descriptor left.
    public static func create(capacity: Int = 16_384) throws(SegmentError) -> Int32 {
        try SlotTable.create(
            "mcpgw-upstream-sessions", mark: mark, slotLength: slotLength, capacity: capacity, floor: 0)
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
        table = try SlotTable(memory, mark: UpstreamSessionTable.mark, slotLength: UpstreamSessionTable.slotLength)
        self.idleLimit = idleLimit
    }

    /// Stores the upstream session of a client's session, in the place of an older or lost one. With `mayBeEmpty` an upstream that has no sessions is
    /// remembered too, by an empty id.
    public func insert(
        _ uuid: SessionUUID, id: Span<UInt8>, revision: UInt8, flags: UpstreamSessionFlags = [], expires: UInt64,
        now: UInt64, mayBeEmpty: Bool = false
    ) -> UpstreamInsertion {
        guard !id.isEmpty || mayBeEmpty && revision > 0, id.count <= UpstreamSessionTable.longestID else {
            return .unusableID
        }
        for index in id.indices where !isVisible(id[index]) { return .unusableID }
        let held = find(uuid)
        guard let slot = held ?? room(for: uuid, now) else { return .full }
        let shape = UpstreamSessionShape(idLength: id.count, revision: revision)
        table.start(
            slot, uuid, SlotStamp(lastUse: now, flags: flags.rawValue), created: now, expires: expires,
            replacing: held != nil)
        table.setWord(slot, SlotTable.payloadWord, shape.word)
        for index in 0..<shape.idWords {
            var word: UInt64 = 0
            for byte in 0..<min(8, id.count - index * 8) { word |= UInt64(id[index * 8 + byte]) << UInt64(byte * 8) }
            table.setWord(slot, SlotTable.payloadWord + 1 + index, word)
        }
        table.finish(slot, .live, payload: shape.payload)
        return .stored
    }

    /// Looks up the upstream session of a client's session and notes the use.
    public func lookup(_ uuid: SessionUUID, now: UInt64) -> UpstreamLookup {
        guard let slot = find(uuid) else { return .absent }
        guard let session = read(slot) else { return .lost }
        guard !isOver(session, now) else { return .absent }
        table.noteUse(slot, SlotStamp(lastUse: session.lastUse, flags: session.flags.rawValue), now)
        return .found(session)
    }

    /// Replaces the flags of an entry.
    /// - Returns: false if there is none.
    @discardableResult
    public func setFlags(_ uuid: SessionUUID, _ flags: UpstreamSessionFlags) -> Bool {
        guard let slot = find(uuid), let session = read(slot) else { return false }
        if session.flags != flags { table.setStamp(slot, SlotStamp(lastUse: session.lastUse, flags: flags.rawValue)) }
        return true
    }

    /// Forgets the entry of a client's session, a lost one too.
    /// - Returns: false if there is none.
    @discardableResult
    public func remove(_ uuid: SessionUUID) -> Bool {
        guard let slot = find(uuid) else { return false }
        table.free(slot)
        return true
    }

    /// Goes on round the table: forgets entries that are over in the next `pages` pages (8 entries each) that were ever used, and hands each over first, so
    /// that the route can end it at the upstream. Lost ones go too, at their absolute end and with nothing to hand over. To be called about once a second.
    public func sweep(pages: Int = 128, now: UInt64, _ body: (SessionUUID, UpstreamSession) -> Void) {
        _ = table.visitUsedSlots(from: &sweepPage, limit: pages) { slot in
            let state = state(slot)
            guard state == .live || state == .torn || state == .corrupt else { return }
            if state == .live, let session = read(slot) {
                guard isOver(session, now) else { return }
                body(table.uuid(slot), session)
            } else {
                guard now >= table.word(slot, SlotTable.expiresWord) else { return }
            }
            table.free(slot)
        }
    }

    // MARK: Slots

    /// The slot that names the session, whatever its state: a damaged one is not searched past.
    private func find(_ uuid: SessionUUID) -> Int? {
        for step in 0..<table.probeLength {
            let slot = table.slot(uuid, step)
            if table.isBlank(slot) { return nil }
            if table.names(slot, uuid), !table.isFreed(slot) { return slot }
        }
        return nil
    }

    /// A slot for a session that has none: the first that holds nothing or an entry that is over; if there is none, one that is lost; if there is none of
    /// these either, one with times that cannot be.
    private func room(for uuid: SessionUUID, _ now: UInt64) -> Int? {
        var lost: Int?
        var implausible: Int?
        for step in 0..<table.probeLength {
            let slot = table.slot(uuid, step)
            switch state(slot) {
            case .blank, .freed: return slot
            case .torn, .corrupt, .ended:
                if now >= table.word(slot, SlotTable.expiresWord) { return slot }
                if lost == nil { lost = slot }
            case .live:
                guard let session = read(slot), !isOver(session, now) else { return slot }
                if implausible == nil, let stamp = table.stamp(slot),
                    !table.isPlausible(slot, stamp, now: now, lifetime: lifetime)
                {
                    implausible = slot
                }
            }
        }
        return lost ?? implausible
    }

    private func state(_ slot: Int) -> SlotState {
        guard let shape = UpstreamSessionShape(word: table.word(slot, SlotTable.payloadWord)) else {
            let state = table.state(slot, payload: 0)
            return state == .live || state == .ended ? .corrupt : state
        }
        return table.state(slot, payload: shape.payload)
    }

    private func read(_ slot: Int) -> UpstreamSession? {
        guard let shape = UpstreamSessionShape(word: table.word(slot, SlotTable.payloadWord)),
            table.state(slot, payload: shape.payload) == .live, let stamp = table.stamp(slot)
        else { return nil }
        return UpstreamSession(table, slot, stamp, shape)
    }

    private func isOver(_ session: UpstreamSession, _ now: UInt64) -> Bool {
        if now >= session.expires { return true }
        return session.flags.isEmpty && now > session.lastUse && now - session.lastUse >= idleLimit
    }
}
