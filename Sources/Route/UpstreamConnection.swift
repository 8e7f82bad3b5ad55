import Configuration
import EpollLoop
import HTTP1
import NIOCore
import Telemetry
import Worker

/// What a connection tells the exchange it carries.
protocol UpstreamReader: AnyObject {
    /// Whose time limits hold.
    var settings: RouteSettings { get }
    /// The answer's head, read in place; interim answers are skipped.
    func replyHead(_ head: borrowing ResponseHead, _ bytes: Span<UInt8>)
    /// A piece of the body.
    func replyBody(_ bytes: ByteBuffer)
    /// The body is complete.
    func replyComplete()
    /// Nothing has come for longer than the request limit, or the whole took longer than any request may.
    func replyStalled()
    /// The connection broke before the answer was complete. Stale: it was kept from an earlier exchange, and ended before a byte of this answer.
    func replyBroken(_ reason: String, isStale: Bool)
}

/// One connection to the upstream: one exchange at a time, answers read strictly.
final class UpstreamConnection: StreamSocketDelegate {
    private enum Phase {
        /// Nothing is asked; whatever the upstream sends is wrong.
        case idle
        case head
        case counted(remaining: UInt64)
        case chunked(ChunkedDecoder)
        case untilClose
        case closed
    }

    private let pool: UpstreamPool
    private let loop: EpollLoop
    private var socket: StreamSocket?
    /// Reads grow to what the answers need.
    private static let limits = SocketLimits(reads: 2048...128 << 10)
    /// Bytes of memory for requests that a connection keeps between them.
    private static let keptOutput = 8192
    private var phase = Phase.idle
    private var output = ByteBuffer()
    private var isReading = true
    /// Exchanges that were completed before the present one.
    private var served = 0
    /// A byte of the present answer has come.
    private var hasAnswered = false
    /// Interim answers (1xx) that a final one may have before it.
    private static let maximumInterims = 16
    private var interims = 0
    private var startedAt = NIODeadline.now()
    private var parser = ResponseParser()
    private var input = ByteBuffer()
    private var method = HTTPMethod.post
    private var keepAlive = true
    /// Kept until its answer is over, even when nobody else waits for it any more: a legacy call is read to its end.
    private var reader: UpstreamReader?
    /// Counted apart from the connections that carry calls, because it carries an event stream.
    var isStream = false
    /// When the last exchange ended.
    private(set) var idleSince = NIODeadline.now()
    private var lastProgress = NIODeadline.now()

    init(pool: UpstreamPool, loop: EpollLoop) {
        self.pool = pool
        self.loop = loop
    }

    /// Serves a connected descriptor; `ready` is called if it can carry an exchange.
    func begin(descriptor: Int32, ready: () -> Void) {
        socket = StreamSocket.serve(
            descriptor, loop: loop, limits: UpstreamConnection.limits, delegate: self)
        if socket == nil { ended("it could not be used") } else { ready() }
    }

    /// Whether it can carry an exchange.
    var isUsable: Bool {
        if case .idle = phase { return socket != nil }
        return false
    }

    /// Sends a request, whose head and small body `write` appends and whose large body follows, and reads its answer for `reader`.
    func start(
        method: HTTPMethod, reader: UpstreamReader, largeBody: ByteBuffer? = nil, _ write: (inout ByteBuffer) -> Void
    ) {
        guard let socket else { return reader.replyBroken("the connection ended", isStale: true) }
        self.method = method
        self.reader = reader
        phase = .head
        hasAnswered = false
        interims = 0
        lastProgress = pool.now
        startedAt = pool.now
        var request = output
        output = ByteBuffer()
        write(&request)
        if let largeBody {
            socket.write(request)
            socket.writeAndFlush(largeBody)
        } else {
            socket.writeAndFlush(request)
        }
        // An ordinary request's memory is used again for the next, if the socket has taken it.
        if request.capacity <= UpstreamConnection.keptOutput {
            request.clear()
            output = request
        }
    }

    /// Stops and resumes reading, for an answer that its receiver does not take fast enough.
    func setReading(_ on: Bool) {
        guard on != isReading else { return }
        isReading = on
        socket?.setReading(on)
    }

