import Configuration
import Link
import Testing

@testable import Identity

/// A slow bucket that is right by its definition: the tokens there are, as an exact fraction over 10^12.
private struct ReferenceBucket {
    /// Parts per token.
    static let token: UInt128 = 1_000_000_000_000

    let limit: RateLimit
    var parts: UInt128
    var time: UInt64

    init(_ limit: RateLimit, now: UInt64) {
        self.limit = limit
        parts = UInt128(limit.burst) * Self.token
        time = now
    }

    /// What is there at a time, without taking.
    func level(_ now: UInt64) -> UInt128 {
        let elapsed = now > time ? now - time : 0
        return min(parts + UInt128(elapsed) * UInt128(limit.milliRate), UInt128(limit.burst) * Self.token)
    }

    mutating func take(_ now: UInt64) -> Bool {
        parts = level(now)
        time = max(time, now)
        guard parts >= Self.token else { return false }
        parts -= Self.token
        return true
    }
}

@Suite struct TokenBucketTests {
    @Test func aBucketAgreesWithItsDefinition() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<300 {
            let rate = UInt64.random(in: 1...(Bool.random(using: &random) ? 5_000 : 100_000_000), using: &random)
            let limit = RateLimit(milliRate: rate, burst: UInt32.random(in: 1...20, using: &random))
            var now = UInt64.random(in: 0...(.max / 2), using: &random)
            var bucket = TokenBucket(now: now)
            var reference = ReferenceBucket(limit, now: now)
            // Around the time of one token, and now and then a long one or a step back.
            let interval = 1_000_000_000_000 / rate + 1
            for _ in 0..<200 {
                switch UInt8.random(in: 0..<20, using: &random) {
                case 0: now += interval * 30
                case 1: now -= min(now, interval)
                default: now += UInt64.random(in: 0...interval, using: &random)
                }
                let outcome = bucket.take(limit, now: now)
                #expect((outcome == .taken) == reference.take(now))
                guard case .empty(let wait) = outcome, wait < TokenBucket.longestWait else { continue }
                // Waiting so long is enough, and a millisecond less is not.
                let base = max(now, reference.time)
                #expect(wait >= 1)
                #expect(reference.level(base + wait * 1_000_000) >= ReferenceBucket.token)
                #expect(reference.level(base + (wait - 1) * 1_000_000) < ReferenceBucket.token)
            }
        }
    }

    @Test func aBurstIsServedAndThenTheRate() {
        let limit = RateLimit(milliRate: 2_000, burst: 3)
        var bucket = TokenBucket(now: 0)
        let outcomes = (0..<5).map { _ in bucket.take(limit, now: 0) }
        #expect(outcomes == [.taken, .taken, .taken, .empty(milliseconds: 500), .empty(milliseconds: 500)])
        #expect(bucket.take(limit, now: 499_999_999) == .empty(milliseconds: 1))
        #expect(bucket.take(limit, now: 500_000_000) == .taken)
    }

    @Test(arguments: [RateLimit(milliRate: 0, burst: 1), RateLimit(milliRate: 1, burst: 0)])
    func aLimitThatNeverServesSaysSoAndDoesNotTrap(_ limit: RateLimit) {
        var bucket = TokenBucket(now: 0)
        _ = bucket.take(limit, now: 0)
        #expect(bucket.take(limit, now: 1) == .empty(milliseconds: TokenBucket.longestWait))
    }

    @Test func theGreatestNumbersDoNotTrap() {
        var bucket = TokenBucket(now: 0)
        #expect(bucket.take(RateLimit(milliRate: .max, burst: .max), now: .max) == .taken)
        #expect(bucket.take(RateLimit(milliRate: 1, burst: 1), now: .max) == .empty(milliseconds: 1_000_000))
    }

    @Test func anotherLimitDoesNotForgetWhatWasUsed() {
        var bucket = TokenBucket(now: 0)
        for _ in 0..<10 { _ = bucket.take(RateLimit(milliRate: 1_000, burst: 10), now: 0) }
        #expect(bucket.take(RateLimit(milliRate: 1_000, burst: 5), now: 0) != .taken)
        #expect(bucket.take(RateLimit(milliRate: 1_000, burst: 11), now: 0) == .taken)
    }
}

