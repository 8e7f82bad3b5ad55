import Segment

/// The counters a worker keeps in its segment. The raw value is the slot and never changes its meaning; every worker has all slots.
public enum Counter: Int, CaseIterable, Sendable {
    /// POST exchanges taken from clients or links.
    case requestsPost = 0
    /// GET exchanges.
    case requestsGet = 1
    /// DELETE exchanges.
    case requestsDelete = 2
    /// Exchanges that ended with an answer of the upstream.
    case answered = 3
    /// Exchanges refused by the gateway before they reached a route.
    case refused = 4
    /// Exchanges that failed because the upstream or its worker did.
    case failed = 5
    /// Client connections accepted.
    case connections = 6
    /// Upstream connections opened.
    case upstreamConnections = 7
    /// Attempts to reach the upstream that failed.
    case upstreamErrors = 8
    /// Dials asked of the dialer.
    case dials = 9
    /// Dials that ended without a connection.
    case dialFailures = 10
    /// Peers condemned for breaking the link protocol.
    case condemnations = 11
    /// Bytes of request bodies.
    case requestBytes = 12
    /// Bytes of answers.
    case replyBytes = 13
    /// Client connections open now (a gauge; a new worker begins at 0).
    case openConnections = 14
    /// Exchanges in flight now (a gauge).
    case inFlight = 15
    /// What the last attempt to reach the upstream showed: an `UpstreamState` (a gauge).
    case upstreamState = 16
    /// Requests that named a session which is none, or not theirs, or over.
    case sessionsRefused = 17
    /// Sessions that are alive (a gauge).
    case activeSessions = 18
    /// Messages of a server that belong to no request of one client, or cannot be read: never handed on.
    case droppedMessages = 19
    /// Requests sent a second time because a kept connection had ended.
    case repeatedRequests = 20
    /// Sessions opened again with an upstream that had lost them.
    case reopenedSessions = 21
    /// Bytes of the worker's heap in use (a gauge).
    case heapBytes = 22
    /// Messages and answers that policy did not let pass.
    case denied = 23
    /// Items taken out of lists because their reader may not use them.
    case withheldItems = 24
    /// Whether the route could not give its tools when it was last asked: 1 if so (a gauge).
    case toolsMissing = 25
    /// Lists of tools that were put together without those of some route.
    case incompleteLists = 26
    /// Records committed to the worker's ring.
    case recordsCommitted = 40
    /// Records that the ring had no room for.
    case recordsRefused = 41
    /// Lines the recorder wrote.
    case recordsWritten = 42
    /// Denials that are on disk.
    case blocksSynced = 43
    /// Failures of the recorder to write, sync, rotate or remove.
    case recordErrors = 44
    /// Producers condemned for what they wrote into their rings.
    case producersCondemned = 45
    /// Bytes committed and not written yet, over all rings (a gauge).
    case recordBacklog = 46
    /// 1 while nothing but denials is recorded, because the disk is full (a gauge).
    case recordsStopped = 47
    /// Requests refused because they showed no valid credential.
    case unauthenticated = 48
    /// Messages refused because their subject had used up its limit.
    case rateLimited = 49

    /// Whether the value goes down too; such a slot starts at 0 in every new worker.
    public var isGauge: Bool {
        switch self {
        case .openConnections, .inFlight, .upstreamState, .activeSessions, .heapBytes, .toolsMissing, .recordBacklog,
            .recordsStopped:
            true
        default: false
        }
    }
}

/// What a route's worker last saw of its upstream; the value of `Counter.upstreamState`.
public enum UpstreamState: UInt64, Sendable {
    /// Not tried yet.
    case unknown = 0
    /// A connection could be opened.
    case reachable = 1
    /// No connection could be opened.
    case unreachable = 2
}

/// A worker's counters, in its segment.
public final class Counters {
    @usableFromInline let segment: CounterSegment

    /// Counts in the segment.
    public init(_ segment: CounterSegment) {
        self.segment = segment
        for counter in Counter.allCases where counter.isGauge { segment[counter.rawValue] = 0 }
    }

    /// Adds to a counter.
    @inlinable
    public func add(_ counter: Counter, _ amount: UInt64 = 1) { segment[counter.rawValue] &+= amount }

    /// Takes one from a gauge.
    @inlinable
    public func subtract(_ counter: Counter) { segment[counter.rawValue] &-= 1 }

    /// Sets a gauge.
    @inlinable
    public func set(_ gauge: Counter, _ value: UInt64) { segment[gauge.rawValue] = value }

    /// The present value.
    public func value(_ counter: Counter) -> UInt64 { segment[counter.rawValue] }
}
