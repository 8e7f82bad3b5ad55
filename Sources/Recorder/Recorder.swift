import AuditLog
import Configuration
import Crypto
import Glibc
import Link
import PollLoop
import Records
import Segment
import Telemetry
import Worker

/// The only worker that can write the audit log: drains the rings of the workers that record, checks what stands there, ends each line so that it names the
/// one before, and puts denials on disk at once (DESIGN 10).
public final class Recorder: WorkerRole {
    /// How long it rests after a batch: what is committed meanwhile is written in one call.
    private static let rest: UInt64 = 10_000_000
    /// The time between attempts when nothing can be written.
    private static let retry: UInt64 = 1_000_000_000
    /// Bytes that must be free beside the reserve before the log goes on: what a full ring writes at once.
    private static let wantedRoom = UInt64(RecordRing.capacity)
    /// How long it waits for its producers after the supervisor's end.
    private static let lastWait: UInt64 = 1_000_000_000

    let context: WorkerContext
    let loop: PollLoop
    let supervision: Supervision
    private(set) var generation: RecorderGeneration
    let log: RecordLog
    var producers: [Producer] = []
    private let syncing: SyncThread
    private var resting: PollLoop.Timer?
    private var retrying: PollLoop.Timer?
    private var ticking: PollLoop.Timer?
    private var isDrainBusy = false
    private var isEnding = false

