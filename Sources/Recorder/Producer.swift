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
        // An honest line names a place between the tail and what is committed. Whoever could write to the file and names one
        // beyond would have all records up to there passed over.
        let found = log.positions[ring.ring] ?? 0
        let isHonest = found &- ring.tail <= ring.backlog
        written = isHonest ? found : ring.tail
        if !isHonest, found > ring.tail {
            log.noteImpossible("a line of ring \(String(ring.ring, radix: 16)) that was never committed")
        }
        for request in log.aborted[ring.ring] ?? [] { ring.close(request) }
    }

    /// Empties the bell; false if nobody is left who could ring it.
    func takeBell() -> Bool {
        // Once: whoever rings without end must not keep this process here. What is left, poll tells again.
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(descriptors.bell, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count > 0 || count < 0 && (errno == EAGAIN || errno == EINTR)
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
