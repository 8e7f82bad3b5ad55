import Link
import Policy

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

    /// The upstream as it stands in records.
    public var upstream: String
    /// Labels of its records and for policy.
    public var labels: [Authentication.Label]
    /// Globs for the tools of every route, in the order of the configuration: each worker checks that a call is its own.
    public var owners: [[String]]
    /// Which of `owners` are its own.
    public var index: UInt16
    /// The policy.
    public var policy: PolicyModel
    /// The policy's hash, for records.
    public var policyHash: String
    /// Whether a policy was named at all.
    public var hasPolicy: Bool
    /// The slot that counts the decisions of each rule of the policy.
    public var ruleSlots: [UInt16]
    /// How a blocked tool call is told.
    public var denials: DenialForm
    /// Whether answers to denied calls name the rule.
    public var disclosesRules: Bool
    /// The largest value recorded whole, in bytes.
    public var maximumValue: UInt64
    /// What becomes of a message that cannot be recorded.
    public var onFailure: Audit.OnFailure
    /// The key of the tags on its event ids. Made at each start of the supervisor: sessions do not last longer either.
    public var eventKey: [UInt8]

    /// Bytes of `eventKey`.
    public static let eventKeyLength = 16

    /// The part of route `index`.
    public init(_ configuration: Configuration, index: Int, eventKey: [UInt8], countedRules: CountedRules) {
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
        upstream = route.upstream.description
        labels = route.labels
        owners = configuration.routes.map(\.matchTools)
        self.index = UInt16(index)
        policy = configuration.policy.model
        policyHash = configuration.policy.hash
        hasPolicy = configuration.policy.path != nil
        ruleSlots = configuration.policy.model.rules.map { countedRules.slot($0.name) }
        denials = configuration.denials
        disclosesRules = configuration.disclosesRules
        maximumValue = configuration.audit.maximumValue
        onFailure = configuration.audit.onFailure
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
        writer.string(upstream)
        Authentication.Label.write(labels, &writer)
        writer.count(owners.count)
        for owner in owners { writer.strings(owner) }
        writer.u16(index)
        policy.write(&writer)
        writer.string(policyHash)
        writer.bool(hasPolicy)
        writer.count(ruleSlots.count)
        for slot in ruleSlots { writer.u16(slot) }
        writer.bool(denials == .error)
        writer.bool(disclosesRules)
        writer.u64(maximumValue)
        writer.bool(onFailure == .allow)
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
        upstream = try reader.string(maximum: 65536)
        labels = try Authentication.Label.read(&reader)
        owners = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { owners.append(try reader.strings()) }
        index = try reader.u16()
        policy = try PolicyModel(&reader)
        policyHash = try reader.string(maximum: 64)
        hasPolicy = try reader.bool()
        ruleSlots = []
        for _ in 0..<(try reader.count(elementBytes: 2)) { ruleSlots.append(try reader.u16()) }
        guard ruleSlots.count == policy.rules.count, ruleSlots.allSatisfy({ $0 <= CountedRules.limit }) else {
            throw .badPayload
        }
        denials = try reader.bool() ? .error : .result
        disclosesRules = try reader.bool()
        maximumValue = try reader.u64()
        onFailure = try reader.bool() ? .allow : .deny
        eventKey = try reader.blob(maximum: RouteGeneration.eventKeyLength)
        guard eventKey.count == RouteGeneration.eventKeyLength, Int(index) < owners.count else { throw .badPayload }
        try reader.finish()
    }
}
