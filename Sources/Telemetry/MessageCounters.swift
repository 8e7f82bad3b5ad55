/// What became of a client's message.
public enum MessageAction: Int, CaseIterable, Sendable {
    /// It went on.
    case allow = 0
    /// It did not.
    case block = 1
    /// It went on although policy would have stopped it, were it enforced.
    case audit = 2

    /// The value of the label `action`.
    public var name: String {
        switch self {
        case .allow: "allow"
        case .block: "block"
        case .audit: "audit"
        }
    }
}

/// Where the counters with more than one dimension lie in a worker's segment, behind those of `Counter`.
public enum MessageCounters {
    /// Methods there is room for.
    public static let methodLimit = 64
    /// Rules that are counted one by one; those behind share a slot.
    public static let ruleLimit = 128
    /// The upper ends of the histogram's buckets, in nanoseconds; one more bucket has no end.
    public static let durationBounds: [UInt64] = [
        500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000, 60_000_000_000,
    ]

    private static let methods = 64
    private static let durations = methods + 4 * methodLimit
    private static let durationSum = durations + 16
    private static let rules = durationSum + 1

    /// The slot for messages of a method with an outcome. `method` is the raw value of the module MCP's `Method`.
    public static func slot(method: UInt8, _ action: MessageAction) -> Int {
        methods + 4 * min(Int(method), methodLimit - 1) + action.rawValue
    }

    /// The slot of a bucket: requests that took longer than the bounds before it and no longer than its own.
    public static func slot(bucket: Int) -> Int { durations + bucket }

    /// The slot of the sum of durations, in nanoseconds.
    public static var durationSumSlot: Int { durationSum }

    /// The slot of a rule's decisions; `ruleLimit` is that of all further rules.
    public static func slot(rule: Int) -> Int { rules + min(rule, ruleLimit) }
}

extension Counters {
    /// The present value of a slot of `MessageCounters`.
    public func value(slot: Int) -> UInt64 { segment[slot] }

    /// Counts a client's message.
    public func countMessage(method: UInt8, _ action: MessageAction) {
        segment[MessageCounters.slot(method: method, action)] &+= 1
    }

    /// Counts a decision of the rule with this number, which is its own for as long as the daemon runs.
    public func countDecision(rule: Int) { segment[MessageCounters.slot(rule: rule)] &+= 1 }

    /// Notes how long a request took, in nanoseconds.
    public func noteDuration(_ nanoseconds: UInt64) {
        let bounds = MessageCounters.durationBounds
        var bucket = 0
        while bucket < bounds.count, nanoseconds > bounds[bucket] { bucket += 1 }
        segment[MessageCounters.slot(bucket: bucket)] &+= 1
        segment[MessageCounters.durationSumSlot] &+= nanoseconds
    }
}
