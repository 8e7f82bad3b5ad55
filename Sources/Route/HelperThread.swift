import EpollLoop
import Synchronization
import Threads

/// The one thread beside the loop's: large messages are read there, so that the loop keeps turning. It starts with the first of them.
final class HelperThread {
    /// An outcome on its way from the thread to the loop.
    private final class Answer<Outcome: Sendable>: Sendable {
        let outcome = Mutex<Outcome?>(nil)
    }

    private final class Counter: Sendable {
        let value = Mutex(0)
    }

    private let loop: EpollLoop
    private let pool = ThreadPool()
    private var hasStarted = false
    private let bell: Bell
    /// How many are done that the loop has not been told of.
    private let done = Counter()
    /// Who waits, in the order in which they asked: there is one thread, so that is the order of the answers.
    private var waiting: [() -> Void] = []

    /// Nil: there is no descriptor left.
    init?(loop: EpollLoop) {
        guard let bell = Bell() else { return nil }
        self.loop = loop
        self.bell = bell
        guard loop.listen(to: bell, { [unowned self] in deliver() }) else { return nil }
    }

    /// Does `work` on the thread and tells the loop the outcome. What is asked for first is done first.
    func run<Outcome: Sendable>(_ work: @escaping @Sendable () -> Outcome, then: @escaping (Outcome) -> Void) {
        if !hasStarted { hasStarted = pool.start(1) }
        // Without a thread the loop does it itself, and stands still so long.
        guard hasStarted else { return loop.execute { then(work()) } }
        let answer = Answer<Outcome>()
        waiting.append {
            if let outcome = answer.outcome.withLock({ $0 }) { then(outcome) }
        }
        let (bell, done) = (bell, done)
        pool.submit {
            let outcome = work()
            answer.outcome.withLock { $0 = outcome }
            done.value.withLock { $0 += 1 }
            bell.ring()
        }
    }

    private func deliver() {
        let count = done.value.withLock { value in
            defer { value = 0 }
            return value
        }
        let answered = waiting.prefix(count)
        waiting.removeFirst(count)
        for tell in answered { tell() }
    }
}
