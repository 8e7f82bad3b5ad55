import CKernel
import Glibc
import NIOCore

/// What happens on a stream socket.
public protocol StreamSocketDelegate: AnyObject {
    /// Bytes of the peer.
    func received(_ bytes: ByteBuffer)
    /// More than the high mark waits for the peer (false), or less than the low one again (true).
    func writabilityChanged(_ isWritable: Bool)
    /// The socket is closed: by its owner, by the peer's end, or because it failed. Called once, the last.
    func closed()
}

/// Bounds of a stream socket, in bytes.
public struct SocketLimits: Sendable {
    /// What one read takes: it begins with the smallest and grows with what comes.
    let reads: ClosedRange<Int>
    /// Marks of what may wait for the peer before the delegate is told.
    let lowWater: Int
    let highWater: Int

    /// - Parameters:
    ///   - reads: Sizes between 2 and 256 KiB.
    ///   - lowWater: What is written is no longer too much from here on.
    ///   - highWater: More than this is too much.
    public init(reads: ClosedRange<Int>, lowWater: Int = 128 << 10, highWater: Int = 512 << 10) {
        self.reads = reads
        self.lowWater = lowWater
        self.highWater = highWater
    }
}

/// A connected stream socket on a loop. One read per turn; what is written waits for `flush`.
///
/// The peer's end of the stream is the end of the socket: what it sent before is still delivered, whether or not reading is paused, and
/// what waits for it is dropped.
public final class StreamSocket: LoopMember {
    /// Reads in a row from a peer that ended: more than the largest receive buffer takes.
    private static let maximumReads = 512
    /// Writes in a row to a peer that takes everything at once.
    private static let maximumWrites = 16

    private enum OutputEnd {
        case none
        /// Once everything is sent.
        case wanted
        case done
    }

    private var delegate: (any StreamSocketDelegate)?
    private let limits: SocketLimits
    private let sizes: ClosedRange<Int>
    private var sizeClass: Int
    /// The last read would have fitted into less.
    private var wasSmall = false
    private var pending: [ByteBuffer] = []
    /// What stands before it in `pending` is sent.
    private var pendingStart = 0
    /// Bytes written that the socket has not taken.
    public private(set) var bufferedBytes = 0
    /// Whether less waits than the marks say.
    public private(set) var isWritable = true
    /// The kernel says when it takes more.
    private var isWaiting = false
    private var isReading = true
    /// Readable while nobody reads: the kernel need not say it again.
    private var isSuspended = false
    private var outputEnd = OutputEnd.none
    /// Sending failed. What the peer said before is still read, then the socket is closed.
    private var isBroken = false

    /// Serves a connected socket, which it owns from now on. Nil: the kernel refuses, and it is closed.
    public static func serve(
        _ descriptor: Int32, loop: EpollLoop, limits: SocketLimits, delegate: any StreamSocketDelegate
    ) -> StreamSocket? {
        guard ck_set_nonblocking(descriptor) == 0 else {
            Glibc.close(descriptor)
            return nil
        }
        return serve(connection: descriptor, loop: loop, limits: limits, delegate: delegate)
    }

    /// The same for a connection of a listener, which is non-blocking.
    public static func serve(
        connection descriptor: Int32, loop: EpollLoop, limits: SocketLimits, delegate: any StreamSocketDelegate
    ) -> StreamSocket? {
        ck_no_delay(descriptor)
        let socket = StreamSocket(loop, descriptor, limits, delegate)
        return socket.register(Readiness.read | Readiness.peerEnded) ? socket : nil
    }

    private init(_ loop: EpollLoop, _ descriptor: Int32, _ limits: SocketLimits, _ delegate: any StreamSocketDelegate) {
        self.limits = limits
        self.delegate = delegate
        sizes =
            ReadMemory.sizeClass(limits.reads.lowerBound)...ReadMemory.sizeClass(limits.reads.upperBound)
        sizeClass = sizes.lowerBound
        super.init(loop, descriptor)
    }

    /// The user at the other end of a Unix socket at the time it connected; nil if it has none.
    public var peerUser: UInt32? {
        var peer = ck_credentials()
        guard isOpen, unsafe ck_peer_credentials(descriptor, &peer) == 0 else { return nil }
        return peer.uid
    }

    override func ready(_ events: UInt32) {
        if events & Readiness.write != 0 {
            isWaiting = false
            sendPending()
            guard isOpen else { return }
            updateInterest()
        }
        if events & (Readiness.over | Readiness.peerEnded) != 0 {
            readToEnd()
        } else if events & Readiness.read != 0 {
            if isReading { _ = read() } else { suspend() }
        }
    }

    private func updateInterest() {
        setInterest(
            (isSuspended ? 0 : Readiness.read) | (isWaiting ? Readiness.write : 0) | Readiness.peerEnded)
    }

    // MARK: Reading

    /// Stops and resumes reading. Costs nothing unless the peer sends more meanwhile.
    public func setReading(_ on: Bool) {
        isReading = on
        guard on, isSuspended else { return }
        isSuspended = false
        updateInterest()
    }

    private func suspend() {
        isSuspended = true
        updateInterest()
    }

