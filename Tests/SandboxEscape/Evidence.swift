import CSandboxEscape
import Glibc
import Roles
import Sandbox

// What the kernel says about a confined process, seen from outside, and how it ends. The report of `confine` is the worker's own word;
// this checks it.

/// Counts of checks and failures, printed at the end.
struct Tally {
    var checks = 0
    var failures: [String] = []

    mutating func check(_ truth: Bool, _ text: @autoclosure () -> String) {
        checks += 1
        if !truth { failures.append(text()) }
    }
}

/// Confines a child, looks at it from outside, and lets it end.
func inspect(_ confining: Confining, _ tally: inout Tally) -> ConfinementReport? {
    let role = confining.role
    let parent = getpid()
    let outward = makePipe()
    let inward = makePipe()
    fflush(nil)
    let child = escape_fork()
    if child == 0 {
        close(inward.write)
        let bytes = confining.apply(parent: parent).encode()
        _ = unsafe bytes.withUnsafeBytes { unsafe write(outward.write, $0.baseAddress, $0.count) }
        var byte: UInt8 = 0
        _ = unsafe read(inward.read, &byte, 1)
        _exit(0)
    }
    close(outward.write)
    close(inward.read)
    var bytes = [UInt8](repeating: 0, count: 256)
    let length = unsafe read(outward.read, &bytes, bytes.count)
    defer {
        close(inward.write)
        close(outward.read)
        _ = escape_wait(child)
    }
    guard length > 0, let report = ConfinementReport(decoding: Array(bytes[..<length]), from: role) else {
        tally.check(false, "\(role.name): no report, or not a valid one")
        return nil
    }

    let status = statusFields(child)
    tally.check(status["Threads"] == "1", "\(role.name): threads \(status["Threads"] ?? "?")")
    tally.check(status["NoNewPrivs"] == "1", "\(role.name): may gain privileges")
    tally.check(status["Seccomp"] == "2", "\(role.name): no seccomp filter")
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        tally.check(
            status[set].map { $0.allSatisfy { $0 == "0" } } ?? false, "\(role.name): \(set) \(status[set] ?? "?")")
    }
    var environment = stat()
    if geteuid() != 0 {
        unsafe tally.check(
            stat("/proc/\(child)/environ", &environment) == 0 && environment.st_uid == 0, "\(role.name): dumpable")
        // contrib/check runs this program as root too, which sees them; alone it says what it leaves out.
        let word = unsafe getenv("ESCAPE_ALSO_AS_ROOT") == nil ? "SKIPPED 1" : "left to the run as root"
        print("\(word) (\(role.name)): only root can look into the namespaces of a process that is not dumpable")
        return report
    }
    // Only root, with its capabilities, may look into the namespaces of a process that is not dumpable.
    guard !linkText("/proc/\(child)/ns/user").isEmpty else {
        print("SKIPPED 1 (\(role.name)): namespaces of a confined process cannot be read without CAP_SYS_PTRACE")
        return report
    }
    tally.check(
        status["CapBnd"].map { $0.allSatisfy { $0 == "0" } } ?? false, "\(role.name): CapBnd \(status["CapBnd"] ?? "?")"
    )
    let names: [(Facility, String)] = [
        (.userNamespace, "user"), (.mountNamespace, "mnt"), (.networkNamespace, "net"), (.ipcNamespace, "ipc"),
        (.utsNamespace, "uts"),
    ]
    for (facility, name) in names {
        let own = linkText("/proc/\(child)/ns/\(name)") != linkText("/proc/self/ns/\(name)")
        tally.check(
            own == (report[facility] == .enforced), "\(role.name): report and kernel differ on \(facility.name)")
    }
    if report[.emptyRoot] == .enforced {
        tally.check(entries("/proc/\(child)/root/") == 0, "\(role.name): the root directory is not empty")
        var system = statvfs()
        let readOnly = unsafe statvfs("/proc/\(child)/root/", &system) == 0 && system.f_flag & UInt(ST_RDONLY) != 0
        tally.check(readOnly, "\(role.name): the root is writable")
    }
    return report
}