    /// Tells its reader when nothing has come for longer than the request limit.
    func checkTime(_ now: NIODeadline) {
        guard let reader else { return }
        let generation = reader.settings.generation
        let isSilent = now - lastProgress > .nanoseconds(Int64(generation.requestTimeout))
        if isSilent || now - startedAt > .nanoseconds(Int64(generation.requestLimit)) { reader.replyStalled() }
    }

    /// Ends the connection, and with it what the upstream does for the present exchange.
    func close() {
        reader = nil
        phase = .closed
        socket?.close()
    }

    // MARK: Socket

    func received(_ bytes: ByteBuffer) {
        lastProgress = pool.now
        hasAnswered = true
        if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
        do throws(HTTP1Error) {
            while socket != nil, try step() {}
        } catch {
            broken(error.reason)
        }
        if input.readableBytes == 0 { input = ByteBuffer() } else { input.discardReadBytes() }
    }

    /// Reads one piece of the answer. False: more bytes are needed.
    private func step() throws(HTTP1Error) -> Bool {
        switch phase {
        case .idle:
            if input.readableBytes > 0 { broken("it sent bytes nobody asked for") }
            return false
        case .head: return try readHead()
        case .counted(let remaining):
            guard input.readableBytes > 0 else { return false }
            let count = Int(min(remaining, UInt64(input.readableBytes)))
            if let piece = input.readSlice(length: count) { reader?.replyBody(piece) }
            if case .closed = phase { return false }
            if remaining == UInt64(count) { complete() } else { phase = .counted(remaining: remaining - UInt64(count)) }
            return true
        case .chunked(var decoder):
            let bytes = input
            switch try decoder.next(bytes.readableBytesUInt8Span) {
            case .needMore(let consumed):
                input.moveReaderIndex(forwardBy: consumed)
                phase = .chunked(decoder)
                return false
            case .data(let range):
                phase = .chunked(decoder)
                input.moveReaderIndex(forwardBy: range.lowerBound)
                if let piece = input.readSlice(length: range.count) { reader?.replyBody(piece) }
            case .end(let consumed):
                input.moveReaderIndex(forwardBy: consumed)
                complete()
            }
            return true
        case .untilClose:
            guard input.readableBytes > 0, let piece = input.readSlice(length: input.readableBytes) else {
                return false
            }
            reader?.replyBody(piece)
            return true
        case .closed: return false
        }
    }

    private func readHead() throws(HTTP1Error) -> Bool {
        let bytes = input
        guard bytes.readableBytes > 0, try parser.parseHead(bytes.readableBytesUInt8Span, requestMethod: method) else {
            return false
        }
        let length = parser.head.length
        if parser.head.isInterim {
            interims += 1
            guard interims <= UpstreamConnection.maximumInterims else {
                broken("it sends interim answers without end")
                return false
            }
            input.moveReaderIndex(forwardBy: length)
            return true
        }
        keepAlive = parser.head.keepAlive
        let framing = parser.head.framing
        reader?.replyHead(parser.head, bytes.readableBytesUInt8Span)
        // The reader may have had enough.
        if case .closed = phase { return false }
        input.moveReaderIndex(forwardBy: length)
        switch framing {
        case .none, .length(0): complete()
        case .length(let count): phase = .counted(remaining: count)
        case .chunked: phase = .chunked(ChunkedDecoder(maxBody: .max))
        case .untilClose: phase = .untilClose
        }
        return true
    }

    private func complete() {
        if case .closed = phase { return }
        let finished = reader
        reader = nil
        phase = .idle
        idleSince = pool.now
        served += 1
        let reusable = keepAlive && input.readableBytes == 0
        if !reusable { phase = .closed }
        setReading(true)
        finished?.replyComplete()
        if reusable { pool.giveBack(self) } else { socket?.close() }
    }

    private func broken(_ reason: String) {
        let interrupted = reader
        reader = nil
        phase = .closed
        socket?.close()
        interrupted?.replyBroken(reason, isStale: false)
    }

    func writabilityChanged(_ isWritable: Bool) {}

    func closed() {
        // Without a length, the end of the connection is the end of the body (RFC 9112, 6.3).
        if case .untilClose = phase {
            let finished = reader
            reader = nil
            phase = .closed
            finished?.replyComplete()
        }
        ended("the connection ended")
    }

    private func ended(_ reason: String) {
        socket = nil
        phase = .closed
        let interrupted = reader
        reader = nil
        pool.closed(self)
        interrupted?.replyBroken(reason, isStale: served > 0 && !hasAnswered)
    }
}
