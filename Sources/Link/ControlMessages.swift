/// What two workers use a link for.
public enum LinkKind: UInt8, Sendable {
    /// Ingress (opener) to route (acceptor): one stream per client exchange.
    case request = 1
    /// Route (opener) to dialer (acceptor): one stream per connection wanted; connected descriptors come back.
    case dial = 2

    /// Whether the acceptor hands descriptors over: such a link has a companion descriptor socket.
    public var carriesDescriptors: Bool { self == .dial }

    /// Streams that may be open at once, at either end.
    public var streamCapacity: Int {
        switch self {
        case .request: 4096
        case .dial: 256
        }
    }
}

/// Announces descriptors that wait on the companion descriptor socket: they were sent before the frame, with this ticket.
public struct DescriptorTicket: Equatable, Sendable {
    /// Numbers the sender's descriptor messages from 1.
    public var number: UInt64

    /// A ticket with this number.
    public init(number: UInt64) { self.number = number }
}

extension FieldReader {
    /// A ticket; they are numbered from 1.
    @_lifetime(self: copy self)
    mutating func ticket() throws(LinkViolation) -> DescriptorTicket {
        let number = try u64()
        guard number > 0 else { throw .badPayload }
        return DescriptorTicket(number: number)
    }
}

/// Payload of `generation` and `prepare`: the descriptor is a sealed memfd with the role's configuration.
public struct GenerationMessage: Equatable, Sendable {
    /// The number all workers will serve.
    public var number: UInt64
    /// The memfd.
    public var ticket: DescriptorTicket

    /// Announces generation `number`.
    public init(number: UInt64, ticket: DescriptorTicket) {
        self.number = number
        self.ticket = ticket
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(number)
        writer.u64(ticket.number)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        number = try reader.u64()
        ticket = try reader.ticket()
        try reader.finish()
    }
}

/// What a segment handed to a worker is for.
public enum SegmentUse: UInt8, CaseIterable, Sendable {
    /// The worker's own counters; it is the writer.
    case ownCounters = 1
    /// Another worker's counters, read-only.
    case counters = 2
    /// The supervisor's table of processes, read-only.
    case processTable = 3
    /// The worker's own session state; it is the writer. Only the ingress and the routes have one.
    case state = 4
    /// The worker's own record ring: what it writes, what it can only read, and the end of the socket that joins it to the recorder.
    case ring = 5
    /// The recorder's end of a worker's record ring; data read-only, progress to write, and the other end of the socket.
    case ringReader = 6
    /// The directory of the audit log, and the lock on it, which the recorder holds for as long as it lives. The recorder's alone.
    case recordDirectory = 7

    /// How many descriptors come with it.
    public var descriptorCount: Int {
        switch self {
        case .ownCounters, .counters, .processTable, .state: 1
        case .recordDirectory: 2
        case .ring, .ringReader: 3
        }
    }
}

/// Payload of `segment`.
public struct SegmentMessage: Equatable, Sendable {
    /// What the segment is for.
    public var use: SegmentUse
    /// The role whose segment it is.
    public var role: UInt8
    /// Which one of that role.
    public var index: UInt16
    /// The memfd.
    public var ticket: DescriptorTicket

    /// Announces a segment.
    public init(use: SegmentUse, role: UInt8, index: UInt16, ticket: DescriptorTicket) {
        self.use = use
        self.role = role
        self.index = index
        self.ticket = ticket
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u8(use.rawValue)
        writer.u8(role)
        writer.u16(index)
        writer.u64(ticket.number)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        guard let use = SegmentUse(rawValue: try reader.u8()) else { throw .badPayload }
        self.use = use
        role = try reader.u8()
        index = try reader.u16()
        ticket = try reader.ticket()
        try reader.finish()
    }
}

/// Payload of `listener`.
public struct ListenerMessage: Equatable, Sendable {
    /// The supervisor's number for the listener; comes back in `served`.
    public var id: UInt32
    /// What is served on it: `mcp`, `metrics` or `control`.
    public var name: String
    /// The bound address as text, for checks of the Host header and for the log.
    public var address: String
    /// The listening socket.
    public var ticket: DescriptorTicket

    /// Announces a listening socket.
    public init(id: UInt32, name: String, address: String, ticket: DescriptorTicket) {
        self.id = id
        self.name = name
        self.address = address
        self.ticket = ticket
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u32(id)
        writer.string(name)
        writer.string(address)
        writer.u64(ticket.number)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        id = try reader.u32()
        name = try reader.string(maximum: 64)
        address = try reader.string(maximum: 256)
        ticket = try reader.ticket()
        try reader.finish()
    }
}

/// Payload of `attach`: one end of a link to another worker.
public struct AttachMessage: Equatable, Sendable {
    /// The supervisor's number for the link; comes back in `condemn`.
    public var link: UInt32
    /// What the link is for.
    public var kind: LinkKind
    /// Which end this is.
    public var side: LinkSide
    /// The role at the other end.
    public var peerRole: UInt8
    /// Which one of that role.
    public var peerIndex: UInt16
    /// The stream socket and, if the kind carries descriptors, the companion socket.
    public var ticket: DescriptorTicket

    /// Announces a link's end.
    public init(
        link: UInt32, kind: LinkKind, side: LinkSide, peerRole: UInt8, peerIndex: UInt16, ticket: DescriptorTicket
    ) {
        self.link = link
        self.kind = kind
        self.side = side
        self.peerRole = peerRole
        self.peerIndex = peerIndex
        self.ticket = ticket
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u32(link)
        writer.u8(kind.rawValue)
        writer.u8(side.rawValue)
        writer.u8(peerRole)
        writer.u16(peerIndex)
        writer.u64(ticket.number)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        link = try reader.u32()
        guard let kind = LinkKind(rawValue: try reader.u8()), let side = LinkSide(rawValue: try reader.u8()) else {
            throw .badPayload
        }
        self.kind = kind
        self.side = side
        peerRole = try reader.u8()
        peerIndex = try reader.u16()
        ticket = try reader.ticket()
        try reader.finish()
    }
}

/// Payload of `routeState`.
public struct RouteStateMessage: Equatable, Sendable {
    /// The route.
    public var index: UInt32
    /// False after a crash loop: requests are answered at once instead of waiting for the worker.
    public var isUp: Bool

    /// The state of route `index`.
    public init(index: UInt32, isUp: Bool) {
        self.index = index
        self.isUp = isUp
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u32(index)
        writer.bool(isUp)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        index = try reader.u32()
        isUp = try reader.bool()
        try reader.finish()
    }
}

/// Payload of `condemn`.
public struct CondemnMessage: Equatable, Sendable {
    /// The link whose other end broke the protocol.
    public var link: UInt32
    /// How.
    public var violation: LinkViolation

    /// Names the link and what its peer did.
    public init(link: UInt32, violation: LinkViolation) {
        self.link = link
        self.violation = violation
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u32(link)
        writer.u8(violation.rawValue)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        link = try reader.u32()
        guard let violation = LinkViolation(rawValue: try reader.u8()) else { throw .badPayload }
        self.violation = violation
        try reader.finish()
    }
}

/// Payload of `ping`, `pong`, `served`, `lost` and of most frames about generations: one number.
public struct NumberMessage: Equatable, Sendable {
    /// The number.
    public var number: UInt64

    /// A message with this number.
    public init(number: UInt64) { self.number = number }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(number)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        number = try reader.u64()
        try reader.finish()
    }
}
