import CSandbox
import Glibc

/// A processor architecture a filter can be built for.
enum FilterArchitecture: CaseIterable {
    case running, x86_64, aarch64

    var token: UInt32 {
        switch self {
        case .running: 0
        case .x86_64: sandbox_arch_x86_64()
        case .aarch64: sandbox_arch_aarch64()
        }
    }
}

/// Builds the filter of these rules, loads it into the kernel, and gives the memory back that libseccomp took for it.
func loadFilter(
    _ rules: [SystemCallRule], unlisted: UnlistedCall, recordDirectory: Int32? = nil
) throws(SandboxError) {
    try unsafe withFilter(rules, unlisted, architecture: .running, recordDirectory: recordDirectory) {
        filter throws(SandboxError) in
        let loaded = unsafe sandbox_filter_load(filter)
        guard loaded == 0 else { throw .failed(.systemCalls, errno: -loaded) }
    }
    sandbox_release_heap()
}

/// Builds the filter of these rules for an architecture and writes the program to a descriptor (for tests).
func exportFilter(
    _ rules: [SystemCallRule], unlisted: UnlistedCall, architecture: FilterArchitecture, to descriptor: Int32
) throws(SandboxError) {
    try unsafe withFilter(rules, unlisted, architecture: architecture) { filter throws(SandboxError) in
        let written = unsafe sandbox_filter_export(filter, descriptor)
        guard written == 0 else { throw .failed(.systemCalls, errno: -written) }
    }
}

/// The number of a system call on an architecture, or `nil` when it has none.
func systemCallNumber(_ name: String, _ architecture: FilterArchitecture) -> Int32? {
    let number = unsafe name.withCString { unsafe sandbox_call_number(architecture.token, $0) }
    return number < 0 ? nil : number
}

private func withFilter(
    _ rules: [SystemCallRule], _ unlisted: UnlistedCall, architecture: FilterArchitecture,
    recordDirectory: Int32? = nil, _ use: (OpaquePointer) throws(SandboxError) -> Void
) throws(SandboxError) {
    guard let filter = unsafe sandbox_filter_new(architecture.token, unlisted == .refused ? EPERM : 0) else {
        throw .failed(.systemCalls, errno: ENOMEM)
    }
    defer { unsafe sandbox_filter_free(filter) }
    for rule in rules {
        let conditions = rule.conditions.map { condition in
            let value: UInt64 =
                switch condition.value {
                case .number(let number): number
                case .ownProcess: UInt64(getpid())
                case .recordDirectory: UInt64(UInt32(bitPattern: recordDirectory ?? .max))
                }
            return sandbox_condition(argument: condition.argument, mask: condition.mask, value: value)
        }
        let added = unsafe rule.name.withCString { name in
            unsafe conditions.withUnsafeBufferPointer { list in
                unsafe sandbox_filter_add(
                    filter, architecture.token, name, rule.refusal ?? 0, list.baseAddress, UInt32(list.count))
            }
        }
        guard added != -ENOENT else { throw .unknownSystemCall(rule.name) }
        guard added >= 0 else { throw .failed(.systemCalls, errno: -added) }
    }
    try unsafe use(filter)
}
