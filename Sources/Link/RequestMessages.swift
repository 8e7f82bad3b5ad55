/// Who asks: carried by every request frame and, later, by every record.
public struct Identity: Equatable, Sendable {
    /// How the subject was established.
    public enum Method: UInt8, Sendable {
        /// Nobody was asked; the listener is local and no authentication is configured.
        case anonymous = 0
        /// A static key.
        case apiKey = 1
        /// A signed token.
        case jwt = 2
        /// An introspected or audience-checked OAuth token.
        case oauth = 3
        /// A client certificate.
        case certificate = 4
        /// The kernel's word for the peer of a Unix socket.
        case peer = 5
    }

    /// A name and a value.
    public struct Label: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The value.
        public var value: String

        /// A label.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The authenticated name; empty when anonymous.
    public var subject: String
    /// How it was established.
    public var method: Method
    /// Roles for policy.
    public var roles: [String]
    /// The tenant; empty for the installation's own.
    public var tenant: String
    /// Labels for records and policy.
    public var labels: [Label]
    /// When the credential ends, in seconds since 1970; 0 means never.
    public var expiry: UInt64

    /// An identity.
    public init(
        subject: String, method: Method, roles: [String] = [], tenant: String = "", labels: [Label] = [],
        expiry: UInt64 = 0
    ) {
        self.subject = subject
        self.method = method
        self.roles = roles
        self.tenant = tenant
        self.labels = labels
        self.expiry = expiry
    }

    /// Nobody in particular.
    public static let anonymous = Identity(subject: "", method: .anonymous)

    fileprivate func write(_ writer: inout FieldWriter) {
        writer.string(subject, maximum: LinkLimits.name)
        writer.u8(method.rawValue)
        writer.count(roles.count)
        for role in roles { writer.string(role, maximum: LinkLimits.name) }
        writer.string(tenant, maximum: LinkLimits.name)
        writer.count(labels.count)
        for label in labels {
            writer.string(label.name, maximum: LinkLimits.name)
            writer.string(label.value, maximum: LinkLimits.labelValue)
        }
        writer.u64(expiry)
    }

    @_lifetime(reader: copy reader)
    fileprivate init(reading reader: inout FieldReader) throws(LinkViolation) {
        subject = try reader.string(maximum: LinkLimits.name)
        guard let method = Method(rawValue: try reader.u8()) else { throw .badPayload }
        self.method = method
        roles = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { roles.append(try reader.string(maximum: LinkLimits.name)) }
        tenant = try reader.string(maximum: LinkLimits.name)
        labels = []
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            let name = try reader.string(maximum: LinkLimits.name)
            labels.append(Label(name: name, value: try reader.string(maximum: LinkLimits.labelValue)))
        }
        expiry = try reader.u64()
    }
}

/// A header field that crosses the gateway.
public struct HeaderField: Equatable, Sendable {
    /// The name in lower case.
    public var name: String
    /// The value.
    public var value: String

    /// A field.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// Whether a text is a field name: a token (RFC 9110 section 5.6.2) in lower case.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
                    UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "|"),
                    UInt8(ascii: "~"):
                    true
                default: false
                }
            }
    }

    /// Whether a text has only bytes of a field value (RFC 9110 section 5.5): no line end, no control but the tab.
    /// Otherwise the owner of one worker could write whole messages into another's connection.
    static func isValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}

/// What the texts and numbers of `open` and `head` may be at most; writer and reader apply the same.
public enum LinkLimits {
    /// Bytes of a subject, role, tenant, label name or session id.
    public static let name = 1024
    /// Bytes of a label's value.
    public static let labelValue = 4096
    /// Bytes of a challenge (`WWW-Authenticate`).
    public static let challenge = 8192
    /// Bytes of a header field's name.
    public static let fieldName = 256
    /// Bytes of a header field's value.
    public static let fieldValue = 65536
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

