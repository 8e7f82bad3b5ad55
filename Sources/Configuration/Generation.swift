import Link

/// A role's part of one generation: what it may know and nothing else. Travels in a sealed memfd.
public protocol RoleGeneration: Equatable, Sendable {
    /// Appends the content to `writer`.
    func write(_ writer: inout FieldWriter)
    /// Reads the content; throws `LinkViolation.badPayload`.
    init(decoding bytes: [UInt8]) throws(LinkViolation)
}

/// What the dialer knows: where each route may be connected to.
public struct DialerGeneration: RoleGeneration {
    /// One allowed destination.
    public struct Destination: Equatable, Sendable {
        /// The number routes ask for.
        public var id: UInt32
        /// The only route that may ask.
        public var route: UInt16
        /// Name or numeric address.
        public var host: String
        /// The TCP port.
        public var port: UInt16
    }

    /// The allowed destinations.
    public var destinations: [Destination]
    /// The time to resolve and connect, in nanoseconds.
    public var connectTimeout: UInt64

    /// The dialer's part of a configuration.
    public init(_ configuration: Configuration) {
        destinations = configuration.routes.enumerated().map { index, route in
            Destination(
                id: UInt32(index), route: UInt16(index), host: route.upstream.host, port: route.upstream.port)
        }
        connectTimeout = configuration.limits.connectTimeout
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.count(destinations.count)
        for destination in destinations {
            writer.u32(destination.id)
            writer.u16(destination.route)
            writer.string(destination.host)
            writer.u16(destination.port)
        }
        writer.u64(connectTimeout)
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        destinations = []
        for _ in 0..<(try reader.count(elementBytes: 12)) {
            let id = try reader.u32()
            let route = try reader.u16()
            let host = try reader.string(maximum: 256)
            destinations.append(Destination(id: id, route: route, host: host, port: try reader.u16()))
        }
        connectTimeout = try reader.u64()
        try reader.finish()
    }
}

/// What the console knows.
public struct ConsoleGeneration: RoleGeneration {
    /// The user id that, besides root, may use the control socket.
    public var owner: UInt32
    /// The time for a request's head, in nanoseconds.
    public var headTimeout: UInt64
    /// SHA-256 of the key that opens everything but health; nil if there is none.
    public var keyDigest: [UInt8]?
    /// Whether a policy was named.
    public var hasPolicy: Bool
    /// The names of the rules that are counted, by slot.
    public var rules: [String]

    /// The console's part of a configuration.
    public init(_ configuration: Configuration, owner: UInt32, countedRules: CountedRules) {
        self.owner = owner
        headTimeout = configuration.limits.headTimeout
        keyDigest = configuration.metricsKeyDigest
        hasPolicy = configuration.policy.path != nil
        rules = countedRules.names
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.u32(owner)
        writer.u64(headTimeout)
        writer.bool(keyDigest != nil)
        writer.blob(keyDigest ?? [])
        writer.bool(hasPolicy)
        writer.strings(rules)
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        owner = try reader.u32()
        headTimeout = try reader.u64()
        let hasKey = try reader.bool()
        let digest = try reader.blob(maximum: Authentication.APIKey.digestLength)
        keyDigest = hasKey ? digest : nil
        hasPolicy = try reader.bool()
        rules = try reader.strings()
        guard digest.count == (hasKey ? Authentication.APIKey.digestLength : 0) else { throw .badPayload }
        try reader.finish()
    }
}

/// The generation of a role that has no work yet.
public struct EmptyGeneration: RoleGeneration {
    /// Nothing.
    public init() {}

    /// Appends a mark, since a memfd must not be empty.
    public func write(_ writer: inout FieldWriter) { writer.u8(0) }

    /// Reads the mark; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        guard try reader.u8() == 0 else { throw .badPayload }
        try reader.finish()
    }
}
