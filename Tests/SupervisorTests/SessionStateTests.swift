import CKernel
import Glibc
import Link
import PollLoop
import Roles
import Segment
import Sessions
import Testing

@testable import Supervisor

/// The segments in which workers keep their sessions: made once for a worker, and for it alone.
@Suite struct SessionStateTests {
    private func workers(routes: Int, floor: UInt64 = 0) throws -> [WorkerProcess] {
        try Topology(try configuration(routes: routes)).workers.map {
            let history = CrashHistory(minimum: 1, maximum: 2, limit: 3, window: 4)
            return try WorkerProcess($0, history: history, sessionFloor: floor)
        }
    }

    private func inode(_ descriptor: Int32) -> ino_t {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? status.st_ino : 0
    }

    private func grant(_ number: UInt64, created: UInt64) -> SessionGrant {
        SessionGrant(
            uuid: SessionUUID(low: number, high: number), revision: 1, capabilities: [], created: created,
            expires: created + 1000)
    }

    @Test func exactlyTheIngressAndEachRouteHaveAStateOfTheirOwn() throws {
        let workers = try workers(routes: 3)
        for worker in workers {
            #expect((worker.sessionState != nil) == [.ingress, .route].contains(worker.id.role), "\(worker.label)")
        }
        let states = workers.compactMap(\.sessionState)
        #expect(states.count == 4 && Set(states.map(inode)).count == 4)
        #expect(Set(states.map(inode)).isDisjoint(with: workers.map { inode($0.counters.writable) }))
        for worker in workers {
            guard let state = worker.sessionState else { continue }
            #expect(ck_sealed_size(state) > 0, "cannot be resized")
            if worker.id.role == .ingress {
                _ = try SessionTable(writing: state)
                #expect(throws: SegmentError.self) { try UpstreamSessionTable(writing: state) }
            } else {
                _ = try UpstreamSessionTable(writing: state)
                #expect(throws: SegmentError.self) { try SessionTable(writing: state) }
            }
        }
    }

    /// What a worker wrote is there for its successor, which gets the same descriptor.
    @Test func whatAWorkerKeptItsSuccessorFinds() throws {
        let ingress = try #require(try workers(routes: 1).first { $0.id.role == .ingress })
        let state = try #require(ingress.sessionState)
        let session = grant(7, created: 100)
        #expect(try SessionTable(writing: state).begin(session, now: 100) == .begun)
        #expect(try SessionTable(writing: state).touch(session, now: 101) == .live)
    }

    /// Each start, the same descriptor to the same worker and to nobody else; only what is a worker's own can be written by it.
    @Test func aStateGoesToItsWorkerAloneAtEveryStart() throws {
        let all = try workers(routes: 3)
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(null) }
        for worker in all {
            let handed = HandedSegment.all(for: worker, among: all, processTable: null)
            #expect(handed.filter { $0.use == .state }.map(\.descriptor) == [worker.sessionState].compactMap { $0 })
            for segment in handed {
                let others = all.filter { $0.id != worker.id }.compactMap(\.sessionState)
                #expect(!others.contains { inode($0) == inode(segment.descriptor) }, "\(worker.label)")
                let isWritable = fcntl(segment.descriptor, F_GETFL) & O_ACCMODE != O_RDONLY
                #expect(isWritable == [.ownCounters, .state, .ring].contains(segment.use))
                #expect(!isWritable || segment.owner == worker.id)
                let message = try SegmentMessage(decoding: segment.message(DescriptorTicket(number: 9)).span)
                #expect(message.use == segment.use && message.role == segment.owner.role.rawValue)
                #expect(message.index == segment.owner.index && message.ticket.number == 9)
            }
            #expect(HandedSegment.all(for: worker, among: all, processTable: null) == handed)
        }
    }

    @Test func sessionsFromBeforeTheFloorAreOver() throws {
        let ingress = try #require(try workers(routes: 1, floor: 500).first { $0.id.role == .ingress })
        let table = try SessionTable(writing: try #require(ingress.sessionState))
        #expect(table.touch(grant(1, created: 500), now: 600) == .refused)
        #expect(table.touch(grant(2, created: 501), now: 600) == .unknown)
    }
}
