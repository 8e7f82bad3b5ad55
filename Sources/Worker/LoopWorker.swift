import CKernel
import EpollLoop
import Link
import NIOCore

/// Runs a role on an epoll loop that takes over the calling thread: for the workers on the message path.
public enum LoopWorker {
    /// Reports ready and serves until the process ends. `make` builds the role inside the confined process.
    public static func run(
        _ outcome: Bootstrap.Outcome,
        _ make: (WorkerContext, EpollLoop, Supervision) throws(LinkViolation) -> WorkerRole
    ) -> Never {
        // Read buffers of 256 KiB and bodies come and go with every large message.
        ck_keep_memory(4 << 20, 1 << 20)
        let supervision = outcome.supervision
        guard let loop = EpollLoop() else {
            outcome.context.log.error("no descriptor is left for the event loop; exiting")
            supervision.fail()
        }
        let role: WorkerRole
        do throws(LinkViolation) {
            role = try make(outcome.context, loop, supervision)
        } catch {
            outcome.context.log.error("this worker's configuration cannot be read (\(error.text)); exiting")
            supervision.fail()
        }
        supervision.role = role
        let control = ControlLink(supervision)
        control.begin(outcome.control, loop: loop, report: outcome.report)
        loop.run()
        withExtendedLifetime((role, control)) {}
        supervision.finish()
    }
}

/// The control link on an event loop.
private final class ControlLink: StreamSocketDelegate {
    private let supervision: Supervision
    private var input = ByteBuffer()

    init(_ supervision: Supervision) { self.supervision = supervision }

    func begin(_ descriptor: Int32, loop: EpollLoop, report: [UInt8]) {
        let limits = SocketLimits(reads: 2048...65536)
        guard let socket = StreamSocket.serve(descriptor, loop: loop, limits: limits, delegate: self) else {
            Supervision.exitUnserved()
        }
        supervision.sendFrame = { type, payload in
            var buffer = ByteBufferAllocator().buffer(capacity: FrameHead.byteCount + payload.count)
            buffer.writeFrame(type, payload: payload)
            socket.writeAndFlush(buffer)
        }
        supervision.sendFrame(.ready, report)
    }

    func received(_ bytes: ByteBuffer) {
        input.writeImmutableBuffer(bytes)
        while true {
            let next: FrameRange?
            do throws(LinkViolation) {
                next = try FrameReader.next(input.readableBytesUInt8Span, from: 0)
            } catch {
                Supervision.exitUnserved()
            }
            guard let frame = next else { break }
            supervision.receive(frame.head, input.readableBytesUInt8Span.extracting(frame.payload))
            input.moveReaderIndex(forwardBy: frame.payload.upperBound)
        }
        input.discardReadBytes()
    }

    func writabilityChanged(_ isWritable: Bool) {}

    func closed() { supervision.lost() }
}

extension ByteBuffer {
    /// Appends a frame's head.
    mutating func writeFrameHead(_ type: FrameType, length: Int, stream: StreamID = .control) {
        let words = FrameHead(type: type, length: length, stream: stream).words
        writeMultipleIntegers(words.0, words.1, endianness: .little)
    }

    /// Appends a `reset` or `cancel` frame.
    mutating func writeFrame(_ type: FrameType, stream: StreamID, _ reason: StreamEndReason) {
        writeFrameHead(type, length: 1, stream: stream)
        writeInteger(reason.rawValue)
    }

    /// Appends a whole frame.
    mutating func writeFrame(_ type: FrameType, stream: StreamID = .control, payload: [UInt8]) {
        writeFrameHead(type, length: payload.count, stream: stream)
        writeBytes(payload)
    }
}
