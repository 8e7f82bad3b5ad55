import Link
import Testing

@testable import Worker

@Suite struct PreparedGenerationTests {
    private enum Frame: CaseIterable { case prepare, commit, abandon }

    private func permits(_ state: PreparedGeneration, _ frame: Frame, _ number: UInt64) -> Bool {
        var state = state
        do throws(LinkViolation) {
            switch frame {
            case .prepare: try state.prepare(number)
            case .commit: try state.commit(number)
            case .abandon: try state.abandon(number)
            }
            return true
        } catch {
            return false
        }
    }

    /// The table: what may come, in each state, for generation 2 and for others.
    @Test func onlyThePermittedFramesAreTaken() throws {
        let fresh = PreparedGeneration(serving: 1)
        var refused = fresh
        try refused.prepare(2)
        var prepared = refused
        prepared.succeeded()
        var committed = prepared
        try committed.commit(2)
        var abandoned = prepared
        try abandoned.abandon(2)
        let table: [(PreparedGeneration, [Frame: [UInt64]])] = [
            (fresh, [.prepare: [2, 3]]),
            (refused, [.prepare: [3], .abandon: [2]]),
            (prepared, [.commit: [2], .abandon: [2]]),
            (committed, [.prepare: [3]]),
            (abandoned, [.prepare: [3]]),
        ]
        for (row, (state, permitted)) in table.enumerated() {
            for frame in Frame.allCases {
                for number in [1, 2, 3] as [UInt64] {
                    let expected = permitted[frame]?.contains(number) ?? false
                    #expect(permits(state, frame, number) == expected, "row \(row), \(frame) \(number)")
                }
            }
        }
    }
}

@Suite struct ServedGenerationsTests {
    @Test func aPreparedGenerationIsFoundBeforeAndTheOldOneAfterTheSwitch() {
        var served = ServedGenerations("one", number: 1)
        #expect(served.find(1) == "one" && served.find(2) == nil)
        served.prepare("two", number: 2)
        #expect(served.find(2) == "two" && served.current == "one" && served.newest == 2)
        served.commit(keeps: true)
        #expect(served.find(1) == "one" && served.find(2) == "two" && served.current == "two" && served.number == 2)
        served.release(1)
        #expect(served.find(1) == nil && served.find(2) == "two")
    }

    @Test func anAbandonedGenerationIsForgotten() {
        var served = ServedGenerations("one", number: 1)
        served.prepare("two", number: 2)
        served.abandon()
        #expect(served.find(2) == nil && served.newest == 1)
        served.commit(keeps: true)
        #expect(served.current == "one")
    }

    @Test func theOneInForceIsNeverReleased() {
        var served = ServedGenerations("one", number: 1)
        served.release(1)
        #expect(served.find(1) == "one")
    }

    @Test func aPeerThatReleasesNothingCannotMakeItGrow() {
        var served = ServedGenerations(0, number: 0)
        for number in 1...1000 as ClosedRange<UInt64> {
            served.prepare(Int(number), number: number)
            served.commit(keeps: true)
        }
        let known = (0...1000 as ClosedRange<UInt64>).filter { served.find($0) != nil }
        #expect(known.count == ServedGenerations<Int>.keptLimit + 1)
        #expect(known.last == 1000)
    }
}
