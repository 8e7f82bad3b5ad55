import Testing

@testable import Link

@Suite struct FrameHeadTests {
    private static func id(_ type: FrameType) -> StreamID {
        type.isStreamFrame ? StreamID(slot: 0x0102_0304, generation: 0xFFFF_FFFF) : .control
    }

    private func refusal(_ first: UInt64, _ second: UInt64) -> LinkViolation? {
        violation { () throws(LinkViolation) in _ = try FrameHead(first: first, second: second) }
    }

    @Test(arguments: FrameType.allCases)
    func everyLengthInBoundsAndNoOtherIsTaken(type: FrameType) throws {
        let bounds = type.payloadBounds
        for length in Set([
            0, 1, 4, 5, 8, 9, bounds.lowerBound, bounds.lowerBound + 1, bounds.upperBound - 1, bounds.upperBound,
            bounds.upperBound + 1, 1 << 20, Int(Int32.max), Int(UInt32.max),
        ])
        where length >= 0 {
            let head = FrameHead(type: type, length: length, stream: Self.id(type))
            let words = head.words
            if bounds.contains(length) {
                #expect(try FrameHead(first: words.0, second: words.1) == head)
            } else {
                #expect(refusal(words.0, words.1) == .badLength)
            }
        }
    }

    @Test(arguments: FrameType.allCases)
    func everyInvalidFieldIsRefused(type: FrameType) {
        let length = type.payloadBounds.lowerBound
        let (first, second) = FrameHead(type: type, length: length, stream: Self.id(type)).words
        #expect(refusal(first, second) == nil)
        for version in 0...255 where version != Int(FrameHead.version) {
            #expect(refusal(first & ~0xFF | UInt64(version), second) == .badVersion)
        }
        for bit in 16..<32 { #expect(refusal(first | 1 << UInt64(bit), second) == .reservedBits) }
        if type.isStreamFrame {
            #expect(refusal(first, second & 0xFFFF_FFFF) == .badStream)
            #expect(refusal(first, 0) == .badStream)
        } else {
            for bit in 0..<64 { #expect(refusal(first, 1 << UInt64(bit)) == .badStream) }
        }
    }

    @Test func onlyTheTypesThereAreAreTaken() {
        let known = Set(FrameType.allCases.map(\.rawValue))
        for raw in UInt8.min...UInt8.max where !known.contains(raw) {
            for generation in [0, 1] as [UInt64] {
                #expect(
                    refusal(UInt64(FrameHead.version) | UInt64(raw) << 8 | 8 << 32, generation << 32) == .unknownType)
            }
        }
    }

    /// Any 16 bytes are refused or are exactly what the head they mean is written as.
    @Test(arguments: [41, 42] as [UInt64])
    func aHeadHasOneSpelling(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var accepted = 0
        for _ in 0..<200_000 {
            var first = random.next()
            var second = random.next()
            // Steer most of them close to acceptance.
            if !random.oneIn(8) { first = first & ~0xFF | 1 }
            if !random.oneIn(8) { first &= ~0xFFFF_0000 }
            if !random.oneIn(8) { first &= 0x0000_001F_FFFF_FFFF }
            if random.oneIn(2) { second = 0 }
            guard let head = try? FrameHead(first: first, second: second) else { continue }
            accepted += 1
            guard head.words == (first, second) else { throw Broken("two spellings of \(head)", seed: seed) }
            guard head.type.payloadBounds.contains(head.length) else { throw Broken("length of \(head)", seed: seed) }
        }
        #expect(accepted > 1000)
    }
}

@Suite struct FrameReaderTests {
    /// A run of valid frames with random payloads.
    private func run(_ random: inout SeededRandom) -> (bytes: [UInt8], frames: [FrameHead]) {
        var bytes: [UInt8] = []
        var frames: [FrameHead] = []
        for _ in 0..<(1 + random.below(12)) {
            let type = FrameType.allCases[random.below(FrameType.allCases.count)]
            let bounds = type.payloadBounds
            let length = min(bounds.upperBound, bounds.lowerBound + random.below(60))
            let stream =
                type.isStreamFrame ? StreamID(slot: random.number(), generation: max(1, random.number())) : .control
            let head = FrameHead(type: type, length: length, stream: stream)
            bytes += littleEndian(head)
            for _ in 0..<length { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
            frames.append(head)
        }
        return (bytes, frames)
    }

    private func littleEndian(_ head: FrameHead) -> [UInt8] {
        var writer = FieldWriter()
        writer.u64(head.words.0)
        writer.u64(head.words.1)
        return writer.bytes
    }

    /// Reads with at most `step` new bytes at a time, as a socket would hand them over; payloads come back as bytes.
    private func read(_ bytes: [UInt8], step: (inout SeededRandom) -> Int, _ random: inout SeededRandom)
        -> (frames: [FrameHead], payloads: [[UInt8]], violation: LinkViolation?)
    {
        var buffer: [UInt8] = []
        var taken = 0
        var frames: [FrameHead] = []
        var payloads: [[UInt8]] = []
        while taken < bytes.count {
            let count = min(step(&random), bytes.count - taken)
            buffer += bytes[taken..<(taken + count)]
            taken += count
            var offset = 0
            do throws(LinkViolation) {
                while let frame = try FrameReader.next(buffer.span, from: offset) {
                    frames.append(frame.head)
                    payloads.append(Array(buffer[frame.payload]))
                    offset = frame.payload.upperBound
                }
            } catch {
                return (frames, payloads, error)
            }
            buffer.removeFirst(offset)
        }
        return (frames, payloads, nil)
    }

    @Test(arguments: [51, 52, 53] as [UInt64])
    func drippedBytesReadLikeOneShot(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<150 {
            var (bytes, frames) = run(&random)
            let isDamaged = random.oneIn(3)
            if isDamaged { bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255)) }
            let whole = read(bytes, step: { _ in .max }, &random)
            let bytewise = read(bytes, step: { _ in 1 }, &random)
            let pieces = read(bytes, step: { 1 + $0.below(40) }, &random)
            guard whole == bytewise, whole == pieces else { throw Broken("drip and one shot differ", seed: seed) }
            if !isDamaged {
                guard whole.frames == frames, whole.violation == nil else { throw Broken("frames lost", seed: seed) }
            }
        }
    }

    @Test func aBadHeadIsRefusedBeforeItsPayloadArrives() {
        var head = littleEndian(FrameHead(type: .data, length: 100, stream: StreamID(slot: 0, generation: 1)))
        #expect(violation { () throws(LinkViolation) in _ = try FrameReader.next(head.span, from: 0) } == nil)
        head[2] = 1
        #expect(violation { () throws(LinkViolation) in _ = try FrameReader.next(head.span, from: 0) } == .reservedBits)
        #expect((try? FrameReader.next(head.span.extracting(0..<15), from: 0)) == .some(nil))
    }

    @Test func offsetsOutsideTheBytesFindNothing() throws {
        let head = littleEndian(FrameHead(type: .end, length: 0, stream: StreamID(slot: 0, generation: 1)))
        for offset in [1, 16, 17, 1 << 40, Int.max, -1, Int.min] {
            #expect(try FrameReader.next(head.span, from: offset) == nil)
        }
    }
}
