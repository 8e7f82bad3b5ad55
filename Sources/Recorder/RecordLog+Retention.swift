import AuditLog
import Crypto
import Glibc
import PollLoop
import Records
import StrictJSON

/// How long files are kept.
extension RecordLog {
    /// Removes files that were closed longer ago than records are kept, each after a signed tombstone that says what it held; no more of them than a clock
    /// that runs wrong may take.
    func removeOld() throws {
        let limit = LogDirectory.now() - Int(clamping: generation.retention / 1_000_000_000)
        let cutoff = LogDirectory.stamp(max(0, limit))
        let names: [String]
        do throws(FileError) {
            names = try directory.files()
        } catch {
            return note(error)
        }
        let due = names.filter { name in LogDirectory.time(of: name, directory.name).map { $0 < cutoff } ?? false }
        let count = removals.allowance(due: due.count, now: PollLoop.now())
        if count < due.count {
            log.info(
                "\(due.count) files of the audit log are older than records are kept; \(count) of them may go by now")
        }
        for name in due.prefix(count) {
            removals.fileIsRemoved()
            guard let ends = closedEnds(of: name) else { continue }
            try write(
                .tombstone, "removed after the time that records are kept",
                detail: "{\"file\":\(RecordLog.quoted(name)),\"first\":\(ends.first),\"last\":\(ends.last),"
                    + "\"head\":\"\(ends.head)\",\"key\":\"\(chain.publicKeyText)\"}", isSigned: true)
            try file.sync()
            do throws(FileError) {
                try directory.remove(name)
            } catch {
                // The others would fail as well, each after its tombstone.
                return note(error)
            }
            log.info("removed \(name): lines \(ends.first) to \(ends.last)")
        }
    }

    /// The first and the last line of a closed file; nil, and said, if it cannot be read.
    private func closedEnds(of name: String) -> (first: UInt64, last: UInt64, head: String)? {
        do {
            return try ends(of: name)
        } catch {
            note(error)
            return nil
        }
    }

    /// The first and the last line of a closed file; nil if it is not whole.
    private func ends(of name: String) throws -> (first: UInt64, last: UInt64, head: String)? {
        let closed = try LogFile(reading: directory, name)
        let begin = try LogFile.read(closed.descriptor, from: 0, count: LogLine.maximum)
        let offset = closed.length - min(closed.length, UInt64(LogLine.maximum) + 1)
        let end = try LogFile.read(closed.descriptor, from: offset, count: LogLine.maximum + 1)
        guard end.last == 0x0a, let stop = begin.firstIndex(of: 0x0a) else { return nil }
        let start = end.dropLast().lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
        var tape = JSONTape()
        let parser = JSONParser(surrogates: .replace)
        let last = end.span.extracting(start..<end.count - 1)
        guard let first = try? LogLine(begin.span.extracting(0..<stop), &tape, parser),
            let line = try? LogLine(last, &tape, parser)
        else { return nil }
        var head: [UInt8] = []
        try SHA256(library).digest(of: last).appendHex(to: &head)
        return (first.sequence, line.sequence, String(decoding: head, as: UTF8.self))
    }
}
