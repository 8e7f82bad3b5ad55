import Configuration
import Glibc
import Link
import PollLoop

/// One route's link to the dialer: each stream asks for one connection, and is answered with a descriptor or a reason.
final class DialLink {
    let attachment: AttachMessage
    private let connection: FrameConnection
    private let companion: DescriptorSocket
    private var streams = StreamTable(side: .acceptor, capacity: LinkKind.dial.streamCapacity)
    private var attempts: [StreamID: Connector] = [:]
    private unowned let dialer: Dialer

    init(_ attachment: AttachMessage, descriptors: [Int32], loop: PollLoop, dialer: Dialer) {
        self.attachment = attachment
        self.dialer = dialer
        connection = FrameConnection(loop: loop, descriptor: descriptors[0])
        companion = DescriptorSocket(descriptor: descriptors[1])
        connection.onFrame = { [unowned self] head, payload throws(LinkViolation) in try receive(head, payload) }
        connection.onClose = { [unowned self] violation in
            abandon()
            dialer.linkClosed(self, violation)
        }
    }

    /// Ends all attempts and the connection.
    func abandon() {
        for attempt in attempts.values { attempt.cancel() }
        attempts.removeAll()
        connection.cancel()
    }

    private func receive(_ head: FrameHead, _ payload: Span<UInt8>) throws(LinkViolation) {
        var credit = 0
        if head.type == .credit {
            var reader = FieldReader(payload)
            credit = Int(try reader.u32())
        }
        // A dial has no body.
        guard head.type != .data, head.type != .lastData else { throw .notPermitted }
        let outcome = try streams.receive(head, credit: credit)
        if outcome.answerWithReset { connection.send(.reset, stream: head.stream, [StreamEndReason.finished.rawValue]) }
        switch outcome.event {
        case .opened: try dial(head.stream, try DialOpen(decoding: payload))
        case .cancelled, .reset:
            attempts.removeValue(forKey: head.stream)?.cancel()
            if streams.sendReset(head.stream) {
                connection.send(.reset, stream: head.stream, [StreamEndReason.cancelled.rawValue])
            }
        case .head, .data, .ended, .credit, .ignored: break
        }
    }

    private func dial(_ stream: StreamID, _ request: DialOpen) throws(LinkViolation) {
        // The route's own generation names only what it may ask for: one that asks for more is not itself.
        guard let destination = dialer.destination(request.destination, for: attachment) else { throw .notPermitted }
        attempts[stream] = dialer.connect(to: destination) { [unowned self] outcome in
            attempts[stream] = nil
            switch outcome {
            case .failed(let failure, let detail): answer(stream, .failed(failure, detail: detail))
            case .connected(let descriptor):
                defer { close(descriptor) }
                if let ticket = companion.send([descriptor]) {
                    answer(stream, .connected(ticket))
                } else {
                    answer(stream, .failed(.capacity, detail: "the route takes no more descriptors"))
                }
            }
        }
    }

    private func answer(_ stream: StreamID, _ outcome: DialOutcome) {
        guard streams.sendHead(stream) else { return }
        connection.send(.head, stream: stream, outcome.encode())
        if streams.sendEnd(stream) { connection.send(.end, stream: stream) }
    }
}
