import Testing

@testable import Link

@Suite struct MessageTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func everyMessageSurvivesEncodingAndDecoding(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            for sample in Sample.all(&random) {
                guard try sample.isSame(sample.bytes) else { throw Broken("\(sample.name) changed", seed: seed) }
                for type in sample.types where !type.payloadBounds.contains(sample.bytes.count) {
                    throw Broken("\(sample.name) does not fit a \(type) frame", seed: seed)
                }
            }
        }
    }

    @Test(arguments: [11, 12, 13] as [UInt64])
    func truncatedOrExtendedPayloadsAreRefused(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<10 {
            for sample in Sample.all(&random) {
                for length in 0..<sample.bytes.count {
                    try refuses(sample, Array(sample.bytes[..<length]), seed)
                }
                for byte in [0, 1, 0x20, 0xFF] as [UInt8] { try refuses(sample, sample.bytes + [byte], seed) }
            }
        }
    }

    /// There is one encoding for each message: what is accepted encodes to the bytes it came from.
    @Test(arguments: [21, 22, 23] as [UInt64])
    func damagedPayloadsAreRefusedOrMeanExactlyTheirBytes(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<20 {
            for sample in Sample.all(&random) where !sample.bytes.isEmpty {
                for position in sample.bytes.indices {
                    var bytes = sample.bytes
                    bytes[position] ^= UInt8(1 + random.below(255))
                    guard let again = try? sample.recode(bytes) else { continue }
                    if again != bytes { throw Broken("\(sample.name) has two encodings", seed: seed) }
                }
            }
        }
    }

    @Test func lengthsAndCountsThatLieReserveNoMemory() throws {
        guard let before = peakVirtualMemory() else {
            print("SKIPPED 1: no /proc/self/status")
            return
        }
        var random = SeededRandom(seed: 31)
        var tried = 0
        for sample in Sample.all(&random) {
            for position in 0..<max(0, sample.bytes.count - 3) {
                for count in [UInt32.max, 0x7FFF_FFFF, 0x1000_0000] {
                    var bytes = sample.bytes
                    for offset in 0..<4 { bytes[position + offset] = UInt8(truncatingIfNeeded: count >> (8 * offset)) }
                    if let again = try? sample.recode(bytes) { #expect(again == bytes) }
                    tried += 1
                }
            }
        }
        for count in [UInt32.max, 0x7FFF_FFFF, 0x1000_0000, 5] {
            var writer = FieldWriter()
            writer.u32(count)
            writer.u32(0)
            let bytes = writer.bytes
            #expect(
                violation { () throws(LinkViolation) in
                    var r = FieldReader(bytes.span); _ = try r.blob()
                } == .badPayload)
            #expect(
                violation { () throws(LinkViolation) in
                    var r = FieldReader(bytes.span); _ = try r.string()
                } == .badPayload)
            #expect(
                violation { () throws(LinkViolation) in
                    var r = FieldReader(bytes.span); _ = try r.count(elementBytes: 1)
                }
                    == .badPayload)
        }
        let after = try #require(peakVirtualMemory())
        #expect(tried > 500)
        #expect(after - before < 200 << 20, "a length of 256 MiB or more was believed")
    }

    @Test func countsNeverPromiseMoreThanTheBytesCanHold() throws {
        for remaining in 0...40 {
            for element in 1...9 {
                for claimed in 0...41 {
                    var writer = FieldWriter()
                    writer.count(claimed)
                    let bytes = writer.bytes + [UInt8](repeating: 0, count: remaining)
                    var reader = FieldReader(bytes.span)
                    let count = try? reader.count(elementBytes: element)
                    #expect(count == (claimed * element <= remaining ? claimed : nil))
                }
            }
        }
    }

    @Test func readerStaysInsideItsRange() {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        for range in [4..<4, 9..<12, 7..<100, -3 ..< -1] {
            #expect(
                violation { () throws(LinkViolation) in
                    var r = FieldReader(bytes.span, range); _ = try r.u16()
                } == .badPayload)
        }
        var reader = FieldReader(bytes.span, 2..<4)
        #expect((try? reader.u16()) == 0x0403)
        #expect(violation { () throws(LinkViolation) in _ = try reader.u8() } == .badPayload)
        #expect(violation { () throws(LinkViolation) in try reader.finish() } == nil)
    }

    @Test func flagsAndTextsHaveOneSpelling() {
        for byte in UInt8.min...UInt8.max {
            let bytes = [byte]
            var reader = FieldReader(bytes.span)
            #expect((try? reader.bool()) == (byte == 0 ? false : byte == 1 ? true : nil))
        }
        let bad: [[UInt8]] = [[0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80], [0xE2, 0x82]]
        for text in bad {
            var writer = FieldWriter()
            writer.blob(text)
            let bytes = writer.bytes
            #expect(
                violation { () throws(LinkViolation) in
                    var r = FieldReader(bytes.span); _ = try r.string()
                } == .badPayload)
        }
    }

    private func refuses(_ sample: Sample, _ bytes: [UInt8], _ seed: UInt64) throws {
        do {
            _ = try sample.recode(bytes)
        } catch LinkViolation.badPayload {
            return
        }
        throw Broken("\(sample.name) takes \(bytes.count) bytes of \(sample.bytes.count)", seed: seed)
    }
}
