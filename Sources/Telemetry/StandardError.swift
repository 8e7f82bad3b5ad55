import Glibc
import Synchronization

/// Standard error for a process that must never wait for whoever reads it.
public enum StandardError {
    private static let dropped = Atomic<Int>(0)

    /// Writes the bytes if that is possible at once, at most PIPE_BUF of them; else drops them and says so with the next that can be written.
    public static func write(_ bytes: [UInt8]) {
        guard isWritable else {
            dropped.add(1, ordering: .relaxed)
            return
        }
        let lost = dropped.exchange(0, ordering: .relaxed)
        if lost > 0 {
            let note = Array(
                "\(Log.timestamp()) warning stderr: \(lost) pieces of log were dropped, nobody read them\n".utf8)
            _ = unsafe Glibc.write(2, note, note.count)
            guard isWritable else {
                dropped.add(1, ordering: .relaxed)
                return
            }
        }
        _ = unsafe Glibc.write(2, bytes, bytes.count)
    }

    /// poll(2) says that a pipe takes PIPE_BUF bytes without waiting.
    private static var isWritable: Bool {
        var watched = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&watched, 1, 0) != 0
    }
}
