import CSandboxEscape
import Glibc
import Roles
import Sandbox

/// How a child process ended that tried something.
enum Outcome: Equatable {
    /// A signal ended it.
    case signal(Int32)
    /// It said a number: 0 for done, else a negated errno.
    case said(Int32)
    /// It ended with this code and said nothing: another program runs, or the test is broken.
    case silent(Int32)
}

/// How a child process was confined before it tried.
struct Confining {
    let role: Role
    let landlockABI: Int?

    /// Confines this process, or ends it with a message.
    func apply(parent: Int32) -> ConfinementReport {
        var options = ConfinementOptions(expectedParent: parent)
        options.landlockABI = landlockABI
        do {
            return try Sandbox.of(role).confine(options)
        } catch {
            print("\(role.name): not confined: \(error)")
            fflush(nil)
            _exit(98)
        }
    }
}

/// Runs `attempt` in a child process with a context of its own, after `prelude` (a confinement, or a shield).
func trial(prelude: (Int32) -> Void, attempt: () -> Int32) -> Outcome {
    let parent = getpid()
    let ends = makePipe()
    let prepared = escape_prepare()
    guard prepared == 0 else { fail("cannot prepare an attempt: errno \(-prepared)") }
    fflush(nil)
    let child = escape_fork()
    if child == 0 {
        close(ends.read)
        prelude(parent)
        escape_tell(ends.write, attempt())
        _exit(0)
    }
    close(ends.write)
    let code = escape_wait(child)
    let said = escape_hear(ends.read)
    close(ends.read)
    escape_finish()
    if said != .min { return .said(said) }
    return code < 0 ? .signal(-code) : .silent(code)
}

/// An action of the C list.
struct Action {
    let index: UInt32

    static var all: [Action] { (0..<escape_action_count()).map(Action.init) }

    var group: String { unsafe String(cString: escape_action_group(index)) }
    var name: String { unsafe String(cString: escape_action_name(index)) }
    /// For the dialer it is refused by Landlock, from this ABI on.
    var dialerNeedsABI: Int { Int(escape_action_dialer_abi(index)) }

    func isJob(of role: Role) -> Bool { escape_action_allowed(index) & (1 << UInt32(role.rawValue)) != 0 }
}

/// Something that roles must be able to do.
struct Control {
    let index: UInt32

    static var all: [Control] { (0..<escape_control_count()).map(Control.init) }

    var name: String { unsafe String(cString: escape_control_name(index)) }
    /// The outcome when all is well.
    var expected: Outcome {
        let signal = escape_control_signal(index)
        return signal == 0 ? .said(0) : .signal(signal)
    }

    func isNeeded(by role: Role) -> Bool { escape_control_needed(index) & (1 << UInt32(role.rawValue)) != 0 }
}

func makePipe() -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { fail("no pipe") }
    return (ends[0], ends[1])
}

func fail(_ message: String) -> Never {
    print("error: \(message)")
    fflush(nil)
    exit(1)
}

/// The name of an errno, as far as the table prints it.
func errnoText(_ number: Int32) -> String {
    let known: [Int32: String] = [
        EPERM: "EPERM", EACCES: "EACCES", ENOSYS: "ENOSYS", EINVAL: "EINVAL", EFAULT: "EFAULT", ENOENT: "ENOENT",
        EAGAIN: "EAGAIN", EAFNOSUPPORT: "EAFNOSUPPORT", EPROTONOSUPPORT: "EPROTONOSUPPORT", ENOTTY: "ENOTTY",
        EOPNOTSUPP: "EOPNOTSUPP", EBADF: "EBADF", ENOMEM: "ENOMEM", ESRCH: "ESRCH", EEXIST: "EEXIST", EBUSY: "EBUSY",
    ]
    return known[number] ?? "errno \(number)"
}
