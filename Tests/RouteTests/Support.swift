import CKernel
import Configuration
import EpollLoop
import Glibc
import Link
import MCP
import NIOCore
import PollLoop
import Roles
import Segment
import Sessions
import Telemetry

@testable import Route
@testable import Worker

/// A route's worker on a loop that a test turns, without a dialer, and the other end of its link, where the test plays the ingress frame by
/// frame.
final class LoneRoute {
    private let loop: EpollLoop
    private var route: Route?
    private var condemned: [LinkViolation] = []
    private let ingress: Int32
    private var received: [UInt8] = []

    /// A route that serves generation 1.
    init(_ generation: [UInt8]? = nil) throws {
        var link: [Int32] = [-1, -1]
        var companion: [Int32] = [-1, -1]
        precondition(unsafe ck_stream_pair(&link, 64 * 1024) == 0 && ck_packet_pair(&companion) == 0)
        ingress = link[0]
        close(companion[0])
        guard let loop = EpollLoop() else { throw Unusable() }
        self.loop = loop
        let counters = Counters(try CounterSegment(writing: try CounterSegment.create()))
        guard let arguments = WorkerArguments(["mcpgw-route", "worker", "route", "0", "only", "1", "default"]) else {
            throw Unusable()
        }
        let context = WorkerContext(
            arguments: arguments, generation: 1, configuration: try generation ?? LoneRoute.generation(),
            counters: counters,
            state: try UpstreamSessionTable.create(capacity: 8), segments: [], ring: try LoneRoute.ring(), rings: [],
            recordDirectory: nil)
        let supervision = Supervision(companion: DescriptorSocket(descriptor: companion[1]), log: context.log)
        supervision.sendFrame = { [unowned self] type, payload in
            if type == .condemn { condemned.append(LoneRoute.violation(payload)) }
        }
        let route = try Route(context, loop: loop, supervision: supervision)
        let attachment = AttachMessage(
            link: 1, kind: .request, side: .acceptor, peerRole: 0, peerIndex: 0, ticket: DescriptorTicket(number: 1))
        route.attach(attachment, descriptors: [link[1]])
        self.route = route
    }

    deinit { close(ingress) }

    /// Turns the loop for a millisecond.
    private func turn() {
        loop.schedule(in: .milliseconds(1)) { [loop] in loop.stop() }
        loop.run()
    }

    private struct Unusable: Error {}

    /// A ring that nobody empties.
    private static func ring() throws -> RingDescriptors {
        var bell: [Int32] = [-1, -1]
        precondition(unsafe ck_stream_pair(&bell, 4096) == 0)
        let segments = try RecordRing.create(ring: 1)
        return RingDescriptors(
            role: .route, index: 0, data: segments.data, progress: segments.progress, bell: bell[0])
    }

    private static func violation(_ payload: [UInt8]) -> LinkViolation {
        do throws(LinkViolation) {
            return try CondemnMessage(decoding: payload.span).violation
        } catch {
            return error
        }
    }

    /// A part of a generation with what a test changes of the defaults.
    static func generation(_ edit: (inout Configuration) -> Void = { _ in }) throws -> [UInt8] {
        let upstream = try UpstreamURL(parsing: "http://127.0.0.1:9/mcp", source: "a test")
        var configuration = Configuration(
            routes: [.init(name: "only", upstream: upstream)], stateDirectory: nil, runtimeDirectory: "")
        edit(&configuration)
        var writer = FieldWriter()
        let key = [UInt8](repeating: 7, count: RouteGeneration.eventKeyLength)
        RouteGeneration(configuration, index: 0, eventKey: key, countedRules: CountedRules(configuration)).write(
            &writer)
        return writer.bytes
    }

    /// Shows `body` the route.
    func look<Result>(_ body: (Route) throws -> Result) throws -> Result {
        guard let route else { throw Unusable() }
        return try body(route)
    }

    /// Turns the loop until the route shows it; false if that takes too long.
    func eventually(_ condition: (Route) -> Bool) throws -> Bool {
        for _ in 0..<20_000 {
            if try look(condition) { return true }
            turn()
        }
        return false
    }

    /// What the route said of its peer.
    func accusations() -> [LinkViolation] {
        turn()
        return condemned
    }

    // MARK: The ingress

    /// Sends frames in one piece.
    func send(_ frames: [UInt8]...) {
        var rest = frames.flatMap { $0 }[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(ingress, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                turn()
            } else {
                return
            }
        }
    }

    /// Reads until the route has ended a stream, and returns the frames of that stream.
    func answer(on stream: StreamID) throws -> [(type: FrameType, payload: [UInt8])] {
        var found: [(type: FrameType, payload: [UInt8])] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        for _ in 0..<20_000 {
            let bytes = received
            var position = 0
            while let frame = try FrameReader.next(bytes.span, from: position) {
                if frame.head.stream == stream { found.append((frame.head.type, Array(bytes[frame.payload]))) }
                position = frame.payload.upperBound
            }
            received.removeFirst(position)
            if let last = found.last?.type, last == .end || last == .lastData || last == .reset { return found }
            let count = unsafe read(ingress, &buffer, buffer.count)
            if count > 0 {
                received += buffer[..<count]
            } else if count < 0, errno == EAGAIN {
                turn()
            } else {
                return found
            }
        }
        throw Unusable()
    }
}

extension StreamID {
    /// The stream that is opened as the number `slot`, counted from 0.
    static func number(_ slot: UInt32) -> StreamID { StreamID(slot: slot, generation: 1) }
}

/// A frame as it stands on the wire.
func wire(_ type: FrameType, _ stream: StreamID, _ payload: [UInt8] = []) -> [UInt8] {
    let words = FrameHead(type: type, length: payload.count, stream: stream).words
    return [words.0, words.1].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } } + payload
}

/// The frame that opens a legacy client's POST without a session.
func post(_ stream: StreamID, bodyLength: Int, generation: UInt64 = 1) -> [UInt8] {
    var writer = FieldWriter()
    let open = RequestOpen(
        generation: generation, requestID: 1, identity: .anonymous, session: nil,
        revision: ProtocolRevision.v2025_11_25.rawValue,
        method: .post, acceptsJSON: true, acceptsEvents: true, isModern: false, bodyLength: UInt64(bodyLength))
    precondition(open.write(&writer))
    return wire(.open, stream, writer.bytes)
}
