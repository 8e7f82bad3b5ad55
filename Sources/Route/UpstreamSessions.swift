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
    /// How often each session was opened again, of those that were.
    private var versions: [SessionUUID: UInt32] = [:]
    /// Seconds since 1970.
    private let clock: () -> UInt64

    convenience init(_ context: WorkerContext, _ generation: RouteGeneration) throws {
        guard let state = context.state else { throw Missing.state }
        try self.init(
            writing: state, idleLimit: generation.sessionIdle / 1_000_000_000,
            lifetime: generation.sessionLifetime / 1_000_000_000
        ) { UInt64(max(0, time(nil))) }
        close(state)
    }

    /// Takes over the table; `idleLimit` and `lifetime` in seconds.
    init(
        writing state: Int32, idleLimit: UInt64, lifetime: UInt64 = 24 * 3600, clock: @escaping () -> UInt64
    ) throws {
        table = try UpstreamSessionTable(writing: state, idleLimit: idleLimit, lifetime: lifetime)
        self.clock = clock
    }

    private enum Missing: Error { case state }

    /// Whether the upstream has a session for this one.
    func contains(_ uuid: SessionUUID) -> Bool {
        if case .found = table.lookup(uuid, now: now) { return true }
        return false
    }

    /// Whether the upstream's session has a name: an upstream without sessions has nothing to end.
    func hasID(_ uuid: SessionUUID) -> Bool {
        guard case .found(let session) = table.lookup(uuid, now: now) else { return false }
        return !session.id.isEmpty
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
        guard case .found(let session) = table.lookup(uuid, now: now), !session.id.isEmpty else { return }
        buffer.writeField("Mcp-Session-Id", session.id)
    }

    /// Keeps the upstream's session for a client's, in place of an earlier one. With `mayBeEmpty`, an upstream without sessions is kept by an empty id.
    func begin(
        _ session: SessionReference, id: [UInt8], revision: ProtocolRevision, mayBeEmpty: Bool = false
    ) -> UpstreamInsertion {
        table.insert(
            session.uuid, id: id.span, revision: revision.rawValue, expires: session.expires, now: now,
            mayBeEmpty: mayBeEmpty)
    }

    /// Notes what a session has asked for that a new session upstream would not have.
    func note(_ method: Method, in uuid: SessionUUID) {
        switch method {
        case .resourcesSubscribe: _ = table.setFlags(uuid, .subscribed)
        case .loggingSetLevel: _ = table.setFlags(uuid, .logLevelSet)
        default: break
        }
    }

    /// Which of the upstream's sessions stands behind the client's, counted from 0.
    func version(of uuid: SessionUUID) -> UInt32 { versions[uuid] ?? 0 }

    /// Another session of the upstream took the place of the one before.
    func noteReopened(_ uuid: SessionUUID) { versions[uuid, default: 0] += 1 }

    func remove(_ uuid: SessionUUID) {
        _ = table.remove(uuid)
        versions[uuid] = nil
    }

    /// Takes out some of what is too old, for the upstream to be told.
    func removeExpired(_ body: (_ id: [UInt8], _ revision: ProtocolRevision) -> Void) {
        table.sweep(now: now) { uuid, session in
            versions[uuid] = nil
            if let revision = ProtocolRevision(rawValue: session.revision) { body(session.id.copy, revision) }
        }
    }

    private var now: UInt64 { clock() }
}
