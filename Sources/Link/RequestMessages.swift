/// What the parts of `open` and `head` may be at most; writer and reader apply the same.
public enum LinkLimits {
    /// Bytes of a subject, role, tenant or label name.
    public static let name = 1024
    /// Bytes of a label's value.
    public static let labelValue = 4096
    /// Bytes of a challenge (`WWW-Authenticate`).
    public static let challenge = 8192
    /// Bytes of a `Last-Event-ID`.
    public static let eventID = 8192
    /// Bytes of the forwarded field lines: an HTTP head at its limit.
    public static let fields = 65536
    /// A body's length in bytes: far above what is allowed, far below what overflows an addition.
    public static let bodyLength: UInt64 = 1 << 40
}

/// The HTTP method of a client exchange.
public enum ExchangeMethod: UInt8, Sendable {
    /// A message.
    case post = 1
    /// A stream of server messages (legacy era).
    case get = 2
    /// The end of a session (legacy era).
    case delete = 3
}

/// The 128 random bits that name a client's session inside the gateway. Its upstream's session goes by another name.
public struct SessionUUID: Hashable, Sendable {
    /// The first eight bytes, as a little-endian number.
    public var low: UInt64
    /// The last eight bytes.
    public var high: UInt64

    /// The id of these bits.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

/// The session a request belongs to.
public struct SessionReference: Equatable, Sendable {
    /// What the request has to do with it.
    public enum Use: UInt8, Sendable {
        /// The request belongs to a session that has begun.
        case member = 1
        /// The request is an `initialize`: if the upstream begins a session, this is its id.
        case opening = 2
    }

    /// What the request has to do with the session.
    public var use: Use
    /// Which session.
    public var uuid: SessionUUID
    /// What the client declared in `initialize`, as the bits of the sealed id.
    public var capabilities: UInt32
    /// When the session ends whatever happens, in seconds since 1970.
    public var expires: UInt64

    /// A reference.
    public init(use: Use, uuid: SessionUUID, capabilities: UInt32, expires: UInt64) {
        self.use = use
        self.uuid = uuid
        self.capabilities = capabilities
        self.expires = expires
    }
}

/// Payload of `open` on a request link: everything about a client exchange but its body.
public struct RequestOpen: Equatable, Sendable {
    /// The generation that admitted the request.
    public var generation: UInt64
    /// The gateway's id of the exchange, for records and errors.
    public var requestID: UInt64
    /// Who asks.
    public var identity: Identity
    /// The session, if the request has one.
    public var session: SessionReference?
    /// The protocol revision as a small number (`ProtocolRevision` of the module MCP); 0 if the request does not say.
    public var revision: UInt8
    /// Facts for flow rules.
    public var flowFacts: UInt64
    /// POST, GET or DELETE.
    public var method: ExchangeMethod
    /// The client takes `application/json`.
    public var acceptsJSON: Bool
    /// The client takes `text/event-stream`.
    public var acceptsEvents: Bool
    /// The request speaks a revision that carries `_meta` with each request.
    public var isModern: Bool
    /// The request is one of several that one `tools/list` became: the answer is the items alone (`ReplyHead.isItems`).
    public var wantsItems: Bool
    /// The client's `Last-Event-ID`, empty if none.
    public var lastEventID: [UInt8]
    /// Field lines for the upstream that no part of the message repeats: `Mcp-Param-*` and the trace context.
    public var fields: FieldLines
    /// Length of the body that follows in `data` frames, in bytes.
    public var bodyLength: UInt64

    /// A request's head.
    public init(
        generation: UInt64, requestID: UInt64, identity: Identity, session: SessionReference?, revision: UInt8 = 0,
        flowFacts: UInt64 = 0, method: ExchangeMethod, acceptsJSON: Bool, acceptsEvents: Bool, isModern: Bool,
        wantsItems: Bool = false, lastEventID: [UInt8] = [], fields: FieldLines = FieldLines(), bodyLength: UInt64
    ) {
        self.generation = generation
        self.requestID = requestID
        self.identity = identity
        self.session = session
        self.revision = revision
        self.flowFacts = flowFacts
        self.method = method
        self.acceptsJSON = acceptsJSON
        self.acceptsEvents = acceptsEvents
        self.isModern = isModern
        self.wantsItems = wantsItems
        self.lastEventID = lastEventID
        self.fields = fields
        self.bodyLength = bodyLength
    }

    /// Appends the payload to `writer`. False if the route would refuse it: nothing is written, refuse the request.
    public func write(_ writer: inout FieldWriter) -> Bool {
        writer.payload(maximum: FrameHead.maximumHead) { writer in
            writer.u64(generation)
            writer.u64(requestID)
            identity.write(&writer)
            writer.u8(session?.use.rawValue ?? 0)
            if let session {
                writer.u64(session.uuid.low)
                writer.u64(session.uuid.high)
                writer.u32(session.capabilities)
                writer.u64(session.expires)
            }
            writer.u8(revision)
            writer.u64(flowFacts)
            writer.u8(method.rawValue)
            writer.bool(acceptsJSON)
            writer.bool(acceptsEvents)
            writer.bool(isModern)
            writer.bool(wantsItems)
            writer.require(lastEventID.count <= LinkLimits.eventID)
            writer.blob(lastEventID)
            writer.require(fields.isWellFormed && fields.bytes.count <= LinkLimits.fields)
            writer.blob(fields.bytes)
            writer.require(bodyLength <= LinkLimits.bodyLength)
            writer.u64(bodyLength)
        }
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var known = KnownIdentities()
        try self.init(decoding: payload, known: &known)
    }

