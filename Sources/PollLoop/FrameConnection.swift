import CKernel
import Glibc
import Link

/// One end of a link, served by a poll loop. Bytes in, frames out to `onFrame`; frames in, bytes out as the socket takes them.
public final class FrameConnection {
    /// Bytes that may wait for a peer that does not read; beyond that the peer counts as dead.
    private static let maximumBacklog = 4 << 20

    private let loop: PollLoop
    private let descriptor: Int32
    private var watch: PollLoop.Watch?
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var outputStart = 0

    /// Called for each frame; throwing condemns the peer.
    public var onFrame: (_ head: FrameHead, _ payload: Span<UInt8>) throws(LinkViolation) -> Void = { _, _ in }
    /// Called once when the connection ends: with what the peer did wrong, or nil for its end of file.
    public var onClose: (LinkViolation?) -> Void = { _ in }

    /// Serves a connected non-blocking stream socket, which it owns from now on.
    public init(loop: PollLoop, descriptor: Int32) {
        self.loop = loop
        self.descriptor = descriptor
        watch = loop.add(descriptor) { [weak self] readable, writable in
            // The callback may end the connection and drop its last owner.
            guard let self else { return }
            if writable { self.flush() }
            if readable { self.read() }
        }
    }

    /// Whether frames can still be sent.
    public var isOpen: Bool { watch != nil }

    /// Sends one frame.
    public func send(_ type: FrameType, stream: StreamID = .control, _ payload: [UInt8] = []) {
        guard isOpen else { return }
        let words = FrameHead(type: type, length: payload.count, stream: stream).words
        for word in [words.0, words.1] {
            for shift in 0..<UInt64(8) { output.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
        }
        output.append(contentsOf: payload)
        flush()
        if output.count - outputStart > FrameConnection.maximumBacklog { close(.silent) }
    }

    /// Ends the connection without telling `onClose`.
    public func cancel() {
        guard let watch else { return }
        loop.remove(watch)
        self.watch = nil
        Glibc.close(descriptor)
    }

    private func close(_ violation: LinkViolation?) {
        guard isOpen else { return }
        cancel()
        onClose(violation)
    }

    private func flush() {
        while isOpen, outputStart < output.count {
            let count = unsafe output.withUnsafeBytes { bytes in
                unsafe Glibc.send(
                    descriptor, bytes.baseAddress.map { unsafe $0 + outputStart }, bytes.count - outputStart,
                    Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                outputStart += count
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN {
                break
            } else {
                // A broken pipe shows as end of file when reading, after what the peer still sent. Nothing waits for a peer that will
                // never read: a socket with only that half closed polls as writable for ever.
                output.removeAll()
                outputStart = 0
            }
        }
        if outputStart == output.count {
            output.removeAll(keepingCapacity: true)
            outputStart = 0
        } else if outputStart > 64 * 1024 {
            // A slow reader must not make what was sent long ago pile up.
            output.removeFirst(outputStart)
            outputStart = 0
        }
        if let watch { loop.setWriting(watch, outputStart < output.count) }
    }

    private func read() {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EAGAIN || errno == EINTR { return }
            return close(nil)
        }
        if count == 0 { return close(nil) }
        input.append(contentsOf: chunk[..<count])
        do throws(LinkViolation) {
            try deliver()
        } catch {
            close(error)
        }
    }

    private func deliver() throws(LinkViolation) {
        // Frames are handed over from a copy of their own, because a callback may send on this connection or end it.
        let bytes = input
        var consumed = 0
        while isOpen, let frame = try FrameReader.next(bytes.span, from: consumed) {
            consumed = frame.payload.upperBound
            try onFrame(frame.head, bytes.span.extracting(frame.payload))
        }
        input.removeFirst(min(consumed, input.count))
    }
}
