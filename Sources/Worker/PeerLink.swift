import EpollLoop
import Link
import NIOCore

/// What happens on a link to another worker. Streams are named by their id; a stream is over after `ended` at its opener,
/// after `reset`, or when the link closes.
public protocol PeerLinkDelegate: AnyObject {
    /// A new stream with its head (acceptor only).
    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation)
    /// The answer's head (opener only).
    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation)
    /// Body bytes; give their credit back with `consumed`. If they are the last, `ended` follows at once.
    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation)
    /// The other side has sent everything.
    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation)
    /// The other side takes more again.
    func writable(_ stream: StreamID, on link: PeerLink)
    /// The opener no longer wants the answer.
    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink)
    /// The other side gave the stream up.
    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink)
    /// The link is gone and all its streams with it: the peer ended, or broke the protocol and has been condemned.
    func closed(_ link: PeerLink)
}

/// One end of a link between two workers, on an event loop: frames in and out, the stream rules kept, one write per turn of the loop.
public final class PeerLink: StreamSocketDelegate {
    /// Payloads from this size on are written by reference instead of being copied behind other frames.
    private static let referenceSize = 16 * 1024
    /// Bodies are held back while more than this waits for the peer, until less than `lowWater` does.
    private static let highWater = 4 << 20
    private static let lowWater = 1 << 20
    /// Bytes that may wait for a peer that does not read. Bodies stop far below; heads, credit and ends of all the streams an honest peer
    /// can have do not come here, only a peer that opens and resets without reading.
    private static let maximumBacklog = 256 << 20
    /// One read takes as much as the peer may have written in a turn.
    private static let readSize = 256 * 1024

    /// What the supervisor said of the link.
    public let attachment: AttachMessage
    /// Strong, and dropped when the link closes: a weak reference would make every use of its target dearer.
    private var delegate: PeerLinkDelegate?
    private let supervision: Supervision
    private let loop: EpollLoop
    /// What is to be sent and the rules for it, in one value: a class's properties are checked for exclusive access one by one.
    private var outbox: Outbox
    private var socket: StreamSocket?
    private var input = ByteBuffer()
    /// The `data` frame whose payload is coming: its stream, and how many bytes are still to come.
    private var body: ComingBody?
    private var flushScheduled = false
    /// Whether the socket takes more, as it said last.
    private var isWritable = true
    private var isCondemned = false
    private var isClosed = false
    /// Streams that have more to say than the socket takes at the moment.
    private var held: [StreamID] = []

    /// Serves the descriptor, which the link owns from now on, on this loop.
    public static func connect(
        _ attachment: AttachMessage, descriptor: Int32, loop: EpollLoop, supervision: Supervision,
        delegate: PeerLinkDelegate
    ) -> PeerLink {
        let link = PeerLink(attachment, loop: loop, supervision: supervision, delegate: delegate)
        let limits = SocketLimits(reads: readSize...readSize, lowWater: lowWater, highWater: highWater)
        link.socket = StreamSocket.serve(descriptor, loop: loop, limits: limits, delegate: link)
        // The delegate does not know the link yet.
        if link.socket == nil { loop.execute { link.finish() } }
        return link
    }

    private init(_ attachment: AttachMessage, loop: EpollLoop, supervision: Supervision, delegate: PeerLinkDelegate) {
        self.attachment = attachment
        self.loop = loop
        self.supervision = supervision
        self.delegate = delegate
        outbox = Outbox(StreamTable(side: attachment.side, capacity: attachment.kind.streamCapacity))
    }

    /// Streams in use.
    public var activeStreams: Int { outbox.streams.activeCount }

    /// Whether the link can carry frames.
    public var isOpen: Bool { !isClosed }

    // MARK: Sending

    /// The outcome of `open`.
    public enum Opening {
        /// The stream there is now.
        case stream(StreamID)
        /// The head holds more than a link carries.
        case refused
        /// The link is closed or has no stream free.
        case full
    }

    /// Opens a stream with the head that `write` writes; false from it means that the other side would refuse the head.
    public func open(_ write: (inout FieldWriter) -> Bool) -> Opening {
        guard isOpen else { return .full }
        let opening = outbox.open(write)
        if case .stream = opening { scheduleFlush() }
        return opening
    }

    /// Sends the answer's head, once. False: it holds more than a link carries.
    public func sendHead(_ stream: StreamID, _ write: (inout FieldWriter) -> Bool) -> Bool {
        guard outbox.sendHead(stream, isOpen: isOpen, write) else { return false }
        scheduleFlush()
        return true
    }

