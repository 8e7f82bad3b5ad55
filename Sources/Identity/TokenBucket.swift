import Configuration

/// How much one subject has used of its limit: a token bucket, exact in integers. It begins full. Times are nanoseconds of a clock that does not go
/// back; if it does, it stands still.
public struct TokenBucket: Equatable, Sendable {
    /// What becomes of a request.
    public enum Outcome: Equatable, Sendable {
        /// It had a token.
        case taken
        /// There is none for so many milliseconds, at least 1.
        case empty(milliseconds: UInt64)
    }

    /// Parts of one token: what a rate of one thousandth a second brings in a nanosecond is one part.
    private static let token: UInt128 = 1_000_000_000_000
    /// The longest wait that is told: a day.
    public static let longestWait: UInt64 = 86_400_000

    /// Parts that are missing to be full.
    private var missing: UInt128 = 0
    private var lastTime: UInt64

    /// A full bucket.
    public init(now: UInt64) { lastTime = now }

    /// Takes a token, if there is one. The limit may be another than the last time; what was used stays used.
    public mutating func take(_ limit: RateLimit, now: UInt64) -> Outcome {
        refill(limit, now: now)
        let needed = missing + TokenBucket.token
        let capacity = UInt128(limit.burst) * TokenBucket.token
        guard needed > capacity else {
            missing = needed
            return .taken
        }
        guard limit.milliRate > 0, limit.burst > 0 else { return .empty(milliseconds: TokenBucket.longestWait) }
        // Rounded up: who waits so long gets the token.
        let perMillisecond = UInt128(limit.milliRate) * 1_000_000
        let wait = (needed - capacity + perMillisecond - 1) / perMillisecond
        return .empty(milliseconds: UInt64(min(wait, UInt128(TokenBucket.longestWait))))
    }

    /// Whether nothing is missing: a new bucket would be the same.
    public mutating func isFull(_ limit: RateLimit, now: UInt64) -> Bool {
        refill(limit, now: now)
        return missing == 0
    }

    private mutating func refill(_ limit: RateLimit, now: UInt64) {
        guard now > lastTime else { return }
        let gained = UInt128(now - lastTime) * UInt128(limit.milliRate)
        missing = missing > gained ? missing - gained : 0
        lastTime = now
    }
}
