import Testing

@testable import Link

/// Outsiders' bytes reach the texts of `open` and `head`: what the reader would condemn must never be sent, and what could
/// break out of a header line must never be read.
@Suite struct OutsiderTextTests {
    private static let base = RequestOpen(
        generation: 1, requestID: 2, identity: .anonymous, session: nil, method: .post, acceptsJSON: true,
        acceptsEvents: true, isModern: false, bodyLength: 0)
    private static let answer = ReplyHead(status: 200, kind: .json, bodyLength: 0)

    private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    private static func labels(_ name: String, _ value: String) -> Identity {
        Identity(subject: "", method: .jwt, labels: [Identity.Label(name: name, value: value)])
    }

    /// The message with a part of the given length, for each part that has a limit.
    private static let limited: [(name: String, limit: Int, set: @Sendable (inout RequestOpen, Int) -> Void)] = [
        ("subject", LinkLimits.name, { $0.identity = Identity(subject: text($1), method: .jwt) }),
        ("role", LinkLimits.name, { $0.identity = Identity(subject: "", method: .jwt, roles: ["", text($1)]) }),
        ("tenant", LinkLimits.name, { $0.identity = Identity(subject: "", method: .jwt, tenant: text($1)) }),
        ("label", LinkLimits.name, { $0.identity = labels(text($1), "") }),
        ("label's value", LinkLimits.labelValue, { $0.identity = labels("", text($1)) }),
        ("last event", LinkLimits.eventID, { $0.lastEventID = [UInt8](repeating: 0xFF, count: $1) }),
        ("fields", LinkLimits.fields, { $0.fields = lines($1) }),
    ]

    /// Well-formed lines of so many bytes.
    private static func lines(_ count: Int) -> FieldLines {
        let first = "traceparent: a\r\n"
        let second = "mcp-param-x: "
        return FieldLines(unchecked: Array((first + second + text(count - 31) + "\r\n").utf8))
    }

    @Test func fieldsAtTheirLimitArePassedAndOneByteMoreIsNeitherSentNorTaken() throws {
        for (name, limit, set) in Self.limited {
            var message = Self.base
            set(&message, limit)
            let bytes = Sample.encoded(message)
            #expect(bytes == Unchecked.encoded(message), "\(name)")
            #expect(try RequestOpen(decoding: bytes.span) == message, "\(name)")
            set(&message, limit + 1)
            #expect(message.fields.isWellFormed)
            #expect(Sample.encoded(message).isEmpty, "\(name)")
            #expect(Unchecked.refuses(message), "\(name)")
        }
        var reply = Self.answer
        reply.challenge = Self.text(LinkLimits.challenge)
        let bytes = Sample.encoded(reply)
        #expect(try ReplyHead(decoding: bytes.span) == reply)
        reply.challenge += "x"
        #expect(Sample.encoded(reply).isEmpty)
        #expect(Unchecked.refuses(reply))
    }

    @Test func headsLargerThanAFrameAreNotSentAndLeaveTheWriterAsItWas() {
        var writer = FieldWriter()
        writer.u32(7)
        let before = writer.bytes
        let label = Identity.Label(name: "", value: Self.text(LinkLimits.labelValue))
        var message = Self.base
        message.identity = Identity(subject: "", method: .jwt, labels: Array(repeating: label, count: 40))
        #expect(!message.write(&writer))
        #expect(writer.bytes == before)
        message.identity = Identity(subject: "", method: .jwt, labels: Array(repeating: label, count: 39))
        #expect(message.write(&writer))
        #expect(writer.bytes.count > 39 * LinkLimits.labelValue)
        #expect(writer.bytes.starts(with: before))
    }

    /// A refusal of one message is no reason to refuse the next.
    @Test func aWriterServesTheNextMessageAfterARefusal() {
        var writer = FieldWriter()
        var bad = Self.base
        bad.fields = FieldLines(unchecked: [0])
        #expect(!bad.write(&writer))
        #expect(Self.base.write(&writer))
        #expect(writer.bytes == Sample.encoded(Self.base))
        writer.reset()
        #expect(writer.bytes.isEmpty)
        #expect(Self.answer.write(&writer))
        #expect(writer.bytes == Sample.encoded(Self.answer))
    }

    @Test func statusesAndLengthsThatTheReaderRefusesAreNotSent() {
        for status in [0, 100, 199, 600, 999, UInt16.max] {
            var message = Self.answer
            message.status = status
            #expect(Sample.encoded(message).isEmpty)
            #expect(Unchecked.refuses(message))
        }
        for length in [LinkLimits.bodyLength + 1, 1 << 63, UInt64.max - 1] {
            var message = Self.answer
            message.bodyLength = length
            #expect(Sample.encoded(message).isEmpty)
            #expect(Unchecked.refuses(message))
            var request = Self.base
            request.bodyLength = length
            #expect(Sample.encoded(request).isEmpty)
            #expect(Unchecked.refuses(request))
        }
    }

    /// A hostile worker writes what it likes.
    @Test func aChallengeThatBreaksOutOfItsLineIsRefusedInBothDirections() {
        for bad in ["Q\r\nQ", "Q\n", "\r", "Q\0", "\u{7F}", "\u{1B}"] {
            var message = Self.answer
            message.challenge = bad
            #expect(Sample.encoded(message).isEmpty)
            #expect(Unchecked.refuses(message))
        }
    }

    /// Else a route could make a client take the rest of one body for the answer to its next request.
    @Test func anAnswerWhoseBodyTheClientWouldEndElsewhereIsNeitherSentNorTaken() {
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
            #expect(Unchecked.refuses(head))
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
}
