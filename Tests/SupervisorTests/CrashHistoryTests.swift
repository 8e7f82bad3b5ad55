import Testing

@testable import Supervisor

@Suite struct CrashHistoryTests {
    private static let second: UInt64 = 1_000_000_000

    private func history(
        minimum: UInt64 = 10_000_000, maximum: UInt64 = 10 * second, limit: Int = 10, window: UInt64 = 60 * second
    ) -> CrashHistory {
        CrashHistory(minimum: minimum, maximum: maximum, limit: limit, window: window)
    }

    private func crash(_ history: inout CrashHistory, _ time: UInt64) -> Bool { history.noteCrash(at: time) }

    @Test func theWaitDoublesFromTheMinimumToTheMaximum() {
        var history = history()
        var waits: [UInt64] = []
        for round in 0..<15 as Range<UInt64> {
            _ = history.noteCrash(at: round * 10 * Self.second)
            waits.append(history.delay(random: 0))
        }
        let doubled = (0..<10).map { 10_000_000 << $0 as UInt64 }
        #expect(waits == doubled + [UInt64](repeating: 10 * Self.second, count: 5))
    }

    @Test func aMaximumThatIsNoDoubleOfTheMinimumIsNeverPassed() {
        var history = history(minimum: 7, maximum: 100)
        var waits: [UInt64] = []
        for time in 0..<6 as Range<UInt64> {
            _ = history.noteCrash(at: time)
            waits.append(history.delay(random: 0))
        }
        #expect(waits == [7, 14, 28, 56, 100, 100])
    }

    @Test func thousandsOfCrashesDoNotOverflowTheWait() {
        var history = history(maximum: .max / 2)
        for time in 0..<5000 as Range<UInt64> { _ = history.noteCrash(at: time * Self.second) }
        #expect(history.delay(random: 0) == UInt64.max / 2)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func jitterTakesAtMostHalfOff(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var history = history()
        for crash in 1...12 as ClosedRange<UInt64> {
            _ = history.noteCrash(at: crash)
            let full = history.delay(random: 0)
            #expect(history.delay(random: 0.5) < full)
            #expect(history.delay(random: 1.0.nextDown) >= full / 2)
            for _ in 0..<200 {
                let wait = history.delay(random: Double.random(in: 0..<1, using: &random))
                #expect((full / 2...full).contains(wait))
            }
        }
    }

    @Test func aLongRunMakesTheNextCrashTheFirst() {
        var history = history()
        for time in 1...5 as ClosedRange<UInt64> { _ = history.noteCrash(at: time) }
        history.noteReady(at: 100)
        _ = history.noteCrash(at: 100 + 10 * Self.second)
        #expect(history.delay(random: 0) == 10_000_000)
    }

    @Test func aShortRunDoesNot() {
        var history = history()
        for time in 1...5 as ClosedRange<UInt64> { _ = history.noteCrash(at: time) }
        history.noteReady(at: 100)
        _ = history.noteCrash(at: 99 + 10 * Self.second)
        #expect(history.delay(random: 0) == 10_000_000 << 5)
    }

    /// One long run must not excuse the crashes of later processes that never became ready.
    @Test func onlyTheProcessThatRanLongIsForgiven() {
        var history = history(limit: 100)
        history.noteReady(at: 0)
        for crash in 0..<4 as Range<UInt64> { _ = history.noteCrash(at: (20 + crash) * Self.second) }
        #expect(history.delay(random: 0) == 10_000_000 << 3)
    }

    @Test func theLimitIsReachedByThatManyCrashesWithinTheWindow() {
        var history = history(limit: 3)
        #expect(!crash(&history, 0))
        #expect(!crash(&history, 30 * Self.second))
        #expect(crash(&history, 60 * Self.second))
        #expect(crash(&history, 61 * Self.second), "it stays reached")
    }

    @Test func crashesOlderThanTheWindowAreForgotten() {
        var history = history(limit: 3)
        for index in 0..<100 as Range<UInt64> {
            #expect(!crash(&history, index * (30 * Self.second + 1)))
        }
    }

    @Test func aLimitOfOneIsReachedAtOnce() {
        var history = history(limit: 1)
        #expect(crash(&history, 0))
    }

    /// Against the definition: the crashes of the last window, counted from scratch each time.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func theLimitIsThatOfTheDefinition(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<50 {
            let limit = Int.random(in: 1...6, using: &random)
            var history = history(limit: limit, window: 1000)
            var crashes: [UInt64] = []
            var time: UInt64 = 0
            for _ in 0..<60 {
                time += UInt64.random(in: 0...500, using: &random)
                if random.oneIn(12) {
                    history.noteRetry()
                    crashes = []
                }
                crashes.append(time)
                let recent = crashes.filter { time - $0 <= 1000 }.count
                #expect(crash(&history, time) == (recent >= limit))
            }
        }
    }

    @Test func aRetryStartsTheCountAndTheWaitAnew() {
        var history = history(limit: 4)
        for time in 0..<4 as Range<UInt64> { _ = history.noteCrash(at: time) }
        history.noteRetry()
        #expect(!crash(&history, 5))
        #expect(history.delay(random: 0) == 10_000_000)
        #expect(!crash(&history, 6))
        #expect(!crash(&history, 7))
        #expect(crash(&history, 8))
    }
}
