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
        raw[0] = 2
        raw[8] = UInt64(SnapshotSegment.capacity)
        #expect(reader.read()?.count == SnapshotSegment.capacity)
        for length in [
            UInt64(SnapshotSegment.capacity) + 1, UInt64(SnapshotSegment.byteCount), 1 << 31, 1 << 32, 1 << 62, 1 << 63,
            UInt64(Int.max), .max,
        ] {
            raw[8] = length
            #expect(reader.read() == nil)
        }
    }

    @Test func aSequenceThatStaysOddIsNoSnapshotAndASuccessorMendsIt() throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        #expect(try SnapshotSegment(descriptor: descriptor, writable: true).publish([1, 2, 3]))
        let raw = try #require(RawMapping(descriptor, size: SnapshotSegment.byteCount))
        for sequence in [1, 3, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFD] as [UInt64] {
            // As a writer leaves it that was killed between the two stores.
            raw[0] = sequence
            #expect(reader.read() == nil)
            #expect(try SnapshotSegment(descriptor: descriptor, writable: true).publish([4, 5]))
            #expect(reader.read() == [4, 5])
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func anyContentIsASnapshotWithinTheSegmentOrNone(seed: UInt64) throws {
        let descriptor = try SnapshotSegment.create()
        defer { close(descriptor) }
        let raw = try #require(RawMapping(descriptor, size: SnapshotSegment.byteCount))
        let reader = try SnapshotSegment(descriptor: descriptor, writable: false)
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            raw[0] = random.next() >> UInt64.random(in: 0..<64, using: &random)
            raw[8] = random.next() >> UInt64.random(in: 40..<64, using: &random)
            if let bytes = reader.read() {
                #expect(raw[0] & 1 == 0 && raw[0] != 0)
                #expect(UInt64(bytes.count) == raw[8])
            } else {
                #expect(raw[0] & 1 == 1 || raw[0] == 0 || raw[8] > UInt64(SnapshotSegment.capacity))
            }
        }
    }
}