    /// Sends as much of `bytes` as there is credit for and leaves the rest; `writable` tells when to go on. With `ends`, this side of the
    /// stream ends behind the last byte.
    public func sendData(_ stream: StreamID, _ bytes: inout ByteBuffer, ends: Bool = false) {
        while isOpen, bytes.readableBytes > 0 {
            // What the socket does not take stays with its owner: credit of many streams together is more than one process should queue.
            guard isWritable, let socket else {
                held.append(stream)
                return
            }
            switch outbox.writeData(stream, &bytes, ends: ends, referenceSize: PeerLink.referenceSize) {
            case .noCredit: return
            case .copied: break
            case .reference(let piece):
                writeOutput()
                socket.write(piece)
            }
            scheduleFlush()
        }
    }

    /// Sends a body of `count` bytes that `write` writes, and ends this side of the stream: nothing is copied twice. False: it cannot be
    /// sent whole now, and nothing is; `sendData` is the way then.
    public func sendWhole(_ stream: StreamID, count: Int, _ write: (inout ByteBuffer) -> Void) -> Bool {
        guard isOpen, isWritable, socket != nil, outbox.writeWhole(stream, count: count, write) else { return false }
        scheduleFlush()
        return true
    }

    /// Ends this side of the stream.
    public func end(_ stream: StreamID) {
        if isOpen, outbox.end(stream) { scheduleFlush() }
    }

    /// Gives the stream up.
    public func reset(_ stream: StreamID, _ reason: StreamEndReason) {
        if isOpen, outbox.reset(stream, reason) { scheduleFlush() }
    }

    /// Says that the answer is no longer wanted (opener only).
    public func cancel(_ stream: StreamID, _ reason: StreamEndReason) {
        if isOpen, outbox.cancel(stream, reason) { scheduleFlush() }
    }

    /// Gives credit back for bytes that have been used.
    public func consumed(_ stream: StreamID, count: Int) {
        if isOpen, outbox.consumed(stream, count: count) { scheduleFlush() }
    }

    /// Closes the link; the delegate is told.
    public func close() { finish() }

    /// Closes the link and reports its peer.
    public func condemn(_ violation: LinkViolation) {
        guard isOpen else { return }
        isCondemned = true
        supervision.condemn(link: attachment.link, violation)
        finish()
    }

    private func writeOutput() {
        guard outbox.output.readableBytes > 0, let socket else { return }
        socket.write(outbox.takeOutput())
        outbox.output.reserveCapacity(Outbox.initialCapacity)
        checkBacklog(socket)
    }

    private func checkBacklog(_ socket: StreamSocket) {
        if !isWritable, socket.bufferedBytes > PeerLink.maximumBacklog { condemn(.silent) }
    }

    /// Flushes at the end of the loop's turn, once for all streams.
    private func scheduleFlush() {
        guard !flushScheduled else { return }
        flushScheduled = true
        loop.execute { [self] in
            flushScheduled = false
            flush()
        }
    }

    private func flush() {
        guard let socket else { return }
        // What is written while the socket takes this (it may say that it takes more again) begins a buffer of its own.
        var written = outbox.takeOutput()
        if written.readableBytes > 0 {
            socket.writeAndFlush(written)
        } else {
            socket.flush()
        }
        // Usually the socket has taken all of it, and the memory is used again.
        if written.capacity <= PeerLink.readSize {
            written.clear()
            outbox.reuse(written)
        }
        checkBacklog(socket)
    }

    // MARK: Receiving

    /// A `data` frame whose payload is not whole yet.
    private struct ComingBody {
        let stream: StreamID
        /// Bytes still to come.
        let left: Int
        let isWanted: Bool
        /// The stream ends behind it.
        let ends: Bool

        /// What is still to come behind `count` bytes; nil if that is nothing.
        func behind(_ count: Int) -> ComingBody? {
            count == left ? nil : ComingBody(stream: stream, left: left - count, isWanted: isWanted, ends: ends)
        }
    }

