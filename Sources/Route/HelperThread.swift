import NIOCore
import NIOPosix

/// The one thread beside the loop's: large messages are read there, so that the loop keeps turning. It starts with the first of them.
final class HelperThread {
    private let loop: EventLoop
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var hasStarted = false

    init(loop: EventLoop) { self.loop = loop }

    /// Does `work` on the thread and tells the loop the outcome. What is asked for first is done first.
    func run<Outcome: Sendable>(_ work: @escaping @Sendable () -> Outcome, then: @escaping (Outcome) -> Void) {
        if !hasStarted {
            hasStarted = true
            pool.start()
        }
        pool.runIfActive(eventLoop: loop, work).assumeIsolated().whenSuccess { then($0) }
    }
}
