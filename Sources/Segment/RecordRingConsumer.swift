import CKernel

/// What is wrong with the content of a ring; its producer is to be condemned.
public struct RingFault: Error, Equatable, Sendable {
    /// What was found.
    public let reason: String

    /// A fault.
    public init(_ reason: String) { self.reason = reason }
}

/// The recorder's end of a record ring. Everything the producer writes is hostile input.
public final class RecordRingConsumer {
    /// One committed entry.
    public struct Entry: Equatable, Sendable {
        /// Where it begins.
        public let start: UInt64
        /// The position behind it.
        public let end: UInt64
        /// What it means for its request.
        public let effect: RecordRing.Effect
        /// The request's id; 0 if none is named.
        public let request: UInt64
        /// Whether it is a denial, which is to be on disk at once.
        public let blocks: Bool
        /// Bytes of the record; 0 where a producer begins.
        public let length: Int
    }

    private let data: SharedMemory
    private let progress: SharedMemory
    /// Names the ring in records.
    public let ring: UInt64
    /// The position up to which entries were read; moves with `next`, and is published by `storeTail`.
    public private(set) var position: UInt64
    /// The position up to which records are in the file.
    public private(set) var tail: UInt64
    /// The position up to which records are on disk.
    public private(set) var durable: UInt64
    /// Requests that were forwarded and not answered, and where each stands in the segment, where a successor finds them.
    private var open: [UInt64: Int] = [:]
    private var freePlaces: [Int] = []

    /// Maps a ring, and goes on where the predecessor stopped.
    /// - Throws: `SegmentError` if the descriptors are no such segments.
    public init(data: Int32, progress: Int32) throws(SegmentError) {
        self.data = try SharedMemory(descriptor: data, size: RecordRing.Data.size, writable: false)
        self.progress = try SharedMemory(descriptor: progress, size: RecordRing.Progress.size, writable: true)
        guard self.data.load(0) == RecordRing.Data.mark, self.progress.load(0) == RecordRing.Progress.mark else {
            throw SegmentError(action: "read a record ring's mark", code: 22)
        }
        ring = self.progress.load(RecordRing.Progress.ring)
        tail = self.progress.load(RecordRing.Progress.tail)
        durable = self.progress.load(RecordRing.Progress.durable)
        position = tail
        for slot in stride(from: RecordRing.openRequests - 1, through: 0, by: -1) {
            let id = self.progress.load(RecordRing.Progress.open + slot * 8)
            if id == 0 || open[id] != nil { freePlaces.append(slot) } else { open[id] = slot }
        }
    }

    /// Reads the next entry and appends its record's bytes.
    /// - Returns: nil if there is none, or if the producer is condemned and not replaced yet.
    /// - Throws: `RingFault` if what stands there is no entry.
    public func next(into bytes: inout [UInt8]) throws(RingFault) -> Entry? {
        guard !isCondemned else { return nil }
        let available = data.loadAcquire(RecordRing.Data.head) &- position
        guard available != 0 else { return nil }
        guard data.loadAcquire(RecordRing.Data.incarnation) != 0 else { throw RingFault("its producer hides") }
        guard available <= UInt64(RecordRing.capacity) - (position &- tail) else {
            throw RingFault("its head is beyond the ring")
        }
        guard available >= UInt64(RecordRing.entryHead), let entry = RingEntryWord(word(at: position)) else {
            throw RingFault("an entry's head is damaged")
        }
        let size = RecordRing.size(of: entry.length)
        guard size <= available else { throw RingFault("an entry is longer than what was committed") }
        let request = word(at: position &+ 8)
        let start = place(position &+ UInt64(RecordRing.entryHead))
        let first = min(entry.length, RecordRing.capacity - start)
        data.read(first, at: RecordRing.Data.records + start, appendingTo: &bytes)
        data.read(entry.length - first, at: RecordRing.Data.records, appendingTo: &bytes)
        let begin = position
        position &+= size
        return Entry(
            start: begin, end: position, effect: entry.effect, request: request, blocks: entry.blocks,
            length: entry.length)
    }

    /// Bytes that are committed and not read, as far as the producer tells the truth.
    public var backlog: UInt64 {
        isCondemned ? 0 : min(data.loadAcquire(RecordRing.Data.head) &- position, UInt64(RecordRing.capacity))
    }

    /// Whether the producer says that somebody waits for durability.
    public var producerWaits: Bool {
        ck_fence()
        return data.load(RecordRing.Data.waiting) != 0
    }

    /// Everything read is in the file: the producer may use the room again.
    public func storeTail() {
        tail = position
        progress.storeRelease(RecordRing.Progress.tail, tail)
    }

    /// What was read is not in the file: it will be read again.
    public func rewind() { position = tail }

    /// The entry that was read last counts as not read.
    public func unread(_ entry: Entry) { position = entry.start }

    /// Everything before `position` is on disk.
    public func storeDurable(_ position: UInt64) {
        durable = position
        progress.storeRelease(RecordRing.Progress.durable, position)
    }

    /// Says whether the producer has to wake this process. After `asleep` and `resting`, `backlog` is to be looked at once more.
    public func setSleep(_ sleep: RecordRing.Sleep) {
        progress.store(RecordRing.Progress.sleep, sleep.rawValue)
        ck_fence()
    }

    /// Says whether nothing but denials is taken.
    public func setStopped(_ stopped: Bool) { progress.store(RecordRing.Progress.stopped, stopped ? 1 : 0) }

    // MARK: Condemned producers

    /// Whether the present producer is one whose records are not to be read.
    public var isCondemned: Bool {
        let number = progress.load(RecordRing.Progress.condemned)
        return number != 0 && number == data.loadAcquire(RecordRing.Data.incarnation)
    }

    /// Reads nothing more of the present producer; its successor throws away what it left. To be called when the tail is stored.
    public func condemn() {
        // 0 stands for "nobody"; a successor of a producer that hid its number takes 1 for it.
        progress.storeRelease(RecordRing.Progress.condemned, max(1, data.loadAcquire(RecordRing.Data.incarnation)))
    }

    // MARK: Forwarded requests

    /// Notes what an entry means for its request; done when the entry is in the file, and harmless if done twice.
    public func note(_ entry: Entry) {
        switch entry.effect {
        case .forwards:
            guard entry.request != 0, open[entry.request] == nil, let slot = freePlaces.popLast() else { return }
            open[entry.request] = slot
            progress.store(RecordRing.Progress.open + slot * 8, entry.request)
        case .answers: close(entry.request)
        case .none, .begins: break
        }
    }

    /// The requests that were forwarded and not answered, in a stable order.
    public var openRequests: [UInt64] { open.keys.sorted() }

    /// A request is over.
    public func close(_ request: UInt64) {
        guard let slot = open.removeValue(forKey: request) else { return }
        freePlaces.append(slot)
        progress.store(RecordRing.Progress.open + slot * 8, 0)
    }

    private func place(_ position: UInt64) -> Int { Int(position & UInt64(RecordRing.capacity - 1)) }

    private func word(at position: UInt64) -> UInt64 { data.load(RecordRing.Data.records + place(position)) }
}
