import CKernel
import Glibc
import Testing

@testable import Segment

@Suite struct CounterSegmentTests {
    @Test func aNewSegmentIsAllZeroAndItsCountersAreSeparate() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let segment = try CounterSegment(writing: descriptor)
        #expect((0..<CounterSegment.capacity).allSatisfy { segment[$0] == 0 })
        for index in 0..<CounterSegment.capacity { segment[index] = UInt64(index) &* 0x0101_0101_0101_0101 }
        #expect((0..<CounterSegment.capacity).allSatisfy { segment[$0] == UInt64($0) &* 0x0101_0101_0101_0101 })
    }

    @Test func aSuccessorGoesOnCountingWhereTheLastWriterStopped() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        for round in 0..<3 as Range<UInt64> {
            let segment = try CounterSegment(writing: descriptor)
            #expect((0..<CounterSegment.capacity).allSatisfy { segment[$0] == round * UInt64($0 + 1) })
            for index in 0..<CounterSegment.capacity { segment[index] &+= UInt64(index + 1) }
        }
    }

    @Test func countersSurviveWritersKilledInTheMiddle() async throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let reader = try CounterSegment(reading: descriptor)
        for round in 1...3 as ClosedRange<UInt64> {
            await #expect(processExitsWith: .signal(SIGKILL)) { [descriptor = descriptor as Int32] in
                let segment = try CounterSegment(writing: descriptorOfParent(descriptor))
                for _ in 0..<1000 {
                    segment[0] &+= 1
                    segment[CounterSegment.capacity - 1] &+= 3
                }
                kill(getpid(), SIGKILL)
            }
            #expect(reader[0] == round * 1000)
            #expect(reader[CounterSegment.capacity - 1] == round * 3000)
        }
    }

    @Test func aReaderSeesTheWriterAndCannotWrite() throws {
        let descriptor = try CounterSegment.create()
        defer { close(descriptor) }
        let readOnly = ck_reopen_read_only(descriptor)
        try #require(readOnly >= 0)
        defer { close(readOnly) }
        let writer = try CounterSegment(writing: descriptor)
        let reader = try CounterSegment(reading: readOnly)
        writer[7] = 42
        #expect(reader[7] == 42)

        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(writing: readOnly) } != nil)
        let mapped = unsafe mmap(nil, CounterSegment.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, readOnly, 0)
        #expect(unsafe mapped == MAP_FAILED)
        let shared = unsafe mmap(nil, CounterSegment.byteCount, PROT_READ, MAP_SHARED, readOnly, 0)
        try #require(unsafe shared != MAP_FAILED)
        #expect(unsafe mprotect(shared, CounterSegment.byteCount, PROT_READ | PROT_WRITE) == -1)
        #expect(unsafe munmap(shared, CounterSegment.byteCount) == 0)
        let word: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        #expect(unsafe pwrite(readOnly, word, word.count, 64) == -1)
        #expect(writer[7] == 42)
    }

    @Test func storingThroughAReadersMappingEndsTheProcess() async {
        await #expect(processExitsWith: .failure) {
            let reader = try CounterSegment(reading: CounterSegment.create())
            reader[0] = 1
            exit(0)
        }
    }

    @Test(arguments: [CounterSegment.capacity, CounterSegment.capacity + 1, 1 << 40, -2, -1 << 40])
    func aCounterOutsideTheSegmentEndsTheProcess(index: Int) async {
        await #expect(processExitsWith: .failure) { [index = index as Int] in
            let segment = try CounterSegment(writing: CounterSegment.create())
            segment[index] = 1
            exit(0)
        }
    }

    @Test func nobodyCanResizeASegmentOrUnsealIt() throws {
        for descriptor in [try CounterSegment.create(), try SnapshotSegment.create()] {
            defer { close(descriptor) }
            let size = lseek(descriptor, 0, SEEK_END)
            for wanted in [0, 8, size - 1, size + 1, size * 2] {
                #expect(ftruncate(descriptor, wanted) == -1)
                #expect(errno == EPERM)
            }
            #expect(lseek(descriptor, 0, SEEK_END) == size)
            let byte: [UInt8] = [0]
            #expect(unsafe pwrite(descriptor, byte, 1, size) == -1)
        }
    }

    @Test func descriptorsThatAreNoSealedSegmentsAreRefused() throws {
        var pipes: [Int32] = [-1, -1]
        try #require(unsafe ck_pipe(&pipes) == 0)
        let file = unsafe open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        let zero = unsafe open("/dev/zero", O_RDWR | O_CLOEXEC)
        // A file in memory that could still be cut short under its readers.
        var path = Array("/dev/shm/mcpgw-test-XXXXXX".utf8CString)
        let unsealed = unsafe mkstemp(&path)
        #expect(unsealed >= 0)
        _ = unsafe unlink(path)
        _ = ftruncate(unsealed, CounterSegment.byteCount)
        for descriptor in [pipes[0], pipes[1], file, zero, unsealed, -1] {
            for writable in [true, false] {
                let error = segmentError { () throws(SegmentError) in
                    _ = try SnapshotSegment(descriptor: descriptor, writable: writable)
                }
                #expect(error?.action == "check the seals of a segment")
            }
            let error = segmentError { () throws(SegmentError) in _ = try CounterSegment(reading: descriptor) }
            #expect(error?.action == "check the seals of a segment")
            close(descriptor)
        }
    }

    @Test(arguments: [1, 8, 4088, 4095, 4097, 8192, SnapshotSegment.byteCount, SnapshotSegment.byteCount + 1])
    func aSegmentOfAnotherSizeIsRefused(size: Int) throws {
        let descriptor = unsafe ck_segment("mcpgw-test", size)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(writing: descriptor) } != nil)
        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(reading: descriptor) } != nil)
        guard size != SnapshotSegment.byteCount else { return }
        #expect(
            segmentError { () throws(SegmentError) in _ = try SnapshotSegment(descriptor: descriptor, writable: true) }
                != nil)
    }

    @Test func aSegmentWithoutTheExactMarkIsRefused() throws {
        let blank = unsafe ck_segment("mcpgw-test", CounterSegment.byteCount)
        try #require(blank >= 0)
        defer { close(blank) }
        let refusal = SegmentError(action: "read a segment's mark", code: EINVAL)
        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(writing: blank) } == refusal)
        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(reading: blank) } == refusal)

        let good = try CounterSegment.create()
        defer { close(good) }
        let raw = try #require(RawMapping(good, size: CounterSegment.byteCount))
        let mark = raw[0]
        for bit in 0..<64 as Range<UInt64> {
            raw[0] = mark ^ 1 << bit
            #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(writing: good) } == refusal)
        }
        raw[0] = mark
        #expect(segmentError { () throws(SegmentError) in _ = try CounterSegment(writing: good) } == nil)
    }
}
