// Takes each role's confinement, tries what it must refuse, and checks what it must still allow.
//
//     SandboxEscape [--landlock-abi N] [--only TEXT]
//
// `--only`: the actions and controls whose names begin with this text, for looking at one of them with strace.
//
// Run inside `unshare --mount --propagation private` when root. Prints one table, a row per action and a column per role:
// SIGSYS or the errno of the refusal; `job` where the action belongs to the role's work; `ABI n` where Landlock is too old to refuse;
// `ESCAPED` (and exit status 1) where it succeeded, or where the kernel looked at the arguments before it said no.
// The column `free` is the same attempt without confinement: `done` shows that the attempt works; an errno of privilege (EPERM, ...)
// that this user could not do it anyway. Last line: ESCAPE actions=N roles=M refused=X escaped=Y.

import CSandboxEscape
import Glibc
import Roles
import Sandbox

var landlockABI: Int?
var only = ""
var arguments = CommandLine.arguments.dropFirst()
while let option = arguments.popFirst() {
    switch (option, arguments.popFirst()) {
    case ("--landlock-abi", let value?): landlockABI = Int(value)
    case ("--only", let value?): only = value
    default: fail("usage: SandboxEscape [--landlock-abi N] [--only TEXT]")
    }
}

let roles = Role.allCases.filter { $0 != .supervisor }
var tally = Tally()
var reports: [Role: ConfinementReport] = [:]
for role in roles {
    let confining = Confining(role: role, landlockABI: landlockABI)
    reports[role] = inspect(confining, &tally)
    checkDeath(confining, &tally)
    if Sandbox.of(role).helperThreads > 0, reports[role]?[.helperThreads] == .enforced {
        checkThreads(confining, helpers: Sandbox.of(role).helperThreads, &tally)
    }
    checkRefusals(role, reports[role], &tally)
}
let abi = Int(reports.values.map(\.landlockABI).max() ?? 0)

func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
func row(_ first: String, _ cells: [String]) -> String {
    padded(first, 37) + cells.map { padded($0, 10) }.joined()
}

// --- Forbidden actions ---------------------------------------------------------------------------------------------------------------

let refusals: [Int32] = [EPERM, EACCES, ENOSYS]
var refused = 0
var escaped = 0
var works = 0
var group = ""
print(row("action", ["free"] + roles.map(\.name)))
for action in Action.all where action.name.hasPrefix(only) {
    if action.group != group {
        group = action.group
        print("-- \(group)")
    }
    let free = trial(prelude: { _ in escape_shield() }, attempt: { escape_try_action(action.index) })
    var cells: [String] = []
    switch free {
    case .said(0), .silent(0): cells.append("done")
    case .said(let result): cells.append(errnoText(-result))
    case .signal(let number): cells.append("signal \(number)")
    case .silent(let code): cells.append("exit \(code)")
    }
    if case .said(let result) = free, refusals.contains(-result) {} else { works += 1 }
    for role in roles {
        if action.isJob(of: role) {
            cells.append("job")
            continue
        }
        if role == .dialer, abi < action.dialerNeedsABI {
            cells.append("ABI \(action.dialerNeedsABI)")
            continue
        }
        let confining = Confining(role: role, landlockABI: landlockABI)
        let outcome = trial(prelude: { _ = confining.apply(parent: $0) }, attempt: { escape_try_action(action.index) })
        switch outcome {
        case .signal(SIGSYS):
            refused += 1
            cells.append("SIGSYS")
        case .said(let result) where refusals.contains(-result):
            refused += 1
            cells.append(errnoText(-result))
        default:
            escaped += 1
            cells.append("ESCAPED")
            tally.failures.append("\(role.name): \(action.name): \(outcome)")
        }
    }
    print(row(action.name, cells))
}

// --- What must still work ----------------------------------------------------------------------------------------------------------------

print("-- what must still work")
var controls = 0
for control in Control.all where control.name.hasPrefix(only) {
    var cells = [""]
    for role in roles {
        guard control.isNeeded(by: role) else {
            cells.append("-")
            continue
        }
        let confining = Confining(role: role, landlockABI: landlockABI)
        let outcome = trial(
            prelude: { _ = confining.apply(parent: $0) }, attempt: { escape_try_control(control.index) })
        let good = outcome == control.expected
        controls += 1
        cells.append(good ? "ok" : "FAILED")
        tally.check(good, "\(role.name): cannot \(control.name): \(outcome)")
    }
    print(row(control.name, cells))
}

print("")
print(Sandbox.summary(reports))
print("of \(Action.all.count) actions, \(works) reach the kernel's work without confinement as user \(geteuid())")
for failure in tally.failures { print("FAILED \(failure)") }
print("CONTROLS \(controls), checks from outside \(tally.checks), failures \(tally.failures.count)")
print("ESCAPE actions=\(Action.all.count) roles=\(roles.count) refused=\(refused) escaped=\(escaped)")
fflush(nil)
exit(tally.failures.isEmpty && escaped == 0 ? 0 : 1)
