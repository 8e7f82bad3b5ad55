import Glibc

/// The resource limits of one role (setrlimit(2)); all in the unit of the limit, soft and hard alike. A limit never rises above the hard
/// limit the process came with.
struct Limits: Sendable, Hashable {
    /// RLIMIT_NOFILE, unless the caller of `confine` names another number.
    let descriptors: UInt64
    /// RLIMIT_AS, bytes. Set well above the byte budgets of a worker: a budget refuses work, this limit only stops a runaway.
    let addressSpace: UInt64 = 4 << 30
    /// RLIMIT_FSIZE, bytes; `nil` where the role writes files.
    let fileSize: UInt64?
    /// How many threads the role may start beside its first one.
    let helperThreads: UInt64

    /// What is set for every process besides the address space, as (resource, value).
    func resources(descriptors override: UInt64?) -> [(resource: Int32, value: UInt64)] {
        var list: [(resource: Int32, value: UInt64)] = [
            (Limits.core, 0),
            (Limits.openFiles, override ?? descriptors),
            (Limits.lockedMemory, 0),
            (Limits.messageQueues, 0),
        ]
        if let fileSize { list.append((Limits.fileSizeResource, fileSize)) }
        // It counts processes of the real user, but is compared only when this process makes one: a role without threads can have the
        // lowest value at once, and the others keep what they came with (see `Namespace.user` in `confine`).
        if helperThreads == 0 { list.append((Limits.processes, 0)) }
        return list
    }

    // Numbers of the generic Linux ABI (x86_64, aarch64): the header has an enum that imports differently across versions.
    static let fileSizeResource: Int32 = 1
    static let core: Int32 = 4
    static let processes: Int32 = 6
    static let openFiles: Int32 = 7
    static let lockedMemory: Int32 = 8
    static let addressSpaceResource: Int32 = 9
    static let messageQueues: Int32 = 12
}
