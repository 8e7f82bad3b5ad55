import Glibc

// The allow-lists, in groups. What no line of a role's groups allows ends the process with SIGSYS (audit type 1326), but see UnlistedCall. A name that an
// architecture does not have is skipped there; a name that libseccomp knows nowhere is an error (and a test).
//
// Flags and options are spelled as numbers where the header has them only as C macros with casts; the values are Linux ABI and the same
// on x86_64 and aarch64.

extension SystemCallGroup {
    /// Memory. Nothing becomes executable after the start.
    static let memory = SystemCallGroup(
        "memory",
        [
            .allow("brk"),
            .allow("mmap", .argument(2, lacks: protExec)),
            .allow("mprotect", .argument(2, lacks: protExec)),
            .allow("munmap"),
            .allow("mremap"),
            .allow("madvise"),
        ])

    /// Memory of the dialer: name service modules are loaded on demand, so a file may be mapped executable when it is not writable.
    /// What is mapped already never becomes executable.
    static let memoryWithModules = SystemCallGroup(
        "memory, modules",
        memory.rules + [
            .allow("mmap", .argument(2, masked: protExec | protWrite, is: protExec), .argument(3, lacks: mapAnonymous))
        ])

    /// What every process does: time, randomness, signals of its own, its end.
    static let process = SystemCallGroup(
        "process",
        [
            .allow("futex"),
            .allow("sched_yield"),
            .allow("sched_getaffinity"),  // malloc counts processors
            .allow("sysinfo"),  // glibc's qsort asks for the memory size
            .allow("clock_gettime"),
            .allow("clock_getres"),
            .allow("clock_nanosleep"),
            .allow("nanosleep"),
            .allow("gettimeofday"),
            .allow("getrandom"),
            .allow("getpid"),
            .allow("gettid"),
            .allow("getppid"),
            .allow("rt_sigaction"),
            .allow("rt_sigprocmask"),
            .allow("rt_sigreturn"),
            .allow("sigaltstack"),
            .allow("tgkill", .ownProcess(0)),  // abort()
            .allow("restart_syscall"),
            .allow("exit"),
            .allow("exit_group"),
            // Reading a limit; no process may set one.
            .allow("prlimit64", .argument(0, is: 0), .argument(2, is: 0)),
            .allow("prctl", .argument(0, is: 15)),  // PR_SET_NAME
            .allow("prctl", .argument(0, is: 16)),  // PR_GET_NAME
            // PR_SET_VMA, PR_SET_VMA_ANON_NAME: malloc names its arenas.
            .allow("prctl", .argument(0, is: 0x5356_4d41), .argument(1, is: 0)),
        ])

    /// Threads: `clone` with exactly the flags of pthread_create; `clone3` has its flags in memory, where a filter cannot see them, and
    /// glibc goes on with `clone` when it does not exist.
    static let threads = SystemCallGroup(
        "threads",
        [
            .allow("clone", .argument(0, is: threadFlags)),
            .refuse("clone3", ENOSYS),
            .allow("set_robust_list"),
            .allow("rseq"),
        ])

    /// No threads. A library that tries gets an error.
    static let noThreads = SystemCallGroup("no threads", [.refuse("clone3", ENOSYS)])

    /// Descriptors that the process was handed: data in and out, no way to make one from a name.
    static let descriptors = SystemCallGroup(
        "descriptors",
        [
            .allow("read"),
            .allow("readv"),
            .allow("write"),
            .allow("writev"),
            .allow("close"),
            .allow("fstat"),
            .allow("lseek"),
            .allow("fcntl", .argument(1, is: 1)),  // F_GETFD
            .allow("fcntl", .argument(1, is: 2)),  // F_SETFD
            .allow("fcntl", .argument(1, is: 3)),  // F_GETFL
            .allow("fcntl", .argument(1, is: 4)),  // F_SETFL
            .allow("fcntl", .argument(1, is: 1030)),  // F_DUPFD_CLOEXEC
            .allow("fcntl", .argument(1, is: 1034)),  // F_GET_SEALS: a segment is checked before it is mapped
            .allow("ioctl", .argument(1, is: 0x541b)),  // FIONREAD
            .allow("ioctl", .argument(1, is: 0x5421)),  // FIONBIO
            .refuse("ioctl", ENOTTY, .argument(1, is: 0x5401)),  // TCGETS: isatty() in stdio
        ])

