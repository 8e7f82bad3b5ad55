import Configuration
import Link

/// The buckets of all subjects, as many as fit. A flood of subjects gains nothing: a bucket is given up only when it is full again, which a new one
/// would be too, and while none is, all further subjects share one.
public struct RateLimiter {
    /// Whose bucket it is. Who is anonymous on one listener is one subject.
    public struct Subject: Hashable, Sendable {
        let tenant: String
        let name: String
        /// The listener of an anonymous subject; else 0.
        let listener: UInt32
        let isAnonymous: Bool

        /// The subject of a request that came over a listener.
        public init(_ identity: Identity, listener: UInt32) {
            isAnonymous = identity.method == .anonymous
            tenant = identity.tenant
            name = identity.subject
            self.listener = isAnonymous ? listener : 0
        }
    }

    private struct Slot {
        var subject: Subject
        var bucket: TokenBucket
    }

    /// Subjects with a bucket of their own at most.
    public static let capacity = 65_536
    /// Buckets that are looked at for a new subject: a flood must not make each request dear.
    private static let looks = 16

    /// How much each may ask.
    public var limit: RateLimit
    private let capacity: Int
    private var slots: [Slot] = []
    private var positions: [Subject: Int] = [:]
    private var overflow: TokenBucket
    /// Where the search for a full bucket goes on.
    private var hand = 0

    /// Nobody has used anything.
    public init(_ limit: RateLimit, capacity: Int = RateLimiter.capacity, now: UInt64) {
        self.limit = limit
        self.capacity = max(1, capacity)
        overflow = TokenBucket(now: now)
    }

    /// Subjects that have a bucket of their own.
    public var count: Int { slots.count }

    /// Takes a token of a subject, if it has one, at a time in nanoseconds.
    public mutating func take(_ subject: Subject, now: UInt64) -> TokenBucket.Outcome {
        if let position = positions[subject] { return slots[position].bucket.take(limit, now: now) }
        guard let position = place(for: subject, now: now) else { return overflow.take(limit, now: now) }
        return slots[position].bucket.take(limit, now: now)
    }

    /// A new full bucket; nil if there is no room.
    private mutating func place(for subject: Subject, now: UInt64) -> Int? {
        let slot = Slot(subject: subject, bucket: TokenBucket(now: now))
        if slots.count < capacity {
            slots.append(slot)
            positions[subject] = slots.count - 1
            return slots.count - 1
        }
        for _ in 0..<min(RateLimiter.looks, capacity) {
            let position = hand
            hand = (hand + 1) % capacity
            guard slots[position].bucket.isFull(limit, now: now) else { continue }
            positions[slots[position].subject] = nil
            slots[position] = slot
            positions[subject] = position
            return position
        }
        return nil
    }
}
