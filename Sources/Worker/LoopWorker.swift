import CKernel
import Link
import NIOCore
import NIOPosix

/// Runs a role on a SwiftNIO event loop that takes over the calling thread: for the workers on the message path.
public enum LoopWorker {
    /// Reports ready and serves until the process ends. `make` builds the role inside the confined process, on the loop.
    public static func run(
        _ outcome: Bootstrap.Outcome,
        _ make: @escaping (WorkerContext, EventLoop, Supervision) throws(LinkViolation) -> WorkerRole
    ) -> Never {
        // Read buffers of 256 KiB and bodies come and go with every large message.
        ck_keep_memory(4 << 20, 1 << 20)
        let supervision = outcome.supervision
        var role: WorkerRole?
        MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { loop in
            do throws(LinkViolation) {
                role = try make(outcome.context, loop, supervision)
            } catch {
                outcome.context.log.error("this worker's configuration cannot be read (\(error.text)); exiting")
                supervision.fail()
            }
            supervision.role = role
            let handler = NIOLoopBound(ControlHandler(supervision, report: outcome.report), eventLoop: loop)
            ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(handler.value)
                    }
                }
                .withConnectedSocket(outcome.control)
                .whenFailure { _ in exitAfterLostControl() }
        }
        withExtendedLifetime(role) {}
        supervision.finish()
    }
}

@Sendable private func exitAfterLostControl() { Supervision.exitUnserved() }

/// The control link on an event loop.
private final class ControlHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let supervision: Supervision
    private let report: [UInt8]
    private var input = ByteBuffer()

    init(_ supervision: Supervision, report: [UInt8]) {
        self.supervision = supervision
        self.report = report
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        supervision.sendFrame = { type, payload in
            let context = bound.value
            var buffer = context.channel.allocator.buffer(capacity: FrameHead.byteCount + payload.count)
            buffer.writeFrame(type, payload: payload)
            context.writeAndFlush(NIOAny(buffer), promise: nil)
        }
        supervision.sendFrame(.ready, report)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var chunk = unwrapInboundIn(data)
        input.writeBuffer(&chunk)
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

    func channelInactive(context: ChannelHandlerContext) { supervision.lost() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { supervision.lost() }
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
