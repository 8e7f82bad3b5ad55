import ArgumentParser
import Glibc
import Policy
import PolicyTools

/// `mcpgw policy replay`.
struct PolicyReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Decide about recorded calls by another policy.",
        discussion: """
            Reads audit logs (JSON Lines) and shows which calls the policy would newly block or newly allow, and which records \
            lack what decides because they were cut or redacted. A record has a tool's name as the server knows it. Exit \
            status: 0 if nothing would change, 1 if something would, 2 if a file cannot be read.
            """)

    @Argument(help: "Audit logs; - for standard input.")
    var logs: [String]

    @Option(help: "The policy.")
    var policy: String

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() throws {
        let library = PolicyFiles.library()
        let model = PolicyFiles.policy(policy, library)
        var replay: PolicyReplay
        do throws(PolicyError) {
            replay = try PolicyReplay(model, library)
        } catch {
            fail("\(error)")
        }
        var unreadable = 0
        for log in logs {
            guard let lines = LineReader(log) else {
                fail("cannot read \(log): \(unsafe String(cString: strerror(errno)))")
            }
            var number = 0
            while let line = lines.next() {
                number += 1
                if line.isEmpty { continue }
                if let problem = replay.take(line, place: "\(log):\(number)") {
                    unreadable += 1
                    if unreadable <= 10 { PolicyFiles.standardError("\(log):\(number): \(problem); passed over") }
                }
            }
            if lines.failed { fail("cannot read \(log) to its end") }
        }
        report(replay, unreadable)
        if unreadable > 0, replay.calls == 0, replay.others == 0 { fail("no line is a record") }
        if replay.count(.newlyBlocked) + replay.count(.newlyAllowed) + replay.count(.undecidable) > 0 {
            throw ExitCode(1)
        }
    }

    private func report(_ replay: borrowing PolicyReplay, _ unreadable: Int) {
        let kinds: [(outcome: PolicyReplay.Outcome, name: String, words: String)] = [
            (.newlyBlocked, "newly_blocked", "newly blocked"), (.newlyAllowed, "newly_allowed", "newly allowed"),
            (.undecidable, "undecidable", "undecidable"), (.otherReason, "other_reason", "blocked by something else"),
        ]
        let groups = replay.groups
        if format == .json {
            var line = JSONLine()
            line.set("calls", replay.calls)
            line.set("same", replay.same)
            for kind in kinds { line.set(kind.name, replay.count(kind.outcome)) }
            line.set("unreadable_lines", unreadable)
            line.set(
                "groups",
                list: groups.map { group in
                    var line = JSONLine()
                    line.set("outcome", kinds.first { $0.outcome == group.outcome }?.name)
                    line.set("rule", group.cause)
                    line.set("count", group.count)
                    line.set(
                        "examples",
                        list: group.examples.map { example in
                            var line = JSONLine()
                            line.set("place", example.place)
                            line.set("call", PolicyFiles.shown(example.call))
                            return line.json
                        })
                    return line.json
                })
            print(line.json)
            return
        }
        for kind in kinds {
            for group in groups where group.outcome == kind.outcome {
                print("\(kind.words) by \(group.cause): \(group.count)")
                for example in group.examples { print("    \(example.place): \(PolicyFiles.shown(example.call))") }
            }
        }
        let counts = kinds.map { "\(replay.count($0.outcome)) \($0.words)" }.joined(separator: ", ")
        print("\(replay.calls) calls: \(replay.same) as before, \(counts)")
        if unreadable > 0 { print("\(unreadable) lines are no records") }
    }
}

/// Reads a file line by line, however large it is.
final class LineReader {
    /// A longer line is no record, and is handed out in pieces.
    private static let longest = 16 * 1024 * 1024
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// Whether reading ended with an error.
    private(set) var failed = false

    init?(_ path: String) {
        descriptor = path == "-" ? dup(0) : unsafe open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit {
        // Closing what was never opened would hide why.
        if descriptor >= 0 { close(descriptor) }
    }

    /// The next line without its end; nil at the end of the file.
    func next() -> [UInt8]? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { start = end + 1 }
                return Array(buffer[start..<end])
            }
            searched = buffer.count
            if isAtEnd || buffer.count - start > LineReader.longest {
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return Array(buffer[start...])
            }
            searched -= start
            buffer.removeFirst(start)
            start = 0
            fill()
        }
    }

    private func fill() {
        var chunk = [UInt8](repeating: 0, count: 256 * 1024)
        let count = unsafe read(descriptor, &chunk, chunk.count)
        if count > 0 {
            buffer += chunk[..<count]
        } else if count == 0 || errno != EINTR {
            failed = count < 0
            isAtEnd = true
        }
    }
}
