import Glibc
import Link
import Segment

/// What a slot holds.
enum SlotState: Equatable {
    /// Nothing, ever, or nothing any more and no probe passes over it: probing ends here.
    case blank
    /// Nothing, but probes pass over it.
    case freed
    /// An entry that was being replaced when the writer was killed.
    case torn
    /// An entry.
    case live
    /// A tombstone: the session was ended and must not come back.
    case ended
    /// Nothing this program wrote.
    case corrupt
}

/// Open addressing over a segment: fixed slots, bounded linear probing, one writer, and no moment in which a kill leaves half an entry that reads as whole.
///
/// The first page is the head: a mark, the floor, and one bit for each page of slots that was ever used (so that scanning the table does not make the
/// kernel allocate the rest). A slot's words are
///
///     0 check · 1, 2 uuid · 3 stamp (last use, flags) · 4 created · 5 expires · 6... payload
///
/// The check word is `blank`, `freed`, `replacing`, or a digest over the slot's number, its state, the uuid, the times and the payload. Writing an entry is:
/// `freed` (`replacing` if the slot holds the same session's entry), the words, the digest; so no prefix reads as an entry. Ending and freeing are one store;
/// so is a change of the stamp, which carries a check of its own. The digest finds torn and random content, not a forger's: whoever may write here owns the
/// role already.
struct SlotTable {
    /// Slots a probe visits, at most. With random uuids the first refusal then comes when four fifths of the slots are taken (measured: 82 to 86 %).
    static let longestProbe = 256
    static let pageLength = 4096
    /// Times are kept in 40 bits of seconds.
    static let lastTime: UInt64 = 1 << 40 - 1

    /// Seconds by which a time may lie beyond what it can be: the clock may have been set back since.
    static let clockSlack: UInt64 = 3600

    static let checkWord = 0
    static let stampWord = 3
    static let createdWord = 4
    static let expiresWord = 5
    static let payloadWord = 6

    private static let markOffset = 0
    private static let floorOffset = 8
    private static let usedPagesOffset = 64
    private static let blank: UInt64 = 0
    private static let replacing: UInt64 = 1
    private static let freed: UInt64 = 2

    let memory: TableMemory
    /// Bytes of a slot: a power of two, at most a page.
    let slotLength: Int
    /// Slots: a power of two.
    let capacity: Int

    private var mask: Int { capacity - 1 }
    private var slotsPerPage: Int { SlotTable.pageLength / slotLength }

