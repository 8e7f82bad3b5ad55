import ArgumentParser
import CKernel
import Glibc
import Processes
import Roles
import Sandbox
import StrictJSON

/// `mcpgw sandbox`: confines one throw-away process per role and prints what this host enforced.
struct SandboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Print what confines each role, and what of it this host enforces.",
        discussion: """
            Starts one short-lived process per role, confines it exactly as a worker, and prints the table. Run it as the \
            user the daemon runs as. Exit status: 0 if everything promised is enforced, 1 if something is missing.
            """)

    @Flag(help: "Print the counts and what is missing as JSON.")
    var json = false

    func run() throws {
        var reports: [Role: ConfinementReport] = [:]
        for role in Role.allCases where role != .supervisor {
            guard let report = SandboxProbe.start(role) else {
                fail("cannot confine a process as \(role.name); see the message above")
            }
            reports[role] = report
        }
        let missing = reports.values.contains { !$0.missing.isEmpty }
        print(json ? describeJSON(reports) : Sandbox.describe(reports), terminator: json ? "\n" : "")
        if missing { throw ExitCode(1) }
    }

    private func describeJSON(_ reports: [Role: ConfinementReport]) -> String {
        let roles = Role.allCases.compactMap { reports[$0] }.map { report in
            let missing = report.missing.map { item in
                var text: [UInt8] = []
                JSONText.appendString("\(item.facility.name): \(item.why)", to: &text)
                return String(decoding: text, as: UTF8.self)
            }
            return "{\"role\":\"\(report.role.name)\",\"enforced\":\(report.enforced),\"promised\":\(report.promised),"
                + "\"landlock_abi\":\(report.landlockABI),\"missing\":[\(missing.joined(separator: ","))]}"
        }
        return "{\"roles\":[\(roles.joined(separator: ","))]}"
    }
}

/// A process that confines itself as a role, reports on its standard output, and ends.
enum SandboxProbe {
    static let argument = "sandbox-probe"

    /// Starts the process and reads its report; nil if it could not be confined (it has said why on stderr).
    static func start(_ role: Role) -> ConfinementReport? {
        let null = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        var ends: [Int32] = [-1, -1]
        guard case .success(let image) = ProcessImage.own(), null >= 0, unsafe ck_pipe(&ends) == 0 else { return nil }
        defer { for descriptor in [null, ends[0]] { close(descriptor) } }
        let started = image.start(
            arguments: ["mcpgw", argument, role.name], environment: ["SWIFT_BACKTRACE=enable=no"],
            descriptors: [null, ends[1], 2], deathSignal: SIGKILL)
        close(ends[1])
        guard case .success(let pid) = started else { return nil }
        var report: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = unsafe read(ends[0], &chunk, chunk.count), count > 0 { report += chunk[..<count] }
        var status: Int32 = 0
        _ = unsafe waitpid(pid, &status, 0)
        return ConfinementReport(decoding: report, from: role)
    }

    /// The child's side.
    static func run(_ name: String) -> Never {
        guard let role = Role(name: name), role != .supervisor else { exit(2) }
        do throws(SandboxError) {
            let report = try Sandbox.of(role).confine(ConfinementOptions(expectedParent: getppid())).encode()
            _ = unsafe write(1, report, report.count)
            exit(0)
        } catch {
            fail("\(name): \(error)")
        }
    }
}
