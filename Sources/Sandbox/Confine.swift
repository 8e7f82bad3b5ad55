import CSandbox
import Glibc
import Roles

/// What differs between two workers of one role.
public struct ConfinementOptions: Sendable {
    /// Go on only when everything required is enforced.
    public var strict = false
    /// The supervisor's process id. A worker whose parent is another one by now was orphaned during its start and ends.
    public var expectedParent: Int32
    /// RLIMIT_NOFILE; `nil` for the role's own number.
    public var descriptors: UInt64?
    /// RLIMIT_AS is set. Sanitised builds reserve terabytes and go without.
    public var limitsAddressSpace = true
    /// The directory in which the recorder works: everything it opens stands beneath it. Nil: it can open nothing.
    public var recordDirectory: Int32?
    /// Pretend that the kernel has this Landlock ABI (0: none); `nil` asks the kernel. For tests of degradation.
    public var landlockABI: Int?

    /// The options of an ordinary worker.
    public init(expectedParent: Int32) { self.expectedParent = expectedParent }
}

/// Why a process could not be confined. It must end: what was applied so far stays applied.
public enum SandboxError: Error, Sendable, Hashable {
    /// The role is not confined by this module.
    case notConfinable(Role)
    /// Landlock and seccomp bind the calling thread only.
    case notSingleThreaded(threads: Int)
    /// The process that started this worker is gone.
    case parentIsGone
    /// Something that every supported host can do failed; the number is an errno.
    case failed(Facility, errno: Int32)
    /// libseccomp does not know a name of the allow-list.
    case unknownSystemCall(String)
    /// `strict`, and the report shows something required as missing.
    case incomplete(ConfinementReport)
}

extension Sandbox {
    /// Confines this process for good, by the table's value for its role. Called once, by a process with one thread, before the first
    /// byte from outside is read.
    ///
    /// Descriptors can be received and shared memory mapped afterwards; no file can be opened (but by the dialer).
    /// - Returns: what was enforced. Without `strict`, namespaces and Landlock may be missing; anything else is an error.
    /// - Throws: `SandboxError`. The process is partly confined then, and has to end.
    public func confine(_ options: ConfinementOptions) throws(SandboxError) -> ConfinementReport {
        guard role != .supervisor else { throw .notConfinable(role) }
        // First: anything below would bind one thread of several, and leave the others free.
        let threads = try must(.singleThread, sandbox_thread_count())
        guard threads == 1 else { throw .notSingleThreaded(threads: Int(threads)) }

        let abi = min(options.landlockABI ?? max(0, Int(sandbox_landlock_abi())), LandlockRights.newestABI)
        var report = ConfinementReport(sandbox: self, landlockABI: UInt8(clamping: max(0, abi)))
        report[.singleThread] = .enforced

        try setLimits(options, &report)
        enterNamespaces(&report)
        _ = try must(.capabilities, sandbox_drop_capabilities())
        report[.capabilities] = .enforced
        _ = try must(.noNewPrivileges, sandbox_no_new_privileges())
        report[.noNewPrivileges] = .enforced
        restrictByLandlock(abi: abi, recordDirectory: options.recordDirectory, &report)
        try followParent(options.expectedParent, &report)
        // After the user namespace: a process that is not dumpable could not write its own uid_map.
        _ = try must(.notDumpable, sandbox_not_dumpable())
        report[.notDumpable] = .enforced
        // Last: it forbids everything above.
        try loadFilter(systemCalls.flatMap(\.rules), unlisted: unlisted, recordDirectory: options.recordDirectory)
        report[.systemCalls] = .enforced
        if promise(.helperThreads) == .required { report[.helperThreads] = .enforced }

        if options.strict, !report.missingRequired.isEmpty { throw .incomplete(report) }
        return report
    }

    private func setLimits(_ options: ConfinementOptions, _ report: inout ConfinementReport) throws(SandboxError) {
        for (resource, value) in limits.resources(descriptors: options.descriptors) {
            _ = try must(.limits, sandbox_limit(resource, value))
        }
        if limits.fileSize != nil { _ = try must(.limits, sandbox_ignore_file_size_signal()) }
        report[.limits] = .enforced
        guard options.limitsAddressSpace else { return }
        _ = try must(.addressSpace, sandbox_limit(Limits.addressSpaceResource, limits.addressSpace))
        report[.addressSpace] = .enforced
    }

