import ArgumentParser
import AuditLog
import Configuration
import Crypto
import Glibc
import Records
import StrictJSON

/// `mcpgw audit`: reads audit logs.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Verify, export or follow an audit log.",
        subcommands: [AuditVerifyCommand.self, AuditExportCommand.self, AuditTailCommand.self, AuditKeyCommand.self])

    /// The log of a daemon of this user, if no other is named.
    static func ownLog() -> String {
        let directories = DefaultDirectories.own
        let state = directories.state(named: Environment.value("MCPGW_STATE_DIR"))
        guard
            let path = Environment.value("MCPGW_AUDIT_LOG")
                ?? directories.auditLog(state: state.isNamed ? state.path : nil)
        else { fail("no log is named, and there is no usual place for one; name a file") }
        return path
    }

    static func write(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(1, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
            }
            if count < 0, errno == EINTR { continue }
            // Whoever reads has gone: there is nobody to tell.
            guard count > 0 else { Glibc.exit(errno == EPIPE ? 0 : 2) }
            done += count
        }
    }
}

/// `mcpgw audit verify`.
struct AuditVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that an audit log is whole: no line changed, removed, added or moved.",
        discussion: """
            Give all files of a log, in any order: audit.jsonl and those that were closed (audit.jsonl.TIME.NUMBER). The last \
            checkpoint is taken from audit.jsonl.state beside the log. Exit status: 0 if the chain holds, 1 if something is \
            wrong (the first bad line is named), 2 if the log cannot be read.
            """)

    @Argument(help: "The log's files.")
    var files: [String]

    @Option(help: ArgumentHelp("File with the key of the lines' sig (audit.signing_key).", valueName: "file"))
    var signingKeyFile: String?

    @Option(
        help: ArgumentHelp(
            "File with a public key of checkpoints, in hexadecimal digits; may be repeated (default: that of the state directory's audit.key).",
            valueName: "file"))
    var publicKey: [String] = []

    @Option(
        help: ArgumentHelp(
            "A line's number and hash as the daemon's log has them (\"audit log: line NUMBER, HASH\"); may be repeated.",
            valueName: "number:hash"))
    var head: [String] = []

    func run() throws {
        let report = verify()
        for finding in report.findings { print("FOUND \(finding)") }
        for text in report.unproven { print("not proven: \(text)") }
        if report.findings.isEmpty {
            print(
                report.lines == 0
                    ? "ok: no line" : "ok: \(report.lines) lines, numbers \(report.first) to \(report.last)")
        }
        throw ExitCode(report.findings.isEmpty ? 0 : 1)
    }

    private func verify() -> LogVerifier.Report {
        do {
            let library = try CryptoLibrary.load()
            var verifier = try LogVerifier(
                library, signingKey: try signingKey(), publicKeys: try publicKeys(), known: try heads())
            let current = files.last { LogFiles.promised($0) == nil }
            // Before the files: what is written meanwhile must not look as if it were missing. Of a log whose newest file is gone altogether, the state file still tells.
            let state = LogFiles.log(of: current ?? files.first ?? "")
            let isGone = unsafe current == nil && access(state, F_OK) != 0
            var saved: [UInt8]?
            if current != nil || isGone, let reader = try? LogReader(state + ".state") {
                saved = try reader.next().map { $0 + [0x0a] }
            }
            var numbered: [(first: UInt64, path: String)] = []
            var tape = JSONTape()
            for path in files {
                let reader = try LogReader(path)
                guard let line = try reader.next() else {
                    numbered.append((.max, path))
                    continue
                }
                let first = try? LogLine(line.span, &tape, JSONParser(surrogates: .replace))
                numbered.append((first?.sequence ?? 0, path))
            }
            for (_, path) in numbered.sorted(by: { ($0.first, $0.path) < ($1.first, $1.path) }) {
                let reader = try LogReader(path)
                verifier.begin(file: path)
                while let line = try reader.next() { verifier.take(line: line.span) }
                let promised = LogFiles.promised(path)
                verifier.end(torn: reader.torn, promised: promised)
            }
            let path = current != nil || saved != nil ? state + ".state" : nil
            let given = Set(files.map { LogFiles.name($0) })
            let others = LogFiles.closed(of: state)?.contains { !given.contains(LogFiles.name($0.path)) } ?? true
            let isComplete = saved != nil && !others
            return verifier.finish(saved: saved, statePath: path, isComplete: isComplete)
        } catch let error as LogReader.Failure {
            fail(error.text)
        } catch let error as CryptoError {
            fail("cannot verify: \(error)")
        } catch {
            fail("\(error)")
        }
    }

    private func heads() throws -> [UInt64: String] {
        var heads: [UInt64: String] = [:]
        for text in head {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let number = UInt64(parts[0]), number > 0, parts[1].utf8.count == 64,
                Hexadecimal.bytes(String(parts[1])) != nil, heads[number] ?? String(parts[1]) == parts[1]
            else {
                throw LogReader.Failure(
                    text:
                        "--head \(text) is no line: its number, a colon and 64 hexadecimal digits in lower case, each number once"
                )
            }
            heads[number] = String(parts[1])
        }
        return heads
    }

    private func signingKey() throws -> [UInt8]? {
        guard let path = signingKeyFile else { return nil }
        let key = try contents(path)
        guard !key.isEmpty else { throw LogReader.Failure(text: "\(path) holds no key") }
        return key
    }

    private func publicKeys() throws -> [String] {
        if publicKey.isEmpty {
            let state = DefaultDirectories.own.state(named: Environment.value("MCPGW_STATE_DIR"))
            return state.path.flatMap { AuditKeyCommand.publicKey(in: $0) }.map { [$0] } ?? []
        }
        return try publicKey.map { path in
            let text = String(decoding: try contents(path), as: UTF8.self)
            guard text.utf8.count == 64, Hexadecimal.bytes(text) != nil else {
                throw LogReader.Failure(text: "\(path) is no public key: 64 hexadecimal digits, lower case")
            }
            return text
        }
    }

    /// A small file without the line end that an editor leaves.
    private func contents(_ path: String) throws -> [UInt8] {
        let reader = try LogReader(path)
        if let line = try reader.next() { return line }
        return reader.rest
    }
}

