import CKernel
import Glibc

/// A directory that belongs to one running daemon: made if missing (0700), checked, and locked for the life of the process.
struct OwnDirectory {
    let path: String
    /// Held open: the lock ends with the process, however it ends.
    let lock: Int32

    /// Makes the directory, and its parents, where they are missing. As root, a new directory becomes `owner`'s.
    /// - Throws: `StartError` naming the path.
    static func prepare(_ path: String, purpose: String, owner: (uid: uid_t, gid: gid_t)?) throws(StartError) {
        guard path.hasPrefix("/") else { throw StartError("the \(purpose) '\(path)' must be an absolute path") }
        // Only the directory itself becomes the daemon's: a parent made on the way (~/.local) stays with who started it.
        let last = path.split(separator: "/").joined(separator: "/")
        var partial = ""
        for component in path.split(separator: "/") {
            partial += "/" + component
            let isLast = partial == "/" + last
            if unsafe mkdir(partial, isLast || owner == nil ? 0o700 : 0o755) == 0 {
                if let owner, partial == "/" + last, unsafe lchown(partial, owner.uid, owner.gid) != 0 {
                    throw StartError("cannot give the \(purpose) \(partial) to the daemon's user", code: errno)
                }
            } else if errno != EEXIST {
                throw StartError("cannot make the \(purpose) \(partial)", code: errno)
            }
        }
    }

    /// Checks and locks the directory as the user the daemon runs as.
    /// - Parameter patience: how long to wait for one that holds it and is about to end, in tenths of a second.
    /// - Throws: `StartError` if others may write there, it cannot be written, or another daemon holds it.
    init(
        _ path: String, purpose: String, option: String, lockName: String = "lock", patience: Int = 0
    ) throws(StartError) {
        // The name itself first: in a directory that others may write (/tmp), somebody else could have put a link there.
        _ = try OwnDirectory.owned(path, purpose, following: false)
        let status = try OwnDirectory.owned(path, purpose, following: true)
        guard status.st_mode & S_IFMT == S_IFDIR else { throw StartError("the \(purpose) \(path) is not a directory") }
        guard status.st_mode & 0o022 == 0 else {
            throw StartError("the \(purpose) \(path) can be written by others; chmod go-w \(path)")
        }
        let file = path + "/" + lockName
        lock = unsafe open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw StartError("cannot write to the \(purpose) \(path) (\(option))", code: errno) }
        var left = patience
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            if left > 0 {
                left -= 1
                usleep(100_000)
                continue
            }
            let holder = OwnDirectory.readPID(lock)
            throw StartError(
                "the \(purpose) \(path) is in use by another mcpgw\(holder.map { " (process \($0))" } ?? "");"
                    + " stop it or choose another directory with \(option)")
        }
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(lock, 0)
        _ = unsafe pwrite(lock, text, text.count, 0)
        self.path = path
    }

    /// What is at the path, if it is the daemon's own or root's.
    private static func owned(_ path: String, _ purpose: String, following: Bool) throws(StartError) -> stat {
        var status = stat()
        guard unsafe following ? stat(path, &status) == 0 : lstat(path, &status) == 0 else {
            throw StartError("cannot use the \(purpose) \(path)", code: errno)
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw StartError(
                "the \(purpose) \(path) belongs to user id \(status.st_uid); it must belong to the daemon's own user")
        }
        return status
    }

    private static func readPID(_ file: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = unsafe pread(file, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count], as: UTF8.self).prefix(while: \.isNumber))
    }
}