    /// One namespace after the other, so that a host that refuses one still gives the rest. Without a user namespace the others need
    /// privileges, which a worker has only where everything runs as root.
    private func enterNamespaces(_ report: inout ConfinementReport) {
        let uid = geteuid()
        let gid = getegid()
        for namespace in namespaces {
            let result = sandbox_unshare(namespace.shim)
            report[namespace.facility] = FacilityState(result)
            guard namespace == .user, result >= 0 else { continue }
            let mapped = sandbox_map_to_root(uid, gid)
            if mapped < 0 { report[.userNamespace] = FacilityState(mapped) }
            // In a user namespace of its own this process is the only one that is counted, so the limit bounds its threads. (The
            // kernel's first user is exempt: a worker of root is bounded by construction only.)
            if uid != 0, limits.helperThreads > 0, sandbox_limit(Limits.processes, limits.helperThreads + 1) >= 0 {
                report[.helperThreads] = .enforced
            }
        }
        guard emptyRoot else { return }
        report[.emptyRoot] =
            report[.mountNamespace] == .enforced
            ? FacilityState(sandbox_empty_root()) : .missing(.needs(.mountNamespace))
    }

    private func restrictByLandlock(abi: Int, recordDirectory: Int32?, _ report: inout ConfinementReport) {
        let states = landlockStates(abi: abi) { rights in
            let ruleset = sandbox_landlock_ruleset(Int32(abi), rights.files, rights.network, rights.scopes)
            guard ruleset >= 0 else { return ruleset }
            for path in readablePaths {
                let allowed = unsafe path.withCString { name in
                    unsafe sandbox_landlock_allow(ruleset, LandlockRights.readFile | LandlockRights.readDirectory, name)
                }
                if allowed < 0 {
                    _ = close(ruleset)
                    return allowed
                }
            }
            if writesRecords, let recordDirectory {
                let allowed = sandbox_landlock_allow_in(
                    ruleset, LandlockRights.recordFiles & rights.files, recordDirectory)
                if allowed < 0 {
                    _ = close(ruleset)
                    return allowed
                }
            }
            return sandbox_landlock_restrict(ruleset)
        }
        for (facility, state) in states { report[facility] = state }
    }

    /// The states of the Landlock facilities at an ABI, where `restrict` makes and applies the ruleset and returns a negated errno on
    /// failure. It is not called where there is no Landlock.
    func landlockStates(abi: Int, restrict: (LandlockRights) -> Int32) -> [Facility: FacilityState] {
        let result = abi < 1 ? -EOPNOTSUPP : restrict(LandlockRights(abi: abi, connects: connects))
        var states: [Facility: FacilityState] = [:]
        for facility in Facility.allCases {
            guard let needed = LandlockRights.neededABI(for: facility) else { continue }
            states[facility] =
                abi >= 1 && abi < needed ? .missing(.landlockABI(needed: UInt8(needed))) : FacilityState(result)
        }
        return states
    }

    /// Set late, because a change of credentials clears it; compared after, because the parent may have ended before.
    private func followParent(_ expected: Int32, _ report: inout ConfinementReport) throws(SandboxError) {
        _ = try must(.diesWithSupervisor, sandbox_parent_death_signal(diesWithSupervisor ? SIGKILL : 0))
        guard diesWithSupervisor else { return }
        guard getppid() == expected else { throw .parentIsGone }
        report[.diesWithSupervisor] = .enforced
    }
}

/// A facility that every supported host has: its failure ends the worker.
private func must(_ facility: Facility, _ result: Int32) throws(SandboxError) -> Int32 {
    guard result >= 0 else { throw .failed(facility, errno: -result) }
    return result
}

extension FacilityState {
    /// The state after a call that returns a negated errno on failure.
    fileprivate init(_ result: Int32) {
        self = result >= 0 ? .enforced : .missing(.refused(errno: UInt8(clamping: -result)))
    }
}

extension Namespace {
    fileprivate var shim: sandbox_namespace {
        switch self {
        case .user: SANDBOX_NS_USER
        case .mount: SANDBOX_NS_MOUNT
        case .network: SANDBOX_NS_NETWORK
        case .ipc: SANDBOX_NS_IPC
        case .uts: SANDBOX_NS_UTS
        }
    }
}

/// The symbolic name of an errno that confinement can meet, or its number.
func errnoName(_ number: Int32) -> String {
    switch number {
    case EPERM: "EPERM"
    case EACCES: "EACCES"
    case ENOSYS: "ENOSYS"
    case EOPNOTSUPP: "EOPNOTSUPP"
    case EINVAL: "EINVAL"
    case ENOSPC: "ENOSPC"
    case EUSERS: "EUSERS"
    case ENOMEM: "ENOMEM"
    default: "errno \(number)"
    }
}
