import CKernel
import Glibc
import NIOCore

/// A listening socket on a loop.
public final class Listener: LoopMember {
    /// Connections taken in one turn; the next turn takes the others.
    private static let maximumPerTurn = 16
    /// How long nothing is accepted when there is no descriptor or memory left for it.
    private static let pause = TimeAmount.seconds(1)

    private var accepted: ((Int32) -> Void)?
    private var failed: ((Int32) -> Void)?

    /// Accepts on a listening socket, which it owns from now on. Nil: the kernel refuses, and it is closed.
    /// - Parameters:
    ///   - accepted: Takes a connection, whose descriptor is non-blocking and the receiver's.
    ///   - failed: The kernel accepts no more, and the listener is closed: with the error number.
    public static func serve(
        _ descriptor: Int32, loop: EpollLoop, accepted: @escaping (Int32) -> Void, failed: @escaping (Int32) -> Void
    ) -> Listener? {
        let listener = Listener(loop, descriptor)
        guard ck_set_nonblocking(descriptor) == 0, listener.register(Readiness.read) else { return nil }
        listener.accepted = accepted
        listener.failed = failed
        return listener
    }

    override func ready(_ events: UInt32) {
        for _ in 0..<Listener.maximumPerTurn {
            guard isOpen else { return }
            let connection = ck_accept(descriptor)
            if connection >= 0 {
                accepted?(connection)
                continue
            }
            switch -connection {
            case EAGAIN: return
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseAccepting()
            case EBADF, EINVAL, ENOTSOCK, EFAULT:
                let failed = self.failed
                close()
                failed?(-connection)
                return
            // What became of one connection while it waited (accept(2)): the next may be better.
            default: continue
            }
        }
    }

    private func pauseAccepting() {
        setInterest(0)
        loop.schedule(in: Listener.pause) { [self] in
            if isOpen { setInterest(Readiness.read) }
        }
    }

    /// Accepts no more; nobody is told.
    public func close() {
        accepted = nil
        failed = nil
        release()
    }
}
