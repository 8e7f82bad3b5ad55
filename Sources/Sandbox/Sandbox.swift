import Roles

/// A namespace a worker can have to itself (namespaces(7)), in the order in which it takes them.
public enum Namespace: CaseIterable, Sendable, Hashable {
    case user, mount, network, ipc, uts

    var facility: Facility {
        switch self {
        case .user: .userNamespace
        case .mount: .mountNamespace
        case .network: .networkNamespace
        case .ipc: .ipcNamespace
        case .uts: .utsNamespace
        }
    }
}

/// The confinement of one role (DESIGN 3): one value in one table, which `confine` enforces and `mcpgw sandbox` prints.
public struct Sandbox: Sendable {
    /// Whose confinement it is.
    public let role: Role
    /// Namespaces of its own, by `unshare` after exec.
    public let namespaces: [Namespace]
    /// The role's root directory is empty and read-only. Needs the mount namespace.
    public let emptyRoot: Bool
    /// Directories (and what is beneath) that may be read; Landlock denies everything else. Missing ones are left out.
    public let readablePaths: [String]
    /// The role opens connections. All others have no right on the network but the sockets they are handed.
    public let connects: Bool
    /// The worker is killed when its supervisor ends. The recorder drains and ends by itself.
    public let diesWithSupervisor: Bool
    /// What no mechanism but the code guarantees, and the name of the test that shows it.
    let constructions: [Facility: String]
    let limits: Limits
    /// The allow-list; empty for the supervisor, which is not confined by this module.
    let systemCalls: [SystemCallGroup]
    /// What happens to calls that are not in it.
    var unlisted = UnlistedCall.endsProcess

    /// The policy of every role, in the order of `Role.allCases`.
    public static let table: [Sandbox] = [supervisor, ingress, route, dialer, launcher, recorder, console]

    /// The policy of a role.
    public static func of(_ role: Role) -> Sandbox {
        switch role {
        case .supervisor: supervisor
        case .ingress: ingress
        case .route: route
        case .dialer: dialer
        case .launcher: launcher
        case .recorder: recorder
        case .console: console
        }
    }

    // --- supervisor: what it forbade itself, its workers would inherit ---------------------------------------------------------------

    private static let supervisor = Sandbox(
        role: .supervisor,
        namespaces: [],
        emptyRoot: false,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: false,
        constructions: [.singleThread: "test_the_supervisor_has_one_thread_and_no_zombie_stays"],
        limits: Limits(descriptors: 4096, fileSize: nil, helperThreads: 0),
        systemCalls: []
    )

    // --- ingress, console: accept on passed listeners; see their peers' ids, so they stay in the host's user namespace -------------------

    private static let ingress = Sandbox(
        role: .ingress,
        namespaces: [],
        emptyRoot: false,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: true,
        constructions: [:],
        limits: Limits(descriptors: 4096, fileSize: 0, helperThreads: 0),
        systemCalls: [
            .memory, .process, .noThreads, .descriptors, .sockets, .sendingToPeer, .accepting, .eventLoop, .noFiles,
        ]
    )

    private static let console = Sandbox(
        role: .console,
        namespaces: [],
        emptyRoot: false,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: true,
        constructions: [:],
        limits: Limits(descriptors: 1024, fileSize: 0, helperThreads: 0),
        systemCalls: [
            .memory, .process, .noThreads, .descriptors, .sockets, .sendingToPeer, .accepting, .eventLoop, .noFiles,
        ]
    )

    // --- route: connected sockets and pipes that it is handed; one helper thread for long texts ------------------------------------------

    private static let route = Sandbox(
        role: .route,
        namespaces: Namespace.allCases,
        emptyRoot: true,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: true,
        constructions: [.helperThreads: "test_a_worker_has_no_more_threads_than_its_role_may_start"],
        limits: Limits(descriptors: 4096, fileSize: 0, helperThreads: 1),
        systemCalls: [.memory, .process, .threads, .descriptors, .sockets, .sendingToPeer, .eventLoop, .noFiles]
    )

    // --- dialer: name service and connections; the host's network, and read-only what name service reads ---------------------------------

