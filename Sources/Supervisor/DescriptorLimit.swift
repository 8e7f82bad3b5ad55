import Sandbox

/// The supervisor's own limit of open descriptors, and whether it protects the handing over of descriptors.
///
/// The kernel counts descriptors in flight on sockets per user, and refuses to send more when there are more than the sender's limit. A worker in an
/// attacker's hands may park as many as its own limit allows; the supervisor, which hands over listeners and links, must have a higher one than any worker.
struct DescriptorLimit {
    /// What is asked for.
    static let wanted = 65_536
    /// The greatest that a worker has, and what workers can send beyond theirs: each up to 253 (unix(7)) behind the last comparison.
    static let safe = Int(Sandbox.dialerDescriptors) + 2048

    /// The limit that holds.
    let value: Int

    /// What is less than it should be, in words; nil if nothing is.
    var shortage: String? {
        guard value < DescriptorLimit.safe else { return nil }
        return
            "the limit of open descriptors is \(value): one worker in an attacker's hands could keep the others from being"
            + " handed any; raise it to \(DescriptorLimit.safe) or more (ulimit -n, or LimitNOFILE= in the unit)"
    }
}
