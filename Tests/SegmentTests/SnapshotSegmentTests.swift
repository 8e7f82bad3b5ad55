import CKernel
import Glibc
import Testing

@testable import Segment

@Suite struct SnapshotSegmentTests {
    @Test func whatIsPublishedIsReadWhole() throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let readOnly = ck_reopen_read_only(descriptor)
        defer { close(readOnly) }
        let writer = try SnapshotSegment(descriptor: descriptor, writable: true)
        let reader = try SnapshotSegment(descriptor: readOnly, writable: false)
        #expect(reader.read() == nil)
        for count in Array(0...17) + [255, 4096, SnapshotSegment.capacity - 1, SnapshotSegment.capacity, 5, 0] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ count) }
            #expect(writer.publish(bytes))
            #expect(reader.read() == bytes)
        }
    }

    @Test func aSnapshotThatDoesNotFitLeavesTheLastOneStanding() throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let segment = try SnapshotSegment(descriptor: descriptor, writable: true)
        #expect(segment.publish([1, 2, 3]))
        #expect(!segment.publish([UInt8](repeating: 9, count: SnapshotSegment.capacity + 1)))
        #expect(segment.read() == [1, 2, 3])
    }

    /// Every snapshot's bytes follow from its first one and its length, so a mixture of two shows.
    private static func snapshot(_ seed: UInt8, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: Int(seed) &* ($0 + 1)) &+ UInt8(truncatingIfNeeded: count) }
    }

    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first else { return false }
        return bytes == snapshot(first &- UInt8(truncatingIfNeeded: bytes.count), count: bytes.count)
    }

    /// In a process of its own, where no other test takes the threads.
    @Test func aReaderBesideABusyWriterNeverSeesAMixtureOfTwo() async {
        await #expect(processExitsWith: .success) {
            let descriptor = try SnapshotSegment.create()
            let writing = Task.detached {
                let writer = try SnapshotSegment(descriptor: descriptor, writable: true)
                var random = SeededRandom(seed: 1)
                for round in 0..<1500 {
                    let count = Int.random(in: 1...2000, using: &random)
                    _ = writer.publish(Self.snapshot(UInt8(truncatingIfNeeded: round), count: count))
                    if round % 16 == 0 { await Task.yield() }
                }
                _ = writer.publish(Self.snapshot(1, count: Self.last))
            }
            let reading = Task.detached { try await Self.readToTheLast(descriptor) }
            try await writing.value
            let (read, torn) = try await reading.value
            #expect(read > 0)
            #expect(torn == 0)
        }
    }

    /// Bytes of the snapshot after which none follows.
    private static let last = 4096

    private static func readToTheLast(_ descriptor: Int32) async throws -> (read: Int, torn: Int) {
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        var found = (read: 0, torn: 0)
        while true {
            if let bytes = reader.read() {
                found.read += 1
                if !isWhole(bytes) { found.torn += 1 }
                if bytes.count == last { return found }
            }
            await Task.yield()
        }
    }

    @Test func lengthsThatLieAreNoSnapshot() throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let raw = try #require(RawMapping(descriptor, size: SnapshotSegment.byteCount))
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        for number in [1, 2] as [UInt64] {
            raw[0] = number
            raw[8] = number
            let slot = 16 + Int(number & 1) * (SnapshotSegment.byteCount / 2 - 8)
            raw[slot] = UInt64(SnapshotSegment.capacity)
            #expect(reader.read()?.count == SnapshotSegment.capacity)
            for length in [
                UInt64(SnapshotSegment.capacity) + 1, UInt64(SnapshotSegment.byteCount), 1 << 31, 1 << 32, 1 << 62,
                1 << 63, UInt64(Int.max), .max,
            ] {
                raw[slot] = length
                #expect(reader.read() == nil)
            }
        }
    }

    /// The scheduler may stop the supervisor anywhere, and it may be killed there: health and status stay answered.
    @Test func aWriterStoppedOnItsWayLeavesTheLastSnapshotReadableAndASuccessorGoesOn() throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        var shown: [UInt8]?
        for round in 0..<5 as Range<UInt8> {
            try SnapshotSegment(descriptor: descriptor, writable: true).begin([round, round, round, round])
            #expect(reader.read() == shown)
            let successor = try SnapshotSegment(descriptor: descriptor, writable: true)
            successor.begin([round, 7])
            #expect(reader.read() == shown)
            successor.commit()
            shown = [round, 7]
            #expect(reader.read() == shown)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func anyContentIsASnapshotWithinTheSegmentOrNone(seed: UInt64) throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let raw = try #require(RawMapping(descriptor, size: SnapshotSegment.byteCount))
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        var random = SeededRandom(seed: seed)
        var read = 0
        for _ in 0..<500 {
            let number = random.next() >> UInt64.random(in: 0..<64, using: &random)
            raw[8] = number
            raw[0] = number &+ UInt64.random(in: 0...3, using: &random)
            let slot = 16 + Int(number & 1) * (SnapshotSegment.byteCount / 2 - 8)
            raw[slot] = random.next() >> UInt64.random(in: 40..<64, using: &random)
            let isReadable = number != 0 && raw[0] &- number <= 1 && raw[slot] <= UInt64(SnapshotSegment.capacity)
            let bytes = reader.read()
            #expect((bytes != nil) == isReadable)
            if let bytes {
                read += 1
                #expect(UInt64(bytes.count) == raw[slot])
            }
        }
        #expect(read > 50)
    }
}
