import Crypto
import StrictJSON

/// Follows the chain through the files of an audit log, in order, and says what is wrong and what cannot be proven.
///
/// It is fed line by line: `begin(file:)`, `take(line:)` for each, `end()`; at last `finish`.
public struct LogVerifier: ~Copyable {
    /// What was found.
    public struct Report: Sendable, Equatable {
        /// What is wrong, the first one first; each names file and line.
        public var findings: [String] = []
        /// What could not be proven, and why.
        public var unproven: [String] = []
        /// Lines that were read and follow each other.
        public var lines: UInt64 = 0
        /// The first and the last number.
        public var first: UInt64 = 0
        /// See `first`.
        public var last: UInt64 = 0
    }

    private struct Gap {
        let from: UInt64
        let to: UInt64
        let head: [UInt8]
        let place: String
    }

    private struct Removal {
        let from: UInt64
        let to: UInt64
        let head: [UInt8]
    }

    /// What was found so far.
    public private(set) var report = Report()
    private let digests: SHA256
    private let code: HMACSHA256?
    private var keys: [(text: String, key: VerificationKey)] = []
    private let library: CryptoLibrary
    private let knowsKeys: Bool
    private var tape = JSONTape()
    private let parser = JSONParser(surrogates: .replace)
    private var file = ""
    private var lineNumber = 0
    private var head = LogChain.none
    private var isFirstOfFile = true
    private var gaps: [Gap] = []
    private var removals: [Removal] = []
    private var lastCheckpoint: UInt64 = 0
    /// Lines since a checkpoint, or since the beginning.
    private var unmarked = 0
    /// Far more lines than the recorder writes without a checkpoint: 4096 and a batch.
    private static let mostUnmarked = 32768
    private var hashes: [UInt64: [UInt8]] = [:]
    private var hasUncheckedCodes = false
    /// Hashes of lines, by number, that are known from elsewhere: from the journal, which somebody else keeps.
    private let known: [UInt64: String]

    /// - Parameters:
    ///   - signingKey: of `sig`; nil: it is not checked.
    ///   - publicKeys: of checkpoints, in hexadecimal digits; empty: that of the first checkpoint is taken.
    ///   - known: hashes of lines, in hexadecimal digits, by number, as the daemon's log told them.
    public init(
        _ library: CryptoLibrary, signingKey: [UInt8]?, publicKeys: [String], known: [UInt64: String] = [:]
    ) throws(CryptoError) {
        let made = try LogVerifier.prepare(library, signingKey, publicKeys)
        self.library = library
        digests = made.digests
        code = made.code
        keys = made.keys
        knowsKeys = !publicKeys.isEmpty
        self.known = known
    }

    // Apart from the initialiser: a value that cannot be copied is made whole or not at all.
    private static func prepare(
        _ library: CryptoLibrary, _ signingKey: [UInt8]?, _ publicKeys: [String]
    ) throws(CryptoError) -> (digests: SHA256, code: HMACSHA256?, keys: [(text: String, key: VerificationKey)]) {
        var code: HMACSHA256?
        if let signingKey { code = try HMACSHA256(library, key: signingKey.span) }
        var keys: [(text: String, key: VerificationKey)] = []
        for text in publicKeys {
            guard let bytes = Hexadecimal.bytes(text), bytes.count == 32 else { throw .keyLength(text.utf8.count / 2) }
            keys.append((text, try VerificationKey(library, publicKey: bytes.span)))
        }
        return (try SHA256(library), code, keys)
    }

    /// Whether the chain is broken: reading on proves nothing.
    public var isBroken: Bool { !report.findings.isEmpty }

    /// Begins the next file.
    public mutating func begin(file: String) {
        self.file = file
        lineNumber = 0
        isFirstOfFile = true
    }

