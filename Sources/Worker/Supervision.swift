import Glibc
import Link
import PollLoop
import Telemetry

/// The worker's end of the control link, whatever loop serves it: reads the supervisor's frames and answers them.
///
/// A bad frame from the supervisor cannot be condemned, since there is nobody else to tell: the worker exits.
public final class Supervision {
    /// The role that is told; set before the loop turns. Both live as long as the process: a weak reference would cost more at every use of the role.
    public var role: WorkerRole?
    /// Sends a frame to the supervisor; set by the loop's side.
    var sendFrame: (FrameType, [UInt8]) -> Void = { _, _ in }

    private let companion: DescriptorSocket
    private let log: Log

    private var prepared: PreparedGeneration
    /// Switches to the prepared generation.
    private var switchOver: (() -> Void)?

    /// A line that goes nowhere until a loop serves it, of a worker that serves `generation`.
    public init(companion: DescriptorSocket, log: Log, generation: UInt64 = 1) {
        self.companion = companion
        self.log = log
        prepared = PreparedGeneration(serving: generation)
    }

    /// Asks for a reload; the role hears of its end under the same number.
    public func reload(request: UInt64) {
        sendFrame(.reload, NumberMessage(number: request).encode())
    }

    /// Reports that no request is in flight that was admitted under this generation, and none will be.
    public func released(_ number: UInt64) {
        sendFrame(.released, NumberMessage(number: number).encode())
    }

    /// Reports that the peer of a link broke the protocol; the caller has closed its end.
    public func condemn(link: UInt32, _ violation: LinkViolation) {
        sendFrame(.condemn, CondemnMessage(link: link, violation: violation).encode())
    }

    /// Reports that a link ended and nobody was condemned for it.
    func lost(link: UInt32) {
        sendFrame(.lost, NumberMessage(number: UInt64(link)).encode())
    }

    /// Reports that a listener is being accepted on.
    public func served(listener: UInt32) {
        sendFrame(.served, NumberMessage(number: UInt64(listener)).encode())
    }

    /// Ends the process after a drain.
    public func finish() -> Never { exit(0) }

    /// Ends a process that cannot do its work.
    public func fail() -> Never { exit(70) }

    /// Ends a process whose control link cannot be read.
    static func exitUnserved() -> Never { exit(70) }

    /// Takes one frame from the supervisor.
    func receive(_ head: FrameHead, _ payload: Span<UInt8>) {
        do throws(LinkViolation) {
            switch head.type {
            case .ping:
                sendFrame(.pong, NumberMessage(number: try NumberMessage(decoding: payload).number).encode())
            case .attach:
                let message = try AttachMessage(decoding: payload)
                let count = message.kind.carriesDescriptors ? 2 : 1
                let descriptors = try companion.receive(message.ticket, count: count)
                role?.attach(message, descriptors: descriptors)
            case .listener:
                let message = try ListenerMessage(decoding: payload)
                let descriptors = try companion.receive(message.ticket, count: 1)
                role?.serve(message, descriptor: descriptors[0])
            case .routeState:
                role?.routeChanged(try RouteStateMessage(decoding: payload))
            case .prepare, .commit, .abandon, .release, .reloadResult:
                try receiveAboutGenerations(head.type, payload)
            case .drain:
                role?.drain()
            default:
                throw .notPermitted
            }
        } catch {
            log.error("the supervisor sent a bad frame (\(error.text)); exiting")
            exit(70)
        }
    }

    private func receiveAboutGenerations(_ type: FrameType, _ payload: Span<UInt8>) throws(LinkViolation) {
        switch type {
        case .prepare:
            let message = try GenerationMessage(decoding: payload)
            let descriptor = try companion.receive(message.ticket, count: 1)[0]
            defer { close(descriptor) }
            try prepared.prepare(message.number)
            prepare(message.number, try SealedContent.read(descriptor))
        case .commit:
            let number = try NumberMessage(decoding: payload).number
            try prepared.commit(number)
            switchOver?()
            switchOver = nil
            sendFrame(.committed, NumberMessage(number: number).encode())
        case .abandon:
            let number = try NumberMessage(decoding: payload).number
            try prepared.abandon(number)
            switchOver = nil
            role?.abandon(number)
        case .release: role?.release(try NumberMessage(decoding: payload).number)
        case .reloadResult: role?.reloadEnded(try ReloadResultMessage(decoding: payload))
        default: throw .notPermitted
        }
    }

    private func prepare(_ number: UInt64, _ bytes: [UInt8]) {
        do throws(GenerationRefusal) {
            guard let role else { throw GenerationRefusal("the worker has no role") }
            switchOver = try role.prepare(bytes, number: number)
            prepared.succeeded()
            sendFrame(.prepared, NumberMessage(number: number).encode())
        } catch {
            sendFrame(.refused, RefusedMessage(generation: number, reason: error.text).encode())
        }
    }

    /// The control link is gone: the supervisor is.
    func lost() {
        guard let role else { exit(0) }
        role.supervisorLost()
    }

    /// Reports that what a worker wrote into its record ring is no record.
    public func condemnProducer(_ ring: RingDescriptors) {
        sendFrame(
            .condemnProducer, NumberMessage(number: UInt64(ring.role.rawValue) << 32 | UInt64(ring.index)).encode())
    }
}
