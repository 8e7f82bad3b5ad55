import Configuration
import Glibc
import Link
import MCP
import NIOCore
import Sessions
import Worker

/// Which session of the upstream stands behind each client's. Lives in a segment and outlives this process.
final class UpstreamSessions {
    private let table: UpstreamSessionTable

    init(_ context: WorkerContext, _ generation: RouteGeneration) throws {
        guard let state = context.state else { throw Missing.state }
        table = try UpstreamSessionTable(writing: state, idleLimit: generation.sessionIdle / 1_000_000_000)
        close(state)
    }

    private enum Missing: Error { case state }

    /// Whether the upstream has a session for this one.
    func contains(_ uuid: SessionUUID) -> Bool {
        if case .found = table.lookup(uuid, now: now) { return true }
        return false
    }

    /// Notes that a session is in use.
    func noteUse(of uuid: SessionUUID) { _ = table.lookup(uuid, now: now) }

    /// The upstream's session, if there is one.
    func find(_ uuid: SessionUUID) -> (id: [UInt8], revision: ProtocolRevision, flags: UpstreamSessionFlags)? {
        guard case .found(let session) = table.lookup(uuid, now: now),
            let revision = ProtocolRevision(rawValue: session.revision)
        else { return nil }
        return (session.id.copy, revision, session.flags)
    }

    /// Appends the header that names the upstream's session.
    func writeID(of uuid: SessionUUID, to buffer: inout ByteBuffer) {
        guard case .found(let session) = table.lookup(uuid, now: now) else { return }
        buffer.writeField("Mcp-Session-Id", session.id)
    }

    /// Keeps the upstream's session for a client's, in place of an earlier one.
    func begin(_ session: SessionReference, id: [UInt8], revision: ProtocolRevision) -> UpstreamInsertion {
        table.insert(session.uuid, id: id.span, revision: revision.rawValue, expires: session.expires, now: now)
    }

    /// Notes what a session has asked for that a new session upstream would not have.
    func note(_ method: Method, in uuid: SessionUUID) {
        switch method {
        case .resourcesSubscribe: _ = table.setFlags(uuid, .subscribed)
        case .loggingSetLevel: _ = table.setFlags(uuid, .logLevelSet)
        default: break
        }
    }

    func remove(_ uuid: SessionUUID) { _ = table.remove(uuid) }

    /// Takes out some of what is too old, for the upstream to be told.
    func removeExpired(_ body: (_ uuid: SessionUUID, _ id: [UInt8], _ revision: ProtocolRevision) -> Void) {
        table.sweep(now: now) { uuid, session in
            if let revision = ProtocolRevision(rawValue: session.revision) { body(uuid, session.id.copy, revision) }
        }
    }

    private var now: UInt64 { UInt64(max(0, time(nil))) }
}
