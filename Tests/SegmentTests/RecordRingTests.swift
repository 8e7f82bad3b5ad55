import CKernel
import Glibc
import Testing

@testable import Segment

/// Record rings: what is committed comes out once and in order, wherever either side is stopped, and nothing that a producer writes harms the reader.
@Suite struct RecordRingTests {
    private struct Ring: ~Copyable {
        let data: Int32
        let progress: Int32

        init() throws { (data, progress) = try RecordRing.create(ring: 7) }

        deinit {
            close(data)
            close(progress)
        }

        func producer() throws -> RecordRingProducer { try RecordRingProducer(data: data, progress: progress) }
        func consumer() throws -> RecordRingConsumer { try RecordRingConsumer(data: data, progress: progress) }
        func word(_ offset: Int, _ value: UInt64) throws {
            try SharedMemory(descriptor: data, size: RecordRing.Data.size, writable: true).store(offset, value)
        }
    }

    private func record(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
    }

    /// The records that are there, without the entries in which producers begin.
    private func all(_ consumer: RecordRingConsumer) throws -> [[UInt8]] {
        var result: [[UInt8]] = []
        var bytes: [UInt8] = []
        while let entry = try consumer.next(into: &bytes) {
            if entry.effect != .begins { result.append(bytes) }
            bytes.removeAll()
        }
        return result
    }

    @Test func recordsOfEverySizeComeOutAsTheyWentInAcrossTheEndOfTheRing() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        let consumer = try ring.consumer()
        var random = SystemRandomNumberGenerator()
        for round in 0..<400 {
            let sizes = (0..<4).map { _ in
                Int.random(in: 1...(round % 10 == 0 ? RecordRing.maximumRecord : 9000), using: &random)
            }
            for size in sizes { #expect(producer.append(record(round, size).span, blocks: false) != nil) }
            #expect(try all(consumer) == sizes.map { record(round, $0) })
            consumer.storeTail()
        }
    }

    /// A producer is stopped before it writes, between writing and committing, or after; its successor goes on.
    @Test(arguments: 0..<3) func aProducerMayBeStoppedAnywhere(point: Int) throws {
        for committed in 0..<5 {
            let ring = try Ring()
            let producer = try ring.producer()
            for number in 0..<committed { _ = producer.append(record(number, 100).span, blocks: false) }
            if point > 0 { producer.write(record(99, 5000).span, effect: .none, request: 0, blocks: false) }
            if point > 1 { producer.publish() }
            let successor = try ring.producer()
            #expect(successor.append(record(50, 10).span, blocks: true) != nil)
            let expected =
                (0..<committed).map { record($0, 100) } + (point > 1 ? [record(99, 5000)] : []) + [record(50, 10)]
            #expect(try all(try ring.consumer()) == expected)
        }
    }

    /// A recorder that ended before it stored the tail leaves everything to its successor; one that stored it, nothing.
    @Test func aRecorderMayBeStoppedAnywhere() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        for number in 0..<3 { _ = producer.append(record(number, 64).span, blocks: false) }
        for _ in 0..<2 { #expect(try all(try ring.consumer()).count == 3) }
        let consumer = try ring.consumer()
        #expect(try all(consumer).count == 3)
        consumer.storeTail()
        #expect(try all(try ring.consumer()).isEmpty)
    }

    @Test func openRequestsOutliveTheRecorder() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        let consumer = try ring.consumer()
        for request in [5, 6, 7] as [UInt64] {
            _ = producer.append(record(1, 10).span, effect: .forwards, request: request, blocks: false)
        }
        _ = producer.append(record(1, 10).span, effect: .answers, request: 6, blocks: false)
        var bytes: [UInt8] = []
        while let entry = try consumer.next(into: &bytes) {
            consumer.note(entry)
            consumer.note(entry)
        }
        #expect(consumer.openRequests == [5, 7])
        #expect(try ring.consumer().openRequests == [5, 7])
    }

    @Test func aFullRingTakesNoMoreUntilItIsDrainedAndASuccessorCanStillBegin() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        var count = 0
        while producer.append(record(1, 60_000).span, blocks: count & 1 == 0) != nil { count += 1 }
        #expect(count > 60)
        _ = try ring.producer()
        let consumer = try ring.consumer()
        #expect(try all(consumer).count == count)
        consumer.storeTail()
        #expect(try ring.producer().append(record(1, 60_000).span, blocks: false) != nil)
    }

    @Test func aStoppedRecorderTakesDenialsOnly() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        let consumer = try ring.consumer()
        consumer.setStopped(true)
        #expect(producer.append(record(1, 10).span, blocks: false) == nil)
        #expect(producer.append(record(1, 10).span, blocks: true) != nil)
        consumer.setStopped(false)
        #expect(producer.append(record(1, 10).span, blocks: false) != nil)
    }

    /// Whatever stands in the producer's segment, the reader ends with an entry that fits, with none, or with a fault.
    @Test func nothingAProducerWritesHarmsTheReader() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            let ring = try Ring()
            let producer = try ring.producer()
            _ = producer.append(record(1, 500).span, blocks: false)
            let offsets = [RecordRing.Data.head, RecordRing.Data.incarnation, 4096, 4104, 4112, 4120]
            for _ in 0..<2 {
                let value = [
                    UInt64.random(in: 0 ... .max, using: &random), UInt64.random(in: 0...4096, using: &random), 1 << 22,
                ]
                try ring.word(offsets.randomElement() ?? 8, value.randomElement() ?? 0)
            }
            let consumer = try ring.consumer()
            var bytes: [UInt8] = []
            var count = 0
            while count < 100, let entry = try? consumer.next(into: &bytes) {
                #expect(entry.length <= RecordRing.maximumRecord)
                count += 1
            }
            #expect(count < 100)
        }
    }

    /// What a condemned producer left is gone for its successor, and the recorder reads the successor's records.
    @Test func aCondemnedProducersRecordsAreThrownAway() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        let consumer = try ring.consumer()
        _ = try all(consumer)
        _ = producer.append(record(1, 500).span, blocks: false)
        consumer.storeTail()
        consumer.condemn()
        _ = producer.append(record(2, 500).span, blocks: false)
        #expect(try all(consumer).isEmpty)
        let successor = try ring.producer()
        _ = successor.append(record(3, 20).span, blocks: false)
        #expect(try all(consumer) == [record(3, 20)])
    }

    @Test func theRecorderIsWokenOnlyWhenItSleeps() throws {
        let ring = try Ring()
        let producer = try ring.producer()
        let consumer = try ring.consumer()
        consumer.setSleep(.awake)
        _ = producer.append(record(1, 10).span, blocks: true)
        #expect(!producer.mustWake())
        consumer.setSleep(.resting)
        _ = producer.append(record(1, 10).span, blocks: false)
        #expect(!producer.mustWake())
        _ = producer.append(record(1, 10).span, blocks: true)
        #expect(producer.mustWake() && !producer.mustWake())
        consumer.setSleep(.asleep)
        #expect(producer.mustWake())
    }
}
