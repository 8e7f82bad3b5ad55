@testable import Link

/// What a worker without scruples writes: the layout of the payloads a second time, with no check of what stands in them.
enum Unchecked {
    static func encoded(_ message: RequestOpen) -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(message.generation)
        writer.u64(message.requestID)
        writer.string(message.identity.subject)
        writer.u8(message.identity.method.rawValue)
        writer.count(message.identity.roles.count)
        for role in message.identity.roles { writer.string(role) }
        writer.string(message.identity.tenant)
        writer.count(message.identity.labels.count)
        for label in message.identity.labels {
            writer.string(label.name)
            writer.string(label.value)
            writer.bool(label.isClaimed)
        }
        writer.u64(message.identity.expiry)
        if let session = message.session {
            writer.u8(session.use == .member ? 1 : 2)
            writer.u64(session.uuid.low)
            writer.u64(session.uuid.high)
            writer.u32(session.capabilities)
            writer.u64(session.expires)
        } else {
            writer.u8(0)
        }
        writer.u8(message.revision)
        writer.u64(message.flowFacts)
        writer.u8(message.method.rawValue)
        writer.bool(message.acceptsJSON)
        writer.bool(message.acceptsEvents)
        writer.bool(message.isModern)
        writer.bool(message.wantsItems)
        writer.blob(message.lastEventID)
        writer.blob(message.fields.bytes)
        writer.u64(message.bodyLength)
        return writer.bytes
    }

    static func encoded(_ message: ReplyHead) -> [UInt8] {
        var writer = FieldWriter()
        writer.u16(message.status)
        writer.u8(message.kind.rawValue)
        writer.u64(message.bodyLength)
        writer.u8(message.sessionRevision)
        writer.string(message.challenge)
        writer.u32(message.retryAfter)
        writer.u64(message.flowFacts)
        writer.bool(message.isUnavailable)
        writer.bool(message.isItems)
        return writer.bytes
    }

    /// Whether the reader refuses the message when it is sent regardless.
    static func refuses(_ message: RequestOpen) -> Bool { refusesOpen(encoded(message)) }

    /// Whether the reader refuses the message when it is sent regardless.
    static func refuses(_ message: ReplyHead) -> Bool {
        let bytes = encoded(message)
        return violation { () throws(LinkViolation) in _ = try ReplyHead(decoding: bytes.span) } == .badPayload
    }

    /// Whether the bytes are no `RequestOpen`.
    static func refusesOpen(_ bytes: [UInt8]) -> Bool {
        violation { () throws(LinkViolation) in _ = try RequestOpen(decoding: bytes.span) } == .badPayload
    }
}
