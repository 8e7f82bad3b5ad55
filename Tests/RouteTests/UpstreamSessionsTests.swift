import Glibc
import Link
import MCP
import Sessions
import Testing

@testable import Route

@Suite struct UpstreamSessionsTests {
    private final class Clock {
        var now: UInt64 = 1_000
    }

    private let uuid = SessionUUID(low: 1, high: 2)
    private let clock = Clock()

    /// A session that was opened again, with an hour to live and a minute to be idle.
    private func reopened() throws -> UpstreamSessions {
        let state = try UpstreamSessionTable.create(capacity: 8)
        defer { close(state) }
        let sessions = try UpstreamSessions(writing: state, idleLimit: 60) { [clock] in clock.now }
        let reference = SessionReference(use: .opening, uuid: uuid, capabilities: 0, expires: clock.now + 3_600)
        #expect(sessions.begin(reference, id: Array("s".utf8), revision: .v2025_11_25) == .stored)
        sessions.noteReopened(uuid)
        #expect(sessions.version(of: uuid) == 1)
        return sessions
    }

    private func endedIDs(_ sessions: UpstreamSessions) -> [[UInt8]] {
        var ended: [[UInt8]] = []
        for _ in 0..<4 { sessions.removeExpired { id, _ in ended.append(id) } }
        return ended
    }

    @Test func whileItLivesItIsKnownHowOftenItWasOpened() throws {
        let sessions = try reopened()
        clock.now += 59
        #expect(endedIDs(sessions) == [])
        sessions.noteReopened(uuid)
        #expect(sessions.version(of: uuid) == 2)
    }

    @Test(arguments: [60, 3_600] as [UInt64])
    func ofASessionThatIsOverNothingIsKept(after seconds: UInt64) throws {
        let sessions = try reopened()
        clock.now += seconds
        #expect(endedIDs(sessions) == [Array("s".utf8)])
        #expect(sessions.version(of: uuid) == 0)
    }

    @Test func ofASessionThatItsClientEndedNothingIsKept() throws {
        let sessions = try reopened()
        sessions.remove(uuid)
        #expect(sessions.version(of: uuid) == 0 && !sessions.contains(uuid))
    }
}
