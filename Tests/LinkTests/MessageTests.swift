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

/// Outsiders' bytes reach the texts of `open` and `head`: what the reader would condemn must never be sent, and what could
/// break out of a header line must never be read.
@Suite struct OutsiderTextTests {
    static let base = RequestOpen(
        generation: 1, requestID: 2, identity: .anonymous, session: "s", method: .post, acceptsJSON: true,
        acceptsEvents: true, isModern: false, fields: [], bodyLength: 0)
    static let answer = ReplyHead(status: 200, kind: .json, bodyLength: 0)

    @Test func fieldsAtTheirLimitArePassedAndOneByteMoreIsNotSent() throws {
        let limits: [(Int, (inout RequestOpen, String) -> Void)] = [
            (LinkLimits.name, { $0.session = $1 }),
            (LinkLimits.name, { $0.identity.subject = $1 }),
            (LinkLimits.name, { $0.identity.tenant = $1 }),
            (LinkLimits.name, { $0.identity.roles = [$1] }),
            (LinkLimits.name, { $0.identity.labels = [Identity.Label(name: $1, value: "")] }),
            (LinkLimits.labelValue, { $0.identity.labels = [Identity.Label(name: "", value: $1)] }),
            (LinkLimits.fieldName, { $0.fields = [HeaderField(name: $1, value: "")] }),
            (LinkLimits.fieldValue, { $0.fields = [HeaderField(name: "a", value: $1)] }),
        ]
        for (limit, set) in limits {
            var message = Self.base
            set(&message, String(repeating: "x", count: limit))
            let bytes = Sample.encoded(message)
            #expect(try RequestOpen(decoding: bytes.span) == message)
            set(&message, String(repeating: "x", count: limit + 1))
            #expect(Sample.encoded(message).isEmpty)
        }
        let answers: [(Int, (inout ReplyHead, String) -> Void)] = [
            (LinkLimits.name, { $0.session = $1 }), (LinkLimits.challenge, { $0.challenge = $1 }),
            (LinkLimits.fieldName, { $0.fields = [HeaderField(name: $1, value: "")] }),
            (LinkLimits.fieldValue, { $0.fields = [HeaderField(name: "a", value: $1)] }),
        ]
        for (limit, set) in answers {
            var message = Self.answer
            set(&message, String(repeating: "x", count: limit))
            let bytes = Sample.encoded(message)
            #expect(try ReplyHead(decoding: bytes.span) == message)
            set(&message, String(repeating: "x", count: limit + 1))
            #expect(Sample.encoded(message).isEmpty)
        }
    }

    @Test func headsLargerThanAFrameAreNotSentAndLeaveTheWriterAsItWas() {
        var writer = FieldWriter()
        writer.u32(7)
        let before = writer.bytes
        var message = Self.base
        message.fields = (0..<3).map { _ in HeaderField(name: "a", value: String(repeating: "x", count: 60000)) }
        #expect(!message.write(&writer))
        #expect(writer.bytes == before)
        message.fields.removeLast()
        #expect(message.write(&writer))
        #expect(writer.bytes.count > 120000)
    }

    @Test func statusesAndLengthsThatTheReaderRefusesAreNotSent() {
        for status in [0, 100, 199, 600, 999, UInt16.max] {
            var message = Self.answer
            message.status = status
            #expect(Sample.encoded(message).isEmpty)
        }
        for length in [LinkLimits.bodyLength + 1, 1 << 63, UInt64.max - 1] {
            var message = Self.answer
            message.bodyLength = length
            #expect(Sample.encoded(message).isEmpty)
            var request = Self.base
            request.bodyLength = length
            #expect(Sample.encoded(request).isEmpty)
        }
    }

