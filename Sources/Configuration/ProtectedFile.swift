import Glibc

/// Reads the files a configuration is made of, if nobody else could have written them, or read what is secret.
struct ProtectedFile {
    /// The content.
    let bytes: [UInt8]
    /// Whether nobody but the owner, and a group that root gave it to, can read it.
    let isPrivate: Bool

    /// The largest file, in bytes.
    static let maximumBytes = 10 << 20
    /// The largest file that holds one secret, in bytes.
    static let maximumSecretBytes = 64 << 10

    /// Why a file is not used: what is wrong, and what to do.
    struct Refusal: Error {
        let message: String
    }

    /// Reads a file. Its owner must be root or `user`, and nobody else may be able to write it, or to put another one in its place.
    init(_ path: String, user: UInt32, maximumBytes: Int = maximumBytes) throws(Refusal) {
        guard !path.utf8.contains(0) else { throw Refusal(message: "the file's name holds a null character") }
        // Not to wait for the other end, should it be a pipe.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw Refusal(message: "cannot read \(path): \(ProtectedFile.reason(errno))") }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw Refusal(message: "cannot read \(path): \(ProtectedFile.reason(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Refusal(message: "\(path) is not a regular file") }
        try ProtectedFile.check(path, status, user: user)
        try ProtectedFile.checkDirectory(of: path)
        isPrivate = status.st_mode & S_IROTH == 0 && (status.st_mode & S_IRGRP == 0 || status.st_uid == 0)
        guard status.st_size <= maximumBytes else {
            throw Refusal(message: "\(path) is larger than \(SizeText.text(UInt64(maximumBytes)))")
        }
        bytes = try ProtectedFile.content(descriptor, path, maximumBytes)
    }

    private static func check(_ path: String, _ status: stat, user: UInt32) throws(Refusal) {
        guard status.st_uid == 0 || status.st_uid == user else {
            // Started as root, the daemon reads it before it becomes another user, which is no owner then.
            let owners = user == 0 ? "root" : "root or to user \(user), who runs this"
            throw Refusal(
                message: "\(path) belongs to user \(status.st_uid), who could change it; chown it to \(owners)")
        }
        guard status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw Refusal(message: "others can write \(path); chmod go-w \(path)")
        }
    }

    /// Whoever may write the directory could put another file in its place, unless only owners may (the sticky bit).
    private static func checkDirectory(of path: String) throws(Refusal) {
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var status = stat()
        guard unsafe stat(directory, &status) == 0 else { return }
        guard status.st_mode & S_IWOTH == 0 || status.st_mode & S_ISVTX != 0 else {
            throw Refusal(message: "others can put another file in the place of \(path); chmod o-w \(directory)")
        }
    }

    private static func content(_ descriptor: Int32, _ path: String, _ maximumBytes: Int) throws(Refusal) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Refusal(message: "cannot read \(path): \(reason(errno))") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= maximumBytes else {
                throw Refusal(message: "\(path) is larger than \(SizeText.text(UInt64(maximumBytes)))")
            }
        }
    }

    private static func reason(_ code: Int32) -> String {
        // A text of the C library, valid until the next call of this thread.
        unsafe String(cString: strerror(code))
    }
}