    /// Makes a segment for so many slots with the floor given.
    static func create(
        _ name: String, mark: UInt64, slotLength: Int, capacity: Int, floor: UInt64
    ) throws(SegmentError) -> Int32 {
        guard isUsable(capacity, slotLength) else { throw SegmentError(action: "make a table of this size", code: 22) }
        let descriptor = try TableMemory.create(name, size: pageLength + capacity * slotLength)
        do throws(SegmentError) {
            let memory = try TableMemory(descriptor)
            memory.store(floorOffset, sealedFloor(floor))
            memory.store(markOffset, mark)
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Takes over a table, whoever wrote it before.
    init(_ memory: TableMemory, mark: UInt64, slotLength: Int) throws(SegmentError) {
        let capacity = (memory.size - SlotTable.pageLength) / slotLength
        guard memory.size == SlotTable.pageLength + capacity * slotLength, SlotTable.isUsable(capacity, slotLength)
        else {
            throw SegmentError(action: "map a segment of another size", code: 22)
        }
        guard memory.load(SlotTable.markOffset) == mark else {
            throw SegmentError(action: "read a segment's mark", code: 22)
        }
        self.memory = memory
        self.slotLength = slotLength
        self.capacity = capacity
    }

    private static func isUsable(_ capacity: Int, _ slotLength: Int) -> Bool {
        let bits = (pageLength - usedPagesOffset) * 8
        return capacity > 0 && capacity.nonzeroBitCount == 1 && capacity * slotLength >= pageLength
            && capacity <= bits * (pageLength / slotLength)
    }

    // MARK: The floor

    /// Sessions that are not in the table and were created at this second or before it are over. If the word is damaged, that is all of them.
    var floor: UInt64 {
        let word = memory.load(SlotTable.floorOffset)
        let time = word & SlotTable.lastTime
        return SlotTable.sealedFloor(time) == word ? time : .max
    }

    /// Raises the floor; it never sinks.
    func raiseFloor(to time: UInt64) {
        if time > floor { memory.store(SlotTable.floorOffset, SlotTable.sealedFloor(time)) }
    }

    private static func sealedFloor(_ time: UInt64) -> UInt64 {
        let time = min(time, lastTime)
        return fold(time, 0x66_6C_6F_6F_72) & ~lastTime | time
    }

    // MARK: Probing

    /// The `step`th slot that a session may lie in, from 0 to `probeLength` - 1. The uuid is random, so its bits are the hash.
    @inline(__always)
    func slot(_ uuid: SessionUUID, _ step: Int) -> Int {
        Int(truncatingIfNeeded: uuid.low &+ UInt64(truncatingIfNeeded: step)) & mask
    }

    /// Steps of a probe.
    var probeLength: Int { min(SlotTable.longestProbe, capacity) }

    /// Whether no probe goes on past this slot.
    @inline(__always)
    func isBlank(_ slot: Int) -> Bool { word(slot, SlotTable.checkWord) == SlotTable.blank }

    /// Whether the slot holds nothing, but did.
    @inline(__always)
    func isFreed(_ slot: Int) -> Bool { word(slot, SlotTable.checkWord) == SlotTable.freed }

    /// Whether the slot holds, held or was going to hold this session.
    @inline(__always)
    func names(_ slot: Int, _ uuid: SessionUUID) -> Bool { word(slot, 1) == uuid.low && word(slot, 2) == uuid.high }

    func uuid(_ slot: Int) -> SessionUUID { SessionUUID(low: word(slot, 1), high: word(slot, 2)) }

    /// What the slot holds. `payload` is how many of the payload's words count; the rest is neither read nor written.
    func state(_ slot: Int, payload: Int) -> SlotState {
        switch word(slot, SlotTable.checkWord) {
        case SlotTable.blank: return .blank
        case SlotTable.replacing: return .torn
        case SlotTable.freed: return .freed
        case let check:
            guard stamp(slot) != nil else { return .corrupt }
            let content = digest(slot, payload: payload)
            if check == SlotTable.check(content, .live) { return .live }
            return check == SlotTable.check(content, .ended) ? .ended : .corrupt
        }
    }

    // MARK: Words

    @inline(__always)
    func word(_ slot: Int, _ index: Int) -> UInt64 { memory.load(offset(slot) + index * 8) }

    @inline(__always)
    func setWord(_ slot: Int, _ index: Int, _ value: UInt64) { memory.store(offset(slot) + index * 8, value) }

    @inline(__always)
    private func offset(_ slot: Int) -> Int { SlotTable.pageLength + slot * slotLength }

    /// Last use and flags, or nil if the word is damaged.
    @inline(__always)
    func stamp(_ slot: Int) -> SlotStamp? { SlotStamp(word: word(slot, SlotTable.stampWord), slot) }

    func setStamp(_ slot: Int, _ stamp: SlotStamp) { setWord(slot, SlotTable.stampWord, stamp.word(slot)) }

    /// Notes a use, in whole seconds, so that a busy session costs one store a second. A clock that was set back is followed.
    @inline(__always)
    func noteUse(_ slot: Int, _ stamp: SlotStamp, _ now: UInt64) {
        guard stamp.lastUse != now else { return }
        setStamp(slot, SlotStamp(lastUse: now, flags: stamp.flags))
    }

    /// Whether an entry's times can be those of a session that lives no longer than `lifetime`. A predecessor in an attacker's hands could have filled the table
    /// with entries that never end; or the clock was set back by more than the slack, and the entry is honest. So such an entry stays where it is until its place
    /// is needed and nothing else can be given up.
    func isPlausible(_ slot: Int, _ stamp: SlotStamp, now: UInt64, lifetime: UInt64) -> Bool {
        let latest = min(now, SlotTable.lastTime) + SlotTable.clockSlack
        return stamp.lastUse <= latest && word(slot, SlotTable.createdWord) <= latest
            && word(slot, SlotTable.expiresWord) <= latest + min(lifetime, SlotTable.lastTime)
    }

    // MARK: Changing a slot

    /// Gives up what the slot held and starts writing an entry. The payload is written next, then `finish`. `replacing`: the slot names this very session,
    /// and if the writer dies now that must not look as if the session had never been here.
    func start(
        _ slot: Int, _ uuid: SessionUUID, _ stamp: SlotStamp, created: UInt64, expires: UInt64, replacing: Bool = false
    ) {
        markUsed(slot)
        setWord(slot, SlotTable.checkWord, replacing ? SlotTable.replacing : SlotTable.freed)
        setWord(slot, 1, uuid.low)
        setWord(slot, 2, uuid.high)
        setStamp(slot, stamp)
        setWord(slot, SlotTable.createdWord, min(created, SlotTable.lastTime))
        setWord(slot, SlotTable.expiresWord, min(expires, SlotTable.lastTime))
    }

    /// Makes what was written an entry or a tombstone.
    func finish(_ slot: Int, _ state: SlotState, payload: Int) {
        setWord(slot, SlotTable.checkWord, SlotTable.check(digest(slot, payload: payload), state))
    }

    /// Empties a slot. Freed slots at the end of a run become blank again, last one first, so that probes stay short.
    func free(_ slot: Int) {
        var slot = slot
        guard isBlank((slot + 1) & mask) else { return setWord(slot, SlotTable.checkWord, SlotTable.freed) }
        repeat {
            setWord(slot, SlotTable.checkWord, SlotTable.blank)
            slot = (slot - 1) & mask
        } while isFreed(slot)
    }

    private func digest(_ slot: Int, payload: Int) -> UInt64 {
        var digest = SlotTable.fold(UInt64(truncatingIfNeeded: slot), UInt64(truncatingIfNeeded: payload))
        digest = SlotTable.fold(digest ^ word(slot, 1), word(slot, 2))
        digest = SlotTable.fold(digest ^ word(slot, SlotTable.createdWord), word(slot, SlotTable.expiresWord))
        for index in 0..<payload { digest = SlotTable.fold(digest, word(slot, SlotTable.payloadWord + index)) }
        return digest
    }

    private static func check(_ content: UInt64, _ state: SlotState) -> UInt64 {
        // Never one of the three special words.
        max(fold(content, state == .live ? 0x6C_69_76_65 : 0x65_6E_64_65_64), freed + 1)
    }

    /// Mixes two words into one: a full multiplication folded on itself.
    @inline(__always)
    static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = (a ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: b ^ 0xC2B2_AE3D_27D4_EB4F)
        return (product.high ^ product.low) &* 0x9FB2_1C65_1E98_DF25 ^ a
    }

    // MARK: Pages

    /// Visits the slots of the next `limit` pages that were ever used, from `page` on.
    /// - Returns: whether that was the last of them; then `page` is back at the start.
    func visitUsedSlots(from page: inout Int, limit: Int, _ body: (Int) -> Void) -> Bool {
        var left = max(1, limit)
        let pageCount = capacity / slotsPerPage
        while page < pageCount {
            if isUsed(page: page) {
                if left == 0 { return false }
                left -= 1
                for slot in page * slotsPerPage..<(page + 1) * slotsPerPage { body(slot) }
            }
            page += 1
        }
        page = 0
        return true
    }

    private func isUsed(page: Int) -> Bool {
        memory.load(SlotTable.usedPagesOffset + page / 64 * 8) >> UInt64(page % 64) & 1 == 1
    }

    private func markUsed(_ slot: Int) {
        let page = slot / slotsPerPage
        let offset = SlotTable.usedPagesOffset + page / 64 * 8
        let word = memory.load(offset)
        let bit: UInt64 = 1 << UInt64(page % 64)
        if word & bit == 0 { memory.store(offset, word | bit) }
    }
}

/// The word of a slot that changes while its entry lives: 40 bits of last use, 16 of flags, 8 that check them.
struct SlotStamp: Equatable {
    var lastUse: UInt64
    var flags: UInt16

    init(lastUse: UInt64, flags: UInt16 = 0) {
        self.lastUse = min(lastUse, SlotTable.lastTime)
        self.flags = flags
    }

    init?(word: UInt64, _ slot: Int) {
        lastUse = word & SlotTable.lastTime
        flags = UInt16(truncatingIfNeeded: word >> 40)
        if self.word(slot) != word { return nil }
    }

    func word(_ slot: Int) -> UInt64 {
        let content = UInt64(flags) << 40 | lastUse
        return SlotTable.fold(UInt64(truncatingIfNeeded: slot), content) & 0xFF << 56 | content
    }
}
