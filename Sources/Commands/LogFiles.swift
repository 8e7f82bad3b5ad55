import CKernel
import Glibc

/// The names of an audit log's files: the one that is written, and those that were closed (`NAME.TIME.NUMBER`).
enum LogFiles {
    /// The number at which a closed file ends, from its name; nil if the name is none of a closed file.
    static func promised(_ path: String) -> UInt64? {
        let parts = path.split(separator: ".")
        guard parts.count >= 3, parts[parts.count - 2].hasSuffix("Z"), parts[parts.count - 2].utf8.count == 16 else {
            return nil
        }
        return UInt64(parts[parts.count - 1])
    }

    /// The path of the file that is written at present, from that of any file of the log.
    static func log(of path: String) -> String {
        guard promised(path) != nil else { return path }
        return path.split(separator: ".", omittingEmptySubsequences: false).dropLast(2).joined(separator: ".")
    }

    /// The last part of a path.
    static func name(_ path: String) -> String {
        String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
    }

    /// The closed files beside a log, the oldest first; nil if its directory cannot be read.
    static func closed(of log: String) -> [(number: UInt64, path: String)]? {
        let name = name(log)
        let directory = String(log.dropLast(name.count))
        let descriptor = unsafe open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [CChar](repeating: 0, count: 4 << 20)
        let count = unsafe ck_directory_names(descriptor, &bytes, bytes.count)
        guard count >= 0 else { return nil }
        let found: [(number: UInt64, path: String)] = bytes[..<count].split(separator: 0).compactMap { piece in
            let other = String(decoding: piece.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard other.hasPrefix(name + "."), LogFiles.log(of: other) == name, let number = promised(other) else {
                return nil
            }
            return (number, directory + other)
        }
        return found.sorted { $0.number < $1.number }
    }
}
