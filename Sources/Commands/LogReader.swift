import AuditLog
import Glibc

/// Reads the lines of a file of the audit log, however large it is.
final class LogReader {
    /// Why a file cannot be read.
    struct Failure: Error {
        let text: String
    }

    let path: String
    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var start = 0

    init(_ path: String) throws(Failure) {
        self.path = path
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            throw Failure(text: "cannot read \(path): \(unsafe String(cString: strerror(errno)))")
        }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw Failure(text: "\(path) is not a file")
        }
    }

    deinit { close(descriptor) }

    /// Bytes behind the last whole line, once `next` has answered nil.
    var torn: Int { bytes.count - start }

    /// The bytes behind the last whole line.
    var rest: [UInt8] { Array(bytes[start...]) }

    /// The next whole line without its end; nil if there is none (yet).
    func next() throws(Failure) -> [UInt8]? {
        var searched = start
        while true {
            if let end = bytes[searched...].firstIndex(of: 0x0a) {
                defer { start = end + 1 }
                return Array(bytes[start..<end])
            }
            guard torn <= LogLine.maximum else {
                throw Failure(text: "\(path) has a line of more than \(LogLine.maximum) bytes")
            }
            bytes.removeFirst(start)
            start = 0
            searched = bytes.count
            var chunk = [UInt8](repeating: 0, count: 1 << 18)
            let count = unsafe read(descriptor, &chunk, chunk.count)
            guard count >= 0 else {
                throw Failure(text: "cannot read \(path): \(unsafe String(cString: strerror(errno)))")
            }
            if count == 0 { return nil }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Goes to the first whole line of the file's last `size` bytes.
    func skip(toLast size: Int) throws(Failure) {
        let end = lseek(descriptor, 0, Int32(SEEK_END))
        let offset = max(0, Int(end) - size)
        _ = lseek(descriptor, off_t(offset), Int32(SEEK_SET))
        bytes.removeAll()
        start = 0
        if offset > 0 { _ = try next() }
    }

    /// Whether the path names another file by now.
    var isReplaced: Bool {
        var own = stat()
        var named = stat()
        guard unsafe fstat(descriptor, &own) == 0, unsafe stat(path, &named) == 0 else { return false }
        return own.st_ino != named.st_ino || own.st_dev != named.st_dev
    }

    /// Whether a path names the file that is read.
    func isFile(_ path: String) -> Bool {
        var own = stat()
        var named = stat()
        guard unsafe fstat(descriptor, &own) == 0, unsafe stat(path, &named) == 0 else { return false }
        return own.st_ino == named.st_ino && own.st_dev == named.st_dev
    }
}