    /// The method's token.
    public var token: String {
        switch self {
        case .post: "POST"
        case .get: "GET"
        case .delete: "DELETE"
        }
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
    /// The client's session, empty if it has none.
    public var session: String
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
    /// Protocol, resumption and trace headers that are rebuilt or forwarded.
    public var fields: [HeaderField]
    /// Length of the body that follows in `data` frames, in bytes.
    public var bodyLength: UInt64

    /// A request's head.
    public init(
        generation: UInt64, requestID: UInt64, identity: Identity, session: String, flowFacts: UInt64 = 0,
        method: ExchangeMethod, acceptsJSON: Bool, acceptsEvents: Bool, isModern: Bool, fields: [HeaderField],
        bodyLength: UInt64
    ) {
        self.generation = generation
        self.requestID = requestID
        self.identity = identity
        self.session = session
        self.flowFacts = flowFacts
        self.method = method
        self.acceptsJSON = acceptsJSON
        self.acceptsEvents = acceptsEvents
        self.isModern = isModern
        self.fields = fields
        self.bodyLength = bodyLength
    }

    /// Appends the payload to `writer`. False if the route would refuse it: nothing is written, refuse the request.
    public func write(_ writer: inout FieldWriter) -> Bool {
        writer.payload(maximum: FrameHead.maximumHead) { writer in
            writer.u64(generation)
            writer.u64(requestID)
            identity.write(&writer)
            writer.headerValue(session, maximum: LinkLimits.name)
            writer.u64(flowFacts)
            writer.u8(method.rawValue)
            writer.bool(acceptsJSON)
            writer.bool(acceptsEvents)
            writer.bool(isModern)
            writeFields(fields, &writer)
            writer.require(bodyLength <= LinkLimits.bodyLength)
            writer.u64(bodyLength)
        }
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        generation = try reader.u64()
        requestID = try reader.u64()
        identity = try Identity(reading: &reader)
        session = try reader.headerValue(maximum: LinkLimits.name)
        flowFacts = try reader.u64()
        guard let method = ExchangeMethod(rawValue: try reader.u8()) else { throw .badPayload }
        self.method = method
        acceptsJSON = try reader.bool()
        acceptsEvents = try reader.bool()
        isModern = try reader.bool()
        fields = try readFields(&reader)
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
    /// The session the answer establishes or belongs to, empty if none.
    public var session: String
    /// `WWW-Authenticate`, empty if none.
    public var challenge: String
    /// Seconds for `Retry-After`, 0 if none.
    public var retryAfter: UInt32
    /// Flow facts the answer establishes.
    public var flowFacts: UInt64
    /// Further header fields for the client.
    public var fields: [HeaderField]

    /// The value of `bodyLength` when the length is not known beforehand.
    public static let unknownLength = UInt64.max

    /// An answer's head.
    public init(
        status: UInt16, kind: ReplyKind, bodyLength: UInt64, session: String = "", challenge: String = "",
        retryAfter: UInt32 = 0, flowFacts: UInt64 = 0, fields: [HeaderField] = []
    ) {
        self.status = status
        self.kind = kind
        self.bodyLength = bodyLength
        self.session = session
        self.challenge = challenge
        self.retryAfter = retryAfter
        self.flowFacts = flowFacts
        self.fields = fields
    }

    /// The statuses a reply may have: final ones.
    public static let statuses: ClosedRange<UInt16> = 200...599

    private static func isLength(_ value: UInt64) -> Bool { value <= LinkLimits.bodyLength || value == unknownLength }

    /// Whether the client will find the end of the body where the link ends it: else a route could make the client take the rest of one body
    /// for the answer to its next request (RFC 9112, 6.3).
    private var isFramed: Bool {
        let bodiless = [204, 205, 304].contains(status)
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
            writer.headerValue(session, maximum: LinkLimits.name)
            writer.headerValue(challenge, maximum: LinkLimits.challenge)
            writer.u32(retryAfter)
            writer.u64(flowFacts)
            writeFields(fields, &writer)
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
        session = try reader.headerValue(maximum: LinkLimits.name)
        challenge = try reader.headerValue(maximum: LinkLimits.challenge)
        retryAfter = try reader.u32()
        flowFacts = try reader.u64()
        fields = try readFields(&reader)
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

private func writeFields(_ fields: [HeaderField], _ writer: inout FieldWriter) {
    writer.count(fields.count)
    for field in fields {
        writer.require(HeaderField.isName(field.name))
        writer.string(field.name, maximum: LinkLimits.fieldName)
        writer.headerValue(field.value, maximum: LinkLimits.fieldValue)
    }
}

@_lifetime(reader: copy reader)
private func readFields(_ reader: inout FieldReader) throws(LinkViolation) -> [HeaderField] {
    var fields: [HeaderField] = []
    for _ in 0..<(try reader.count(elementBytes: 8)) {
        let name = try reader.string(maximum: LinkLimits.fieldName)
        guard HeaderField.isName(name) else { throw .badPayload }
        fields.append(HeaderField(name: name, value: try reader.headerValue(maximum: LinkLimits.fieldValue)))
    }
    return fields
}
