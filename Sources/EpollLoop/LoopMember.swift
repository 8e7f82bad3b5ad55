import CKernel
import Glibc

/// What a loop watches: a descriptor with its only owner. Nobody else reads, writes or closes it, and once closed the owner is dead for
/// ever: that the kernel gives the number out again cannot matter.
public class LoopMember {
    let loop: EpollLoop
    /// -1 once closed.
    private(set) var descriptor: Int32
    private let ownsDescriptor: Bool
    private var registration: EpollLoop.Registration?
    private var interest: UInt32 = 0

    /// Takes the descriptor over; the loop is told by `register`.
    init(_ loop: EpollLoop, _ descriptor: Int32, ownsDescriptor: Bool = true) {
        self.loop = loop
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
    }

    deinit { closeDescriptor() }

    /// Whether it has not been closed.
    public var isOpen: Bool { descriptor >= 0 }

    /// False: the kernel refuses, and the descriptor is closed.
    func register(_ events: UInt32) -> Bool {
        registration = loop.add(self, descriptor, events)
        guard registration != nil else {
            closeDescriptor()
            return false
        }
        interest = events
        return true
    }

    /// Says what is of interest from now on.
    func setInterest(_ events: UInt32) {
        guard events != interest, let registration else { return }
        interest = events
        loop.change(registration, descriptor, events)
    }

    /// Takes it out of the loop and closes its descriptor.
    func release() {
        if let registration { loop.remove(registration, descriptor) }
        registration = nil
        closeDescriptor()
    }

    private func closeDescriptor() {
        guard descriptor >= 0 else { return }
        if ownsDescriptor { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// The loop's word that the descriptor is ready.
    func ready(_ events: UInt32) {}
}

/// Epoll's bits as the table and the members use them.
enum Readiness {
    static let read = UInt32(CK_READ)
    static let write = UInt32(CK_WRITE)
    static let peerEnded = UInt32(CK_PEER_ENDED)
    /// The socket failed, or both its directions are over. The kernel always reports these.
    static let over = UInt32(CK_ERROR | CK_HANGUP)
}
