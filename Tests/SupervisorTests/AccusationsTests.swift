import Roles
import Testing

@testable import Supervisor

@Suite struct AccusationsTests {
    private static let second: UInt64 = 1_000_000_000
    private static let window = 60 * second
    private static let ingress = Topology.WorkerID(role: .ingress, index: 0)
    private static let dialer = Topology.WorkerID(role: .dialer, index: 0)

    private static func route(_ index: UInt16) -> Topology.WorkerID { Topology.WorkerID(role: .route, index: index) }

    private func restarted(
        _ accusations: inout Accusations, _ accused: Topology.WorkerID, _ reporter: Topology.WorkerID, _ time: UInt64
    ) -> Topology.WorkerID {
        accusations.worker(toRestartFor: accused, reportedBy: reporter, at: time, window: Self.window)
    }

    @Test(arguments: [ingress, dialer])
    func aRouteIsRestartedForEveryReportAndNeverItsReporter(reporter: Topology.WorkerID) {
        var accusations = Accusations()
        for time in 0..<20 as Range<UInt64> {
            for index in 0..<5 as Range<UInt16> {
                #expect(restarted(&accusations, Self.route(index), reporter, time * Self.second) == Self.route(index))
            }
        }
    }

    @Test(arguments: [ingress, dialer])
    func aRouteThatAccusesASharedWorkerAgainAndAgainIsRestartedItself(accused: Topology.WorkerID) {
        var accusations = Accusations()
        let restarts = (0..<10 as Range<UInt64>).map { restarted(&accusations, accused, Self.route(0), $0) }
        #expect(restarts == [accused, accused, accused] + [Topology.WorkerID](repeating: Self.route(0), count: 7))
    }

    @Test func manyLyingRoutesRestartASharedWorkerNoOftenerThanOne() {
        var accusations = Accusations()
        var restarts: [Topology.WorkerID: Int] = [:]
        for index in 0..<10 as Range<UInt16> {
            for time in 0..<4 as Range<UInt64> {
                restarts[
                    restarted(&accusations, Self.ingress, Self.route(index), UInt64(index) * 4 + time), default: 0] += 1
            }
        }
        #expect(restarts[Self.ingress] == Accusations.limit)
        for index in 1..<10 as Range<UInt16> { #expect(restarts[Self.route(index)] == 4) }
    }

    @Test func oneSharedWorkersCountIsNotTheOthers() {
        var accusations = Accusations()
        for time in 0..<5 as Range<UInt64> { _ = restarted(&accusations, Self.ingress, Self.route(0), time) }
        #expect(restarted(&accusations, Self.dialer, Self.route(0), 5) == Self.dialer)
    }

    @Test func anAccuserIsBelievedAgainWhenTheWindowHasPassedAndIdleTalkDoesNotProlongIt() {
        var accusations = Accusations()
        for time in [0, 1, 2, 3, 4, 30, 60] as [UInt64] {
            _ = restarted(&accusations, Self.ingress, Self.route(0), time * Self.second)
        }
        // That of second 0 is over, and what was not believed does not count.
        #expect(restarted(&accusations, Self.ingress, Self.route(0), 61 * Self.second) == Self.ingress)
        #expect(restarted(&accusations, Self.ingress, Self.route(1), 61 * Self.second) == Self.route(1))
    }

    /// What the rule rests on: of two workers that may accuse each other one serves itself alone.
    @Test(arguments: [0, 1, 7])
    func everyLinkHasExactlyOneRoute(routes: Int) throws {
        for link in Topology(try configuration(routes: routes)).links {
            #expect([link.opener, link.acceptor].count { $0.role == .route } == 1)
        }
    }
}
