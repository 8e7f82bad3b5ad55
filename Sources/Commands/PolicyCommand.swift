import ArgumentParser
import Glibc
import NormalForms
import Policy
import PolicyTools
import YAML

/// `mcpgw policy`: what can be known of a policy before it serves.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Check, test, explain and compare policies.",
        discussion: "Exit status of all: 0 if nothing is wrong, 1 for a finding, 2 if the command cannot do its work.",
        subcommands: [
            PolicyValidateCommand.self, PolicyTestCommand.self, PolicyExplainCommand.self, PolicyDiffCommand.self,
            PolicyReplayCommand.self,
        ])
}

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// What the policy commands have in common.
enum PolicyFiles {
    /// The host's Unicode library; without it nothing can be decided.
    static func library() -> UnicodeLibrary {
        do throws(UnicodeLibrary.Unavailable) {
            return try UnicodeLibrary.load()
        } catch {
            fail("\(error)")
        }
    }

    /// The bytes of a file of at most `maximum` bytes; a longer one is read one byte further.
    static func bytes(_ path: String, maximum: Int = YAMLParser.maximumBytes) -> [UInt8] {
        let descriptor = path == "-" ? dup(0) : unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { fail("cannot read \(path): \(unsafe String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 256 * 1024)
        while bytes.count <= maximum {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { fail("cannot read \(path): \(unsafe String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// A policy without mistakes; else they are printed to stderr and the program ends.
    static func policy(_ path: String, _ library: UnicodeLibrary) -> PolicyModel {
        let reading = PolicyModel.read(bytes(path), library)
        guard let policy = reading.policy else { refuse(path, reading.errors) }
        return policy
    }

    /// A runner of a policy that was read.
    static func runner(_ policy: PolicyModel, _ library: UnicodeLibrary) -> PolicyRunner {
        do throws(PolicyError) {
            return try PolicyRunner(policy, library)
        } catch {
            fail("\(error)")
        }
    }

    /// Ends the program with mistakes of a file.
    static func refuse(_ path: String, _ mistakes: [YAMLError]) -> Never {
        for mistake in mistakes.sorted(by: { $0.position < $1.position }) {
            standardError(mistake.description(file: path))
        }
        exit(2)
    }

    /// Prints a line to stderr.
    static func standardError(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe write(2, bytes, bytes.count)
    }

    /// What a verdict does, for people.
    static func words(passes: Bool, isAudit: Bool = false) -> String {
        passes ? isAudit ? "allow (deny, in audit mode)" : "allow" : "deny"
    }

    /// A caller in words.
    static func caller(_ call: PolicyCall) -> String {
        var words = [call.subject.map { "subject \(quoted($0))" } ?? "anonymous"]
        if !call.roles.isEmpty { words.append("roles \(call.roles.map { quoted($0) }.joined(separator: ", "))") }
        if let tenant = call.tenant { words.append("tenant \(quoted(tenant))") }
        for label in call.labels { words.append("label \(quoted(label.name))=\(quoted(label.value))") }
        if call.route != "default" { words.append("route \(quoted(call.route))") }
        return words.joined(separator: ", ")
    }

    /// A message in at most 200 visible characters.
    static func shown(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(200) {
            if scalar.value >= 0x20, scalar.value < 0x7F || scalar.properties.isAlphabetic {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return text.unicodeScalars.count > 200 ? result + "..." : result
    }

    /// A caller's message without the envelope that is always the same.
    static func message(_ call: PolicyCall) -> String {
        shown(String(decoding: call.message, as: UTF8.self))
    }
}

/// JSON for `--format json`, member by member.
struct JSONLine {
    private var text = "{"

    mutating func set(_ name: String, json: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\(PolicyCall.json(name)):\(json)"
    }

    mutating func set(_ name: String, _ value: String?) { set(name, json: value.map { PolicyCall.json($0) } ?? "null") }
    mutating func set(_ name: String, _ value: Int) { set(name, json: "\(value)") }
    mutating func set(_ name: String, _ value: Bool) { set(name, json: "\(value)") }
    mutating func set(_ name: String, list: [String]) { set(name, json: "[\(list.joined(separator: ","))]") }

    var json: String { text + "}" }
}

/// `mcpgw policy validate`.
struct PolicyValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Find all mistakes of a policy file.",
        discussion: """
            Prints FILE:LINE:COLUMN, what is wrong and what to do. A rule that nothing reaches is a warning. Exit status: 0 if \
            the policy can serve, 2 if it cannot; with --strict also for warnings.
            """)

    @Argument(help: "The policy; - for standard input.")
    var file: String

    @Flag(help: "Take warnings for errors.")
    var strict = false

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() throws {
        let reading = PolicyModel.read(PolicyFiles.bytes(file), PolicyFiles.library())
        let isValid = reading.policy != nil && !(strict && !reading.warnings.isEmpty)
        if format == .json {
            var line = JSONLine()
            line.set("file", file)
            line.set("valid", isValid)
            line.set("rules", reading.policy?.rules.count ?? 0)
            line.set("errors", list: reading.errors.map { mistake($0) })
            line.set("warnings", list: reading.warnings.map { mistake($0) })
            print(line.json)
        } else {
            for error in reading.errors { print("error: \(error.description(file: file))") }
            for warning in reading.warnings {
                print("\(strict ? "error" : "warning"): \(warning.description(file: file))")
            }
            if isValid, let policy = reading.policy {
                print(
                    "\(file): valid, \(policy.rules.count) rules, \(policy.responsePatterns.count) response patterns, "
                        + "mode \(policy.mode.rawValue)")
            }
        }
        if !isValid { throw ExitCode(2) }
    }

    private func mistake(_ error: YAMLError) -> String {
        var line = JSONLine()
        line.set("line", error.position.line)
        line.set("column", error.position.column)
        line.set("message", error.message)
        return line.json
    }
}
