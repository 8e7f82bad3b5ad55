/// How many closed files may be removed: whether one is old, only the wall clock says, and after it jumped forward all are. So their number is bounded by
/// what no clock on the wall can hasten: one for each file that was closed, and each hour that the recorder saw pass a twenty-fourth of those that are due
/// (one at least). A log that grows loses as many files as it gains; a wrong clock leaves a third of them after a day.
public struct RemovalPace: Sendable {
    /// Nanoseconds of the monotonic clock between two grants.
    static let interval: UInt64 = 3_600_000_000_000
    /// The part of the files that an hour takes.
    private static let part = 24

    private var last: UInt64
    private var credit = 0
    private var isUnbounded = false

    /// - Parameter now: nanoseconds of the monotonic clock.
    public init(now: UInt64) { last = now }

    /// A file was closed: another may go.
    public mutating func fileWasClosed() { credit += 1 }

    /// Somebody said anew how long files are kept: all that are due may go once.
    public mutating func wasSetAnew() { isUnbounded = true }

    /// A file is removed, or cannot be.
    public mutating func fileIsRemoved() { credit -= 1 }

    /// How many of the files that are due may be removed now.
    public mutating func allowance(due: Int, now: UInt64) -> Int {
        if now >= last, now - last >= RemovalPace.interval {
            last = now
            credit += max(1, due / RemovalPace.part)
        }
        if isUnbounded { credit = due }
        isUnbounded = false
        // What was not needed is not saved up.
        credit = min(max(0, credit), due)
        return credit
    }
}
