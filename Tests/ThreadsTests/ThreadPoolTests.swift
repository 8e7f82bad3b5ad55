import Synchronization
import Testing

@testable import Threads

@Suite(.timeLimit(.minutes(1))) struct ThreadPoolTests {
    @Test func oneThreadDoesOneThingAfterTheOtherInOrder() async {
        let pool = ThreadPool()
        let (stream, continuation) = AsyncStream<Int>.makeStream()
        for index in 0..<100 { pool.submit { continuation.yield(index) } }
        // What was submitted before there was a thread is not lost.
        #expect(pool.start(1))
        for index in 100..<200 { pool.submit { continuation.yield(index) } }
        pool.submit { continuation.finish() }
        var done: [Int] = []
        for await index in stream { done.append(index) }
        #expect(done == Array(0..<200))
    }

    /// Each task waits for the others to have begun: fewer threads would never end.
    @Test func severalThreadsWorkAtTheSameTime() async {
        let pool = ThreadPool()
        #expect(pool.start(4))
        let shared = Shared()
        await withCheckedContinuation { continuation in
            shared.waiting.withLock { $0 = continuation }
            for _ in 0..<4 {
                pool.submit {
                    shared.begun.wrappingAdd(1, ordering: .relaxed)
                    while shared.begun.load(ordering: .relaxed) < 4 {}
                    shared.waiting.withLock { waiting in
                        waiting?.resume()
                        waiting = nil
                    }
                }
            }
        }
    }
}

private final class Shared: Sendable {
    let begun = Atomic(0)
    let waiting = Mutex<CheckedContinuation<Void, Never>?>(nil)
}
