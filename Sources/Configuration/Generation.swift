import Link

/// A role's part of one generation: what it may know and nothing else. Travels in a sealed memfd.
public protocol RoleGeneration: Equatable, Sendable {
    /// Appends the content to `writer`.
    func write(_ writer: inout FieldWriter)
    /// Reads the content; throws `LinkViolation.badPayload`.
    init(decoding bytes: [UInt8]) throws(LinkViolation)
}

/// What the ingress knows.
public struct IngressGeneration: RoleGeneration {
    /// The names of the routes, by index.
    public var routes: [String]
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
    /// The keys that seal session ids: the newest, and perhaps the one before. No other role has them.
    public var sessionKeys: [[UInt8]]

    /// Bytes of a key.
    public static let keyLength = 32

    /// The ingress's part of a configuration, with one or two keys of `keyLength` bytes.
    public init(_ configuration: Configuration, sessionKeys: [[UInt8]]) {
        routes = configuration.routes.map(\.name)
        requestBody = configuration.limits.requestBody
        headTimeout = configuration.limits.headTimeout
        bodyTimeout = configuration.limits.bodyTimeout
        queue = UInt32(configuration.limits.queue)
        routeWait = configuration.limits.connectTimeout
        drainTimeout = configuration.drainTimeout
        sessionIdle = configuration.sessions.idle
        sessionLifetime = configuration.sessions.lifetime
        self.sessionKeys = sessionKeys
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.count(routes.count)
        for route in routes { writer.string(route) }
        writer.u64(requestBody)
        writer.u64(headTimeout)
        writer.u64(bodyTimeout)
        writer.u32(queue)
        writer.u64(routeWait)
        writer.u64(drainTimeout)
        writer.u64(sessionIdle)
        writer.u64(sessionLifetime)
        writer.count(sessionKeys.count)
        for key in sessionKeys { writer.blob(key) }
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        routes = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { routes.append(try reader.string(maximum: 256)) }
        requestBody = try reader.u64()
        headTimeout = try reader.u64()
        bodyTimeout = try reader.u64()
        queue = try reader.u32()
        routeWait = try reader.u64()
        drainTimeout = try reader.u64()
        sessionIdle = try reader.u64()
        sessionLifetime = try reader.u64()
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

/// What one route's worker knows.
public struct RouteGeneration: RoleGeneration {
    /// The route's name.
    public var name: String
    /// The destination to ask the dialer for.
    public var destination: UInt32
    /// The value of the Host header.
    public var authority: String
    /// The request target.
    public var target: String
    /// The largest reply, in bytes.
    public var reply: UInt64
    /// The largest event of a stream, in bytes.
    public var event: UInt64
    /// The largest request body, in bytes.
    public var requestBody: UInt64
    /// The time for a reply without progress, in nanoseconds.
    public var requestTimeout: UInt64
    /// The time for a reply whatever its progress, in nanoseconds.
    public var requestLimit: UInt64
    /// The time between comments that keep an open stream alive, in nanoseconds.
    public var keepAlive: UInt64
    /// The time to connect, in nanoseconds.
    public var connectTimeout: UInt64
    /// Upstream connections at most.
    public var connections: UInt32
    /// The time an idle connection is kept, in nanoseconds.
    public var idle: UInt64
    /// Requests that may wait for a connection.
    public var queue: UInt32
    /// A session not used for so long is over, in nanoseconds.
    public var sessionIdle: UInt64
    /// A session this old is over, in nanoseconds.
    public var sessionLifetime: UInt64

    /// The key of the tags on its event ids. Made at each start of the supervisor: sessions do not last longer either.
    public var eventKey: [UInt8]

    /// Bytes of `eventKey`.
    public static let eventKeyLength = 16

    /// The part of route `index`.
    public init(_ configuration: Configuration, index: Int, eventKey: [UInt8]) {
        self.eventKey = eventKey
        let route = configuration.routes[index]
        name = route.name
        destination = UInt32(index)
        authority = route.upstream.authority
        target = route.upstream.target
        reply = configuration.limits.reply
        event = configuration.limits.event
        requestBody = configuration.limits.requestBody
        requestTimeout = configuration.limits.requestTimeout
        requestLimit = configuration.limits.requestLimit
        keepAlive = configuration.limits.keepAlive
        connectTimeout = configuration.limits.connectTimeout
        connections = UInt32(configuration.limits.upstreamConnections)
        idle = configuration.limits.upstreamIdle
        queue = UInt32(configuration.limits.queue)
        sessionIdle = configuration.sessions.idle
        sessionLifetime = configuration.sessions.lifetime
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.string(name)
        writer.u32(destination)
        writer.string(authority)
        writer.string(target)
        writer.u64(reply)
        writer.u64(event)
        writer.u64(requestBody)
        writer.u64(requestTimeout)
        writer.u64(requestLimit)
        writer.u64(keepAlive)
        writer.u64(connectTimeout)
        writer.u32(connections)
        writer.u64(idle)
        writer.u32(queue)
        writer.u64(sessionIdle)
        writer.u64(sessionLifetime)
        writer.blob(eventKey)
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        name = try reader.string(maximum: 256)
        destination = try reader.u32()
        authority = try reader.string(maximum: 512)
        target = try reader.string(maximum: 65536)
        reply = try reader.u64()
        event = try reader.u64()
        requestBody = try reader.u64()
        requestTimeout = try reader.u64()
        requestLimit = try reader.u64()
        keepAlive = try reader.u64()
        connectTimeout = try reader.u64()
        connections = try reader.u32()
        idle = try reader.u64()
        queue = try reader.u32()
        sessionIdle = try reader.u64()
        sessionLifetime = try reader.u64()
        eventKey = try reader.blob(maximum: RouteGeneration.eventKeyLength)
        guard eventKey.count == RouteGeneration.eventKeyLength else { throw .badPayload }
        try reader.finish()
    }
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

    /// The console's part of a configuration.
    public init(_ configuration: Configuration, owner: UInt32) {
        self.owner = owner
        headTimeout = configuration.limits.headTimeout
    }

    /// Appends the content to `writer`.
    public func write(_ writer: inout FieldWriter) {
        writer.u32(owner)
        writer.u64(headTimeout)
    }

    /// Reads the content; throws `LinkViolation.badPayload`.
    public init(decoding bytes: [UInt8]) throws(LinkViolation) {
        var reader = FieldReader(bytes.span)
        owner = try reader.u32()
        headTimeout = try reader.u64()
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
