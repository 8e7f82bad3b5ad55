import Link
import MCP
import NIOCore

/// Requests of the server that clients have been given and have not answered. The client knows each by a number of the gateway's; only the
/// session it was given to can answer it, once.
struct ServerRequests {
    private struct Pending {
        let session: SessionUUID?
        let id: [UInt8]
        let since: NIODeadline
    }

    /// Requests at most, of all sessions and of one.
    private static let limit = 4096
    private static let sessionLimit = 256
    /// How long an answer may take: people are asked.
    private static let lifetime = TimeAmount.hours(1)

    private var pending: [UInt64: Pending] = [:]
    private var counts: [SessionUUID: Int] = [:]

    /// Notes a request. False: there are too many, and the server has to be told.
    mutating func add(_ number: UInt64, session: SessionUUID?, id: [UInt8]) -> Bool {
        guard pending.count < ServerRequests.limit else { return false }
        if let session {
            guard counts[session, default: 0] < ServerRequests.sessionLimit else { return false }
            counts[session, default: 0] += 1
        }
        pending[number] = Pending(session: session, id: id, since: .now())
        return true
    }

    /// The server's id of the request that a client's answer names; the request is then over.
    mutating func take(_ id: Span<UInt8>, session: SessionUUID?) -> [UInt8]? {
        guard let number = UInt64(decimal: id), let found = pending[number], found.session == session else {
            return nil
        }
        remove(number)
        return found.id
    }

    /// The number of a request that the server cancels; the request is then over.
    mutating func cancel(_ id: Span<UInt8>, session: SessionUUID?) -> UInt64? {
        for (number, request) in pending where request.session == session && request.id.span.isEqual(to: id) {
            remove(number)
            return number
        }
        return nil
    }

    /// Whether a session has requests that wait for it.
    func contains(_ session: SessionUUID) -> Bool { counts[session, default: 0] > 0 }

    /// Forgets what a session was asked.
    mutating func removeAll(of session: SessionUUID) {
        guard contains(session) else { return }
        for number in pending.filter({ $0.value.session == session }).keys { remove(number) }
    }

    /// Forgets what nobody has answered for too long.
    mutating func removeOld(_ now: NIODeadline) {
        for number in pending.filter({ now - $0.value.since > ServerRequests.lifetime }).keys { remove(number) }
    }

    private mutating func remove(_ number: UInt64) {
        guard let session = pending.removeValue(forKey: number)?.session else { return }
        let left = counts[session, default: 1] - 1
        counts[session] = left > 0 ? left : nil
    }
}

extension UInt64 {
    /// The number that is spelt so: decimal digits without a leading zero, nothing else.
    init?(decimal text: Span<UInt8>) {
        guard text.count > 0, text.count <= 16, text[0] != 0x30 || text.count == 1 else { return nil }
        var value: UInt64 = 0
        for index in text.indices {
            guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
            value = value * 10 + UInt64(text[index] - 0x30)
        }
        self = value
    }
}
