/// Who asks: carried by every request frame and, later, by every record. An object, because every request of a client shares it.
public final class Identity: Equatable, Sendable {
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
        /// Whether it is only the caller's own word (a header): it may be recorded and make a rule deny, never make one allow.
        public var isClaimed: Bool

        /// A label.
        public init(name: String, value: String, isClaimed: Bool = false) {
            self.name = name
            self.value = value
            self.isClaimed = isClaimed
        }
    }

    /// The authenticated name; empty when anonymous.
    public let subject: String
    /// How it was established.
    public let method: Method
    /// Roles for policy.
    public let roles: [String]
    /// The tenant; empty for the installation's own.
    public let tenant: String
    /// Labels for records and policy.
    public let labels: [Label]
    /// When the credential ends, in seconds since 1970; 0 means never.
    public let expiry: UInt64

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

    /// Whether the credential has ended, at a time in seconds since 1970.
    public func isExpired(_ now: UInt64) -> Bool { expiry != 0 && now >= expiry }

    /// Bytes of the encoding of `anonymous`, which are all zero.
    private static let anonymousLength: Int = {
        var writer = FieldWriter()
        anonymous.write(&writer)
        return writer.bytes.count
    }()

    func write(_ writer: inout FieldWriter) {
        writer.string(subject, maximum: LinkLimits.name)
        writer.u8(method.rawValue)
        writer.count(roles.count)
        for role in roles { writer.string(role, maximum: LinkLimits.name) }
        writer.string(tenant, maximum: LinkLimits.name)
        writer.count(labels.count)
        for label in labels {
            writer.string(label.name, maximum: LinkLimits.name)
            writer.string(label.value, maximum: LinkLimits.labelValue)
            writer.bool(label.isClaimed)
        }
        writer.u64(expiry)
    }

    /// Whether both are the same in everything.
    public static func == (one: Identity, other: Identity) -> Bool {
        one === other
            || one.subject == other.subject && one.method == other.method && one.roles == other.roles
                && one.tenant == other.tenant && one.labels == other.labels && one.expiry == other.expiry
    }

    @_lifetime(reader: copy reader)
    static func read(_ reader: inout FieldReader, _ known: inout KnownIdentities) throws(LinkViolation) -> Identity {
        if reader.takeZeros(anonymousLength) { return anonymous }
        let rest = reader.rest
        if let (identity, length) = known.find(rest) {
            reader.skip(length)
            return identity
        }
        let identity = try read(&reader)
        known.add(identity, encoding: rest.extracting(0..<(rest.count - reader.remaining)))
        return identity
    }

    @_lifetime(reader: copy reader)
    private static func read(_ reader: inout FieldReader) throws(LinkViolation) -> Identity {
        let subject = try reader.string(maximum: LinkLimits.name)
        guard let method = Method(rawValue: try reader.u8()) else { throw .badPayload }
        var roles: [String] = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { roles.append(try reader.string(maximum: LinkLimits.name)) }
        let tenant = try reader.string(maximum: LinkLimits.name)
        var labels: [Label] = []
        for _ in 0..<(try reader.count(elementBytes: 9)) {
            let name = try reader.string(maximum: LinkLimits.name)
            let value = try reader.string(maximum: LinkLimits.labelValue)
            labels.append(Label(name: name, value: value, isClaimed: try reader.bool()))
        }
        let expiry = try reader.u64()
        let isNobody = method == .anonymous && subject.isEmpty && roles.isEmpty && tenant.isEmpty && labels.isEmpty
        if isNobody && expiry == 0 { return anonymous }
        return Identity(
            subject: subject, method: method, roles: roles, tenant: tenant, labels: labels, expiry: expiry)
    }
}
