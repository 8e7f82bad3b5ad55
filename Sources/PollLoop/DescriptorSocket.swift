import CKernel
import Glibc
import Link

/// The companion of a link that carries descriptors: a sequenced-packet socket on which each packet is a ticket and its descriptors.
///
/// The packet is always sent before the frame that announces its ticket, so the receiver never waits for it.
public final class DescriptorSocket {
    private let descriptor: Int32
    private var lastTicket: UInt64 = 0

    /// Uses a connected non-blocking socket, which it owns from now on.
    public init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Sends duplicates of 1 to 4 descriptors and returns the ticket to announce; nil if the peer takes no more.
    public func send(_ descriptors: [Int32]) -> DescriptorTicket? {
        let number = lastTicket + 1
        guard unsafe ck_send_descriptors(descriptor, number, descriptors, Int32(descriptors.count)) == 0 else {
            return nil
        }
        lastTicket = number
        return DescriptorTicket(number: number)
    }

    /// Receives the descriptors of an announced ticket; they are the caller's.
    /// - Throws: `LinkViolation.missingDescriptor` if the next packet is not that ticket's or has not `count` descriptors.
    public func receive(_ ticket: DescriptorTicket, count: Int) throws(LinkViolation) -> [Int32] {
        var number: UInt64 = 0
        var received: [Int32] = [-1, -1, -1, -1]
        let result = unsafe ck_receive_descriptors(descriptor, &number, &received)
        guard result > 0 else { throw .missingDescriptor }
        let descriptors = Array(received[..<Int(result)])
        guard number == ticket.number, descriptors.count == count else {
            for descriptor in descriptors { close(descriptor) }
            throw .missingDescriptor
        }
        return descriptors
    }
}
