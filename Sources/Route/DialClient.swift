import Configuration
import EpollLoop
import Link
import NIOCore
import PollLoop
import Telemetry
import Worker

/// Asks the dialer for connections. What is asked while the dialer restarts waits for its successor.
final class DialClient: PeerLinkDelegate {
    /// One connection asked for.
    private final class Wish {
        let finished: (Result<Int32, DialError>) -> Void
        var asked: NIODeadline?

        init(_ finished: @escaping (Result<Int32, DialError>) -> Void) { self.finished = finished }
    }

    /// Why there is no connection.
    struct DialError: Error {
        /// For clients: the kind of failure.
        let text: String
        /// For the log: names and addresses too.
        let detail: String
    }

    private let context: WorkerContext
    private let loop: EpollLoop
    private let supervision: Supervision
    /// In force.
    var generation: RouteGeneration
    private var link: PeerLink?
    private var companion: DescriptorSocket?
    private var unasked: [Wish] = []
    private var asked: [StreamID: Wish] = [:]

    init(_ context: WorkerContext, loop: EpollLoop, supervision: Supervision, generation: RouteGeneration) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        self.generation = generation
        watch()
    }

    func attach(_ message: AttachMessage, descriptors: [Int32]) {
        if let old = link {
            link = nil
            old.close()
            takeBack()
        }
        companion = DescriptorSocket(descriptor: descriptors[1])
        link = PeerLink.connect(
            message, descriptor: descriptors[0], loop: loop, supervision: supervision, delegate: self)
        ask()
    }

    /// Asks for a connected descriptor, which is the receiver's.
    func dial(_ finished: @escaping (Result<Int32, DialError>) -> Void) {
        context.counters.add(.dials)
        unasked.append(Wish(finished))
        ask()
    }

    private func ask() {
        guard let link, link.isOpen else { return }
        let wanted = DialOpen(destination: generation.destination)
        while let wish = unasked.first, case .stream(let stream) = link.open(wanted.write) {
            unasked.removeFirst()
            link.end(stream)
            wish.asked = .now()
            asked[stream] = wish
        }
    }

    /// What was asked of a dialer that is gone is asked again of its successor.
    private func takeBack() {
        unasked.insert(contentsOf: asked.values, at: 0)
        asked.removeAll()
    }

    /// The dialer has its own limit; one that lets a wish lie for twice that long, and two seconds at least, does not work.
    private func watch() {
        let limit = TimeAmount.nanoseconds(max(1_000_000_000, Int64(generation.connectTimeout)))
        loop.schedule(in: .nanoseconds(limit.nanoseconds / 4)) { [self] in
            let now = NIODeadline.now()
            if asked.values.contains(where: { $0.asked.map { now - $0 > .nanoseconds(2 * limit.nanoseconds) } ?? false }
            ) {
                link?.condemn(.silent)
            }
            watch()
        }
    }

    // MARK: PeerLinkDelegate

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        throw .notPermitted
    }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) throws(LinkViolation) {
        let outcome = try DialOutcome(decoding: payload)
        guard let wish = asked.removeValue(forKey: stream) else { throw .notPermitted }
        let result: Result<Int32, DialError>
        switch outcome {
        case .failed(let failure, let detail): result = .failure(DialError(text: failure.text, detail: detail))
        case .connected(let ticket):
            guard let companion else { throw .missingDescriptor }
            do throws(LinkViolation) {
                result = .success(try companion.receive(ticket, count: 1)[0])
            } catch {
                // The wish is kept for the next dialer: this one is condemned.
                unasked.insert(wish, at: 0)
                throw error
            }
        }
        if case .failure = result { context.counters.add(.dialFailures) }
        wish.finished(result)
    }

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) throws(LinkViolation) {
        throw .notPermitted
    }

    func ended(_ stream: StreamID, on link: PeerLink) throws(LinkViolation) { ask() }

    func writable(_ stream: StreamID, on link: PeerLink) {}

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}

    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {
        asked.removeValue(forKey: stream)?.finished(
            .failure(DialError(text: "the dialer gave up", detail: "stream reset")))
    }

    func closed(_ link: PeerLink) {
        guard self.link === link else { return }
        self.link = nil
        takeBack()
    }
}