    /// Sockets that the process was handed. `MSG_FASTOPEN` on a listener that was shut down would connect it: a way out of a filter
    /// that only denies `connect`, so no sending call may carry it.
    static let sockets = SystemCallGroup(
        "sockets",
        [
            .allow("recvfrom"),
            .allow("recvmsg"),  // descriptors arrive here (SCM_RIGHTS)
            .allow("sendmsg", .argument(2, lacks: msgFastOpen)),
            // The sending half only: a listener that is shut otherwise is shut for its owner's successors too.
            .allow("shutdown", .argument(1, is: 1)),
            .allow("getsockname"),
            .allow("getpeername"),
        ] + socketOptions)

    /// Sending on connected sockets only: no address.
    static let sendingToPeer = SystemCallGroup(
        "sending to the peer", [.allow("sendto", .argument(3, lacks: msgFastOpen), .argument(4, is: 0))])

    /// The socket options of the event loop and of TCP tuning. Packet filters, device binding, and the kernel's netfilter and TLS
    /// interfaces are options too, and not here.
    private static let socketOptions: [SystemCallRule] =
        [
            SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER, SO_REUSEADDR, SO_ACCEPTCONN, SO_PROTOCOL,
            SO_DOMAIN, SO_PEERCRED,
        ]
        .map { SystemCallRule.allow("getsockopt", .argument(1, is: UInt64(SOL_SOCKET)), .argument(2, is: UInt64($0))) }
        + [SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER, SO_REUSEADDR]
        .map { .allow("setsockopt", .argument(1, is: UInt64(SOL_SOCKET)), .argument(2, is: UInt64($0))) }
        + tcpOptions.map { SystemCallRule.allow("getsockopt", .argument(1, is: tcpLevel), .argument(2, is: $0)) }
        + tcpOptions.map { .allow("setsockopt", .argument(1, is: tcpLevel), .argument(2, is: $0)) }

    /// Accepting on listeners the process was handed.
    static let accepting = SystemCallGroup("accepting", allow: "accept4")

    /// The event loop of the workers on the message path.
    static let eventLoop = SystemCallGroup(
        "event loop",
        allow: "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2")

    /// The poll loop of roles that serve few descriptors.
    static let pollLoop = SystemCallGroup("poll loop", allow: "poll", "ppoll", "signalfd4", "eventfd2")

    /// No files. glibc and the Swift runtime try some of these on their own; an error is enough for them, and a crash would help nobody.
    /// `fstat` on a held descriptor stays possible, `newfstatat` (glibc's fstat and stat) does not: a filter cannot tell them apart.
    static let noFiles = SystemCallGroup(
        "no files",
        [
            "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
            "readlink",
            "readlinkat", "getcwd",
        ].map { .refuse($0, EACCES) })

    /// Files, read-only, for name service. Landlock says which; the open flags are held to reading here, because Landlock knows
    /// truncation only since ABI 3. `openat2` has its flags in memory: glibc and systemd go on without it.
    static let nameServiceFiles = SystemCallGroup(
        "files for name service",
        readOnly("open", flags: 1) + readOnly("openat", flags: 2) + [
            .refuse("openat2", ENOSYS),
            .allow("stat"), .allow("lstat"), .allow("newfstatat"), .allow("statx"),
            .allow("access"), .allow("faccessat"), .allow("faccessat2"), .allow("readlink"), .allow("readlinkat"),
            .allow("getcwd"),
            .allow("getdents64"), .allow("pread64"), .allow("fstatfs"), .allow("statfs"),
            .allow("uname"),
            .allow("getuid"), .allow("geteuid"), .allow("getgid"), .allow("getegid"),
        ])

    /// Reading is allowed; the four ways of asking for more are refused, disjointly.
    private static func readOnly(_ name: String, flags: UInt32) -> [SystemCallRule] {
        [
            .allow(name, .argument(flags, lacks: UInt64(O_ACCMODE | O_CREAT | O_TRUNC))),
            .refuse(name, EACCES, .argument(flags, masked: UInt64(O_ACCMODE), is: UInt64(O_WRONLY))),
            .refuse(name, EACCES, .argument(flags, masked: UInt64(O_ACCMODE), is: UInt64(O_RDWR))),
            .refuse(name, EACCES, .argument(flags, masked: UInt64(O_ACCMODE | O_CREAT), is: UInt64(O_CREAT))),
            .refuse(name, EACCES, .argument(flags, masked: UInt64(O_ACCMODE | O_CREAT | O_TRUNC), is: UInt64(O_TRUNC))),
        ]
    }

