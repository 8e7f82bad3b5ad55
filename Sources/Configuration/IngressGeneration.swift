import Link

/// What the ingress knows.
public struct IngressGeneration: RoleGeneration {
    /// One route, as far as the choice among them needs it.
    public struct Route: Equatable, Sendable {
        /// The route's name.
        public var name: String
        /// Globs for the names of the tools it owns.
        public var matchTools: [String]
    }

    /// The routes, by index.
    public var routes: [Route]
    /// The largest request body, in bytes.
    public var requestBody: UInt64
    /// The time for a request's head, in nanoseconds.
    public var headTimeout: UInt64
    /// The time a body may stand still, in nanoseconds.
    public var bodyTimeout: UInt64
    /// Requests that may wait for a route's worker.
    public var queue: UInt32
    /// How long a request waits for a route whose worker restarts, in nanoseconds.
    public var routeWait: UInt64
    /// The time for what is in flight when the daemon stops, in nanoseconds.
    public var drainTimeout: UInt64
    /// A session not used for so long is over, in nanoseconds.
    public var sessionIdle: UInt64
    /// A session this old is over, in nanoseconds.
    public var sessionLifetime: UInt64
    /// Whether nobody is served without a credential.
    public var requiresAuthentication: Bool
    /// The static keys.
    public var keys: [Authentication.APIKey]
    /// How much each subject may ask; nil: as much as it likes.
    public var rateLimit: RateLimit?
    /// Names of the `X-MCPGW-Label-*` fields that become labels.
    public var labelClaims: [String]
    /// What becomes of a message that cannot be recorded.
    public var onFailure: Audit.OnFailure
    /// The policy's hash, for records of what the ingress itself refuses.
    public var policyHash: String
    /// The keys that seal session ids: the newest, and perhaps the one before. No other role has them.
    public var sessionKeys: [[UInt8]]

    /// Bytes of a key.
    public static let keyLength = 32

    /// The ingress's part of a configuration, with one or two keys of `keyLength` bytes.
    public init(_ configuration: Configuration, sessionKeys: [[UInt8]]) {
        routes = configuration.routes.map { Route(name: $0.name, matchTools: $0.matchTools) }
        requestBody = configuration.limits.requestBody
        headTimeout = configuration.limits.headTimeout
        bodyTimeout = configuration.limits.bodyTimeout
        queue = UInt32(configuration.limits.queue)
        routeWait = configuration.limits.connectTimeout
        drainTimeout = configuration.drainTimeout
        sessionIdle = configuration.sessions.idle
        sessionLifetime = configuration.sessions.lifetime
        requiresAuthentication = configuration.authentication.isRequired
        keys = configuration.authentication.keys
        rateLimit = configuration.rateLimit
        labelClaims = configuration.audit.labelClaims
        onFailure = configuration.audit.onFailure
        policyHash = configuration.policy.hash
        self.sessionKeys = sessionKeys
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.count(routes.count)
        for route in routes {
            writer.string(route.name)
            writer.strings(route.matchTools)
        }
        writer.u64(requestBody)
        writer.u64(headTimeout)
        writer.u64(bodyTimeout)
        writer.u32(queue)
        writer.u64(routeWait)
        writer.u64(drainTimeout)
        writer.u64(sessionIdle)
        writer.u64(sessionLifetime)
        writer.bool(requiresAuthentication)
        writer.count(keys.count)
        for key in keys { key.write(&writer) }
        writer.bool(rateLimit != nil)
        if let rateLimit {
            writer.u64(rateLimit.milliRate)
            writer.u32(rateLimit.burst)
        }
        writer.strings(labelClaims)
        writer.bool(onFailure == .allow)
        writer.string(policyHash)
        writer.count(sessionKeys.count)
        for key in sessionKeys { writer.blob(key) }
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        routes = []
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            let name = try reader.string(maximum: 256)
            routes.append(Route(name: name, matchTools: try reader.strings()))
        }
        requestBody = try reader.u64()
        headTimeout = try reader.u64()
        bodyTimeout = try reader.u64()
        queue = try reader.u32()
        routeWait = try reader.u64()
        drainTimeout = try reader.u64()
        sessionIdle = try reader.u64()
        sessionLifetime = try reader.u64()
        requiresAuthentication = try reader.bool()
        keys = []
        for _ in 0..<(try reader.count(elementBytes: 60)) { keys.append(try Authentication.APIKey(&reader)) }
        rateLimit = nil
        if try reader.bool() {
            let rate = try reader.u64()
            rateLimit = RateLimit(milliRate: rate, burst: try reader.u32())
        }
        labelClaims = try reader.strings()
        onFailure = try reader.bool() ? .allow : .deny
        policyHash = try reader.string(maximum: 64)
        sessionKeys = []
        for _ in 0..<(try reader.count(elementBytes: 4)) {
            sessionKeys.append(try reader.blob(maximum: IngressGeneration.keyLength))
        }
        guard (1...2).contains(sessionKeys.count),
            sessionKeys.allSatisfy({ $0.count == IngressGeneration.keyLength })
        else { throw .badPayload }
        try reader.finish()
    }
}
