import CKernel
import Glibc

/// A failure of the kernel to do something with a file of the audit log.
struct FileError: Error, Equatable {
    /// What was tried.
    let action: String
    /// The error number, positive.
    let code: Int32

    init(_ action: String, _ code: Int32 = errno) {
        self.action = action
        self.code = code
    }

    /// Whether there is no space left.
    var isFull: Bool { code == ENOSPC || code == EDQUOT }

    var text: String { "cannot \(action): \(unsafe String(cString: strerror(code)))" }
}

/// The files of the audit log, all in the one directory that the recorder was handed.
struct LogDirectory {
    let descriptor: Int32
    /// The log's own name; all others begin with it and a full stop.
    let name: String

    /// The last checkpoint, beside the log.
    var stateName: String { name + ".state" }
    /// Disk space held back.
    var reserveName: String { name + ".reserve" }

    func open(_ name: String, _ flags: Int32) throws(FileError) -> Int32 {
        let file = unsafe openat(descriptor, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw FileError("open \(name)") }
        return file
    }

    func rename(_ old: String, to new: String) throws(FileError) {
        guard unsafe renameat(descriptor, old, descriptor, new) == 0 else { throw FileError("rename \(old) to \(new)") }
    }

    func remove(_ name: String) throws(FileError) {
        guard unsafe unlinkat(descriptor, name, 0) == 0 else { throw FileError("remove \(name)") }
    }

    /// Makes the names last; some file systems cannot be asked that of a directory.
    func sync() { _ = fsync(descriptor) }

    /// The names that begin with the log's, in order.
    func files() throws(FileError) -> [String] {
        var size = 64 << 10
        while true {
            var names = [CChar](repeating: 0, count: size)
            let count = unsafe ck_directory_names(descriptor, &names, size)
            if count == -Int(E2BIG), size < 64 << 20 {
                size *= 4
                continue
            }
            guard count >= 0 else { throw FileError("list the directory of \(name)", Int32(-count)) }
            return names[..<count].split(separator: 0).map { piece in
                String(decoding: piece.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }.filter { $0.hasPrefix(name + ".") }.sorted()
        }
    }

    /// Writes a small file whole or not at all.
    func replace(_ name: String, with bytes: [UInt8], syncs: Bool) throws(FileError) {
        let file = try open(name + ".new", O_WRONLY | O_CREAT | O_TRUNC)
        defer { close(file) }
        guard unsafe write(file, bytes, bytes.count) == bytes.count, !syncs || fdatasync(file) == 0 else {
            throw FileError("write \(name)")
        }
        try rename(name + ".new", to: name)
        if syncs { sync() }
    }

    /// Up to `maximum` bytes of a file's beginning; nil if there is none.
    func contents(_ name: String, maximum: Int) -> [UInt8]? {
        guard let file = try? open(name, O_RDONLY) else { return nil }
        defer { close(file) }
        return try? LogFile.read(file, from: 0, count: maximum)
    }
}

/// The file that records are appended to.
///
/// Linux says once that a page could not be written, and then takes it for clean: a later sync that succeeds proves nothing of it. So what no sync has
/// proven is kept in memory, and after a sync that failed it is written again, at its place, before the next.
final class LogFile {
    /// Bytes kept for writing again, about: no more is appended before a sync.
    static let unprovenLimit = 6 << 20
    /// Bytes of memory kept while there is nothing to keep in them.
    private static let idleCapacity = 256 << 10

    let descriptor: Int32
    /// The same file, opened a second time: the kernel tells each opening of every error once, so neither the helper thread's syncs nor the
    /// loop's take an error away from the other. Its writes go where they are told to.
    let second: Int32
    /// Bytes of whole lines in it.
    private(set) var length: UInt64
    /// Bytes of it that a sync has proven to be on disk.
    private(set) var proven: UInt64
    /// The bytes behind those.
    private var unproven: [UInt8] = []
    /// A sync failed: what it was to prove may be gone.
    private(set) var mustRewrite = false

    /// Bytes that no sync has proven to be on disk.
    var unprovenCount: Int { unproven.count }

