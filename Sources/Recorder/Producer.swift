import Configuration
import Glibc
import PollLoop
import Roles
import Segment
import Worker

/// One worker that records, as the recorder sees it.
final class Producer {
    let descriptors: RingDescriptors
    let ring: RecordRingConsumer
    /// What `route` says in its records; empty for the ingress.
    let route: [UInt8]
    /// The watch on its bell; nil when it is gone for good.
    var watch: PollLoop.Watch?
    /// Records up to here are in the log, from a predecessor that could not say so any more.
    let written: UInt64
    /// What is to be done about what it wrote, once the lines before are in the log.
    var fault: RingFault?

    init(_ descriptors: RingDescriptors, routes: [String], log: RecordLog) throws {
        self.descriptors = descriptors
        ring = try RecordRingConsumer(data: descriptors.data, progress: descriptors.progress)
        close(descriptors.data)
        close(descriptors.progress)
        let index = Int(descriptors.index)
        route = descriptors.role == .route && index < routes.count ? Array(routes[index].utf8) : []
        written = max(log.positions[ring.ring] ?? 0, ring.tail)
        for request in log.aborted[ring.ring] ?? [] { ring.close(request) }
    }

    /// Empties the bell; false if nobody is left who could ring it.
    func takeBell() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            let count = unsafe recv(descriptors.bell, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            if count == 0 { return false }
            if count < 0 { return errno == EAGAIN || errno == EINTR }
            if count < bytes.count { return true }
        }
    }

    /// Wakes it.
    func ringBell() {
        var byte: UInt8 = 1
        _ = unsafe send(descriptors.bell, &byte, 1, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }

    /// Everything before `position` is on disk: whoever waits for that is told.
    func becameDurable(_ position: UInt64) {
        guard position != ring.durable else { return }
        ring.storeDurable(position)
        if ring.producerWaits { ringBell() }
    }
}