    /// Reads a payload whose identity may have come before; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>, known: inout KnownIdentities) throws(LinkViolation) {
        var reader = FieldReader(payload)
        generation = try reader.u64()
        requestID = try reader.u64()
        identity = try Identity.read(&reader, &known)
        session = nil
        let use = try reader.u8()
        if use != 0 {
            guard let use = SessionReference.Use(rawValue: use) else { throw .badPayload }
            let low = try reader.u64()
            let uuid = SessionUUID(low: low, high: try reader.u64())
            let capabilities = try reader.u32()
            session = SessionReference(use: use, uuid: uuid, capabilities: capabilities, expires: try reader.u64())
        }
        revision = try reader.u8()
        flowFacts = try reader.u64()
        guard let method = ExchangeMethod(rawValue: try reader.u8()) else { throw .badPayload }
        self.method = method
        acceptsJSON = try reader.bool()
        acceptsEvents = try reader.bool()
        isModern = try reader.bool()
        wantsItems = try reader.bool()
        lastEventID = try reader.blob(maximum: LinkLimits.eventID)
        fields = FieldLines(unchecked: try reader.blob(maximum: LinkLimits.fields))
        guard fields.isWellFormed else { throw .badPayload }
        bodyLength = try reader.u64()
        guard bodyLength <= LinkLimits.bodyLength else { throw .badPayload }
        try reader.finish()
    }
}

/// The shape of an answer's body.
public enum ReplyKind: UInt8, Sendable {
    /// No body.
    case empty = 0
    /// One JSON text.
    case json = 1
    /// Server-sent events.
    case events = 2
}

/// Payload of `head` on a request link: the answer's head. The ingress sends no head to the client before it.
public struct ReplyHead: Equatable, Sendable {
    /// The HTTP status for the client.
    public var status: UInt16
    /// The shape of the body.
    public var kind: ReplyKind
    /// The length of the body in bytes, if it is known; `UInt64.max` if not.
    public var bodyLength: UInt64
    /// The revision of the session that the answer begins (`ProtocolRevision`); 0 if it begins none.
    public var sessionRevision: UInt8
    /// `WWW-Authenticate`, empty if none.
    public var challenge: String
    /// Seconds for `Retry-After`, 0 if none.
    public var retryAfter: UInt32
    /// Flow facts the answer establishes.
    public var flowFacts: UInt64
    /// The answer is an error of the gateway's, because the upstream is not there: another route may be asked instead.
    public var isUnavailable: Bool
    /// The body is the items of a list, with commas between them, or nothing.
    public var isItems: Bool

    /// The value of `bodyLength` when the length is not known beforehand.
    public static let unknownLength = UInt64.max

    /// An answer's head.
    public init(
        status: UInt16, kind: ReplyKind, bodyLength: UInt64, sessionRevision: UInt8 = 0, challenge: String = "",
        retryAfter: UInt32 = 0, flowFacts: UInt64 = 0, isUnavailable: Bool = false, isItems: Bool = false
    ) {
        self.status = status
        self.kind = kind
        self.bodyLength = bodyLength
        self.sessionRevision = sessionRevision
        self.challenge = challenge
        self.retryAfter = retryAfter
        self.flowFacts = flowFacts
        self.isUnavailable = isUnavailable
        self.isItems = isItems
    }

    /// The statuses a reply may have: final ones.
    public static let statuses: ClosedRange<UInt16> = 200...599

    private static func isLength(_ value: UInt64) -> Bool { value <= LinkLimits.bodyLength || value == unknownLength }

    /// Whether the client will find the end of the body where the link ends it: else a route could make the client take the rest of one body
    /// for the answer to its next request (RFC 9112, 6.3).
    private var isFramed: Bool {
        let bodiless = status == 204 || status == 205 || status == 304
        return switch kind {
        case .empty: bodyLength == 0
        case .json: !bodiless && bodyLength != ReplyHead.unknownLength
        case .events: !bodiless
        }
    }

    /// Appends the payload to `writer`. False if the ingress would refuse it: nothing is written, answer an error.
    public func write(_ writer: inout FieldWriter) -> Bool {
        writer.payload(maximum: FrameHead.maximumHead) { writer in
            writer.require(ReplyHead.statuses.contains(status) && ReplyHead.isLength(bodyLength) && isFramed)
            writer.u16(status)
            writer.u8(kind.rawValue)
            writer.u64(bodyLength)
            writer.u8(sessionRevision)
            writer.headerValue(challenge, maximum: LinkLimits.challenge)
            writer.u32(retryAfter)
            writer.u64(flowFacts)
            writer.bool(isUnavailable)
            writer.bool(isItems)
        }
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        status = try reader.u16()
        guard ReplyHead.statuses.contains(status), let kind = ReplyKind(rawValue: try reader.u8()) else {
            throw .badPayload
        }
        self.kind = kind
        bodyLength = try reader.u64()
        guard ReplyHead.isLength(bodyLength) else { throw .badPayload }
        sessionRevision = try reader.u8()
        challenge = try reader.headerValue(maximum: LinkLimits.challenge)
        retryAfter = try reader.u32()
        flowFacts = try reader.u64()
        isUnavailable = try reader.bool()
        isItems = try reader.bool()
        try reader.finish()
        guard isFramed else { throw .badPayload }
    }
}

/// The payload of `reset` and `cancel`: why.
public enum StreamEndReason: UInt8, Sendable {
    /// The other side no longer wants it.
    case cancelled = 1
    /// The client's connection is gone.
    case clientGone = 2
    /// The upstream could not be reached or broke off.
    case upstreamUnavailable = 3
    /// The upstream did not answer in time.
    case upstreamTimeout = 4
    /// The upstream's answer could not be read.
    case upstreamProtocol = 5
    /// The message is too large.
    case tooLarge = 6
    /// No room for more work.
    case capacity = 7
    /// The stream was finished by the other side first.
    case finished = 8
}
