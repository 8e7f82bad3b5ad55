import PollLoop

/// A role whose work comes later: it starts, confines itself, answers pings and takes no work.
public final class IdleRole: WorkerRole {
    private let supervision: Supervision

    /// A role without work.
    public init(supervision: Supervision) { self.supervision = supervision }

    /// Nothing is ever in flight.
    public func drain() { supervision.finish() }
}