    private static let dialer = Sandbox(
        role: .dialer,
        namespaces: [],
        emptyRoot: false,
        readablePaths: [
            // Configuration of name service, and the modules it names. A rule on resolv.conf alone would bind to a file that is replaced.
            "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32",
            // Where resolv.conf points to, and caches.
            "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/run/nscd",
            "/var/cache/nscd",
            "/var/lib/misc",
        ],
        connects: true,
        diesWithSupervisor: true,
        constructions: [.helperThreads: "test_a_worker_has_no_more_threads_than_its_role_may_start"],
        // Four times what any other worker has: the kernel counts descriptors in flight per user and compares them with the limit of whoever sends the next one.
        // So no other worker can park so many on its sockets that a dialled connection cannot be handed over.
        limits: Limits(descriptors: dialerDescriptors, fileSize: 0, helperThreads: 4),
        systemCalls: [
            .memoryWithModules, .process, .threads, .descriptors, .sockets, .connecting, .pollLoop, .nameServiceFiles,
        ],
        unlisted: .refused
    )

    // --- launcher: its real profile comes with its work; until then it has none of a route's event loop or threads ------------------------

    private static let launcher = Sandbox(
        role: .launcher,
        namespaces: Namespace.allCases,
        emptyRoot: true,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: true,
        constructions: [:],
        limits: Limits(descriptors: 256, fileSize: 0, helperThreads: 0),
        systemCalls: [.memory, .process, .noThreads, .descriptors, .sockets, .sendingToPeer, .pollLoop, .noFiles]
    )

    // --- recorder: writes what it holds open; a thread that syncs; outlives its supervisor for as long as it drains -----------------------

    private static let recorder = Sandbox(
        role: .recorder,
        namespaces: Namespace.allCases,
        emptyRoot: true,
        readablePaths: [],
        connects: false,
        diesWithSupervisor: false,
        constructions: [.helperThreads: "test_a_worker_has_no_more_threads_than_its_role_may_start"],
        limits: Limits(descriptors: 1024, fileSize: nil, helperThreads: 1),
        systemCalls: [
            .memory, .process, .threads, .descriptors, .sockets, .sendingToPeer, .pollLoop, .recordFiles,
        ]
    )
}

extension Sandbox {
    /// RLIMIT_NOFILE of the dialer. The supervisor's own limit must be above it, or the dialer could use up what the supervisor needs in flight.
    public static let dialerDescriptors: UInt64 = 16_384

    /// The role works in the directory of the audit log.
    var writesRecords: Bool { role == .recorder }

    /// How many threads the role may start beside its first one.
    public var helperThreads: Int { Int(limits.helperThreads) }

    /// What the table promises of a facility for this role.
    public func promise(_ facility: Facility) -> Promise {
        if let test = constructions[facility] { return .byConstruction(test: test) }
        if role == .supervisor { return .none }
        return switch facility {
        case .userNamespace, .mountNamespace, .networkNamespace, .ipcNamespace, .utsNamespace:
            namespaces.contains { $0.facility == facility } ? .required : .none
        case .emptyRoot: emptyRoot ? .required : .none
        case .landlockFiles:
            // Where there is no right to open anything, seccomp denies the same.
            readablePaths.isEmpty && !writesRecords ? .whereOffered : .required
        case .landlockTCP, .landlockScopes: .whereOffered
        case .diesWithSupervisor: diesWithSupervisor ? .required : .none
        case .singleThread, .capabilities, .noNewPrivileges, .systemCalls, .helperThreads, .limits, .addressSpace,
            .notDumpable:
            .required
        }
    }

    /// What the confinement leaves open, each a sentence for the lines under the table.
    public static let leaks: [String] = [
        "every role: size, times and device of a file it holds open (fstat), its own limits, time, the host's load (sysinfo)",
        "ingress, console: address and user id of a peer",
        "a role that is handed an unconnected datagram socket could send from it to any address by sendmsg (none is)",
        "dialer: what its user may read beneath /etc and the library directories; name and size of any file (stat)",
        "dialer: any address it can route to, any Unix socket its user may open; which of them a role may ask for, its code checks",
        "dialer: code of files it can read or was handed may be mapped, never memory that it wrote (name service modules)",
        "dialer before Landlock ABI 6: abstract Unix sockets; before ABI 4: TCP bind (it can never listen)",
        "recorder: files beneath the audit log's directory; before Landlock (or without it) what ../ leads to from there",
        "route, recorder, launcher on a host without user namespaces: mounts and network exist for them, and seccomp alone refuses them",
    ]
}
