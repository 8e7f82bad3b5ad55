/// Payload of `open` on a dial link: which of the destinations its generation allows the asking route wants.
public struct DialOpen: Equatable, Sendable {
    /// The destination's number in the dialer's generation.
    public var destination: UInt32

    /// Asks for a connection to `destination`.
    public init(destination: UInt32) { self.destination = destination }

    /// Appends the payload to `writer`; true, since there is nothing in it that could be refused.
    public func write(_ writer: inout FieldWriter) -> Bool {
        writer.u32(destination)
        return true
    }

    /// The payload.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        _ = write(&writer)
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        destination = try reader.u32()
        try reader.finish()
    }
}

/// How a dial ended.
public enum DialOutcome: Equatable, Sendable {
    /// Connected: the descriptor waits on the companion socket.
    case connected(DescriptorTicket)
    /// Not connected, and why, for the log.
    case failed(DialFailure, detail: String)
}

/// Why a destination could not be connected to.
public enum DialFailure: UInt8, Sendable {
    /// The generation does not allow this destination to this route.
    case notAllowed = 1
    /// The name does not resolve.
    case unknownHost = 2
    /// Nobody answers at the address.
    case unreachable = 3
    /// The limit passed first.
    case timedOut = 4
    /// The dialer has no room for more.
    case capacity = 5

    /// A short description for logs and status.
    public var text: String {
        switch self {
        case .notAllowed: "destination not allowed"
        case .unknownHost: "unknown host"
        case .unreachable: "unreachable"
        case .timedOut: "connect timed out"
        case .capacity: "dialer at capacity"
        }
    }
}

extension DialOutcome {
    /// The most bytes of a failure's detail.
    public static let maximumDetail = 1024

    /// The payload of `head` on a dial link. A longer detail is cut: it is for the log.
    public func encode() -> [UInt8] {
        var writer = FieldWriter()
        switch self {
        case .connected(let ticket):
            writer.u8(0)
            writer.u64(ticket.number)
        case .failed(let failure, let detail):
            writer.u8(failure.rawValue)
            writer.string(DialOutcome.cut(detail))
        }
        return writer.bytes
    }

    /// Reads a payload; throws `LinkViolation.badPayload`.
    public init(decoding payload: Span<UInt8>) throws(LinkViolation) {
        var reader = FieldReader(payload)
        let code = try reader.u8()
        if code == 0 {
            self = .connected(try reader.ticket())
        } else {
            guard let failure = DialFailure(rawValue: code) else { throw .badPayload }
            self = .failed(failure, detail: try reader.string(maximum: DialOutcome.maximumDetail))
        }
        try reader.finish()
    }

    private static func cut(_ detail: String) -> String {
        guard detail.utf8.count > maximumDetail else { return detail }
        var result = ""
        var count = 0
        for scalar in detail.unicodeScalars {
            count += UTF8.width(scalar)
            guard count <= maximumDetail else { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
