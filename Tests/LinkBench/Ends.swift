import CKernel
import EpollLoop
import Glibc
import Link
import NIOCore
import PollLoop
import Processes
import Roles
import Telemetry
import Worker

/// A supervision that nobody listens to: the benchmark has no supervisor.
private func deafSupervision() -> Supervision {
    var pair: [Int32] = [-1, -1]
    guard unsafe ck_packet_pair(&pair) == 0 else { preconditionFailure("no descriptors left") }
    return Supervision(companion: DescriptorSocket(descriptor: pair[0]), log: Log(role: .route))
}

private func attachment(_ side: LinkSide) -> AttachMessage {
    AttachMessage(link: 1, kind: .request, side: side, peerRole: 1, peerIndex: 0, ticket: DescriptorTicket(number: 1))
}

/// The bytes of one stream that wait to be sent: an object per stream, as the product has one.
private final class Body {
    var bytes: ByteBuffer

    init(_ bytes: ByteBuffer = ByteBuffer()) { self.bytes = bytes }

    /// Sends what can be sent, and the end after it.
    func send(_ stream: StreamID, on link: PeerLink) {
        link.sendData(stream, &bytes)
        if bytes.readableBytes == 0 { link.end(stream) }
    }
}

/// The accepting end: answers each request with a head and the same number of bytes.
final class Echo: PeerLinkDelegate {
    private var received = StreamMap<Body>()
    private var unsent = StreamMap<Body>()

    static func serve(descriptor: Int32) -> Never {
        guard let loop = EpollLoop() else { preconditionFailure("no descriptors left") }
        let link = PeerLink.connect(
            attachment(.acceptor), descriptor: descriptor, loop: loop, supervision: deafSupervision(),
            delegate: Echo())
        loop.run()
        withExtendedLifetime(link) {}
        exit(0)
    }

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        _ = try RequestOpen(decoding: payload)
        received.insert(Body(), for: stream)
    }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {}

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation) {
        received[stream]?.bytes.writeImmutableBuffer(bytes)
        link.consumed(stream, count: bytes.readableBytes)
    }

    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation) {
        guard let body = received.remove(stream) else { throw .badPayload }
        let head = ReplyHead(status: 200, kind: .json, bodyLength: UInt64(body.bytes.readableBytes))
        guard link.sendHead(stream, head.write) else { throw .badPayload }
        unsent.insert(body, for: stream)
        writable(stream, on: link)
    }

    func writable(_ stream: StreamID, on link: PeerLink) {
        guard let body = unsent[stream] else { return }
        body.send(stream, on: link)
        if body.bytes.readableBytes == 0 { unsent.remove(stream) }
    }

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}
    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}
    func closed(_ link: PeerLink) { exit(0) }
}

/// The opening end: keeps so many streams in flight until all rounds are done.
final class Driver: PeerLinkDelegate {
    private let load: Load
    private let body: ByteBuffer
    private let head: RequestOpen
    private var begun = 0
    private var done = 0
    private var unsent = StreamMap<Body>()
    private let finished: () -> Void

    private init(_ load: Load, finished: @escaping () -> Void) {
        self.load = load
        self.finished = finished
        body = ByteBuffer(repeating: 0x61, count: load.bytes)
        head = RequestOpen(
            generation: 1, requestID: 1, identity: .anonymous, session: nil, method: .post, acceptsJSON: true,
            acceptsEvents: true, isModern: true, bodyLength: UInt64(load.bytes))
    }

    /// Runs one load against a fresh echo process; the result as JSON.
    static func measure(_ load: Load) -> String {
        var pair: [Int32] = [-1, -1]
        guard unsafe ck_stream_pair(&pair, 4 << 20) == 0, case .success(let image) = ProcessImage.own() else {
            preconditionFailure("no descriptors left")
        }
        let started = image.start(
            arguments: ["LinkBench", "echo"], environment: [], descriptors: [0, 1, 2, pair[1]], deathSignal: SIGKILL)
        guard case .success(let pid) = started else { preconditionFailure("cannot start the other end") }
        close(pair[1])
        let ownBefore = cpu(ofChildren: false)
        let childrenBefore = cpu(ofChildren: true)
        var start: UInt64 = 0
        var end: UInt64 = 0
        guard let loop = EpollLoop() else { preconditionFailure("no descriptors left") }
        let driver = Driver(load) {
            end = PollLoop.now()
            loop.stop()
        }
        let link = PeerLink.connect(
            attachment(.opener), descriptor: pair[0], loop: loop, supervision: deafSupervision(), delegate: driver)
        start = PollLoop.now()
        for _ in 0..<load.streams { driver.begin(on: link) }
        loop.run()
        link.close()
        var status: Int32 = 0
        _ = unsafe waitpid(pid, &status, 0)
        let microseconds = Double(end - start) / 1000
        let used = Double(cpu(ofChildren: false) - ownBefore + cpu(ofChildren: true) - childrenBefore)
        // open, data and end each way; a body beyond the largest frame takes more data frames.
        let dataFrames = (load.bytes + FrameHead.maximumData - 1) / FrameHead.maximumData
        let frames = Double(load.rounds * (4 + 2 * dataFrames))
        return "{\"name\":\"\(load.name)\",\"frames_per_second\":\(Int(frames / microseconds * 1_000_000)),"
            + "\"round_trip_us\":\(tenth(microseconds / Double(load.rounds) * Double(load.streams))),"
            + "\"cpu_us_per_frame\":\((used / frames * 100).rounded() / 100),\"cpu_us_per_round_trip\":\(tenth(used / Double(load.rounds)))}"
    }

    private static func tenth(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    /// CPU time in microseconds of this process or of its reaped children.
    private static func cpu(ofChildren: Bool) -> UInt64 {
        var usage = rusage()
        _ = unsafe getrusage(__rusage_who_t(ofChildren ? RUSAGE_CHILDREN.rawValue : RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        return UInt64(seconds) * 1_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }

    private func begin(on link: PeerLink) {
        guard begun < load.rounds, case .stream(let stream) = link.open(head.write) else { return }
        begun += 1
        unsent.insert(Body(body), for: stream)
        writable(stream, on: link)
    }

    func writable(_ stream: StreamID, on link: PeerLink) {
        guard let body = unsent[stream] else { return }
        body.send(stream, on: link)
        if body.bytes.readableBytes == 0 { unsent.remove(stream) }
    }

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        throw .notPermitted
    }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        _ = try ReplyHead(decoding: payload)
    }

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation) {
        link.consumed(stream, count: bytes.readableBytes)
    }

    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation) {
        done += 1
        if done == load.rounds { finished() } else { begin(on: link) }
    }

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}
    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}
    func closed(_ link: PeerLink) {}
}
