import CKernel
import Glibc
import NIOCore

/// Who is at the other end of a Unix socket, by the kernel's word (`SO_PEERCRED`, unix(7)).
enum PeerCredentials {
    /// Reads the peer's effective user id at the time it connected; nil if the channel has none.
    static func readUser(_ channel: any Channel, _ answer: @escaping @Sendable (UInt32?) -> Void) {
        guard let provider = channel as? any SocketOptionProvider else { return answer(nil) }
        let credentials: EventLoopFuture<ck_credentials> = provider.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        credentials.whenComplete { result in
            switch result {
            case .success(let peer): answer(peer.uid)
            case .failure: answer(nil)
            }
        }
    }
}
