import Roles
import Testing

@testable import Sandbox

@Suite struct ReportTests {
    /// Random reports that a worker of the role could send.
    private func report(_ role: Role, _ random: inout SplitMix) -> ConfinementReport {
        let sandbox = Sandbox.of(role)
        var report = ConfinementReport(sandbox: sandbox, landlockABI: UInt8.random(in: 0...9, using: &random))
        let shortfalls: [Shortfall] = [
            .refused(errno: 1), .refused(errno: 255), .landlockABI(needed: 4), .switchedOff, .needs(.mountNamespace),
        ]
        for facility in Facility.allCases {
            switch sandbox.promise(facility) {
            case .none: break
            case .byConstruction: report[facility] = Bool.random(using: &random) ? .enforced : .byConstruction
            case .required, .whereOffered:
                report[facility] =
                    Bool.random(using: &random)
                    ? .enforced : .missing(shortfalls.randomElement(using: &random) ?? .switchedOff)
            }
        }
        return report
    }

    @Test(arguments: Role.allCases)
    func whatIsEncodedIsDecoded(role: Role) {
        var random = SplitMix(state: 1)
        for _ in 0..<200 {
            let report = report(role, &random)
            #expect(ConfinementReport(decoding: report.encode(), from: role) == report)
        }
    }

    @Test(arguments: Role.allCases)
    func anyByteThatIsAcceptedWouldBeEncodedTheSame(role: Role) {
        var random = SplitMix(state: 2)
        let honest = report(role, &random).encode()
        var accepted = 0
        for index in honest.indices {
            for value in UInt8.min...UInt8.max {
                var bytes = honest
                bytes[index] = value
                guard let decoded = ConfinementReport(decoding: bytes, from: role) else { continue }
                accepted += 1
                #expect(decoded.encode() == bytes)
                #expect(decoded.role == role)
            }
        }
        // The Landlock ABI is any number; nearly everything else is refused.
        #expect(accepted < 256 + honest.count * 8 + 255 * Facility.allCases.count)
        for _ in 0..<20_000 {
            var bytes = honest
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            }
            if let decoded = ConfinementReport(decoding: bytes, from: role) { #expect(decoded.encode() == bytes) }
        }
    }

    @Test func lengthsAreExact() {
        var random = SplitMix(state: 3)
        let bytes = report(.route, &random).encode()
        for length in 0..<bytes.count {
            #expect(ConfinementReport(decoding: Array(bytes[..<length]), from: .route) == nil)
        }
        #expect(ConfinementReport(decoding: bytes + [0], from: .route) == nil)
        #expect(bytes.count == 4 + 3 * Facility.allCases.count)
    }

    @Test func aReportOfAnotherRoleIsRefused() {
        var random = SplitMix(state: 4)
        for sender in Role.allCases {
            let bytes = report(sender, &random).encode()
            for expected in Role.allCases where expected != sender {
                #expect(ConfinementReport(decoding: bytes, from: expected) == nil)
            }
        }
    }

    @Test func aWorkerCannotClaimFewerPromises() throws {
        var random = SplitMix(state: 5)
        for role in Role.allCases {
            let honest = report(role, &random).encode()
            for (index, facility) in Facility.allCases.enumerated() {
                let state = 4 + 3 * index + 1
                var bytes = honest
                bytes[state] = 0
                bytes[state + 1] = 0
                let promised = Sandbox.of(role).promise(facility) != .none
                #expect((ConfinementReport(decoding: bytes, from: role) == nil) == promised, "\(role.name) \(facility)")
            }
        }
    }

    @Test func countsAddUp() {
        var random = SplitMix(state: 6)
        for role in Role.allCases {
            let report = report(role, &random)
            #expect(report.promised == report.enforced + report.missing.count)
            #expect(Facility.allCases.count { report.promises($0) } >= report.promised)
            #expect(Set(report.missingRequired).isSubset(of: report.missing.map(\.facility)))
        }
    }

    @Test func theTablePrintsEveryCell() {
        var random = SplitMix(state: 8)
        var reports: [Role: ConfinementReport] = [:]
        for role in Role.allCases where role != .console { reports[role] = report(role, &random) }
        let text = Sandbox.describe(reports)
        let lines = text.split(separator: "\n").map(String.init)
        for facility in Facility.allCases {
            let row = lines.first { $0.hasPrefix(facility.name + "  ") || $0.hasPrefix(facility.name + " ") } ?? ""
            #expect(row.hasSuffix("not probed"), "\(facility)")
        }
        let missing = reports.values.reduce(0) { $0 + $1.missing.count }
        let table = lines.prefix(Facility.allCases.count + 1).joined(separator: "\n")
        #expect(table.split(separator: "MISSING").count - 1 == missing)
        #expect(lines.last == Sandbox.summary(reports))
        for leak in Sandbox.leaks { #expect(text.contains(leak)) }
    }
}