/// `mcpgw audit export`.
struct AuditExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Print records as CSV or as JSON Lines.",
        discussion:
            "Texts may hold * for any run of characters and ? for any one. Exit status: 0, or 2 if a file cannot be read."
    )

    @Argument(help: "The log's files, the oldest first (default: the log of a daemon of this user).")
    var files: [String] = []

    @Option(help: "csv or jsonl.")
    var format = "jsonl"
    @Option(
        help: ArgumentHelp("The earliest time, such as 2026-11-23 or 2026-11-23T08:00:00Z (UTC).", valueName: "time"))
    var since = ""
    @Option(help: ArgumentHelp("The time before which records are wanted.", valueName: "time"))
    var until = ""
    @Option(help: "What was done: allow, block, redact, audit.")
    var action: String?
    @Option(help: "The JSON-RPC method.")
    var method: String?
    @Option(help: "The tool.")
    var tool: String?
    @Option(help: "Who asked.")
    var subject: String?
    @Option(help: "The server.")
    var upstream: String?
    @Option(help: "The route.")
    var route: String?
    @Option(help: "The kind of record.")
    var kind: String?
    @Option(help: ArgumentHelp("A label; may be repeated.", valueName: "name=value"))
    var label: [String] = []

    func run() throws {
        guard ["csv", "jsonl"].contains(format) else { fail("--format '\(format)' is neither csv nor jsonl") }
        let filter = try makeFilter()
        var output: [UInt8] = format == "csv" ? RecordTable.head : []
        var tape = JSONTape()
        let parser = JSONParser(surrogates: .replace)
        for path in files.isEmpty ? [AuditCommand.ownLog()] : files {
            do throws(LogReader.Failure) {
                let reader = try LogReader(path)
                var number = 0
                while let line = try reader.next() {
                    number += 1
                    guard (try? parser.parse(line.span, into: &tape)) != nil, tape.kind(.root) == .object else {
                        throw LogReader.Failure(
                            text: "\(path), line \(number): it is no record; see mcpgw audit verify")
                    }
                    guard filter.accepts(line.span, tape) else { continue }
                    if format == "csv" {
                        RecordTable.append(line.span, tape, to: &output)
                    } else {
                        VisibleText.append(line.span, to: &output)
                        output.append(0x0a)
                    }
                    if output.count > 1 << 16 {
                        AuditCommand.write(output)
                        output.removeAll(keepingCapacity: true)
                    }
                }
            } catch {
                AuditCommand.write(output)
                fail(error.text)
            }
        }
        AuditCommand.write(output)
    }

    private func makeFilter() throws -> RecordFilter {
        var filter = RecordFilter()
        for (option, text) in [("--since", since), ("--until", until)] where !text.isEmpty {
            guard text.utf8.count >= 4, text.utf8.allSatisfy({ $0 < 0x80 }), text.prefix(4).allSatisfy(\.isNumber)
            else {
                fail("\(option) '\(text)' is no time; write it as 2026-11-23 or 2026-11-23T08:00:00Z")
            }
        }
        filter.since = since
        filter.until = until
        let texts = [
            ("action", action), ("method", method), ("tool_name", tool), ("subject", subject), ("upstream", upstream),
            ("route", route), ("kind", kind),
        ]
        filter.texts = texts.compactMap { name, pattern in pattern.map { (name, $0) } }
        for one in label {
            let parts = one.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else { fail("--label '\(one)' is not written name=value") }
            filter.labels.append((String(parts[0]), String(parts[1])))
        }
        return filter
    }
}

/// `mcpgw audit key`.
struct AuditKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Print the public key of this installation's checkpoints, for verify --public-key.",
        discussion: "Run it as the user of the daemon. Exit status: 0, or 2 if the key cannot be read.")

    @Option(help: ArgumentHelp("The daemon's state directory.", valueName: "directory"))
    var stateDir: String?

    func run() throws {
        let directory = DefaultDirectories.own.state(
            named: OptionValue(stateDir, "--state-dir", "MCPGW_STATE_DIR")?.text)
        guard let path = directory.path else {
            fail("no state directory is named, and there is no usual one; use --state-dir")
        }
        guard let key = AuditKeyCommand.publicKey(in: path) else {
            fail("cannot read a key from \(path)/audit.key: the daemon makes it at its first start, for its own user")
        }
        print(key)
    }

    /// The public half of the secret in a state directory; nil if it cannot be read.
    static func publicKey(in directory: String) -> String? {
        let file = unsafe open(directory + "/audit.key", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var secret = [UInt8](repeating: 0, count: SignatureKey.length)
        defer { wipe(&secret) }
        guard unsafe read(file, &secret, secret.count) == secret.count, let library = try? CryptoLibrary.load(),
            let key = try? SignatureKey(library, secret: secret.span)
        else { return nil }
        return Hexadecimal.text(key.publicKey)
    }
}
