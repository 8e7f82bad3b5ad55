import Glibc
import Roles
import Testing

@testable import Sandbox

private let kill: UInt32 = 0x8000_0000
private let allow: UInt32 = 0x7fff_0000
private let refuse: UInt32 = 0x0005_0000
private let auditNumbers: [FilterArchitecture: UInt32] = [.x86_64: 0xc000_003e, .aarch64: 0xc000_00b7]

@Suite struct FilterTests {
    static let cases: [(Role, FilterArchitecture)] = Role.allCases.filter { $0 != .supervisor }
        .flatMap { role in [(role, .x86_64), (role, .aarch64)] }

    /// libseccomp optimises what it is given; this compares the result with the table, call by call.
    @Test(arguments: cases)
    func filterAnswersAsTheTableReads(role: Role, architecture: FilterArchitecture) throws {
        let rules = Sandbox.of(role).systemCalls.flatMap(\.rules)
        let program = try FilterProgram(Sandbox.of(role), architecture: architecture)
        let unlisted = Sandbox.of(role).unlisted == .refused ? refuse | UInt32(EPERM) : kill
        let audit = try #require(auditNumbers[architecture])
        var random = SplitMix(state: UInt64(role.rawValue) + 1)
        var byNumber: [UInt32: [SystemCallRule]] = [:]
        for rule in rules {
            if let number = systemCallNumber(rule.name, architecture) {
                byNumber[UInt32(number), default: []].append(rule)
            }
        }
        var answers: [UInt32: Int] = [:]
        for number in UInt32(0)..<512 {
            let own = byNumber[number] ?? []
            for _ in 0..<(own.isEmpty ? 2 : 40 + 40 * own.count) {
                let arguments = arguments(near: own, &random)
                let found = verdict(own, arguments)
                let expected = found == kill ? unlisted : found
                let call = FilterProgram.Call(number: number, architecture: audit, arguments: arguments)
                let answer = try program.answer(call)
                answers[expected, default: 0] += 1
                if answer.action != expected {
                    Issue.record(
                        "\(role.name) \(architecture) call \(number) \(arguments): \(answer), table says \(expected)")
                    return
                }
            }
        }
        // The generator has to reach both sides of the conditions.
        #expect(answers[allow, default: 0] > 500)
        #expect(answers[unlisted, default: 0] > 1000)
        print("\(role.name) \(architecture): \(program.count) instructions")
    }

    @Test(arguments: cases)
    func foreignConventionsEndTheProcess(role: Role, architecture: FilterArchitecture) throws {
        let program = try FilterProgram(Sandbox.of(role), architecture: architecture)
        let none = [UInt64](repeating: 0, count: 6)
        let audit = try #require(auditNumbers[architecture])
        // i386, arm, and the other 64-bit architecture.
        for foreign in [UInt32(0x4000_0003), 0x4000_0028, audit == 0xc000_003e ? 0xc000_00b7 : 0xc000_003e] {
            for number in UInt32(0)..<450 {
                let call = FilterProgram.Call(number: number, architecture: foreign, arguments: none)
                #expect(try program.answer(call).action == kill)
            }
        }
        if architecture == .x86_64 {
            for number in UInt32(0)..<450 {
                let call = FilterProgram.Call(number: number | 0x4000_0000, architecture: audit, arguments: none)
                #expect(try program.answer(call).action == kill)
            }
        }
    }

    /// Rules of one call never contradict each other, so their order cannot matter.
    @Test(arguments: Role.allCases)
    func rulesOfOneCallAgree(role: Role) {
        var random = SplitMix(state: 7)
        let rules = Sandbox.of(role).systemCalls.flatMap(\.rules)
        for (name, own) in Dictionary(grouping: rules, by: \.name) where own.count > 1 {
            for _ in 0..<2000 {
                let arguments = arguments(near: own, &random)
                let actions = Set(own.filter { matches($0, arguments) }.map(\.refusal))
                #expect(actions.count <= 1, "\(role.name): \(name) \(arguments)")
            }
        }
    }

    @Test func aNameThatNobodyKnowsIsAnError() {
        #expect(throws: SandboxError.unknownSystemCall("no_such_call")) {
            try exportFilter([.allow("no_such_call")], unlisted: .endsProcess, architecture: .running, to: -1)
        }
    }

    private func matches(_ rule: SystemCallRule, _ arguments: [UInt64]) -> Bool {
        rule.conditions.allSatisfy { arguments[Int($0.argument)] & $0.mask == value($0) }
    }

    private func value(_ condition: Condition) -> UInt64 {
        switch condition.value {
        case .number(let number): number
        case .ownProcess: UInt64(getpid())
        // As in a process that was handed none.
        case .recordDirectory: UInt64(Int32.max)
        }
    }

    private func verdict(_ rules: [SystemCallRule], _ arguments: [UInt64]) -> UInt32 {
        guard let rule = rules.first(where: { matches($0, arguments) }) else { return kill }
        guard let errno = rule.refusal else { return allow }
        return refuse | UInt32(errno)
    }

    /// Arguments that satisfy a random rule, then often spoilt by one bit.
    private func arguments(near rules: [SystemCallRule], _ random: inout SplitMix) -> [UInt64] {
        var arguments = (0..<6).map { _ in Bool.random(using: &random) ? random.next() : random.next() % 64 }
        guard let rule = rules.randomElement(using: &random) else { return arguments }
        for condition in rule.conditions {
            let index = Int(condition.argument)
            arguments[index] = arguments[index] & ~condition.mask | value(condition)
        }
        if let condition = rule.conditions.randomElement(using: &random), Bool.random(using: &random) {
            let bit: UInt64 = 1 << UInt64.random(in: 0..<64, using: &random)
            let inMask = condition.mask & bit != 0 ? bit : condition.mask & (0 &- condition.mask)
            arguments[Int(condition.argument)] ^= Bool.random(using: &random) ? inMask : bit
        }
        return arguments
    }
}