/// A worker is killed when its supervisor ends; the recorder goes on.
func checkDeath(_ confining: Confining, _ tally: inout Tally) {
    let role = confining.role
    let ready = makePipe()
    let alive = makePipe()
    let hold = makePipe()
    fflush(nil)
    let supervisor = escape_fork()
    if supervisor == 0 {
        let me = getpid()
        if escape_fork() == 0 {
            close(alive.read)
            close(hold.write)
            _ = confining.apply(parent: me)
            escape_tell(ready.write, 1)
            var byte: UInt8 = 0
            _ = unsafe read(hold.read, &byte, 1)
            escape_tell(alive.write, 2)
            _exit(0)
        }
        close(ready.write)
        close(alive.write)
        _exit(escape_hear(ready.read) == 1 ? 0 : 1)
    }
    close(ready.write)
    close(alive.write)
    close(hold.read)
    tally.check(escape_wait(supervisor) == 0, "\(role.name): the worker of the death test did not start")
    // A worker that is to die must be gone before it is released.
    if Sandbox.of(role).diesWithSupervisor {
        tally.check(escape_ends_within(alive.read, 5000) == 1, "\(role.name): outlived its supervisor")
        close(hold.write)
    } else {
        close(hold.write)
        tally.check(escape_hear(alive.read) == 2, "\(role.name): died with its supervisor")
    }
    close(alive.read)
    close(ready.read)
}

/// `confine` refuses a process with two threads, one whose parent is another, and, when strict, a kernel without Landlock.
func checkRefusals(_ role: Role, _ found: ConfinementReport?, _ tally: inout Tally) {
    func error(_ options: @escaping (Int32) -> ConfinementOptions, before: @escaping () -> Void = {}) -> Outcome {
        trial(prelude: { _ in before() }) {
            do throws(SandboxError) {
                _ = try Sandbox.of(role).confine(options(getppid()))
                return 0
            } catch .notSingleThreaded(let threads) {
                return 100 + Int32(threads)
            } catch .parentIsGone {
                return 200
            } catch .incomplete(let report) {
                return 300 + Int32(report.missingRequired.count)
            } catch {
                return 400
            }
        }
    }
    let threaded = error({ ConfinementOptions(expectedParent: $0) }, before: { _ = escape_start_thread() })
    tally.check(threaded == .said(102), "\(role.name): two threads: \(threaded)")
    let orphaned = error { _ in ConfinementOptions(expectedParent: 1) }
    let expected: Outcome = Sandbox.of(role).diesWithSupervisor ? .said(200) : .said(0)
    tally.check(orphaned == expected, "\(role.name): another parent: \(orphaned)")
    let strict = error {
        var options = ConfinementOptions(expectedParent: $0)
        options.strict = true
        options.landlockABI = 0
        return options
    }
    var missing = Set(found?.missingRequired ?? [])
    if Sandbox.of(role).promise(.landlockFiles) == .required { missing.insert(.landlockFiles) }
    let refused: Outcome = .said(missing.isEmpty ? 0 : 300 + Int32(missing.count))
    tally.check(strict == refused, "\(role.name): strict without Landlock: \(strict)")
}

/// Where RLIMIT_NPROC bounds the helper threads, one more than the role's is refused.
func checkThreads(_ confining: Confining, helpers: Int, _ tally: inout Tally) {
    let started = trial(prelude: { _ = confining.apply(parent: $0) }) {
        var count: Int32 = 0
        while count < 16, escape_start_thread() == 0 { count += 1 }
        return count
    }
    tally.check(started == .said(Int32(helpers)), "\(confining.role.name): threads started: \(started)")
}

private func statusFields(_ process: Int32) -> [String: String] {
    let file = unsafe open("/proc/\(process)/status", O_RDONLY)
    guard file >= 0 else { return [:] }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let length = unsafe read(file, &bytes, bytes.count)
    var fields: [String: String] = [:]
    for line in String(decoding: bytes[..<max(0, length)], as: UTF8.self).split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { continue }
        fields[String(parts[0])] = String(parts[1].drop { $0 == "\t" || $0 == " " })
    }
    return fields
}

private func linkText(_ path: String) -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    let length = unsafe readlink(path, &bytes, bytes.count)
    return String(decoding: bytes[..<max(0, length)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func entries(_ path: String) -> Int {
    guard let directory = unsafe opendir(path) else { return -1 }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    return count - 2
}
