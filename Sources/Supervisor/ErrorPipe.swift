import CKernel
import Glibc

/// Where workers write log lines. Their file size limit is 0, so if stderr is a file they get a pipe that the supervisor copies.
extension Supervisor {
    /// The descriptor workers get as stderr, and what to watch and copy if it is a pipe.
    static func makeErrorDescriptor() throws(StartError) -> (forWorkers: Int32, toCopy: Int32?) {
        var status = stat()
        guard unsafe fstat(2, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return (2, nil) }
        var ends: [Int32] = [-1, -1]
        let result = unsafe ck_pipe(&ends)
        guard result == 0 else { throw StartError("cannot make a pipe", code: -result) }
        // Only the reading end: writers wait when the pipe is full rather than lose lines.
        _ = ck_set_nonblocking(ends[0])
        return (ends[1], ends[0])
    }

    /// Copies what workers wrote; lines are shorter than PIPE_BUF, so they arrive whole.
    func copyErrors(_ descriptor: Int32) {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return }
        _ = unsafe write(2, chunk, count)
    }
}
