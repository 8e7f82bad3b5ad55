import Glibc
import Synchronization

/// Threads beside a process's first one, for work that would hold up its loop. They live as long as the process and inherit its confinement.
public final class ThreadPool: Sendable {
    private let queue = Mutex<[@Sendable () -> Void]>([])
    private let work = Semaphore()

    /// No thread yet.
    public init() {}

    /// Starts threads; false if the system refuses one.
    public func start(_ count: Int) -> Bool {
        for _ in 0..<count {
            var thread = pthread_t()
            // The thread owns the reference that it is given here.
            let result = unsafe pthread_create(
                &thread, nil,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    unsafe Unmanaged<ThreadPool>.fromOpaque(argument).takeRetainedValue().serve()
                }, Unmanaged.passRetained(self).toOpaque())
            guard result == 0 else { return false }
            pthread_detach(thread)
        }
        return true
    }

    /// Has a thread do something. What is submitted first is begun first.
    public func submit(_ task: @escaping @Sendable () -> Void) {
        queue.withLock { $0.append(task) }
        work.signal()
    }

    private func serve() -> Never {
        while true {
            work.wait()
            let task = queue.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            task?()
        }
    }
}

/// A counting semaphore (sem_overview(7)).
@safe
private final class Semaphore: @unchecked Sendable {
    // Made for use by many threads; its address never changes.
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func signal() { unsafe sem_post(semaphore) }

    func wait() {
        // Interrupted by a signal: waits again.
        while unsafe sem_wait(semaphore) != 0 {}
    }
}
