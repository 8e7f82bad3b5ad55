import Configuration
import Link
import Roles
import Testing

@testable import Supervisor

@Suite struct TopologyTests {
    @Test(arguments: [0, 1, 2, 7, 300])
    func everyRouteHasItsWorkerAndBothItsLinks(routes: Int) throws {
        let topology = Topology(try configuration(routes: routes))
        let ingress = Topology.WorkerID(role: .ingress, index: 0)
        let dialer = Topology.WorkerID(role: .dialer, index: 0)
        for index in 0..<routes {
            let id = Topology.WorkerID(role: .route, index: UInt16(index))
            #expect(topology.workers.filter { $0.id == id }.map(\.name) == ["route\(index)"])
            #expect(topology.links.contains(Topology.Link(kind: .request, opener: ingress, acceptor: id)))
            #expect(topology.links.contains(Topology.Link(kind: .dial, opener: id, acceptor: dialer)))
        }
        #expect(topology.links.count == 2 * routes)
    }

    @Test(arguments: [0, 1, 2, 7, 300])
    func everyOtherRoleHasExactlyOneWorkerAndIdsAreUnique(routes: Int) throws {
        let topology = Topology(try configuration(routes: routes))
        for role in Role.allCases where role != .route && role != .supervisor {
            #expect(topology.workers.filter { $0.id.role == role }.map(\.id.index) == [0])
        }
        #expect(!topology.workers.contains { $0.id.role == .supervisor })
        #expect(Set(topology.workers.map(\.id)).count == topology.workers.count)
        #expect(Set(topology.workers.map(\.name)).count == topology.workers.count)
        #expect(topology.workers.count == routes + 5)
    }

    @Test(arguments: [1, 5])
    func whatIsNeededStartsBeforeWhatNeedsIt(routes: Int) throws {
        let topology = Topology(try configuration(routes: routes))
        let stage = Dictionary(uniqueKeysWithValues: topology.workers.map { ($0.id, $0.stage) })
        let recorder = try #require(stage[Topology.WorkerID(role: .recorder, index: 0)])
        let ingress = try #require(stage[Topology.WorkerID(role: .ingress, index: 0)])
        // The recorder is there before the first message, the ingress when all behind it is ready.
        #expect(recorder == 0)
        #expect(topology.workers.allSatisfy { $0.id.role == .ingress || $0.stage < ingress })
        // A link's acceptor serves its opener.
        for link in topology.links where link.kind == .request {
            #expect(try #require(stage[link.opener]) > #require(stage[link.acceptor]))
        }
        for link in topology.links where link.kind == .dial {
            #expect(try #require(stage[link.opener]) > #require(stage[link.acceptor]))
        }
        // No stage is empty, else the start would wait for ever.
        #expect(Set(stage.values) == Set(0..<topology.stageCount))
    }

    @Test func linksJoinWorkersThatExist() throws {
        let topology = Topology(try configuration(routes: 3))
        let ids = Set(topology.workers.map(\.id))
        for link in topology.links { #expect(ids.contains(link.opener) && ids.contains(link.acceptor)) }
    }

    /// No route is joined with another route: a compromise of one reaches none of the others.
    @Test func noLinkJoinsTwoRoutes() throws {
        for link in Topology(try configuration(routes: 4)).links {
            #expect(link.opener.role != .route || link.acceptor.role != .route)
        }
    }
}
