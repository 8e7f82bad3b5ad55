import ArgumentParser
import AuditLog
import Glibc
import Records

/// `mcpgw audit tail`.
struct AuditTailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Print the last records, and with -f those that come.",
        discussion: "Goes on in the next file when the log is rotated. Exit status: 0, or 2 if the log cannot be read.")

    @Argument(help: "The log (default: that of a daemon of this user).")
    var file: String?

    @Flag(name: .shortAndLong, help: "Go on with what is written.")
    var follow = false

    @Option(name: .customShort("n"), help: ArgumentHelp("How many records first.", valueName: "count"))
    var lines = 10

    func run() throws {
        guard (0...100_000).contains(lines) else { fail("-n '\(lines)' is not from 0 to 100000") }
        let path = file ?? AuditCommand.ownLog()
        do throws(LogReader.Failure) {
            var reader = try LogReader(path)
            try reader.skip(toLast: 8 << 20)
            var last: [[UInt8]] = []
            while let line = try reader.next() {
                last.append(line)
                if last.count > lines { last.removeFirst() }
            }
            for line in last { AuditTailCommand.show(line) }
            while follow {
                while let line = try reader.next() { AuditTailCommand.show(line) }
                if reader.isReplaced {
                    // What was written to the old file meanwhile comes first, then files that came and went since.
                    while let line = try reader.next() { AuditTailCommand.show(line) }
                    for path in AuditTailCommand.files(after: reader) {
                        let closed = try LogReader(path)
                        while let line = try closed.next() { AuditTailCommand.show(line) }
                    }
                    reader = try LogReader(path)
                    continue
                }
                usleep(200_000)
            }
        } catch {
            fail(error.text)
        }
    }

    private static func show(_ line: [UInt8]) {
        var output: [UInt8] = []
        VisibleText.append(line.span, to: &output)
        AuditCommand.write(output + [0x0a])
    }

    /// The files that were closed after this one.
    private static func files(after reader: LogReader) -> [String] {
        let closed = LogFiles.closed(of: reader.path) ?? []
        guard let index = closed.firstIndex(where: { reader.isFile($0.path) }) else { return [] }
        return closed[(index + 1)...].map(\.path)
    }
}
