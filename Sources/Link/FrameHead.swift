/// What a frame is. Frames of one stream carry its id; control frames (supervisor and worker) carry stream 0.
public enum FrameType: UInt8, Sendable, CaseIterable {
    // Supervisor to worker.
    /// The worker's generation: a sealed memfd with its part of one validated configuration.
    case generation = 1
    /// A segment: the worker's own, or another's reopened read-only.
    case segment = 2
    /// A listening socket to serve.
    case listener = 3
    /// One end of a link to another worker.
    case attach = 4
    /// Everything needed to begin has been sent: confine, then report ready.
    case begin = 5
    /// Answer with `pong` from the event loop.
    case ping = 6
    /// Accept nothing new, finish what is in flight, exit.
    case drain = 7
    /// Whether a route can be reached: `up`, or `down` after a crash loop.
    case routeState = 8
    /// Make ready for a further generation, and say whether that is possible: a sealed memfd like that of `generation`.
    case prepare = 9
    /// Serve the prepared generation from here on.
    case commit = 10
    /// Forget the prepared generation.
    case abandon = 11
    /// What came of the console's `reload`.
    case reloadResult = 12
    /// The ingress has nothing more that it admitted under this generation: routes forget it.
    case release = 13
    // Worker to supervisor.
    /// Confined and in its event loop; carries the confinement report.
    case ready = 32
    /// The answer to `ping`.
    case pong = 33
    /// The listener is being accepted on.
    case served = 34
    /// A link ended although nobody was condemned for it: the supervisor makes it again if both its ends still run.
    case lost = 36
    /// The peer of a link broke the protocol; the link is closed and the supervisor restarts the peer.
    case condemn = 35
    /// From the recorder: what a worker wrote into its record ring is no record; the supervisor restarts the worker.
    case condemnProducer = 37
    /// The generation is prepared: to commit it cannot fail.
    case prepared = 38
    /// The generation cannot be prepared; says why.
    case refused = 39
    /// The generation is served.
    case committed = 40
    /// Read the configuration anew; only the console asks for it.
    case reload = 41
    /// No request that was admitted under this generation is in flight, and none will be; only the ingress says so.
    case released = 42
    // Streams between two workers.
    /// Opens a stream; carries the request's head.
    case open = 64
    /// The answer's head: exactly one, before any data of the acceptor.
    case head = 65
    /// A piece of the body; uses the sender's credit.
    case data = 66
    /// Half-close: the sender has sent everything.
    case end = 67
    /// The receiver has consumed so many bytes: the other side may send as many more.
    case credit = 68
    /// The opener no longer wants the answer; the acceptor decides how it ends.
    case cancel = 69
    /// The sender gives the stream up; nothing more will come from it.
    case reset = 70
    /// The last piece of the body: `data` and the `end` behind it in one frame.
    case lastData = 71

    /// Whether the frame belongs to a stream.
    public var isStreamFrame: Bool { rawValue >= 64 }

    /// The payload lengths this type may have, in bytes.
    public var payloadBounds: ClosedRange<Int> {
        switch self {
        case .ping, .pong, .served, .lost, .condemnProducer, .commit, .abandon, .release, .prepared, .committed,
            .reload,
            .released:
            8...8
        case .begin, .drain, .end: 0...0
        case .credit: 4...4
        case .cancel, .reset: 1...1
        case .data, .lastData: 1...FrameHead.maximumData
        case .routeState: 5...5
        case .ready: 1...4096
        case .segment, .generation, .attach, .listener, .condemn, .prepare, .refused, .reloadResult:
            1...FrameHead.maximumControl
        case .open, .head: 1...FrameHead.maximumHead
        }
    }
}

/// The fixed head of every frame on a link: version, type, two zero bytes, payload length, stream id; little-endian.
public struct FrameHead: Equatable, Sendable {
    /// Bytes of a head.
    public static let byteCount = 16
    /// The only protocol version there is; both ends are the same program.
    public static let version: UInt8 = 1
    /// The largest payload of a `data` frame, in bytes.
    public static let maximumData = 128 * 1024
    /// The largest payload of an `open` or `head` frame, in bytes: an HTTP head at its limit and the identity.
    public static let maximumHead = 160 * 1024
    /// The largest payload of a control frame, in bytes.
    public static let maximumControl = 64 * 1024

    /// What the frame is.
    public var type: FrameType
    /// Bytes of payload that follow the head.
    public var length: Int
    /// The stream, or `StreamID.control`.
    public var stream: StreamID

    /// A head for a payload of `length` bytes.
    public init(type: FrameType, length: Int, stream: StreamID = .control) {
        self.type = type
        self.length = length
        self.stream = stream
    }

