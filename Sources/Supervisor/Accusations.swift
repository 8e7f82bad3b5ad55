import Roles

/// Which reports of broken link rules are believed (DESIGN 3). A value: it decides, the supervisor acts. Times are monotonic nanoseconds.
///
/// Of every link one end is a route. A report is about two workers, and nobody else saw what happened: the accuser may be the liar. What must not happen is
/// that a few routes in an attacker's hands keep a worker restarting that all the others need. So a route that is accused is restarted each time, however often:
/// it serves itself alone, and its own crash history bounds it. A shared worker is restarted on the word of routes a few times within the window, whichever
/// routes they are (counted for each, four liars could bring it down); after that the route that reports is. A lying route so gets itself restarted.
struct Accusations {
    /// Reports by routes within the window on which a shared worker is restarted.
    static let limit = 3

    /// When each shared worker was accused and restarted for it.
    private var believed: [Topology.WorkerID: [UInt64]] = [:]

    /// Takes a report and says who is restarted for it.
    ///
    /// A pair without a route has no link (see `Topology`); of such a pair the accused is believed to be guilty as often as any shared worker is.
    mutating func worker(
        toRestartFor accused: Topology.WorkerID, reportedBy reporter: Topology.WorkerID, at time: UInt64, window: UInt64
    ) -> Topology.WorkerID {
        guard accused.role != .route else { return accused }
        var times = (believed[accused] ?? []).filter { time - $0 <= window }
        defer { believed[accused] = times }
        guard times.count < Accusations.limit else { return reporter }
        times.append(time)
        return accused
    }
}