    /// Reads once. False: nothing came.
    private func read() -> Bool {
        let (count, bytes) = loop.memory.receive(descriptor, sizeClass)
        guard count > 0 else {
            if count != -Int(EAGAIN) { close() }
            return false
        }
        adapt(to: count)
        delegate?.received(bytes)
        return true
    }

    /// Larger reads for a peer that fills them; smaller ones after two that did not need the size.
    private func adapt(to count: Int) {
        let size = ReadMemory.size(sizeClass)
        if count == size {
            sizeClass = min(sizeClass + 2, sizes.upperBound)
            wasSmall = false
        } else if count > size / 2 || sizeClass == sizes.lowerBound {
            wasSmall = false
        } else if wasSmall {
            sizeClass -= 1
            wasSmall = false
        } else {
            wasSmall = true
        }
    }

    /// Nothing more will come than what is there, which is no more than the kernel's buffer holds.
    private func readToEnd() {
        var reads = 0
        while isOpen, reads < StreamSocket.maximumReads, read() { reads += 1 }
        close()
    }

    // MARK: Writing

    /// Writes behind what waits already; `flush` sends it.
    public func write(_ bytes: ByteBuffer) {
        guard takesOutput, bytes.readableBytes > 0 else { return }
        append(bytes)
    }

    /// Sends what waits, and these bytes behind it. Their memory is free again afterwards if the socket took all of them.
    public func writeAndFlush(_ bytes: ByteBuffer) {
        guard takesOutput, bytes.readableBytes > 0 else { return }
        guard pending.isEmpty else {
            append(bytes)
            return flush()
        }
        let sent = bytes.send(descriptor)
        guard sent != bytes.readableBytes else { return }
        guard sent >= 0 || sent == -Int(EAGAIN) else { return breakOff() }
        var rest = bytes
        rest.moveReaderIndex(forwardBy: max(0, sent))
        isWaiting = true
        updateInterest()
        append(rest)
    }

    /// Sends what waits, as far as the socket takes it.
    public func flush() {
        guard isOpen, !isWaiting, !pending.isEmpty else { return }
        sendPending()
        if isOpen, isWaiting { updateInterest() }
    }

    private var takesOutput: Bool {
        guard isOpen, !isBroken, case .none = outputEnd else { return false }
        return true
    }

    private func append(_ bytes: ByteBuffer) {
        pending.append(bytes)
        bufferedBytes += bytes.readableBytes
        guard isWritable, bufferedBytes > limits.highWater else { return }
        isWritable = false
        delegate?.writabilityChanged(false)
    }

    /// Sends until the socket takes no more; `isWaiting` then says so.
    private func sendPending() {
        var writes = 0
        while !pending.isEmpty {
            let offered: Int
            let sent: Int
            if pending.count - pendingStart == 1 {
                offered = pending[pendingStart].readableBytes
                sent = pending[pendingStart].send(descriptor)
            } else {
                (offered, sent) = pending[pendingStart...].send(descriptor)
            }
            guard sent >= 0 || sent == -Int(EAGAIN) else { return breakOff() }
            drop(max(0, sent))
            writes += 1
            if sent < offered || writes == StreamSocket.maximumWrites {
                isWaiting = !pending.isEmpty
                break
            }
        }
        if !isWritable, bufferedBytes <= limits.lowWater {
            isWritable = true
            delegate?.writabilityChanged(true)
        }
        if case .wanted = outputEnd, pending.isEmpty { endOutput() }
    }

    /// Forgets bytes that have been sent.
    private func drop(_ count: Int) {
        bufferedBytes -= count
        if bufferedBytes == 0 {
            pendingStart = 0
            // A list that was long once is not kept for ever.
            return pending.removeAll(keepingCapacity: pending.count <= CK_PIECES_MAXIMUM)
        }
        var left = count
        while left > 0 {
            let first = pending[pendingStart].readableBytes
            guard first <= left else { return pending[pendingStart].moveReaderIndex(forwardBy: left) }
            left -= first
            pending[pendingStart] = ByteBuffer()
            pendingStart += 1
        }
        if pendingStart >= Int(CK_PIECES_MAXIMUM) {
            pending.removeFirst(pendingStart)
            pendingStart = 0
        }
    }

    /// Sending failed. The peer may have said why before it closed, so that is read first; at the end of the turn, because whoever writes
    /// does not expect to be told something just then.
    private func breakOff() {
        isBroken = true
        pending.removeAll()
        pendingStart = 0
        bufferedBytes = 0
        loop.execute { [self] in readToEnd() }
    }

    // MARK: Ending

    /// Ends this side of the stream behind everything written, which is sent as the peer takes it; nothing can be written any more.
    public func closeOutput() {
        guard takesOutput else { return }
        outputEnd = .wanted
        flush()
        if isOpen, !isBroken, pending.isEmpty, case .wanted = outputEnd { endOutput() }
    }

    private func endOutput() {
        outputEnd = .done
        Glibc.shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes the socket at once; what waits is dropped. The delegate is told before this returns.
    public func close() {
        guard isOpen else { return }
        let delegate = self.delegate
        self.delegate = nil
        pending.removeAll()
        pendingStart = 0
        bufferedBytes = 0
        release()
        delegate?.closed()
    }
}
