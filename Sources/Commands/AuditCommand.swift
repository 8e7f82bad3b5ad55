import ArgumentParser
import AuditLog
import CKernel
import Configuration
import Crypto
import Glibc
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
            var verifier = try LogVerifier(library, signingKey: try signingKey(), publicKeys: try publicKeys())
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
            var current: String?
            for (_, path) in numbered.sorted(by: { ($0.first, $0.path) < ($1.first, $1.path) }) {
                let reader = try LogReader(path)
                verifier.begin(file: path)
                while let line = try reader.next() { verifier.take(line: line.span) }
                let promised = AuditVerifyCommand.promised(path)
                verifier.end(torn: reader.torn, promised: promised)
                if promised == nil { current = path }
            }
            // Of a log whose newest file is gone altogether, the state file still tells.
            let state = AuditVerifyCommand.log(of: current ?? numbered.first?.path ?? "")
            let isGone = unsafe current == nil && access(state, F_OK) != 0
            var saved: [UInt8]?
            if current != nil || isGone, let reader = try? LogReader(state + ".state") {
                saved = try reader.next().map { $0 + [0x0a] }
            }
            let path = current != nil || saved != nil ? state + ".state" : nil
            let isComplete = saved != nil && !AuditVerifyCommand.hasOthers(of: state, files)
            return verifier.finish(saved: saved, statePath: path, isComplete: isComplete)
        } catch let error as LogReader.Failure {
            fail(error.text)
        } catch let error as CryptoError {
            fail("cannot verify: \(error)")
        } catch {
            fail("\(error)")
        }
    }

    /// The number at which a closed file ends, from its name.
    private static func promised(_ path: String) -> UInt64? {
        let parts = path.split(separator: ".")
        guard parts.count >= 3, parts[parts.count - 2].hasSuffix("Z"), parts[parts.count - 2].utf8.count == 16 else {
            return nil
        }
        return UInt64(parts[parts.count - 1])
    }

    /// The path of the file that is written at present, from that of any file of the log.
    private static func log(of path: String) -> String {
        guard promised(path) != nil else { return path }
        return path.split(separator: ".", omittingEmptySubsequences: false).dropLast(2).joined(separator: ".")
    }

    /// Whether closed files of the log stand beside it that were not given.
    private static func hasOthers(of log: String, _ given: [String]) -> Bool {
        let cut = log.lastIndex(of: "/").map { log.index(after: $0) } ?? log.startIndex
        let name = String(log[cut...])
        let names = Set(given.map { String($0[($0.lastIndex(of: "/").map($0.index(after:)) ?? $0.startIndex)...]) })
        let directory = cut == log.startIndex ? "." : String(log[..<cut])
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        var bytes = [CChar](repeating: 0, count: 4 << 20)
        let count = unsafe ck_directory_names(descriptor, &bytes, bytes.count)
        guard count >= 0 else { return true }
        return bytes[..<count].split(separator: 0).contains { piece in
            let other = String(decoding: piece.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return other.hasPrefix(name + ".") && promised(other) != nil && !names.contains(other)
        }
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
                        output += line
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
                last.append(RecordTable.visible(line))
                if last.count > lines { last.removeFirst() }
            }
            AuditCommand.write(Array(last.map { $0 + [0x0a] }.joined()))
            while follow {
                while let line = try reader.next() { AuditCommand.write(RecordTable.visible(line) + [0x0a]) }
                if reader.isReplaced {
                    // What was written to the old file meanwhile comes first.
                    while let line = try reader.next() { AuditCommand.write(RecordTable.visible(line) + [0x0a]) }
                    reader = try LogReader(path)
                    continue
                }
                usleep(200_000)
            }
        } catch {
            fail(error.text)
        }
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
