import Link
import Worker

/// Writes the audit log. In this version it has no work: it starts, confines itself and answers pings.
public enum Recorder {
    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        PollWorker.run(outcome) { _, _, supervision throws(LinkViolation) in IdleRole(supervision: supervision) }
    }
}
