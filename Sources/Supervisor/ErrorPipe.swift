import CKernel
import Glibc
import Telemetry

/// What workers write to stderr (their log lines, a runtime's last words) goes through a pipe, and the supervisor copies it.
///
/// So a worker never holds the terminal, a file size limit of 0 does not cost its lines when stderr is a file, and nobody waits for a
/// reader that has stopped: neither the supervisor, which drops what cannot be written at once and says how much, nor, as it always reads, a worker.
extension Supervisor {
    /// The pipe: the end to copy from, and the end that workers get.
    static func makeErrorPipe() throws(StartError) -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        let result = unsafe ck_pipe(&ends)
        guard result == 0 else { throw StartError("cannot make a pipe", code: -result) }
        _ = ck_set_nonblocking(ends[0])
        return (ends[0], ends[1])
    }

    /// Copies what workers wrote. Their lines are shorter than PIPE_BUF and arrive whole.
    func copyErrors(_ descriptor: Int32) {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return }
        // Nothing in them may move a terminal's cursor.
        for index in 0..<count where chunk[index] != 0x0a && (chunk[index] < 0x20 || chunk[index] == 0x7f) {
            chunk[index] = 0x20
        }
        StandardError.write(Array(chunk[..<count]))
    }
}
