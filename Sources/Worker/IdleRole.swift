import Configuration
import PollLoop

/// A role whose work comes later: it starts, confines itself, answers pings and takes no work.
public final class IdleRole: WorkerRole {
    private let supervision: Supervision

    /// A role without work.
    public init(supervision: Supervision) { self.supervision = supervision }

    /// Nothing of a generation is of use yet, but it must be this role's.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        _ = try GenerationRefusal.decoding(EmptyGeneration.self, bytes)
        return {}
    }

    /// Nothing is ever in flight.
    public func drain() { supervision.finish() }
}
