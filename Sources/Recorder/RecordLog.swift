import AuditLog
import CKernel
import Configuration
import Crypto
import Glibc
import PollLoop
import Records
import StrictJSON
import Telemetry

/// The audit log as the recorder keeps it: the file that is appended to, the chain, checkpoints, rotation, retention, the reserve of disk space.
final class RecordLog {
    /// The time between attempts to rotate, in nanoseconds.
    private static let rotationPatience: UInt64 = 60_000_000_000
    /// Lines between two checkpoints.
    private static let checkpointInterval: UInt64 = 4096
    /// The time between two heads of the chain in the daemon's log, in nanoseconds.
    private static let headInterval: UInt64 = 60_000_000_000

    let directory: LogDirectory
    let chain: LogChain
    let library: CryptoLibrary
    let log: Log
    let counters: Counters
    /// What is in force.
    var generation: RecorderGeneration
    private let builder: RecordBuilder
    private(set) var file: LogFile
    /// The time of the file's first line, as its text.
    private var begun = ""
    /// The number of the line of the last checkpoint.
    private(set) var lastCheckpoint: UInt64 = 0
    /// The hash of that line, and when one was last told to the log.
    private var checkpointHead: [UInt8] = []
    private var headTold: UInt64?
    /// The last checkpoint, as long as it is not in the state file.
    private(set) var unsavedCheckpoint: [UInt8]?
    /// The descriptor of the reserve, as long as it is held back.
    private var reserve: Int32?
    /// How many files may be removed by now.
    var removals = RemovalPace(now: PollLoop.now())
    /// What was found at the start: how far each ring's records are in the log, and which requests are closed.
    private(set) var positions: [UInt64: UInt64] = [:]
    private(set) var aborted: [UInt64: Set<UInt64>] = [:]

    /// Opens the log and goes on where it ends; what cannot be gone on from is put aside, and the chain begins anew.
    /// - Throws: `FileError` if the directory cannot be used, `CryptoError`.
    init(_ generation: RecorderGeneration, name: String, directory: Int32, log: Log, counters: Counters) throws {
        self.generation = generation
        self.directory = LogDirectory(descriptor: directory, name: name)
        self.log = log
        self.counters = counters
        library = try CryptoLibrary.load()
        chain = try LogChain(library, signingKey: generation.signingKey, secret: generation.checkpointKey)
        builder = try RecordBuilder(library, maximumValue: 16 << 10)
        file = try LogFile(self.directory, O_CREAT)
        try resume()
        holdReserve()
    }

    // MARK: Start

    private func resume() throws {
        let size = Int(file.length)
        let offset = max(0, size - LogTail.window)
        let bytes = try LogFile.read(file.descriptor, from: UInt64(offset), count: size - offset)
        let tail = try LogTail(bytes, isWhole: offset == 0, library: library, signingKey: generation.signingKey)
        let state = SavedCheckpoint(
            directory.contents(directory.stateName, maximum: LogLine.maximum) ?? [], library, chain.publicKeyText)
        positions = tail.positions
        aborted = tail.aborted
        if let problem = tail.fault?.reason ?? state.contradicts(tail) {
            return try beginAnew(after: max(tail.sequence, state.sequence), reason: problem, keepingFile: size > 0)
        }
        if tail.sequence == 0 {
            // Nothing here: perhaps the file before was just closed, and this one not begun.
            if state.sequence > 0 {
                guard try isClosed(state) else {
                    return try beginAnew(
                        after: state.sequence,
                        reason: "the log is gone; its last checkpoint was line \(state.sequence)",
                        keepingFile: size > 0)
                }
                chain.resume(after: state.sequence, head: state.hash)
            }
            lastCheckpoint = chain.sequence
        } else {
            chain.resume(after: tail.sequence, head: tail.head)
            // So that no file ends without one, however often the recorder was killed.
            lastCheckpoint = tail.checkpoint
        }
        if tail.torn == 0 { file.distrust(bytes[...]) }
        begun = String(decoding: bytes.prefix(offset == 0 ? 34 : 0).dropFirst(14), as: UTF8.self)
        if begun.isEmpty {
            let first = try LogFile.read(file.descriptor, from: 0, count: 34)
            begun = String(decoding: first.dropFirst(14), as: UTF8.self)
        }
        if tail.torn > 0 {
            let digest = try SHA256(library).digest(of: bytes.span.extracting(bytes.count - tail.torn..<bytes.count))
            try file.cut(to: file.length - UInt64(tail.torn))
            file.distrust(bytes.dropLast(tail.torn))
            var hex: [UInt8] = []
            digest.appendHex(to: &hex)
            try write(
                .recovery, "a line that was not written to its end was cut off",
                detail: "{\"bytes\":\(tail.torn),\"sha256\":\"\(String(decoding: hex, as: UTF8.self))\"}")
            log.warning("cut \(tail.torn) bytes off the audit log: a line that was not written to its end")
        }
        // What a predecessor wrote is synced before anybody is told that it is durable; a disk that cannot is no reason to begin nothing.
        do throws(FileError) {
            try file.sync()
        } catch {
            note(error)
        }
    }

