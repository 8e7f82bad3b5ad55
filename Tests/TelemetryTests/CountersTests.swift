import Glibc
import Segment
import Testing

@testable import Telemetry

@Suite struct CountersTests {
    @Test func aSuccessorKeepsTheCountersAndBeginsItsGaugesAnew() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let first = Counters(try CounterSegment(writing: descriptor))
        for counter in Counter.allCases { first.add(counter, UInt64(counter.rawValue) + 100) }
        let second = Counters(try CounterSegment(writing: descriptor))
        for counter in Counter.allCases {
            #expect(second.value(counter) == (counter.isGauge ? 0 : UInt64(counter.rawValue) + 100), "\(counter)")
        }
        second.add(.answered)
        #expect(second.value(.answered) == UInt64(Counter.answered.rawValue) + 101)
    }

    @Test func everyCounterHasASlotOfItsOwnWithinTheSegment() throws {
        #expect(Set(Counter.allCases.map(\.rawValue)).count == Counter.allCases.count)
        #expect(Counter.allCases.allSatisfy { (0..<CounterSegment.capacity).contains($0.rawValue) })
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let counters = Counters(try CounterSegment(writing: descriptor))
        for counter in Counter.allCases {
            counters.add(counter, 7)
            #expect(Counter.allCases.filter { counters.value($0) == 7 } == [counter])
            counters.set(counter, 0)
        }
    }

    @Test func whatGoesDownIsAGaugeAndTotalsAreNot() {
        let gauges: Set<Counter> = [
            .openConnections, .inFlight, .upstreamState, .activeSessions, .heapBytes, .toolsMissing, .recordBacklog,
            .recordsStopped,
        ]
        #expect(Set(Counter.allCases.filter(\.isGauge)) == gauges)
    }

    @Test func gaugesGoUpAndDown() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let counters = Counters(try CounterSegment(writing: descriptor))
        counters.add(.inFlight)
        counters.add(.inFlight)
        counters.subtract(.inFlight)
        #expect(counters.value(.inFlight) == 1)
        counters.set(.upstreamState, UpstreamState.unreachable.rawValue)
        #expect(counters.value(.upstreamState) == UpstreamState.unreachable.rawValue)
    }

    @Test func aCounterThatOverflowsWrapsInsteadOfEndingTheWorker() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let segment = try CounterSegment(writing: descriptor)
        let counters = Counters(segment)
        segment[Counter.requestBytes.rawValue] = .max
        counters.add(.requestBytes, 3)
        #expect(counters.value(.requestBytes) == 2)
    }
}
