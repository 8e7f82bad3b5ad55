import CKernel
import Glibc

/// Whom `mcpgw status` and `mcpgw reload` believe to be the daemon. Where the runtime directory is beneath `/tmp`, anybody could have made one before.
enum ControlPeer {
    /// The user at the other end of a connection to a Unix socket: whoever called listen(2) on it (unix(7), SO_PEERCRED). That is the supervisor, after it
    /// became the daemon's user; which worker accepts does not matter.
    static func user(_ descriptor: Int32) -> UInt32? {
        var peer = ck_credentials()
        return unsafe ck_peer_credentials(descriptor, &peer) == 0 ? peer.uid : nil
    }

    /// That user for a message.
    static func name(_ descriptor: Int32) -> String { user(descriptor).map { "user \($0)" } ?? "unknown" }

    /// Root and who asks can be no impostors. Another user is believed if the directory of the socket is that user's and stands where only root or who asks
    /// could put it: so root asks a daemon that runs as a user of its own.
    static func isBelieved(_ descriptor: Int32, at socket: String) -> Bool {
        guard let user = user(descriptor) else { return false }
        return user == 0 || user == geteuid() || wasGiven(directory(of: socket), to: user)
    }

    private static func wasGiven(_ path: String, to user: UInt32) -> Bool {
        guard let resolved = unsafe realpath(path, nil) else { return false }
        defer { unsafe free(resolved) }
        let real = unsafe String(cString: resolved)
        var own = stat()
        var parent = stat()
        guard unsafe stat(real, &own) == 0, unsafe stat(directory(of: real), &parent) == 0 else { return false }
        return own.st_uid == user && (parent.st_uid == 0 || parent.st_uid == geteuid())
            && parent.st_mode & (S_IWGRP | S_IWOTH) == 0
    }

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }
}