    /// Bytes of the peer: as many frames as are whole are delivered, and of a `data` frame as much as is there.
    public func received(_ chunk: ByteBuffer) {
        var received = input
        input = ByteBuffer()
        if received.readableBytes == 0 { received = chunk } else { received.writeImmutableBuffer(chunk) }
        let bytes = received
        let span = bytes.readableBytesUInt8Span
        var position = 0
        do throws(LinkViolation) {
            while !isClosed {
                if let body {
                    position += try deliver(body, bytes, from: position)
                    if self.body != nil || isClosed { break }
                }
                if let frame = try FrameReader.next(span, from: position) {
                    try deliver(frame, bytes, span)
                    position = frame.payload.upperBound
                } else if let head = try FrameReader.head(span, from: position),
                    head.type == .data || head.type == .lastData
                {
                    // A body need not be whole to be handed on, and is never gathered here.
                    let outcome = try outbox.streams.receive(head)
                    body = ComingBody(
                        stream: head.stream, left: head.length, isWanted: outcome.event == .data,
                        ends: head.type == .lastData)
                    position += FrameHead.byteCount
                } else {
                    break
                }
            }
        } catch {
            condemn(error)
        }
        guard position < span.count, !isClosed else { return }
        // A piece of a frame waits for the rest, in memory of its own: at most a head, whose payload is small.
        let rest = bytes.getSlice(at: bytes.readerIndex + position, length: span.count - position)
        if let rest { input.writeImmutableBuffer(rest) }
    }

    /// Hands on what is there of a `data` frame's payload. Returns how many bytes that is.
    private func deliver(
        _ body: ComingBody, _ bytes: ByteBuffer, from position: Int
    ) throws(LinkViolation) -> Int {
        let count = min(body.left, bytes.readableBytes - position)
        self.body = body.behind(count)
        if count > 0, body.isWanted, let delegate,
            let piece = bytes.getSlice(at: bytes.readerIndex + position, length: count)
        {
            try delegate.data(body.stream, piece, isLast: body.ends && count == body.left, on: self)
        }
        if count == body.left, body.ends { try deliverEnd(body.stream) }
        return count
    }

    /// The end of the stream behind its last piece of data.
    private func deliverEnd(_ stream: StreamID) throws(LinkViolation) {
        // Whoever took the data may have closed the link.
        guard isOpen else { return }
        let outcome = try outbox.streams.endOfLastData(stream)
        if outcome.answerWithReset { answerWithReset(stream) }
        if outcome.event == .ended { try delegate?.ended(stream, on: self) }
    }

    private func answerWithReset(_ stream: StreamID) {
        outbox.output.writeFrame(.reset, stream: stream, .finished)
        scheduleFlush()
    }

    private func deliver(_ frame: FrameRange, _ bytes: ByteBuffer, _ span: Span<UInt8>) throws(LinkViolation) {
        let head = frame.head
        guard head.type.isStreamFrame else { throw .notPermitted }
        let stream = head.stream
        var credit = 0
        if head.type == .credit {
            var reader = FieldReader(span, frame.payload)
            credit = Int(try reader.u32())
        }
        let outcome = try outbox.streams.receive(head, credit: credit)
        if outcome.answerWithReset { answerWithReset(stream) }
        guard let delegate else { return }
        switch outcome.event {
        case .opened: try delegate.opened(stream, span.extracting(frame.payload), on: self)
        case .head: try delegate.head(stream, span.extracting(frame.payload), on: self)
        case .data:
            let start = bytes.readerIndex + frame.payload.lowerBound
            guard let piece = bytes.getSlice(at: start, length: head.length) else { throw .badLength }
            try delegate.data(stream, piece, isLast: head.type == .lastData, on: self)
        case .ended: try delegate.ended(stream, on: self)
        case .credit: delegate.writable(stream, on: self)
        case .cancelled: delegate.cancelled(stream, try reason(span, frame), on: self)
        case .reset: delegate.reset(stream, try reason(span, frame), on: self)
        case .ignored: break
        }
        if head.type == .lastData { try deliverEnd(stream) }
    }

    private func reason(_ bytes: Span<UInt8>, _ frame: FrameRange) throws(LinkViolation) -> StreamEndReason {
        guard let reason = StreamEndReason(rawValue: bytes[frame.payload.lowerBound]) else { throw .badPayload }
        return reason
    }

    /// The socket takes more again, or no more for now.
    public func writabilityChanged(_ isWritable: Bool) {
        self.isWritable = isWritable
        guard isWritable else { return }
        let streams = held
        held.removeAll()
        for stream in streams { delegate?.writable(stream, on: self) }
    }

    /// The peer closed its end, or the socket failed.
    public func closed() { finish() }

    private func finish() {
        guard !isClosed else { return }
        isClosed = true
        let socket = self.socket
        self.socket = nil
        socket?.close()
        if !isCondemned { supervision.lost(link: attachment.link) }
        let delegate = self.delegate
        self.delegate = nil
        delegate?.closed(self)
    }
}
