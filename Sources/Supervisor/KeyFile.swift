import Configuration
import Crypto
import Glibc

/// One of the installation's keys: 32 random bytes in a file of the state directory, readable by the daemon's user alone. It is made at the first start.
///
/// To rotate one that has a predecessor, rename `NAME` to `NAME.old` and restart: what the old key sealed is still read.
struct KeyFile {
    /// The keys for session ids (DESIGN 6).
    static let session = KeyFile(name: "session.key", purpose: "session key")
    /// The key that signs checkpoints of the audit log (DESIGN 10).
    static let audit = KeyFile(name: "audit.key", purpose: "audit key")

    let name: String
    let purpose: String
    var oldName: String { name + ".old" }
    /// A key that is not whole yet; one left by a crash is thrown away. The directory's lock keeps others from it.
    private var newName: String { name + ".new" }

    /// The keys, newest first. Makes the first one if there is none.
    /// - Throws: `StartError` if a file is not safe to use; with an error number only if a key could not be written.
    func load(in directory: OwnDirectory) throws(StartError) -> [[UInt8]] {
        let descriptor = unsafe Glibc.open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw StartError("cannot open the state directory \(directory.path)", code: errno)
        }
        defer { close(descriptor) }
        let older = try read(oldName, descriptor, directory.path)
        let newest: [UInt8]
        if let found = try read(name, descriptor, directory.path) {
            newest = found
        } else {
            newest = try make(descriptor, directory.path)
        }
        return [newest] + (older.map { $0 == newest ? [] : [$0] } ?? [])
    }

    /// One key; nil if there is no such file.
    private func read(_ name: String, _ directory: Int32, _ path: String) throws(StartError) -> [UInt8]? {
        let file = "the \(purpose) \(path)/\(name)"
        // Without waiting: the name could be a pipe's.
        let descriptor = unsafe openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            if code == ENOENT { return nil }
            if code == ELOOP { throw StartError("\(file) is a symbolic link; put the file itself there") }
            // Not passed over: a key that exists is the one to use.
            throw StartError("cannot read \(file): \(unsafe String(cString: strerror(code)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw StartError("\(file) is not a file")
        }
        guard status.st_uid == geteuid() else {
            throw StartError("\(file) belongs to user id \(status.st_uid); it must belong to the daemon's own user")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw StartError(
                "\(file) is open to others, who could have read it; remove it, and a new one is made (or chmod 600 it)")
        }
        let length = IngressGeneration.keyLength
        // One byte more than a key, so that a longer file shows.
        var key = [UInt8](repeating: 0, count: length + 1)
        let count = unsafe Glibc.read(descriptor, &key, key.count)
        guard count == length else {
            throw StartError("\(file) must have \(length) bytes; remove it, and a new one is made")
        }
        return Array(key[..<length])
    }

    /// Writes a new key: whole or not at all, whenever the machine stops.
    private func make(_ directory: Int32, _ path: String) throws(StartError) -> [UInt8] {
        var key: [UInt8] = []
        SecureRandom.append(IngressGeneration.keyLength, to: &key)
        unsafe unlinkat(directory, newName, 0)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = unsafe openat(directory, newName, flags, 0o600)
        guard descriptor >= 0 else { throw unwritten(path) }
        defer { close(descriptor) }
        // The mode again: a umask may have taken the owner's bits too.
        guard fchmod(descriptor, 0o600) == 0, unsafe write(descriptor, key, key.count) == key.count,
            fsync(descriptor) == 0, unsafe renameat(directory, newName, directory, name) == 0
        else {
            let error = unwritten(path)
            unsafe unlinkat(directory, newName, 0)
            throw error
        }
        // The name lasts too; some file systems cannot be asked that of a directory.
        _ = fsync(directory)
        return key
    }

    private func unwritten(_ path: String) -> StartError {
        StartError("cannot write the \(purpose) \(path)/\(name)", code: errno)
    }
}