    /// Lines were written that no sync has been asked for yet.
    var isDirty = false
    /// Denials among them.
    var unsyncedBlocks: UInt64 = 0
    private var mustSyncAgain = false
    /// The last sync failed: nothing counts as durable before one succeeds.
    private var isSyncFailing = false
    /// Nothing can be written at the moment.
    private(set) var isHalted = false
    /// Only denials are taken.
    private(set) var isStopped = false
    /// Whose ring is read first: each in turn, so that no backlog keeps others waiting.
    var firstProducer = 0
    /// Reused for every batch.
    var batch: [UInt8] = []
    var shape = RecordShape()

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        PollWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Recorder(context, loop: loop, supervision: supervision)
        }
    }

    private init(_ context: WorkerContext, loop: PollLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        generation = try context.decode(RecorderGeneration.self)
        guard let place = context.recordDirectory, let name = generation.file, let thread = SyncThread(loop: loop)
        else {
            throw .badPayload
        }
        syncing = thread
        do {
            log = try RecordLog(
                generation, name: name, directory: place.descriptor, log: context.log, counters: context.counters)
            for ring in context.rings {
                producers.append(try Producer(ring, routes: generation.routes, log: log))
            }
        } catch {
            context.log.error("records cannot be kept: \((error as? FileError)?.text ?? "\(error)")")
            supervision.fail()
        }
        for producer in producers {
            producer.watch = loop.add(producer.descriptors.bell) { [unowned self, unowned producer] _, _ in
                heard(producer)
            }
        }
        // A predecessor may have ended while it took nothing but denials.
        setStopped(false)
        if log.file.mustRewrite { syncFailed() }
        loop.after(0) { [unowned self] in
            drainRings()
            removeOld()
        }
        tick()
    }

    /// Takes over how often is synced, when files end and how long they are kept. The chain goes on: what it is made with cannot change.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        let next = try GenerationRefusal.decoding(RecorderGeneration.self, bytes)
        guard next.file == generation.file, next.routes == generation.routes, next.signingKey == generation.signingKey,
            next.checkpointKey == generation.checkpointKey
        else { throw GenerationRefusal("it is for another audit log") }
        return { [unowned self] in
            let isOtherReserve = next.reserve != generation.reserve
            if next.retention != generation.retention { log.removals.wasSetAnew() }
            generation = next
            log.generation = next
            // The time that runs may be much longer than the new one.
            if let ticking { loop.cancel(ticking) }
            tick()
            // While the disk is full, `tryAgain` looks after the reserve.
            if isOtherReserve, !isStopped {
                _ = log.giveUpReserve()
                log.holdReserve()
            }
            lastRemoval = 0
        }
    }

    /// The supervisor stops the daemon: every producer has ended.
    public func drain() { finish() }

    /// The supervisor is gone, and with it, in a moment, the producers: what they committed is written first.
    public func supervisorLost() {
        guard !isEnding else { return }
        isEnding = true
        loop.after(Recorder.lastWait) { [unowned self] in finish() }
        finishIfAlone()
    }

    private func finishIfAlone() {
        if isEnding, producers.allSatisfy({ $0.watch == nil }) { finish() }
    }

    /// Writes what is left, and ends.
    private func finish() -> Never {
        while writeBatch() {}
        closeRemaining()
        let isDurable = log.finish()
        for producer in producers where isDurable && producer.ring.tail != producer.ring.durable {
            producer.ring.storeDurable(producer.ring.tail)
            producer.ringBell()
        }
        exit(0)
    }

    // MARK: Waking and sleeping

    /// A producer rang, or is gone together with the supervisor.
    private func heard(_ producer: Producer) {
        if !producer.takeBell(), let watch = producer.watch {
            loop.remove(watch)
            producer.watch = nil
            drainRings()
            return finishIfAlone()
        }
        drainRings()
    }

    /// Writes what is committed; then rests, or sleeps if there was nothing.
    func drainRings() {
        guard !isDrainBusy else { return }
        isDrainBusy = true
        defer { isDrainBusy = false }
        if let resting { loop.cancel(resting) }
        resting = nil
        setSleep(.awake)
        var wrote = false
        // A bound, so that pings are answered under any flood.
        for _ in 0..<16 {
            // As much as can be written again if a sync fails; then the rings hold back.
            guard !isHalted, log.file.unprovenCount < LogFile.unprovenLimit, writeBatch() else { break }
            wrote = true
        }
        if isHalted {
            // Looks by itself; nobody need ring.
            return setSleep(.resting)
        }
        if unsyncedBlocks > 0 || log.file.unprovenCount > LogFile.unprovenLimit / 4 * 3 { sync() }
        if wrote { return rest() }
        setSleep(.asleep)
        // What was committed before it could be seen that this process sleeps.
        if producers.contains(where: { $0.ring.backlog > 0 }) { rest() }
    }

    private func rest() {
        setSleep(.resting)
        resting = loop.after(Recorder.rest) { [unowned self] in drainRings() }
    }

    private func setSleep(_ sleep: RecordRing.Sleep) {
        for producer in producers { producer.ring.setSleep(sleep) }
    }

    /// What happens every `audit.sync`: syncs what passed, rotates, looks whether the log is still there.
    private func tick() {
        ticking = loop.after(max(10_000_000, generation.sync)) { [unowned self] in
            keepHouse()
            tick()
        }
    }

    private var lastHouse: UInt64 = 0
    private var lastRemoval = PollLoop.now()
    private var lastMark = PollLoop.now()

    private func keepHouse() {
        if isDirty { sync() }
        let now = PollLoop.now()
        guard now - lastHouse >= 250_000_000 else { return }
        lastHouse = now
        // Nobody rings any more where a worker shut the bell that its successors have too.
        if producers.contains(where: { $0.watch == nil && $0.ring.backlog > 0 }) { drainRings() }
        context.counters.set(.recordBacklog, producers.reduce(0) { $0 + $1.ring.backlog })
        attempt {
            try log.replaceLost()
            if log.isRotationDue {
                try log.rotate()
                isDirty = false
                removeOld()
            }
            // A quiet log ends in a checkpoint too.
            if now - lastMark > 60_000_000_000 {
                lastMark = now
                try log.checkpoint()
                if log.unsavedCheckpoint != nil { sync() }
            }
        }
        // By the clock of now: the rotation above may have removed old files later than `now`.
        if lastRemoval == 0 || PollLoop.now() - lastRemoval > 3_600_000_000_000 { removeOld() }
    }

    private func removeOld() {
        lastRemoval = PollLoop.now()
        attempt { try log.removeOld() }
    }

    /// Does something that writes lines of the recorder's own.
    private func attempt(_ work: () throws -> Void) {
        guard !isHalted, !isSyncFailing else { return }
        do {
            try work()
        } catch {
            failed(error)
        }
    }

    // MARK: Syncing

    /// Asks for a sync of everything written; one is under way at a time.
    func sync() {
        // Then `tryAgain` does.
        if !isSyncFailing { startSync() }
    }

    private func startSync() {
        guard !syncing.isBusy else {
            mustSyncAgain = true
            return
        }
        let file = log.file
        let end: UInt64
        do throws(FileError) {
            end = try file.beginSync()
        } catch {
            log.note(error)
            return syncFailed()
        }
        isDirty = false
        let blocks = unsyncedBlocks
        unsyncedBlocks = 0
        let checkpoint = log.unsavedCheckpoint
        let tails = producers.map(\.ring.tail)
        syncing.sync(file.second) { [unowned self] error in
            if file.endSync(end, error) {
                context.counters.add(.blocksSynced, blocks)
                for (producer, tail) in zip(producers, tails) { producer.becameDurable(tail) }
                if let checkpoint { log.save(checkpoint, syncs: false) }
                syncSucceeded()
            } else {
                log.note(FileError("sync the log", error))
                unsyncedBlocks += blocks
                syncFailed()
            }
            if mustSyncAgain {
                mustSyncAgain = false
                sync()
            }
        }
    }

    /// Nothing counts as durable before what may be lost was written again and synced: who waits for that is refused, and so is what comes.
    private func syncFailed() {
        isDirty = true
        if !isSyncFailing {
            isSyncFailing = true
            context.log.error(
                "the disk failed to take records: until what it may have lost is written again, calls are refused")
        }
        if !isStopped { setStopped(true) }
        retryLater()
    }

    private func syncSucceeded() {
        guard isSyncFailing else { return }
        isSyncFailing = false
        attempt {
            try log.write(.recovery, "a sync failed: what it may have lost was written again", isSigned: true)
            isDirty = true
        }
        tryAgain()
    }

    // MARK: When nothing can be written

    /// Something could not be written.
    func failed(_ error: any Error) {
        log.note(error)
        if (error as? FileError)?.isFull == true, log.giveUpReserve() {
            setStopped(true)
            context.log.error("no disk space left: until there is, only denials are recorded, in what was held back")
            // Into the room that was just given up.
            attempt {
                try log.write(
                    .recovery, "audit stopped: no disk space left; only denials are recorded", isSigned: true)
                isDirty = true
                unsyncedBlocks += 1
            }
            return retryLater()
        }
        guard !isHalted else { return }
        isHalted = true
        if !isStopped { setStopped(true) }
        context.log.error("records cannot be written: rings fill, and what cannot be recorded is refused")
        retryLater()
    }

    /// One attempt is due at a time, whatever fails meanwhile.
    private func retryLater() {
        if let retrying { loop.cancel(retrying) }
        retrying = loop.after(Recorder.retry) { [unowned self] in
            retrying = nil
            tryAgain()
        }
    }

    private func setStopped(_ stopped: Bool) {
        isStopped = stopped
        context.counters.set(.recordsStopped, stopped ? 1 : 0)
        for producer in producers { producer.ring.setStopped(stopped) }
    }

    /// Looks whether there is room again.
    private func tryAgain() {
        guard isStopped || isHalted else { return }
        if isSyncFailing { return startSync() }
        let wasHalted = isHalted
        // More than what is held back: else its own room would look like new room, and the log would stop and go on by turns.
        if log.holdReserve(beside: Recorder.wantedRoom) {
            isHalted = false
            var goesOn = false
            attempt {
                try log.write(.recovery, "audit goes on", isSigned: true)
                goesOn = true
            }
            if goesOn {
                setStopped(false)
                isDirty = true
                context.log.info("records are written again")
                return drainRings()
            }
        }
        // Without the reserve denials may still find room.
        if wasHalted, !log.hasReserve, retrying == nil {
            isHalted = false
            drainRings()
        }
        if isStopped || isHalted { retryLater() }
    }
}
