import Testing

@testable import Sandbox
@testable import Supervisor

@Suite struct DescriptorLimitTests {
    @Test func theSupervisorHasMoreThanAnyWorkerMayParkAndSaysSoElse() throws {
        let greatest = try #require(Sandbox.table.map(\.limits.descriptors).max())
        #expect(DescriptorLimit(value: DescriptorLimit.wanted).shortage == nil)
        #expect(DescriptorLimit(value: Int(greatest) + 2048).shortage == nil)
        for value in [256, 4096, Int(greatest), Int(greatest) + 2047] {
            #expect(DescriptorLimit(value: value).shortage?.contains("is \(value): ") == true)
        }
    }

    /// Else what another worker has parked makes every handing over of a connection fail (ETOOMANYREFS).
    @Test func theDialerHasMuchMoreThanAnyOtherWorkerMayPark() {
        let others = Sandbox.table.filter { $0.role != .dialer }.map(\.limits.descriptors)
        for other in others { #expect(Sandbox.of(.dialer).limits.descriptors >= 4 * other) }
    }
}
