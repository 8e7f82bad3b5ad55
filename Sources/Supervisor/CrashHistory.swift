/// When a worker crashed, and what that means for its next start. Times are monotonic nanoseconds.
struct CrashHistory: Sendable {
    /// The first wait.
    private(set) var minimum: UInt64
    /// The longest wait; also how long a worker must have run for its next crash to count as the first.
    private(set) var maximum: UInt64
    /// So many crashes within `window` are a crash loop.
    private(set) var limit: Int
    /// See `limit`.
    private(set) var window: UInt64

    private var crashes: [UInt64] = []
    private var consecutive = 0
    private var readySince: UInt64?

    init(minimum: UInt64, maximum: UInt64, limit: Int, window: UInt64) {
        self.minimum = minimum
        self.maximum = maximum
        self.limit = limit
        self.window = window
    }

    /// Other limits; what has happened stays.
    mutating func adopt(minimum: UInt64, maximum: UInt64, limit: Int, window: UInt64) {
        self.minimum = minimum
        self.maximum = maximum
        self.limit = limit
        self.window = window
    }

    /// The worker became ready.
    mutating func noteReady(at time: UInt64) { readySince = time }

    /// The worker ended without being asked to. Returns whether that is one time too many.
    mutating func noteCrash(at time: UInt64) -> Bool {
        if let readySince, time - readySince >= maximum { consecutive = 0 }
        readySince = nil
        consecutive += 1
        crashes.append(time)
        crashes.removeAll { time - $0 > window }
        return crashes.count >= limit
    }

    /// The worker is down and will be tried again: the count begins anew.
    mutating func noteRetry() {
        crashes.removeAll()
        consecutive = 0
    }

    /// The wait before the next start: doubling from `minimum` to `maximum`, of which a random part of up to a half is
    /// taken off so that workers that fell together do not rise together. `random` is in 0 ..< 1.
    func delay(random: Double) -> UInt64 {
        var full = minimum
        for _ in 1..<max(2, consecutive) where consecutive > 1 && full < maximum { full = min(maximum, full * 2) }
        return full - UInt64(Double(full / 2) * random)
    }
}
