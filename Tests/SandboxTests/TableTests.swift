import Roles
import Testing

@testable import Sandbox

@Suite struct TableTests {
    private let confined = Role.allCases.filter { $0 != .supervisor }

    private func allowed(_ role: Role) -> Set<String> {
        Set(Sandbox.of(role).systemCalls.flatMap(\.rules).filter { $0.refusal == nil }.map(\.name))
    }

    private func roles(allowing name: String) -> [Role] { Role.allCases.filter { allowed($0).contains(name) } }

    @Test func everyRoleStandsInTheTableOnce() {
        #expect(Sandbox.table.map(\.role) == Role.allCases)
        for role in Role.allCases { #expect(Sandbox.of(role).role == role) }
    }

    @Test func everyFacilityIsPromisedToSomebodyAndHasAName() {
        for facility in Facility.allCases {
            #expect(Sandbox.table.contains { $0.promise(facility) != .none }, "\(facility)")
            #expect(!facility.name.isEmpty && !facility.mechanism.isEmpty)
        }
        #expect(Set(Facility.allCases.map(\.name)).count == Facility.allCases.count)
    }

    @Test func nobodyMayStartProgramsOrReachOthers() {
        let never = [
            "execve", "execveat", "fork", "vfork", "clone3", "ptrace", "kill", "tkill", "rt_sigqueueinfo", "pidfd_open",
            "pidfd_send_signal", "pidfd_getfd", "process_vm_readv", "process_vm_writev", "mount", "umount2",
            "pivot_root",
            "chroot", "unshare", "setns", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create",
            "bpf",
            "userfaultfd", "keyctl", "add_key", "request_key", "perf_event_open", "init_module", "finit_module",
            "kexec_load",
            "reboot", "setuid", "setresuid", "capset", "seccomp", "personality", "open_by_handle_at", "pkey_mprotect",
            "socketpair", "shmget", "shmat", "openat2", "unlink", "rename", "renameat2", "truncate",
            "setrlimit",
        ]
        for name in never { #expect(roles(allowing: name) == [], "\(name)") }
    }

    @Test func rightsBelongToTheRolesOfTheDesign() {
        for name in ["socket", "connect", "bind"] { #expect(roles(allowing: name) == [.dialer], "\(name)") }
        for name in ["open", "newfstatat", "statx"] { #expect(roles(allowing: name) == [.dialer], "\(name)") }
        #expect(roles(allowing: "openat") == [.dialer, .recorder])
        for name in ["renameat", "unlinkat", "ftruncate", "fallocate"] {
            #expect(roles(allowing: name) == [.recorder], "\(name)")
        }
        #expect(roles(allowing: "accept4") == [.ingress, .console])
        #expect(roles(allowing: "listen") == [])
        #expect(roles(allowing: "clone") == [.route, .dialer, .recorder])
        #expect(roles(allowing: "accept") == [])
        #expect(Role.allCases.filter { Sandbox.of($0).connects } == [.dialer])
        #expect(Role.allCases.filter { !Sandbox.of($0).readablePaths.isEmpty } == [.dialer])
    }

    @Test func acceptingRolesSeeTheirPeersIdentities() {
        // In a user namespace of its own an ingress sees every peer as 65534.
        for role in confined where allowed(role).contains("accept4") { #expect(Sandbox.of(role).namespaces == []) }
    }

    @Test func anEmptyRootComesWithAMountNamespace() {
        for sandbox in Sandbox.table where sandbox.emptyRoot { #expect(sandbox.namespaces.contains(.mount)) }
        for sandbox in Sandbox.table where !sandbox.namespaces.isEmpty { #expect(sandbox.namespaces.first == .user) }
    }

    @Test func executableMemoryIsForTheDialersModulesOnly() {
        let executable: UInt64 = 4
        for role in confined {
            for rule in Sandbox.of(role).systemCalls.flatMap(\.rules) where ["mmap", "mprotect"].contains(rule.name) {
                let forbids = rule.conditions.contains(.argument(2, lacks: executable))
                #expect(forbids || (role == .dialer && rule.name == "mmap"), "\(role.name): \(rule)")
            }
        }
    }

    @Test func callsWithAWideReachCarryTheirConditions() {
        let needed: [String: Condition] = [
            "tgkill": .ownProcess(0),
            "prlimit64": .argument(2, is: 0),
            "sendmsg": .argument(2, lacks: 0x2000_0000),
            "sendto": .argument(3, lacks: 0x2000_0000),
            "sendmmsg": .argument(3, lacks: 0x2000_0000),
            "clone": .argument(0, is: 0x3d0f00),
            "renameat": .recordDirectory(2),
            "unlinkat": .recordDirectory(0),
        ]
        for role in confined {
            let rules = Sandbox.of(role).systemCalls.flatMap(\.rules)
            for rule in rules {
                if let condition = needed[rule.name] {
                    #expect(rule.conditions.contains(condition), "\(role.name): \(rule)")
                }
                if ["prctl", "ioctl", "fcntl", "setsockopt", "getsockopt", "socket"].contains(rule.name) {
                    #expect(!rule.conditions.isEmpty, "\(role.name): \(rule)")
                }
            }
        }
    }

    @Test func everyNameIsACallSomewhere() {
        for role in confined {
            for rule in Sandbox.of(role).systemCalls.flatMap(\.rules) {
                let known = FilterArchitecture.allCases.contains { systemCallNumber(rule.name, $0) != nil }
                #expect(known, "\(role.name): \(rule.name)")
            }
        }
    }

    @Test func noRuleIsWrittenTwice() {
        for role in confined {
            let rules = Sandbox.of(role).systemCalls.flatMap(\.rules)
            let twice = Dictionary(grouping: rules, by: { $0 }).filter { $0.value.count > 1 }.keys.map(\.name)
            #expect(twice == [], "\(role.name)")
            // A call that is allowed without a condition needs no other line.
            for (name, own) in Dictionary(grouping: rules, by: \.name) where own.count > 1 {
                #expect(own.allSatisfy { !$0.conditions.isEmpty }, "\(role.name): \(name)")
            }
        }
    }

    @Test func onlyTheRecorderOutlivesItsSupervisor() {
        #expect(confined.filter { !Sandbox.of($0).diesWithSupervisor } == [.recorder])
    }
}