    /// Takes the next line of the file, without its end.
    public mutating func take(line span: Span<UInt8>) {
        lineNumber += 1
        guard !isBroken else { return }
        do throws(LogFault) {
            let line = try LogLine(span, &tape, parser)
            try follow(line)
            try check(line, span)
            var hash: [UInt8] = []
            if let digest = try? digests.digest(of: span) { digest.appendHex(to: &hash) }
            head = hash
            if let known = known[line.sequence], !known.utf8.elementsEqual(hash) {
                throw LogFault("it is not number \(line.sequence) as the daemon's log has it: the chain was made anew")
            }
            if line.signature != nil { hashes[line.sequence] = hash }
            report.last = line.sequence
            report.lines += 1
            unmarked = line.kind == "checkpoint" ? 0 : unmarked + 1
            if knowsKeys, unmarked == LogVerifier.mostUnmarked {
                report.findings.append(
                    "\(file), line \(lineNumber): \(unmarked) lines and no checkpoint, which the recorder writes every 4096"
                )
            }
            isFirstOfFile = false
        } catch {
            report.findings.append("\(file), line \(lineNumber): \(error.reason)")
        }
    }

    /// The file ends; `torn`: bytes behind its last whole line. `last`: the number that its name promises, if it was closed.
    public mutating func end(torn: Int, promised last: UInt64?) {
        guard !isBroken else { return }
        if torn > 0 {
            report.findings.append("\(file), line \(lineNumber + 1): it is not whole (\(torn) bytes without an end)")
        }
        if let last, report.last != last {
            report.findings.append("\(file): it ends at number \(report.last), and was closed at \(last)")
        } else if last != nil, knowsKeys, lastCheckpoint != report.last {
            report.findings.append(
                "\(file): it does not end with a checkpoint, as the recorder ends every file that it closes")
        }
    }

    private mutating func follow(_ line: LogLine) throws(LogFault) {
        guard report.lines > 0 else {
            report.first = line.sequence
            if line.previous != LogChain.none {
                guard line.sequence > 1 else { throw LogFault("it is the first and names one before") }
                gaps.append(Gap(from: 1, to: line.sequence - 1, head: line.previous, place: "before \(file)"))
            } else if line.sequence > 1 {
                try restart(line)
            }
            return
        }
        if line.previous == LogChain.none, line.sequence > report.last { return try restart(line) }
        if line.sequence == report.last + 1 {
            guard line.previous == head else {
                throw LogFault(
                    "number \(line.sequence) does not name number \(report.last) as it stands here: one of the two was changed, first bad"
                        + " line \(max(1, lineNumber - 1))")
            }
            return
        }
        guard isFirstOfFile, line.sequence > report.last else {
            throw LogFault(
                "its number is \(line.sequence), and \(report.last + 1) was to follow: lines were removed, added or moved"
            )
        }
        gaps.append(
            Gap(from: report.last + 1, to: line.sequence - 1, head: line.previous, place: "before \(file), line 1"))
    }

    /// A chain may begin anew only where the recorder says so, under its key.
    private mutating func restart(_ line: LogLine) throws(LogFault) {
        guard line.kind == "recovery", line.signature != nil else {
            throw LogFault("it names no line before, and is not the recorder's word for that")
        }
        report.unproven.append(
            "\(file), line \(lineNumber): the recorder began the chain anew at number \(line.sequence); its record says why"
        )
    }

    private mutating func check(_ line: LogLine, _ span: Span<UInt8>) throws(LogFault) {
        if let code {
            guard let tag = line.code else { throw LogFault("it has no sig") }
            guard let own = try? code.code(of: span.extracting(0..<tag.of)), own.matches(tag.bytes) else {
                throw LogFault("its sig does not fit: it was changed, or signed with another key")
            }
        } else if line.code != nil {
            hasUncheckedCodes = true
        }
        guard let signature = line.signature else {
            guard !["checkpoint", "tombstone"].contains(line.kind) else {
                throw LogFault("it is a \(line.kind) and not signed")
            }
            return
        }
        if keys.isEmpty {
            guard let text = detail("key", span), let bytes = Hexadecimal.bytes(text), bytes.count == 32,
                let key = try? VerificationKey(library, publicKey: bytes.span)
            else { return }
            keys.append((text, key))
        }
        var isGood = false
        for (_, key) in keys where key.verifies(signature.bytes.span, of: span.extracting(0..<signature.of)) {
            isGood = true
        }
        guard isGood else { throw LogFault("its signature is not that of the installation's key") }
        if line.kind == "checkpoint" { lastCheckpoint = line.sequence }
        if line.kind == "tombstone", let first = detail("first", span).flatMap({ UInt64($0) }),
            let last = detail("last", span).flatMap({ UInt64($0) }), let head = detail("head", span)
        {
            if first > 0, first <= last { removals.append(Removal(from: first, to: last, head: Array(head.utf8))) }
        }
    }

