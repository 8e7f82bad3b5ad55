/// Who may use the gateway (DESIGN 9; `auth.*` and `rate_limit.*`).
public struct Authentication: Equatable, Sendable {
    /// One static key (`auth.api_keys[]`). The key itself is not kept, only its digest.
    public struct APIKey: Equatable, Sendable {
        /// The subject of whoever shows it.
        public var name: String
        /// SHA-256 of the key.
        public var digest: [UInt8]
        /// Roles for policy.
        public var roles: [String]
        /// The tenant; empty for the installation's own.
        public var tenant: String
        /// Labels for records and policy, name and value.
        public var labels: [Label]
        /// When it ends, in seconds since 1970; 0 means never.
        public var expiry: UInt64

        /// A key.
        public init(
            name: String, digest: [UInt8], roles: [String] = [], tenant: String = "", labels: [Label] = [],
            expiry: UInt64 = 0
        ) {
            self.name = name
            self.digest = digest
            self.roles = roles
            self.tenant = tenant
            self.labels = labels
            self.expiry = expiry
        }

        /// Bytes of a digest.
        public static let digestLength = 32
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

    /// Whether nobody is served without a credential: set by any `auth:` block.
    public var isRequired = false
    /// The static keys.
    public var keys: [APIKey] = []

    /// Nobody is asked.
    public init() {}
}

/// How much one subject may ask (`rate_limit`): a token bucket.
public struct RateLimit: Equatable, Sendable {
    /// Requests a second, in thousandths.
    public var milliRate: UInt64
    /// Requests at once.
    public var burst: UInt32

    /// A limit.
    public init(milliRate: UInt64, burst: UInt32) {
        self.milliRate = milliRate
        self.burst = burst
    }
}
