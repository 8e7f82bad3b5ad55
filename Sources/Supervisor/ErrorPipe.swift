import CKernel
import Glibc
import Records
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

    /// Copies what workers wrote: whole lines.
    func copyErrors(_ descriptor: Int32) {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return }
        let lines = workerLines.take(chunk.span.extracting(0..<count))
        if !lines.isEmpty { StandardError.write(lines) }
    }

    /// Copies what is left when all workers have ended.
    func copyLastErrors(_ descriptor: Int32) {
        copyErrors(descriptor)
        let rest = workerLines.end()
        if !rest.isEmpty { StandardError.write(rest) }
    }
}

/// Lines of workers as they may stand in a log: control, invisible and bidirectional characters and line separators are escaped, so that nothing in them
/// moves a terminal's cursor or looks like another line.
struct WorkerLines {
    /// A longer line is cut: workers' own are shorter than PIPE_BUF and arrive whole.
    static let longest = 4096

    /// The line that has no end yet.
    private var rest: [UInt8] = []

    /// Takes bytes and returns the lines that are whole now.
    mutating func take(_ bytes: Span<UInt8>) -> [UInt8] {
        var lines: [UInt8] = []
        for index in bytes.indices {
            if bytes[index] == 0x0a {
                lines += end()
            } else {
                // Not through a character, which has three bytes more at most.
                let isWithin = bytes[index] & 0xc0 == 0x80 && rest.count < WorkerLines.longest + 3
                if rest.count >= WorkerLines.longest, !isWithin { lines += end() }
                rest.append(bytes[index])
            }
        }
        return lines
    }

    /// The line that has no end, with one.
    mutating func end() -> [UInt8] {
        guard !rest.isEmpty else { return [] }
        var line: [UInt8] = []
        VisibleText.append(rest.span, to: &line)
        line.append(0x0a)
        rest.removeAll(keepingCapacity: true)
        return line
    }
}