    /// Whether the file that the checkpoint ended is here: then the chain goes on from it.
    private func isClosed(_ state: SavedCheckpoint) throws(FileError) -> Bool {
        try directory.files().contains {
            $0.hasSuffix(".\(state.sequence)") && LogDirectory.time(of: $0, directory.name) != nil
        }
    }

    /// Puts the file aside, untouched, and begins a new chain that says so.
    private func beginAnew(after sequence: UInt64, reason: String, keepingFile: Bool) throws {
        var detail = "{\"seq\":\(sequence)"
        if keepingFile {
            let aside = "\(directory.name).\(LogDirectory.stamp()).foreign"
            try directory.rename(directory.name, to: aside)
            file = try LogFile(directory, O_CREAT | O_EXCL)
            detail += ",\"file\":\(RecordLog.quoted(aside))"
            log.error("the audit log cannot be gone on with: \(reason); it is kept as \(aside), and a new chain begins")
        } else {
            log.error("the audit log cannot be gone on with: \(reason); a new chain begins")
        }
        counters.add(.recordErrors)
        chain.restart(after: sequence)
        begun = ""
        try write(.recovery, "the chain begins anew: \(reason)", detail: detail + "}", isSigned: true)
        lastCheckpoint = chain.sequence
        try file.sync()
        directory.sync()
    }

    // MARK: Lines

    /// Appends a line of the recorder's own to `bytes`.
    func appendOwn(
        _ kind: RecordKind, _ reason: String, detail: String = "", request: UInt64 = 0, route: [UInt8] = [],
        source: RecordSource? = nil, isSigned: Bool = false, to bytes: inout [UInt8]
    ) throws(CryptoError) {
        builder.begin(kind, nil)
        if request != 0 { builder.request(request) }
        if !reason.isEmpty { builder.text(.reason, reason) }
        let json = Array(detail.utf8)
        if !json.isEmpty { builder.json(.detail, json.span) }
        let start = bytes.count
        builder.append(to: &bytes)
        try chain.seal(&bytes, from: start, route: route, source: source, isSigned: isSigned)
    }

    /// Writes a line of the recorder's own.
    func write(_ kind: RecordKind, _ reason: String, detail: String = "", isSigned: Bool = false) throws {
        let (sequence, head) = (chain.sequence, chain.head)
        var bytes: [UInt8] = []
        try appendOwn(kind, reason, detail: detail, isSigned: isSigned, to: &bytes)
        do {
            try append(bytes, lines: 1)
        } catch {
            chain.resume(after: sequence, head: head)
            throw error
        }
    }

    /// Appends lines, all or none. The chain is the caller's to bring back if they could not be.
    func append(_ bytes: [UInt8], lines: Int) throws(FileError) {
        try file.append(bytes)
        if begun.isEmpty { begun = String(decoding: RecordTime.text(of: LogDirectory.now()), as: UTF8.self) }
        counters.add(.recordsWritten, UInt64(lines))
    }

    /// Appends a checkpoint if it is time for one.
    func checkpointIfDue() throws {
        if chain.sequence - lastCheckpoint >= RecordLog.checkpointInterval { try checkpoint() }
    }

    /// Appends a checkpoint if there is a line since the last.
    func checkpoint(isEnd: Bool = false) throws {
        guard chain.sequence > lastCheckpoint else { return }
        let (sequence, head) = (chain.sequence, chain.head)
        var bytes: [UInt8] = []
        try appendOwn(
            .checkpoint, isEnd ? "the file ends" : "", detail: "{\"key\":\"\(chain.publicKeyText)\"}", isSigned: true,
            to: &bytes)
        do {
            try append(bytes, lines: 1)
        } catch {
            chain.resume(after: sequence, head: head)
            throw error
        }
        lastCheckpoint = chain.sequence
        checkpointHead = chain.head
        unsavedCheckpoint = bytes
    }

    /// Tells the daemon's log of the newest checkpoint, which is on disk: the journal is out of reach of whoever edits the audit log.
    private func tellHead() {
        let now = PollLoop.now()
        guard headTold.map({ now - $0 >= RecordLog.headInterval }) ?? true else { return }
        headTold = now
        log.info("audit log: line \(lastCheckpoint), \(String(decoding: checkpointHead, as: UTF8.self))")
    }

    /// Keeps a checkpoint, whose line is on disk, in the state file.
    func save(_ checkpoint: [UInt8], syncs: Bool) {
        if unsavedCheckpoint == checkpoint {
            unsavedCheckpoint = nil
            tellHead()
        }
        do throws(FileError) {
            try directory.replace(directory.stateName, with: checkpoint, syncs: syncs)
        } catch {
            note(error)
        }
    }