@Suite struct RateLimiterTests {
    private let limit = RateLimit(milliRate: 1_000, burst: 2)

    private func subject(_ name: String, tenant: String = "") -> RateLimiter.Subject {
        RateLimiter.Subject(Identity(subject: name, method: .apiKey, tenant: tenant), listener: 1)
    }

    private func taken(_ limiter: inout RateLimiter, _ subject: RateLimiter.Subject, _ times: Int, now: UInt64 = 0)
        -> Int
    {
        var count = 0
        for _ in 0..<times where limiter.take(subject, now: now) == .taken { count += 1 }
        return count
    }

    @Test func eachSubjectHasItsOwnBucket() {
        var limiter = RateLimiter(limit, now: 0)
        for one in [subject("a"), subject("b"), subject("a", tenant: "t")] { #expect(taken(&limiter, one, 5) == 2) }
        let again = RateLimiter.Subject(
            Identity(subject: "a", method: .apiKey, roles: ["r"], labels: [.init(name: "l", value: "v")]), listener: 2)
        #expect(taken(&limiter, again, 5) == 0)
    }

    @Test func whoIsAnonymousIsOneSubjectPerListener() {
        var limiter = RateLimiter(limit, now: 0)
        let labelled = Identity(
            subject: "", method: .anonymous, labels: [.init(name: "l", value: "v", isClaimed: true)])
        #expect(taken(&limiter, RateLimiter.Subject(.anonymous, listener: 1), 5) == 2)
        #expect(taken(&limiter, RateLimiter.Subject(labelled, listener: 1), 5) == 0)
        #expect(taken(&limiter, RateLimiter.Subject(.anonymous, listener: 2), 5) == 2)
    }

    /// Whoever made names up until its own bucket was forgotten would begin anew.
    @Test func aFloodOfSubjectsGivesNobodyAFreshBucket() {
        var limiter = RateLimiter(limit, capacity: 100, now: 0)
        #expect(taken(&limiter, subject("flooder"), 5) == 2)
        // All within one instant: no bucket fills.
        var others = 0
        for number in 0..<10_000 { others += taken(&limiter, subject("s\(number)"), 2) }
        // 99 of their own, and one that the rest shares.
        #expect(others == 99 * 2 + 2)
        #expect(limiter.count == 100)
        #expect(taken(&limiter, subject("flooder"), 5) == 0)
    }

    /// In any run of requests a subject gets no more than its burst, the rate, and what the shared bucket gives.
    @Test func noSubjectGetsMoreThanItsLimitAndTheSharedBucket() {
        var random = SeededRandom(seed: 11)
        var limiter = RateLimiter(limit, capacity: 8, now: 0)
        var now: UInt64 = 0
        var counts: [Int: Int] = [:]
        for _ in 0..<20_000 {
            now += UInt64.random(in: 0...20_000_000, using: &random)
            let number = Bool.random(using: &random) ? 0 : Int.random(in: 1...50, using: &random)
            if limiter.take(subject("s\(number)"), now: now) == .taken { counts[number, default: 0] += 1 }
        }
        let seconds = Int(now / 1_000_000_000) + 1
        for (number, count) in counts { #expect(count <= 2 * (seconds + 2), "s\(number): \(count) in \(seconds) s") }
        let total = counts.values.reduce(0, +)
        #expect(total <= 9 * (seconds + 2), "\(total) in \(seconds) s")
        #expect(limiter.count == 8)
    }

    @Test func aFullBucketMakesRoom() {
        var limiter = RateLimiter(limit, capacity: 2, now: 0)
        for name in ["a", "b"] { #expect(taken(&limiter, subject(name), 2) == 2) }
        #expect(taken(&limiter, subject("c"), 3) == 2)
        #expect(taken(&limiter, subject("d"), 3) == 0)
        // Two seconds later all are full; c gets a bucket of its own in the place of a's, d in the place of b's.
        let later: UInt64 = 2_000_000_000
        #expect(taken(&limiter, subject("c"), 3, now: later) == 2)
        #expect(taken(&limiter, subject("d"), 3, now: later) == 2)
        #expect(limiter.count == 2)
    }
}
