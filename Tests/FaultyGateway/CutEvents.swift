import EpollLoop
import Glibc
import Link
import NIOCore
import Worker

/// A route that answers every request with events without end, whose pieces never end where an event does.
final class CutEvents: WorkerRole, PeerLinkDelegate {
    private let loop: EpollLoop
    private let supervision: Supervision
    private var link: PeerLink?
    /// The rest of one event and the start of the next.
    private let piece: ByteBuffer
    private static let eventLength = 64 * 1024
    private static let cut = 10

    init(loop: EpollLoop, supervision: Supervision) {
        self.loop = loop
        self.supervision = supervision
        let event = CutEvents.event
        piece = ByteBuffer(bytes: event[CutEvents.cut...] + event[..<CutEvents.cut])
    }

    private static var event: [UInt8] {
        let start = Array("data: ".utf8)
        return start + [UInt8](repeating: UInt8(ascii: "x"), count: eventLength - start.count - 2) + [0x0A, 0x0A]
    }

    func attach(_ link: AttachMessage, descriptors: [Int32]) {
        guard link.kind == .request else {
            for descriptor in descriptors { close(descriptor) }
            return
        }
        self.link = PeerLink.connect(
            link, descriptor: descriptors[0], loop: loop, supervision: supervision, delegate: self)
    }

    func prepare(_ bytes: [UInt8], number: UInt64) -> () -> Void { {} }

    func drain() { exit(0) }

    func opened(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) {
        let head = ReplyHead(status: 200, kind: .events, bodyLength: ReplyHead.unknownLength)
        guard link.sendHead(stream, { head.write(&$0) }) else { return }
        var start = ByteBuffer(bytes: CutEvents.event[..<CutEvents.cut])
        link.sendData(stream, &start)
        goOn(stream, link)
    }

    /// Whole pieces only, as far as there is credit; what is left of one is sent before the next.
    private var rests: [StreamID: ByteBuffer] = [:]

    private func goOn(_ stream: StreamID, _ link: PeerLink) {
        while true {
            var rest = rests[stream] ?? piece
            link.sendData(stream, &rest)
            rests[stream] = rest.readableBytes > 0 ? rest : nil
            if rest.readableBytes > 0 { return }
        }
    }

    func writable(_ stream: StreamID, on link: PeerLink) { goOn(stream, link) }

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) {}
    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) {
        link.consumed(stream, count: bytes.readableBytes)
    }
    func ended(_ stream: StreamID, on link: PeerLink) {}
    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) { link.reset(stream, reason) }
    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) { rests[stream] = nil }
    func closed(_ link: PeerLink) {}
}
