import EpollLoop
import Glibc
import Link
import NIOCore
import Worker

/// A route that answers every request with the same items of a list, whatever it owns.
final class FalseItems: WorkerRole, PeerLinkDelegate {
    private let loop: EpollLoop
    private let supervision: Supervision
    private let items: ByteBuffer
    private var link: PeerLink?

    init(_ items: String, loop: EpollLoop, supervision: Supervision) {
        self.items = ByteBuffer(string: items)
        self.loop = loop
        self.supervision = supervision
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
        let head = ReplyHead(status: 200, kind: .json, bodyLength: UInt64(items.readableBytes), isItems: true)
        guard link.sendHead(stream, { head.write(&$0) }) else { return }
        var items = items
        link.sendData(stream, &items, ends: true)
    }

    func writable(_ stream: StreamID, on link: PeerLink) {}

    func head(_ stream: StreamID, _ payload: Span<UInt8>, on link: PeerLink) {}

    func data(_ stream: StreamID, _ bytes: ByteBuffer, isLast: Bool, on link: PeerLink) {}

    func ended(_ stream: StreamID, on link: PeerLink) {}

    func cancelled(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}

    func reset(_ stream: StreamID, _ reason: StreamEndReason, on link: PeerLink) {}

    func closed(_ link: PeerLink) {}
}