    /// Opens a file to append to.
    convenience init(_ directory: LogDirectory, _ flags: Int32) throws(FileError) {
        let descriptor = try directory.open(directory.name, O_RDWR | O_APPEND | flags)
        var second: Int32 = -1
        do throws(FileError) {
            second = try directory.open(directory.name, O_RDWR)
            // Somebody else may have put another there meanwhile.
            guard ck_is_same_file(descriptor, second) else { throw FileError("open \(directory.name)", ESTALE) }
            self.init(descriptor, second, try LogFile.end(descriptor))
        } catch {
            close(descriptor)
            if second >= 0 { close(second) }
            throw error
        }
    }

    /// A file that is only read.
    convenience init(reading directory: LogDirectory, _ name: String) throws(FileError) {
        let descriptor = try directory.open(name, O_RDONLY)
        do throws(FileError) {
            self.init(descriptor, -1, try LogFile.end(descriptor))
        } catch {
            close(descriptor)
            throw error
        }
    }

    private init(_ descriptor: Int32, _ second: Int32, _ length: UInt64) {
        self.descriptor = descriptor
        self.second = second
        self.length = length
        proven = length
    }

    deinit {
        close(descriptor)
        if second >= 0 { close(second) }
    }

    private static func end(_ descriptor: Int32) throws(FileError) -> UInt64 {
        let end = lseek(descriptor, 0, Int32(SEEK_END))
        guard end >= 0 else { throw FileError("measure the log") }
        return UInt64(end)
    }

    /// Appends lines, all or none.
    /// - Throws: `FileError`; what was written of them is cut off again.
    func append(_ bytes: [UInt8]) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe write(descriptor, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
            }
            if count > 0 {
                done += count
            } else if count < 0, errno == EINTR {
                continue
            } else {
                let error = FileError("append to the log", count < 0 ? errno : ENOSPC)
                if done > 0 { _ = ftruncate(descriptor, off_t(length)) }
                throw error
            }
        }
        length += UInt64(bytes.count)
        unproven += bytes
    }

    /// Cuts a torn line off.
    func cut(to length: UInt64) throws(FileError) {
        guard ftruncate(descriptor, off_t(length)) == 0 else { throw FileError("cut the log's torn end") }
        self.length = length
        proven = min(proven, length)
    }

    // MARK: Syncing

    /// The file ends in these bytes, of which nobody knows whether a sync of theirs failed: they are written again before the next.
    func distrust(_ end: ArraySlice<UInt8>) {
        proven = length - UInt64(end.count)
        unproven = Array(end)
        mustRewrite = !unproven.isEmpty
    }

    /// Waits until everything is on disk.
    func sync() throws(FileError) {
        do throws(FileError) {
            try trySync()
        } catch {
            // It may be the error that the other opening was told of before, and what it lost is written again by now. Now it is once more.
            try trySync()
        }
    }

    private func trySync() throws(FileError) {
        let end = try beginSync()
        let code = fdatasync(descriptor) == 0 ? 0 : errno
        guard endSync(end, code) else { throw FileError("sync the log", code) }
    }

    /// What is to be done before a sync: writes what may be lost again.
    /// - Returns: the length that the sync proves.
    func beginSync() throws(FileError) -> UInt64 {
        guard mustRewrite else { return length }
        guard lseek(second, off_t(proven), Int32(SEEK_SET)) >= 0 else {
            throw FileError("write the log's end again")
        }
        var done = 0
        while done < unproven.count {
            let count = unsafe unproven.withUnsafeBytes { buffer in
                unsafe write(second, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
            }
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw FileError("write the log's end again", count < 0 ? errno : EIO)
            }
        }
        mustRewrite = false
        return length
    }

    /// Takes the outcome of a sync: 0 or an error number. False: what was written before it is not proven to be on disk.
    func endSync(_ end: UInt64, _ code: Int32) -> Bool {
        if code != 0 {
            mustRewrite = true
        } else if end > proven {
            unproven.removeFirst(Int(end - proven))
            proven = end
            if unproven.isEmpty, unproven.capacity > LogFile.idleCapacity { unproven = [] }
        }
        return proven >= end
    }

    /// Whether somebody removed it.
    var isGone: Bool { ck_file_links(descriptor) == 0 }

    /// Up to `count` bytes from an offset.
    static func read(_ file: Int32, from offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let read = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    file, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
            }
            if read < 0, errno == EINTR { continue }
            guard read >= 0 else { throw FileError("read the log") }
            if read == 0 { break }
            done += read
        }
        bytes.removeSubrange(done...)
        return bytes
    }
}
