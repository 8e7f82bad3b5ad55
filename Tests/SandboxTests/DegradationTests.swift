import Glibc
import Roles
import Testing

@testable import Sandbox

@Suite struct DegradationTests {
    /// Rights by ABI as include/uapi/linux/landlock.h numbers them.
    @Test(arguments: [
        (0, 0, 0, 0), (1, 0x1fff, 0, 0), (2, 0x3fff, 0, 0), (3, 0x7fff, 0, 0), (4, 0x7fff, 3, 0), (5, 0xffff, 3, 0),
        (6, 0xffff, 3, 3),
        (7, 0xffff, 3, 3),
    ])
    func rightsAreThoseOfTheABI(abi: Int, files: UInt64, network: UInt64, scopes: UInt64) {
        let rights = LandlockRights(abi: abi, connects: false)
        #expect(rights.files == files && rights.network == network && rights.scopes == scopes)
        let dialer = LandlockRights(abi: abi, connects: true)
        #expect(dialer.files == files && dialer.network == network & 1 && dialer.scopes == scopes)
    }

    @Test(arguments: 1...7, Role.allCases.filter { $0 != .supervisor })
    func olderKernelsEnforceWhatTheyCan(abi: Int, role: Role) {
        let sandbox = Sandbox.of(role)
        var asked: LandlockRights?
        let states = sandbox.landlockStates(abi: abi) { rights in
            asked = rights
            return 0
        }
        #expect(asked == LandlockRights(abi: abi, connects: sandbox.connects))
        #expect(states[.landlockFiles] == .enforced)
        #expect(states[.landlockTCP] == (abi < 4 ? .missing(.landlockABI(needed: 4)) : .enforced))
        #expect(states[.landlockScopes] == (abi < 6 ? .missing(.landlockABI(needed: 6)) : .enforced))
    }

    @Test func withoutLandlockNothingIsAskedOfTheKernel() {
        let states = Sandbox.of(.dialer).landlockStates(abi: 0) { _ in
            Issue.record("called")
            return 0
        }
        #expect(states.count == 3)
        for state in states.values { #expect(state == .missing(.refused(errno: UInt8(EOPNOTSUPP)))) }
    }

    @Test func aKernelThatRefusesIsReported() {
        let states = Sandbox.of(.route).landlockStates(abi: 7) { _ in -EPERM }
        for state in states.values { #expect(state == .missing(.refused(errno: UInt8(EPERM)))) }
    }

    /// The two roles that open files need Landlock to open no others.
    @Test func strictAcceptsDebianTwelveButNotADialerOrRecorderWithoutLandlock() {
        for role in Role.allCases where role != .supervisor {
            for abi in 0...7 {
                var report = ConfinementReport(sandbox: .of(role), landlockABI: UInt8(abi))
                for facility in Facility.allCases where report.promises(facility) { report[facility] = .enforced }
                for (facility, state) in Sandbox.of(role).landlockStates(abi: abi, restrict: { _ in 0 }) {
                    report[facility] = state
                }
                #expect(
                    report.missingRequired == ([.dialer, .recorder].contains(role) && abi == 0 ? [.landlockFiles] : []))
            }
        }
    }

    @Test func limitsAreThoseOfTheRole() {
        for sandbox in Sandbox.table where sandbox.role != .supervisor {
            let byDefault = Dictionary(
                uniqueKeysWithValues: sandbox.limits.resources(descriptors: nil).map { ($0.resource, $0.value) })
            #expect(byDefault[Limits.core] == 0)
            #expect(byDefault[Limits.lockedMemory] == 0)
            #expect(byDefault[Limits.messageQueues] == 0)
            #expect(byDefault[Limits.openFiles] == sandbox.limits.descriptors)
            #expect((byDefault[Limits.fileSizeResource] == nil) == (sandbox.role == .recorder))
            // Where threads are started, the limit would count every process of the user.
            #expect((byDefault[Limits.processes] == 0) == (sandbox.limits.helperThreads == 0))
            let named = sandbox.limits.resources(descriptors: 77).first { $0.resource == Limits.openFiles }
            #expect(named?.value == 77)
            #expect(sandbox.limits.addressSpace == 4 << 30)
        }
    }

    @Test func resourceNumbersAreThoseOfTheHeader() {
        #expect(Limits.core == Int32(RLIMIT_CORE.rawValue))
        #expect(Limits.openFiles == Int32(RLIMIT_NOFILE.rawValue))
        #expect(Limits.processes == Int32(bitPattern: UInt32(__RLIMIT_NPROC.rawValue)))
        #expect(Limits.lockedMemory == Int32(bitPattern: UInt32(__RLIMIT_MEMLOCK.rawValue)))
        #expect(Limits.messageQueues == Int32(bitPattern: UInt32(__RLIMIT_MSGQUEUE.rawValue)))
        #expect(Limits.addressSpaceResource == Int32(RLIMIT_AS.rawValue))
        #expect(Limits.fileSizeResource == Int32(RLIMIT_FSIZE.rawValue))
    }

    /// The process of these tests has many threads: the first check has to stop it before anything is given up.
    @Test func aProcessWithThreadsIsRefusedUnchanged() throws {
        for role in Role.allCases where role != .supervisor {
            do {
                _ = try Sandbox.of(role).confine(ConfinementOptions(expectedParent: getppid()))
                Issue.record("confined")
            } catch .notSingleThreaded(let threads) {
                #expect(threads > 1)
            }
        }
        let file = unsafe open("/proc/self/status", O_RDONLY)
        #expect(file >= 0)
        close(file)
        #expect(throws: SandboxError.notConfinable(.supervisor)) {
            try Sandbox.of(.supervisor).confine(ConfinementOptions(expectedParent: getppid()))
        }
    }
}
