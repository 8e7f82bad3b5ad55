import CKernel
import Glibc
import PollLoop
import Synchronization
import Threads

/// The one helper thread: waits for the disk, so that the loop need not. One sync at a time; what comes meanwhile goes into the next.
final class SyncThread {
    private final class Mailbox: Sendable {
        let result = Mutex<Int32?>(nil)
        let bell: Int32

        init(bell: Int32) { self.bell = bell }
    }

    private let pool = ThreadPool()
    private let mailbox: Mailbox
    private var finished: ((_ error: Int32) -> Void)?

    /// Whether a sync is under way.
    var isBusy: Bool { finished != nil }

    /// Starts the thread; it inherits the process's confinement.
    init?(loop: PollLoop) {
        let bell = ck_event_descriptor()
        guard bell >= 0 else { return nil }
        mailbox = Mailbox(bell: bell)
        guard pool.start(1) else { return nil }
        _ = loop.add(bell) { [unowned self] _, _ in deliver() }
    }

    /// Syncs a file; `finished` is called on the loop with 0 or the error number.
    func sync(_ descriptor: Int32, _ finished: @escaping (_ error: Int32) -> Void) {
        // A descriptor of the thread's own: the file may be closed meanwhile.
        let own = ck_duplicate(descriptor)
        self.finished = finished
        let mailbox = mailbox
        pool.submit {
            let result = own < 0 ? -own : fdatasync(own) == 0 ? 0 : errno
            if own >= 0 { close(own) }
            mailbox.result.withLock { $0 = result }
            var one: UInt64 = 1
            _ = unsafe write(mailbox.bell, &one, 8)
        }
    }

    private func deliver() {
        var counter: UInt64 = 0
        _ = unsafe read(mailbox.bell, &counter, 8)
        let result = mailbox.result.withLock { held in
            defer { held = nil }
            return held
        }
        guard let result, let finished else { return }
        self.finished = nil
        finished(result)
    }
}
