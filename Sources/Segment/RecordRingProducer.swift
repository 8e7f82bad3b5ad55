import CKernel

/// The producer's end of a record ring.
///
/// The recorder's words are read from a mapping that the producer cannot write; they are believed only as far as they can be true.
public final class RecordRingProducer {
    private let data: SharedMemory
    private let progress: SharedMemory
    /// The head as this producer knows it; published by `publish`.
    private var head: UInt64
    private var published: UInt64
    /// The tail at the last look: looked at again only when the ring seems full.
    private var knownTail: UInt64
    /// Something that may not wait was published since the last `mustWake`.
    private var isUrgent = false

    /// Takes the ring over from whoever had it before. Records that were committed stay; one that was not is written over.
    /// - Throws: `SegmentError` if the descriptors are no such segments.
    public init(data: Int32, progress: Int32) throws(SegmentError) {
        self.data = try SharedMemory(descriptor: data, size: RecordRing.Data.size, writable: true)
        self.progress = try SharedMemory(descriptor: progress, size: RecordRing.Progress.size, writable: false)
        guard self.data.load(0) == RecordRing.Data.mark, self.progress.load(0) == RecordRing.Progress.mark else {
            throw SegmentError(action: "read a record ring's mark", code: 22)
        }
        let tail = self.progress.loadAcquire(RecordRing.Progress.tail)
        let number = self.data.load(RecordRing.Data.incarnation)
        head = self.data.load(RecordRing.Data.head)
        // A predecessor may have been condemned for what it wrote, or have left anything at all.
        let condemned = self.progress.loadAcquire(RecordRing.Progress.condemned)
        let isCondemned = condemned != 0 && (number == condemned || number == 0)
        if isCondemned || head &- tail > UInt64(RecordRing.capacity) || head & 7 != 0 { head = tail }
        published = head
        knownTail = tail
        self.data.store(RecordRing.Data.waiting, 0)
        self.data.storeRelease(RecordRing.Data.head, head)
        if room(for: 0, kept: 0) { write(Span(), effect: .begins, request: 0, blocks: false) }
        // The number before the records: the recorder takes none of a producer that is condemned.
        // Never 0, which is that of none: a predecessor may have left the greatest there is.
        self.data.storeRelease(RecordRing.Data.incarnation, max(1, max(number, condemned) &+ 1))
        publish()
    }

    /// Commits a record.
    /// - Returns: the position behind it; nil if the ring is full, or if the recorder takes only denials and this is none.
    public func append(
        _ record: Span<UInt8>, effect: RecordRing.Effect = .none, request: UInt64 = 0, blocks: Bool
    ) -> UInt64? {
        precondition(record.count > 0 && record.count <= RecordRing.maximumRecord && effect != .begins, "no record")
        guard blocks || !isStopped, room(for: record.count, kept: RecordRing.kept) else { return nil }
        write(record, effect: effect, request: request, blocks: blocks)
        if blocks { isUrgent = true }
        publish()
        return head
    }

    /// Whether the recorder takes nothing but denials.
    public var isStopped: Bool { progress.load(RecordRing.Progress.stopped) != 0 }

    /// Whether the recorder has to be woken for what was committed; asked once per turn of the loop.
    public func mustWake() -> Bool {
        // The head first, then whether it sleeps; the recorder does it the other way round.
        ck_fence()
        defer { isUrgent = false }
        switch RecordRing.Sleep(rawValue: progress.load(RecordRing.Progress.sleep)) {
        case .asleep: return true
        case .resting: return isUrgent || head &- progress.load(RecordRing.Progress.tail) > RecordRing.capacity / 4
        case .awake, nil: return false
        }
    }

    /// Everything before this position is on disk.
    public var durable: UInt64 {
        let position = progress.loadAcquire(RecordRing.Progress.durable)
        return published &- position <= published ? min(position, published) : 0
    }

    /// Says whether somebody waits for `durable` to move. Afterwards `durable` is to be looked at once more.
    public func setWaiting(_ waits: Bool) {
        data.store(RecordRing.Data.waiting, waits ? 1 : 0)
        ck_fence()
    }

    /// Bytes that the recorder has not taken yet.
    public var backlog: UInt64 { head &- progress.load(RecordRing.Progress.tail) }

    private func room(for record: Int, kept: Int) -> Bool {
        let end = head &+ RecordRing.size(of: record)
        let limit = UInt64(RecordRing.capacity - kept)
        if end &- knownTail <= limit { return true }
        let tail = progress.loadAcquire(RecordRing.Progress.tail)
        // A tail beyond the head cannot be: then nothing is free.
        guard head &- tail <= UInt64(RecordRing.capacity) else { return false }
        knownTail = tail
        return end &- tail <= limit
    }

    // Apart from `publish` so that tests can stop a producer between the two.
    func write(_ record: Span<UInt8>, effect: RecordRing.Effect, request: UInt64, blocks: Bool) {
        put(RingEntryWord(length: record.count, effect: effect, blocks: blocks).word, at: head)
        put(request, at: head &+ 8)
        let start = place(head &+ UInt64(RecordRing.entryHead))
        let first = min(record.count, RecordRing.capacity - start)
        data.write(record.extracting(0..<first), at: RecordRing.Data.records + start)
        data.write(record.extracting(first..<record.count), at: RecordRing.Data.records)
        head &+= RecordRing.size(of: record.count)
    }

    func publish() {
        published = head
        data.storeRelease(RecordRing.Data.head, head)
    }

    private func place(_ position: UInt64) -> Int { Int(position & UInt64(RecordRing.capacity - 1)) }

    private func put(_ word: UInt64, at position: UInt64) {
        data.store(RecordRing.Data.records + place(position), word)
    }
}