    /// Outgoing connections and the resolver's own sockets (DNS over UDP and TCP, nscd and systemd-resolved over Unix sockets, and
    /// route netlink, by which getaddrinfo learns the host's addresses). No `listen` and no `accept`: nobody connects to the dialer.
    static let connecting = SystemCallGroup(
        "connecting",
        [AF_INET, AF_INET6].flatMap { family -> [SystemCallRule] in
            [
                socket(family, streamSocket, protocol: 0), socket(family, streamSocket, protocol: IPPROTO_TCP),
                socket(family, datagramSocket, protocol: 0), socket(family, datagramSocket, protocol: IPPROTO_UDP),
            ]
        } + [
            socket(AF_UNIX, streamSocket, protocol: 0), socket(AF_UNIX, datagramSocket, protocol: 0),
            // Protocol 0 of netlink is NETLINK_ROUTE.
            socket(AF_NETLINK, rawSocket, protocol: 0), socket(AF_NETLINK, datagramSocket, protocol: 0),
            .allow("connect"),
            .allow("bind"),
            .allow("sendto", .argument(3, lacks: msgFastOpen)),
            .allow("sendmmsg", .argument(3, lacks: msgFastOpen)),
            .allow("recvmmsg"),
        ] + resolverOptions)

    /// Socket options of glibc's resolver and of systemd's name service modules.
    private static let resolverOptions: [SystemCallRule] = [
        .allow("setsockopt", .argument(1, is: 0), .argument(2, is: 11)),  // SOL_IP, IP_RECVERR
        .allow("setsockopt", .argument(1, is: 41), .argument(2, is: 25)),  // SOL_IPV6, IPV6_RECVERR
        .allow("setsockopt", .argument(1, is: UInt64(SOL_SOCKET)), .argument(2, is: UInt64(SO_PASSCRED))),
        .allow("setsockopt", .argument(1, is: UInt64(SOL_SOCKET)), .argument(2, is: UInt64(SO_RCVBUFFORCE))),
        .allow("setsockopt", .argument(1, is: UInt64(SOL_SOCKET)), .argument(2, is: UInt64(SO_SNDBUFFORCE))),
        .allow("setsockopt", .argument(1, is: 270)),  // SOL_NETLINK
        .allow("getsockopt", .argument(1, is: 270)),
    ]

    private static func socket(_ family: Int32, _ type: UInt64, protocol number: Int) -> SystemCallRule {
        // The type's flags (non-blocking, close-on-exec) are above the low four bits.
        .allow(
            "socket", .argument(0, is: UInt64(family)), .argument(1, masked: 0xf, is: type),
            .argument(2, is: UInt64(number)))
    }

    /// The recorder's files: append, read back, sync, cut and reserve on descriptors it holds; open, rename, remove and list by names that begin at the
    /// directory it was handed, of which Landlock was told. glibc's own attempts, which begin at the working directory, get an error.
    static let recordFiles = SystemCallGroup(
        "record files",
        noFiles.rules.filter { $0.name != "openat" } + [
            .allow("openat", .recordDirectory(0)),
            .refuse("openat", EACCES, .argument(0, masked: 0x8000_0000, is: 0x8000_0000)),
            .allow("renameat", .recordDirectory(0), .recordDirectory(2)),
            .allow("unlinkat", .recordDirectory(0), .argument(2, is: 0)),
            .allow("getdents64"),
            .allow("pread64"),
            .allow("fsync"),
            .allow("fdatasync"),
            .allow("ftruncate"),
            .allow("fallocate"),
        ])
}

private let protWrite = UInt64(PROT_WRITE)
private let protExec = UInt64(PROT_EXEC)
private let mapAnonymous: UInt64 = 0x20
private let msgFastOpen: UInt64 = 0x2000_0000
private let streamSocket: UInt64 = 1
private let datagramSocket: UInt64 = 2
private let rawSocket: UInt64 = 3
private let tcpLevel = UInt64(IPPROTO_TCP)

/// TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT.
private let tcpOptions: [UInt64] = [1, 3, 4, 5, 6, 12, 18, 25]

/// CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID: what pthread_create asks for.
private let threadFlags: UInt64 = 0x3d0f00