    /// The end of the recorder's work: everything is on disk, and the last line is a checkpoint. False: it is not.
    func finish() -> Bool {
        do {
            try checkpoint()
            try file.sync()
            if let unsavedCheckpoint { save(unsavedCheckpoint, syncs: true) }
        } catch {
            note(error)
        }
        log.info("audit log: line \(chain.sequence), \(String(decoding: chain.head, as: UTF8.self)), the last")
        return file.unprovenCount == 0
    }

    /// Counts and tells what no recorder wrote.
    func noteImpossible(_ what: String) {
        counters.add(.recordErrors)
        log.error("somebody else wrote to the audit log: it has \(what)")
    }

    /// Counts and tells a failure.
    func note(_ error: any Error) {
        counters.add(.recordErrors)
        log.error((error as? FileError)?.text ?? "\(error)")
    }

    // MARK: Rotation

    /// No rotation before this time: the last failed.
    private var rotationPause: UInt64 = 0

    /// Whether the file is full, or old enough.
    var isRotationDue: Bool {
        guard file.length > 0, PollLoop.now() >= rotationPause else { return false }
        if file.length >= generation.rotationSize { return true }
        let limit = LogDirectory.now() - Int(clamping: generation.rotationAge / 1_000_000_000)
        return begun < String(decoding: RecordTime.text(of: max(0, limit)), as: UTF8.self)
    }

    /// Ends the file with a checkpoint and begins the next. Where the directory does not let it, the file stays the log: that is no
    /// reason to stop recording.
    func rotate() throws {
        try checkpoint(isEnd: true)
        try file.sync()
        if let unsavedCheckpoint { save(unsavedCheckpoint, syncs: true) }
        let closed = "\(directory.name).\(LogDirectory.stamp()).\(chain.sequence)"
        do throws(FileError) {
            try directory.rename(directory.name, to: closed)
            do throws(FileError) {
                file = try LogFile(directory, O_CREAT | O_EXCL)
            } catch {
                // The open file stays the log, under its old name.
                try? directory.rename(closed, to: directory.name)
                throw error
            }
        } catch {
            note(error)
            rotationPause = PollLoop.now() + RecordLog.rotationPatience
            return
        }
        begun = ""
        lastCheckpoint = chain.sequence
        removals.fileWasClosed()
        directory.sync()
        log.info("the audit log goes on in a new file; \(closed) ends at line \(chain.sequence)")
    }

    /// Goes on in a new file after the present one was removed.
    func replaceLost() throws {
        guard file.isGone else { return }
        file = try LogFile(directory, O_CREAT | O_EXCL)
        begun = ""
        log.error("somebody removed the audit log while it was written; going on in a new file")
        counters.add(.recordErrors)
        try write(.recovery, "the log's file was removed while it was written", isSigned: true)
    }

    // MARK: The reserve

    /// Whether disk space is held back.
    var hasReserve: Bool { reserve != nil }

    /// Holds disk space back if so much more is free. False: there is not enough.
    @discardableResult
    func holdReserve(beside room: UInt64 = 0) -> Bool {
        guard reserve == nil, generation.reserve + room > 0 else { return true }
        do throws(FileError) {
            let held = try directory.open(directory.reserveName, O_RDWR | O_CREAT)
            var code = -ck_reserve(held, generation.reserve + room)
            if code == 0, ftruncate(held, off_t(generation.reserve)) != 0 { code = errno }
            guard code == 0 else {
                _ = ftruncate(held, 0)
                close(held)
                throw FileError("hold disk space back", code)
            }
            if generation.reserve > 0 { reserve = held } else { close(held) }
            return true
        } catch {
            if !error.isFull { note(error) }
            return false
        }
    }

    /// Gives the held disk space up; false if none was held.
    func giveUpReserve() -> Bool {
        guard let held = reserve else { return false }
        reserve = nil
        let cut = ftruncate(held, 0) == 0
        close(held)
        return cut
    }

    static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONText.appendString(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension LogDirectory {
    /// Seconds since 1970.
    static func now() -> Int { Int(RecordTime.now() / 1_000_000_000) }

    /// A time as it stands in names of files: `20261123T000512Z`.
    static func stamp(_ second: Int = now()) -> String {
        String(decoding: RecordTime.text(of: second).filter { $0 != 0x2d && $0 != 0x3a }, as: UTF8.self) + "Z"
    }

    /// When a file was closed, from its name; nil if the name is none of a closed file.
    static func time(of name: String, _ log: String) -> String? {
        let rest = name.dropFirst(log.count + 1).split(separator: ".", omittingEmptySubsequences: false)
        guard name.hasPrefix(log + "."), rest.count == 2, rest[0].utf8.count == 16, rest[0].hasSuffix("Z"),
            UInt64(rest[1]) != nil
        else { return nil }
        return String(rest[0])
    }
}
