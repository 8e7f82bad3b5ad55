import CKernel
import Crypto
import EpollLoop
import Glibc
import Link
import NIOCore
import Segment
import Telemetry
import Worker

/// Why a message could not be recorded.
public enum RecordError: Error, Equatable, Sendable {
    /// The ring is full, or the recorder takes nothing but denials because the disk is full. `audit.on_failure` says what becomes of the message.
    case full
}

/// Where a worker on an event loop records. What is committed survives the worker; the recorder is woken at the end of the loop's turn.
public final class RecordDesk {
    private struct Waiter {
        let position: UInt64
        let deadline: NIODeadline
        let action: (_ isDurable: Bool) -> Void
    }

    /// How long an answer waits for its record to be on disk.
    private static let patience = TimeAmount.seconds(5)

    private let loop: EpollLoop
    private let ring: RecordRingProducer
    private let counters: Counters
    /// This process's own descriptor of the bell, beside the channel's.
    private let bell: Int32
    private let builder: RecordBuilder
    private var waiters: [Waiter] = []
    private var isFlushScheduled = false
    private var isWatching = false
    private var listening: StreamSocket?

    /// Takes secrets out of what is recorded.
    public var redaction: (any RecordRedaction)? {
        get { builder.redaction }
        set { builder.redaction = newValue }
    }

    /// Takes over the ring that the supervisor handed to this worker. The library is loaded in the worker's warm-up.
    /// - Throws: `LinkViolation.badPayload` if there is no ring, or what was handed over is none.
    public init(_ context: WorkerContext, loop: EpollLoop) throws(LinkViolation) {
        guard let handed = context.ring else { throw .badPayload }
        self.loop = loop
        counters = context.counters
        do {
            let library = try CryptoLibrary.load()
            builder = try RecordBuilder(library, maximumValue: 0)
            ring = try RecordRingProducer(data: handed.data, progress: handed.progress)
        } catch {
            throw .badPayload
        }
        close(handed.data)
        close(handed.progress)
        bell = ck_duplicate(handed.bell)
        guard bell >= 0 else { throw .badPayload }
        // Without it nothing is lost: whoever waits looks again by itself.
        let limits = SocketLimits(reads: 2048...2048)
        listening = StreamSocket.serve(handed.bell, loop: loop, limits: limits, delegate: BellHandler(self))
        // A predecessor may have committed and not rung.
        scheduleFlush()
    }

    deinit { close(bell) }

    /// Begins a record in the one builder there is, with so many bytes of a value recorded whole.
    public func begin(_ kind: RecordKind, _ direction: RecordDirection, maximumValue: Int) -> RecordBuilder {
        builder.begin(kind, direction, maximumValue: maximumValue)
        return builder
    }

    /// Writes members for records to come; not while a record is begun and not committed.
    public func part(maximumValue: Int, _ fill: (RecordBuilder) -> Void) -> RecordPart {
        builder.part(maximumValue: maximumValue, fill)
    }

    /// Commits the record that was begun last. It survives this process from here on.
    /// - Parameters:
    ///   - blocks: it is a denial: synced at once.
    ///   - effect: what it means for the request that it names.
    /// - Returns: its position, for `whenDurable`.
    /// - Throws: `RecordError.full`.
    public func commit(blocks: Bool, effect: RecordRing.Effect = .none) throws(RecordError) -> UInt64 {
        builder.finish()
        let record = builder.bytes
        let position = ring.append(record.span, effect: effect, request: builder.request, blocks: blocks)
        guard let position else {
            counters.add(.recordsRefused)
            // The recorder may sleep over a ring that a predecessor filled.
            scheduleFlush()
            throw .full
        }
        counters.add(.recordsCommitted)
        scheduleFlush()
        return position
    }

    /// Calls back on the loop, in order of position, when everything before `position` is on disk: with true; or with false when that takes longer than
    /// 5 s or cannot be, because the disk is full. It may call at once.
    public func whenDurable(_ position: UInt64, _ action: @escaping (_ isDurable: Bool) -> Void) {
        if waiters.isEmpty, ring.durable >= position { return action(true) }
        waiters.append(Waiter(position: position, deadline: .now() + RecordDesk.patience, action: action))
        guard waiters.count == 1 else { return }
        ring.setWaiting(true)
        // It may have moved before the recorder could see that somebody waits.
        if ring.durable >= position { loop.execute { [self] in durableMoved() } }
        watch()
    }

    /// Whether nothing but denials is recorded, because the disk is full.
    public var isStopped: Bool { ring.isStopped }

    /// Whether the recorder is so far behind that whoever only has more to tell should wait, and leave the room to requests.
    public var isCrowded: Bool { ring.backlog > UInt64(RecordRing.capacity / 2) }

    /// Answers waiting for their records; for gauges.
    public var waiting: Int { waiters.count }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.execute { [self] in
            isFlushScheduled = false
            guard ring.mustWake() else { return }
            var byte: UInt8 = 1
            // A full socket wakes it just as well.
            _ = unsafe send(bell, &byte, 1, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
    }

    /// The recorder says that the durable position moved.
    fileprivate func durableMoved() {
        let durable = ring.durable
        let count = waiters.firstIndex { $0.position > durable } ?? waiters.count
        release(count, isDurable: true)
    }

    /// Waits for nobody longer than it promised.
    private func watch() {
        guard !isWatching else { return }
        isWatching = true
        loop.schedule(in: .milliseconds(250)) { [self] in
            isWatching = false
            durableMoved()
            let now = NIODeadline.now()
            let isStopped = ring.isStopped
            release(
                isStopped ? waiters.count : waiters.firstIndex { $0.deadline > now } ?? waiters.count, isDurable: false)
            if !waiters.isEmpty { watch() }
        }
    }

    private func release(_ count: Int, isDurable: Bool) {
        guard count > 0 else { return }
        let released = waiters[..<count]
        waiters.removeFirst(count)
        if waiters.isEmpty { ring.setWaiting(false) }
        for waiter in released { waiter.action(isDurable) }
    }
}

/// Hears the recorder.
private final class BellHandler: StreamSocketDelegate {
    // Strongly: a desk lives as long as its worker. An object that anybody refers to weakly costs more at every use.
    private let desk: RecordDesk

    init(_ desk: RecordDesk) { self.desk = desk }

    func received(_ bytes: ByteBuffer) { desk.durableMoved() }

    func writabilityChanged(_ isWritable: Bool) {}

    func closed() {}
}