    /// A hostile worker writes what it likes: build the payload with a harmless text and overwrite it.
    @Test func textsThatBreakOutOfAHeaderLineAreRefusedInBothDirections() throws {
        let mark = "QQQQ"
        for bad in ["Q\r\nQ", "QQ\nQ", "QQ\rQ", "Q\0QQ", "QQQ\u{7F}", "QQQ\u{1B}"] {
            var requests = [Self.base, Self.base]
            requests[0].session = mark
            requests[1].fields = [HeaderField(name: "a", value: mark)]
            for message in requests {
                let bytes = replacing(mark, with: bad, in: Sample.encoded(message))
                #expect(
                    violation { () throws(LinkViolation) in _ = try RequestOpen(decoding: bytes.span) } == .badPayload)
            }
            var replies = [Self.answer, Self.answer, Self.answer]
            replies[0].session = mark
            replies[1].challenge = mark
            replies[2].fields = [HeaderField(name: "a", value: mark)]
            for message in replies {
                let bytes = replacing(mark, with: bad, in: Sample.encoded(message))
                #expect(
                    violation { () throws(LinkViolation) in _ = try ReplyHead(decoding: bytes.span) } == .badPayload)
            }
            var own = Self.answer
            own.challenge = bad
            #expect(Sample.encoded(own).isEmpty)
        }
        for name in ["", "A", "a b", "a:", "é", "a\r", "a(", "a\u{7F}", "\"", "a/b", "[", "{"] {
            #expect(Sample.encoded(replyWithField(name)).isEmpty)
        }
        var message = replyWithField("qqqq")
        message.fields[0].value = "v"
        for name in ["qq:q", "qq q", "Qqqq", "qq\r\n"] {
            let bytes = replacing("qqqq", with: name, in: Sample.encoded(message))
            #expect(violation { () throws(LinkViolation) in _ = try ReplyHead(decoding: bytes.span) } == .badPayload)
        }
    }

    /// Else a route could make a client take the rest of one body for the answer to its next request.
    @Test func anAnswerWhoseBodyTheClientWouldEndElsewhereIsNeitherSentNorTaken() throws {
        let wrong: [ReplyHead] = [
            ReplyHead(status: 200, kind: .empty, bodyLength: 1),
            ReplyHead(status: 200, kind: .empty, bodyLength: ReplyHead.unknownLength),
            ReplyHead(status: 200, kind: .json, bodyLength: ReplyHead.unknownLength),
            ReplyHead(status: 204, kind: .json, bodyLength: 5),
            ReplyHead(status: 304, kind: .json, bodyLength: 0),
            ReplyHead(status: 205, kind: .events, bodyLength: ReplyHead.unknownLength),
        ]
        for head in wrong {
            #expect(Sample.encoded(head).isEmpty)
            // What a sender without scruples would write: a good head with the three fields overwritten (status, kind, length).
            var bytes = Sample.encoded(Self.answer)
            var fields = FieldWriter()
            fields.u16(head.status)
            fields.u8(head.kind.rawValue)
            fields.u64(head.bodyLength)
            bytes.replaceSubrange(0..<fields.bytes.count, with: fields.bytes)
            #expect(violation { () throws(LinkViolation) in _ = try ReplyHead(decoding: bytes.span) } == .badPayload)
        }
    }

    @Test func longDetailsOfAFailedDialAreCutAtAScalar() throws {
        for text in ["x", "é", "漢", "🔥"] {
            let detail = String(repeating: text, count: 2000)
            let bytes = DialOutcome.failed(.unreachable, detail: detail).encode()
            guard case .failed(.unreachable, let read) = try DialOutcome(decoding: bytes.span) else {
                Issue.record("not a failure")
                continue
            }
            #expect(detail.hasPrefix(read) && read.utf8.count <= DialOutcome.maximumDetail && read.utf8.count > 1020)
        }
    }

    @Test func ticketZeroIsRefused() {
        let bytes = [UInt8](repeating: 0, count: 16)
        #expect(
            violation { () throws(LinkViolation) in _ = try GenerationMessage(decoding: bytes.span) } == .badPayload)
        let connected = [UInt8](repeating: 0, count: 9)
        #expect(violation { () throws(LinkViolation) in _ = try DialOutcome(decoding: connected.span) } == .badPayload)
    }

    private func replyWithField(_ name: String) -> ReplyHead {
        var message = Self.answer
        message.fields = [HeaderField(name: name, value: "")]
        return message
    }

    private func replacing(_ mark: String, with text: String, in bytes: [UInt8]) -> [UInt8] {
        let old = Array(mark.utf8)
        let new = Array(text.utf8)
        precondition(old.count == new.count)
        guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: old) }) else {
            Issue.record("the mark is not in the payload")
            return bytes
        }
        var result = bytes
        result.replaceSubrange(start..<(start + old.count), with: new)
        return result
    }
}
