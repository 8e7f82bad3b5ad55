/// One thing a worker's confinement is made of. The raw value stands in the report frame and never changes its meaning.
public enum Facility: UInt8, CaseIterable, Sendable, Hashable {
    case singleThread = 1
    case userNamespace = 2
    case mountNamespace = 3
    case networkNamespace = 4
    case ipcNamespace = 5
    case utsNamespace = 6
    case emptyRoot = 7
    case capabilities = 8
    case noNewPrivileges = 9
    case landlockFiles = 10
    case landlockTCP = 11
    case landlockScopes = 12
    case systemCalls = 13
    case helperThreads = 14
    case limits = 15
    case addressSpace = 16
    case diesWithSupervisor = 17
    case notDumpable = 18

    /// The row's name in `mcpgw sandbox`.
    public var name: String {
        switch self {
        case .singleThread: "one thread"
        case .userNamespace: "user namespace"
        case .mountNamespace: "mount namespace"
        case .networkNamespace: "network namespace"
        case .ipcNamespace: "ipc namespace"
        case .utsNamespace: "uts namespace"
        case .emptyRoot: "empty root"
        case .capabilities: "no capabilities"
        case .noNewPrivileges: "no new privileges"
        case .landlockFiles: "files"
        case .landlockTCP: "TCP bind, connect"
        case .landlockScopes: "abstract, signals"
        case .systemCalls: "system calls"
        case .helperThreads: "helper threads"
        case .limits: "limits"
        case .addressSpace: "address space"
        case .diesWithSupervisor: "dies with parent"
        case .notDumpable: "not dumpable"
        }
    }

    /// What enforces it, for the legend of `mcpgw sandbox`.
    public var mechanism: String {
        switch self {
        case .singleThread:
            "entries of /proc/self/task counted before anything else, as Landlock and seccomp bind the calling thread only"
        case .userNamespace: "unshare(CLONE_NEWUSER), own user mapped to 0 inside, setgroups denied"
        case .mountNamespace: "unshare(CLONE_NEWNS), all mounts private"
        case .networkNamespace: "unshare(CLONE_NEWNET): no interface is up in it"
        case .ipcNamespace: "unshare(CLONE_NEWIPC)"
        case .utsNamespace: "unshare(CLONE_NEWUTS)"
        case .emptyRoot: "pivot_root into a read-only tmpfs of one inode, the old root detached"
        case .capabilities: "capset to nothing, ambient set cleared, bounding set cleared where the process may"
        case .noNewPrivileges: "prctl(PR_SET_NO_NEW_PRIVS)"
        case .landlockFiles:
            "Landlock ABI 1: every file right denied; dialer: read-only on what name service needs; recorder: the audit log's directory"
        case .landlockTCP: "Landlock ABI 4: no TCP bind, and no TCP connect but by the dialer"
        case .landlockScopes: "Landlock ABI 6: no abstract Unix socket and no signal outside the worker"
        case .systemCalls: "seccomp allow-list (libseccomp), anything else ends the process (dialer: EPERM)"
        case .helperThreads: "seccomp: clone only for threads, or not at all; RLIMIT_NPROC in an own user namespace"
        case .limits: "setrlimit: no core, descriptors, file size, queues, locked memory"
        case .addressSpace: "setrlimit(RLIMIT_AS)"
        case .diesWithSupervisor: "prctl(PR_SET_PDEATHSIG, SIGKILL), then getppid() compared"
        case .notDumpable: "prctl(PR_SET_DUMPABLE, 0)"
        }
    }
}

/// What the table says about one facility of one role.
public enum Promise: Sendable, Hashable {
    /// Not part of this role's sandbox.
    case none
    /// Enforced on every host that can run the product, or where the host allows it; `strict` refuses to go on without.
    case required
    /// Enforced where the kernel is new enough; another facility already denies the same, so `strict` goes on without.
    case whereOffered
    /// True because of how the program is written; the text names the test that shows it.
    case byConstruction(test: String)
}