    /// A member of the record's `detail`, as text.
    private func detail(_ name: String, _ span: Span<UInt8>) -> String? {
        guard let detail = tape.member("detail", of: .root, in: span),
            let member = tape.member(named: name, of: detail, in: span)
        else { return nil }
        return tape.string(member, in: span) ?? tape.integer(member, in: span).map { String($0) }
    }

    /// All files were read.
    /// - Parameters:
    ///   - saved: the line in the state file beside the log that is written at present, if there is one.
    ///   - isComplete: there are no other files of the log: what is missing at its beginning was removed.
    public mutating func finish(saved: [UInt8]?, statePath: String?, isComplete: Bool = false) -> Report {
        guard !isBroken else { return report }
        for gap in gaps { close(gap, isComplete: isComplete) }
        if let last = known.keys.max(), last > report.last {
            report.findings.append(
                "\(file): it ends at number \(report.last), and the daemon's log knows number \(last): the end was cut off"
            )
        }
        for number in known.keys.sorted() where number < report.first {
            report.unproven.append("that number \(number) is as the daemon's log has it: its file was not given")
        }
        if let statePath {
            if let saved, saved.last == 0x0a {
                compare(saved.span.extracting(0..<saved.count - 1), statePath)
            } else {
                report.unproven.append("that no line is missing at the end: there is no \(statePath)")
            }
        } else if report.lines > 0 {
            report.unproven.append(
                "what follows number \(report.last): the file that is written at present was not given")
        }
        if hasUncheckedCodes { report.unproven.append("the lines' sig: give the key with --signing-key-file") }
        if !keys.isEmpty, !knowsKeys {
            report.unproven.append(
                "that the checkpoints are this installation's: name its key with --public-key (they name \(keys[0].text))"
            )
        }
        if report.last > lastCheckpoint {
            report.unproven.append(
                "that nothing was removed behind number \(report.last): the last checkpoint is "
                    + (lastCheckpoint == 0 ? "none" : "number \(lastCheckpoint)"))
        }
        return report
    }

    /// Whether tombstones say where the missing lines are.
    private mutating func close(_ gap: Gap, isComplete: Bool) {
        // From the end: the oldest tombstones went with the files that they stood in.
        var last = gap.to
        if let removal = removals.first(where: { $0.to == gap.to && $0.head == gap.head }) { last = removal.from - 1 }
        let isEndKnown = last != gap.to
        while isEndKnown, last >= gap.from, let removal = removals.first(where: { $0.to == last && $0.from <= last }) {
            last = removal.from - 1
        }
        if isEndKnown, last < gap.from { return }
        guard gap.from == 1, report.first == gap.to + 1, isEndKnown || !isComplete else {
            report.findings.append(
                "\(gap.place): numbers \(gap.from) to \(gap.to) are missing: a file was removed, or not given")
            return
        }
        // Before the first line that was given there may be files that were not.
        report.unproven.append(
            isEndKnown
                ? "who removed numbers 1 to \(last): what the recorder said of that would have gone with a file removed since"
                : "what stood before number \(report.first): its file was not given")
    }

    private mutating func compare(_ span: Span<UInt8>, _ path: String) {
        guard let line = try? LogLine(span, &tape, parser), let signature = line.signature else {
            report.findings.append("\(path): it is no checkpoint")
            return
        }
        if !keys.isEmpty {
            var isGood = false
            for (_, key) in keys where key.verifies(signature.bytes.span, of: span.extracting(0..<signature.of)) {
                isGood = true
            }
            guard isGood else {
                report.findings.append("\(path): its signature is not that of the installation's key")
                return
            }
        }
        var hash: [UInt8] = []
        if let digest = try? digests.digest(of: span) { digest.appendHex(to: &hash) }
        if line.sequence > report.last {
            report.findings.append(
                "\(file): it ends at number \(report.last), and its last checkpoint was number \(line.sequence): the end was cut off"
            )
        } else if line.sequence >= report.first, hashes[line.sequence] != hash {
            report.findings.append("\(path): number \(line.sequence) is not the checkpoint that was written")
        }
    }
}

extension Digest {
    /// Whether these are the bytes.
    func matches(_ other: [UInt8]) -> Bool { equalInConstantTime(bytes.span, other.span) }
}
