import CKernel

/// How a record ring lies in its two segments (DESIGN 3, Segments): what the producer writes and what the recorder writes.
///
/// Positions are bytes since the ring was made; they only grow, and a place in the ring is a position modulo its capacity. A record is committed when
/// `head` has passed it: that is one store, so a producer can be killed between any two instructions and leaves whole records only.
public enum RecordRing {
    /// Bytes of records and their entry heads that the ring holds.
    public static let capacity = 4 << 20
    /// The largest record, in bytes.
    public static let maximumRecord = 256 << 10
    /// Requests that can be known as forwarded and not answered at once; more are not closed when their worker dies.
    public static let openRequests = 8192

    /// Kept free by records, so that a successor can always say that it begins.
    static let kept = 4096
    /// Bytes of an entry's head: a word that describes it, and the request's id.
    static let entryHead = 16

    /// The segment that the producer writes: a page of words, then the records.
    enum Data {
        static let mark: UInt64 = 0x6d63_7067_7772_0001
        static let head = 8
        /// How many producers there have been.
        static let incarnation = 16
        /// Not 0: somebody waits for records to become durable.
        static let waiting = 24
        static let records = 4096
        static let size = records + capacity
    }

    /// The segment that the recorder writes: a page of words, then the ids of open requests.
    enum Progress {
        static let mark: UInt64 = 0x6d63_7067_7772_0002
        static let ring = 8
        static let tail = 16
        static let durable = 24
        static let sleep = 32
        /// Not 0: nothing but denials is taken, because the disk is full.
        static let stopped = 40
        /// The producer whose records are not to be read: its number, or 0.
        static let condemned = 48
        static let open = 4096
        static let size = open + openRequests * 8
    }

    /// Whether the recorder has to be woken.
    public enum Sleep: UInt64, Sendable {
        /// It looks at the ring before it sleeps.
        case awake = 0
        /// It waits for anything.
        case asleep = 1
        /// It looks by itself in a few milliseconds: only what must not wait wakes it.
        case resting = 2
    }

    /// What a record means for the request that it names.
    public enum Effect: UInt8, Sendable {
        /// Nothing.
        case none = 0
        /// The request is forwarded now and will be answered.
        case forwards = 1
        /// The request is over.
        case answers = 2
        /// No record: a producer begins. What its predecessor forwarded will not be answered.
        case begins = 3
    }

    /// Makes both segments of a new, empty ring. The descriptors are the caller's.
    /// - Parameter ring: names the ring in records; not 0, and never used again.
    /// - Throws: `SegmentError` if the kernel has no memory or descriptor left.
    public static func create(ring: UInt64) throws(SegmentError) -> (data: Int32, progress: Int32) {
        let data = unsafe ck_segment("mcpgw-records", Data.size)
        guard data >= 0 else { throw SegmentError(action: "make a record ring", code: -data) }
        let progress = unsafe ck_segment("mcpgw-progress", Progress.size)
        guard progress >= 0 else { throw SegmentError(action: "make a record ring", code: -progress) }
        try SharedMemory(descriptor: data, size: Data.size, writable: true).store(0, Data.mark)
        let words = try SharedMemory(descriptor: progress, size: Progress.size, writable: true)
        words.store(0, Progress.mark)
        words.store(Progress.ring, ring)
        return (data, progress)
    }

    /// Bytes that a record takes in the ring.
    static func size(of record: Int) -> UInt64 { UInt64(entryHead + (record + 7) & ~7) }
}

/// The description of one entry: its head's first word.
struct RingEntryWord: Equatable {
    private static let sign: UInt64 = 0x52

    let length: Int
    let effect: RecordRing.Effect
    let blocks: Bool

    init(length: Int, effect: RecordRing.Effect, blocks: Bool) {
        self.length = length
        self.effect = effect
        self.blocks = blocks
    }

    var word: UInt64 {
        UInt64(length) | UInt64(effect.rawValue) << 32 | (blocks ? 1 : 0) << 40 | RingEntryWord.sign << 48
    }

    /// Nil if no honest producer writes this word.
    init?(_ word: UInt64) {
        let length = Int(UInt32(truncatingIfNeeded: word))
        guard word >> 48 == RingEntryWord.sign, word >> 40 & 0xff <= 1, length <= RecordRing.maximumRecord,
            let effect = RecordRing.Effect(rawValue: UInt8(truncatingIfNeeded: word >> 32)),
            (length == 0) == (effect == .begins)
        else { return nil }
        self.length = length
        self.effect = effect
        blocks = word >> 40 & 0xff == 1
    }
}
