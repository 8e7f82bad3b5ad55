import Configuration
import Crypto
import Glibc
import Link
import MCP
import Sessions
import StrictJSON
import Telemetry
import Worker

/// The sessions of legacy clients (DESIGN 6): their sealed ids, when each was last used, which are deleted. What it knows lives in a segment
/// and outlives this process.
final class SessionDesk {
    /// How a session begins.
    enum Beginning {
        /// The id for the client.
        case begun([UInt8])
        /// There are too many.
        case full
    }

    private let sealer: SessionSealer
    private let table: SessionTable
    private let lifetime: UInt64
    private let counters: Counters

    /// The sessions of this installation.
    /// - Throws: a description of what is missing. Without it no session can be told from a forged one.
    init(_ context: WorkerContext, _ generation: IngressGeneration) throws {
        guard let state = context.state, let newest = generation.sessionKeys.first else { throw Missing.state }
        let library = try CryptoLibrary.load()
        let key = try SealingKey(library, key: newest.span)
        var older: SealingKey?
        if generation.sessionKeys.count > 1 {
            let previous = generation.sessionKeys[1]
            older = try SealingKey(library, key: previous.span)
        }
        sealer = try SessionSealer(library, newest: key, older: older)
        lifetime = generation.sessionLifetime / 1_000_000_000
        table = try SessionTable(
            writing: state, idleLimit: generation.sessionIdle / 1_000_000_000, lifetime: lifetime)
        close(state)
        counters = context.counters
    }

    private enum Missing: Error { case state }

    /// The session that a client names; nil if there is none, or not for it, or not any more.
    func find(_ token: Span<UInt8>, _ identity: Identity) -> SessionGrant? {
        let now = SessionDesk.now
        // Not `subject.utf8.span`: that of a small string dangles when optimised (Swift 6.3).
        let subject = Array(identity.subject.utf8)
        let tenant = Array(identity.tenant.utf8)
        let opening = sealer.open(token, subject: subject.span, tenant: tenant.span, now: now)
        guard case .valid(let grant) = opening else {
            counters.add(.sessionsRefused)
            return nil
        }
        switch table.touch(grant, now: now) {
        case .live: return grant
        case .unknown:
            // Another instance began it, or this one on another host's behalf: the seal is what counts.
            if table.adopt(grant, now: now) == .begun { return grant }
        case .idleExpired, .expired, .deleted, .refused: break
        }
        counters.add(.sessionsRefused)
        return nil
    }

    /// The session that may come of an `initialize`.
    func open(_ capabilities: SessionCapabilities) -> SessionReference {
        SessionReference(
            use: .opening, uuid: .random(), capabilities: capabilities.rawValue, expires: SessionDesk.now + lifetime)
    }

    /// Begins the session that an upstream agreed to.
    /// - Throws: `LinkViolation` if the route names a revision that has no sessions.
    func begin(
        _ opening: SessionReference, revision: UInt8, identity: Identity
    ) throws(LinkViolation) -> Beginning {
        guard let known = ProtocolRevision(rawValue: revision), !known.isModern else { throw .badPayload }
        let now = SessionDesk.now
        let grant = SessionGrant(
            uuid: opening.uuid, revision: revision,
            capabilities: SessionCapabilities(rawValue: opening.capabilities), created: now, expires: opening.expires)
        guard table.begin(grant, now: now) == .begun else { return .full }
        var id: [UInt8] = []
        do {
            let subject = Array(identity.subject.utf8)
            let tenant = Array(identity.tenant.utf8)
            try sealer.seal(grant, subject: subject.span, tenant: tenant.span, to: &id)
        } catch {
            table.delete(grant, now: now)
            return .full
        }
        return .begun(id)
    }

    /// Notes that a session is in use.
    func noteUse(of grant: SessionGrant) { _ = table.touch(grant, now: SessionDesk.now) }

    /// Ends a session for good.
    func end(_ grant: SessionGrant) { table.delete(grant, now: SessionDesk.now) }

    /// Frees what is too old and brings the metric up to date; called once a second.
    func sweep() {
        table.sweep(now: SessionDesk.now)
        counters.set(.activeSessions, UInt64(table.liveCount))
    }

    /// Seconds since 1970 UTC.
    static var now: UInt64 { UInt64(max(0, time(nil))) }
}
