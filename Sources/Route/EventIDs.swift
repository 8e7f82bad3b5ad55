import Link
import MCP

/// The ids of events, as clients get them: they say all that is needed to go on after an event, and are good for the subject and session they
/// were given to and no other.
struct EventIDs {
    private let tags: KeyedTag
    private let route: UInt32

    init?(key: [UInt8], route: UInt16) {
        guard let tags = KeyedTag(key: key.span) else { return nil }
        self.tags = tags
        self.route = UInt32(route)
    }

    /// The id for a client; nil if the upstream's is none that could come back.
    func make(
        _ upstream: Span<UInt8>, request: UInt64, callID: [UInt8], progressToken: [UInt8], session: SessionUUID?,
        identity: Identity
    ) -> [UInt8]? {
        var id: [UInt8] = []
        let isUsable = EventID.append(
            route: route, request: request, id: callID.span, progressToken: progressToken.span, upstream: upstream,
            to: &id)
        guard isUsable else { return nil }
        let tag = tags.tag((session?.low ?? 0) ^ owner(identity), session?.high ?? 0, id.span)
        id.append(UInt8(ascii: "."))
        id += hexadecimal(tag)
        return id
    }

    /// What an id that comes back says; nil if it was not given to this subject and session.
    func read(_ text: [UInt8], session: SessionUUID?, identity: Identity) -> EventID? {
        guard let dot = text.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        let id = Array(text[..<dot])
        let expected = hexadecimal(tags.tag((session?.low ?? 0) ^ owner(identity), session?.high ?? 0, id.span))
        let given = text[(dot + 1)...]
        // All of it is compared, however much agrees.
        let difference = zip(given, expected).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
        guard given.count == expected.count, difference == 0, let read = EventID(id.span), read.route == route else {
            return nil
        }
        return read
    }

    /// A number for a subject of a tenant that nobody without the key knows; where there is no session it alone tells clients apart.
    private func owner(_ identity: Identity) -> UInt64 {
        guard identity.method != .anonymous else { return 0 }
        let name = Array(identity.tenant.utf8) + [0] + Array(identity.subject.utf8)
        return tags.tag(UInt64(identity.tenant.utf8.count), 0, name.span)
    }

    private func hexadecimal(_ tag: UInt64) -> [UInt8] {
        (0..<16).map { index in
            let digit = UInt8(truncatingIfNeeded: tag >> UInt64(60 - 4 * index)) & 15
            return digit < 10 ? 0x30 + digit : 0x61 + digit - 10
        }
    }
}