    /// The head as it stands on the wire: two little-endian 64-bit words.
    public var words: (UInt64, UInt64) {
        let first = UInt64(FrameHead.version) | UInt64(type.rawValue) << 8 | UInt64(UInt32(length)) << 32
        let second = UInt64(stream.slot) | UInt64(stream.generation) << 32
        return (first, second)
    }

    /// Reads a head.
    /// - Throws: `LinkViolation` if a field has a value that no honest sender writes.
    public init(first: UInt64, second: UInt64) throws(LinkViolation) {
        guard UInt8(truncatingIfNeeded: first) == FrameHead.version else { throw .badVersion }
        guard let type = FrameType(rawValue: UInt8(truncatingIfNeeded: first >> 8)) else { throw .unknownType }
        guard UInt16(truncatingIfNeeded: first >> 16) == 0 else { throw .reservedBits }
        let length = Int(UInt32(truncatingIfNeeded: first >> 32))
        guard type.payloadBounds.contains(length) else { throw .badLength }
        let stream = StreamID(
            slot: UInt32(truncatingIfNeeded: second), generation: UInt32(truncatingIfNeeded: second >> 32))
        guard type.isStreamFrame == (stream.generation != 0) else { throw .badStream }
        guard type.isStreamFrame || stream.slot == 0 else { throw .badStream }
        self.init(type: type, length: length, stream: stream)
    }
}

/// A stream of a link: a slot, and how often the slot has been used. Generation 0 is never a stream.
public struct StreamID: Hashable, Sendable {
    /// The slot in both ends' tables.
    public var slot: UInt32
    /// The use of the slot, from 1; wraps past 0.
    public var generation: UInt32

    /// The id in control frames.
    public static let control = StreamID(slot: 0, generation: 0)

    /// The id of a slot's use.
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// Why a link is closed and the sender condemned. Every case is something the program itself never sends.
public enum LinkViolation: UInt8, Error, Sendable, CaseIterable {
    /// The head names another protocol version.
    case badVersion = 1
    /// The head names no type there is.
    case unknownType = 2
    /// Bits that must be zero are not.
    case reservedBits = 3
    /// The payload length is outside what the type allows.
    case badLength = 4
    /// A stream frame without a stream, or a control frame with one.
    case badStream = 5
    /// The payload is not what its type says, or has bytes left over.
    case badPayload = 6
    /// The type is not permitted on this link, from this side, or in this state.
    case notPermitted = 7
    /// The stream does not exist.
    case unknownStream = 8
    /// More data than credit, or more credit than the window.
    case creditExceeded = 9
    /// A frame announced descriptors that did not come with it.
    case missingDescriptor = 10
    /// The peer did not answer in the time it has.
    case silent = 11

    /// A short description for the log.
    public var text: String {
        switch self {
        case .badVersion: "wrong frame version"
        case .unknownType: "unknown frame type"
        case .reservedBits: "reserved bits set"
        case .badLength: "frame length out of bounds"
        case .badStream: "stream id does not fit the frame type"
        case .badPayload: "malformed payload"
        case .notPermitted: "frame not permitted in this state"
        case .unknownStream: "no such stream"
        case .creditExceeded: "credit exceeded"
        case .missingDescriptor: "announced descriptor missing"
        case .silent: "no answer in time"
        }
    }
}

/// One complete frame inside the bytes given to `FrameReader`.
public struct FrameRange: Equatable, Sendable {
    /// The checked head.
    public var head: FrameHead
    /// Where the payload lies in the bytes given.
    public var payload: Range<Int>
}

/// Finds frames in a stream of bytes; holds no bytes itself.
public enum FrameReader {
    /// The first frame of `bytes` from `offset` on, or nil if it is not there whole.
    /// - Throws: `LinkViolation` as soon as a head is malformed, whatever follows it.
    public static func next(_ bytes: Span<UInt8>, from offset: Int) throws(LinkViolation) -> FrameRange? {
        guard let head = try head(bytes, from: offset) else { return nil }
        let start = offset + FrameHead.byteCount
        guard bytes.count - start >= head.length else { return nil }
        return FrameRange(head: head, payload: start..<(start + head.length))
    }

    /// The head of the first frame of `bytes` from `offset` on, or nil if it is not there whole; the payload may not be.
    /// - Throws: `LinkViolation` if it is malformed.
    public static func head(_ bytes: Span<UInt8>, from offset: Int) throws(LinkViolation) -> FrameHead? {
        guard offset >= 0, bytes.count - offset >= FrameHead.byteCount else { return nil }
        return try FrameHead(first: load(bytes, offset), second: load(bytes, offset + 8))
    }

    /// A little-endian word; the caller has checked the bounds.
    @inline(__always)
    private static func load(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        // Safe: eight bytes from `offset` lie inside the span (checked by `next`), and any bit pattern is a UInt64.
        UInt64(littleEndian: unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
