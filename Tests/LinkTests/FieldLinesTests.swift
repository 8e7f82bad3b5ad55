import Testing

@testable import Link

/// The lines go into an upstream's head as they are: whoever owns the ingress must not be able to write a head of its own with them.
@Suite struct FieldLinesTests {
    private static let legal = [
        "", "traceparent: 00-a-b-01\r\n", "tracestate: \r\n", "baggage: k=v\r\n", "mcp-param-x: eu\r\n",
        "mcp-param--: \t a\u{A0}é \r\n", "mcp-param-!#$%&'*+-.^_`|~09az: :: : \r\n",
        "traceparent: a\r\ntraceparent: b\r\nmcp-param-a: c\r\n", "mcp-param-mcp-param-: x\r\n",
    ]

    private static let illegal: [String] =
        // Names that are not forwarded.
        [
            "host", "content-length", "transfer-encoding", "connection", "authorization", "cookie", "mcp-session-id",
            "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id", "accept", "origin", "upgrade", "te", "x",
            "tracepar", "traceparents", "xtraceparent", "mcp-param", "mcp-param-", "mcp-params-x", "mcp_param_x",
            "x-mcp-param-x", "",
            // No tokens in lower case.
            "Traceparent", "TRACEPARENT", "traceparenT", "Mcp-Param-X", "mcp-param-X", "mcp-param-a b", "mcp-param-é",
            "mcp-param-\"", "mcp-param-(", "mcp-param-,", "mcp-param-/", "mcp-param-;", "mcp-param-<", "mcp-param-@",
            "mcp-param-[", "mcp-param-{", "mcp-param-\u{7F}", "mcp-param-\0", "mcp-param-\t", "mcp-param-\r",
            "mcp-param-\n", "mcp-param-\r\n", " traceparent", "\ttraceparent", "traceparent ", "traceparent\t",
            "\r\ntraceparent", "\ntraceparent", "\u{FEFF}traceparent",
        ].map { $0 + ": a\r\n" }
        // Values that end the line or are no text.
        + [
            "\r", "\n", "\0", "\u{1}", "\u{8}", "\u{B}", "\u{C}", "\u{1B}", "\u{1F}", "\u{7F}", "a\rb", "a\nb", "a\0b",
            "a\r", "a\n", "\n\n", "a\r\n b", "a\r\n\tb", "a\r\nhost: evil", "a\r\nhost: evil\r\n",
            "a\r\n\r\nGET / HTTP/1.1",
            "a\r\n\r\n", "a\r\nTraceparent: b", "a\r\r", "a\n\r",
        ].map { "traceparent: \($0)\r\n" }
        // Lines that are not whole.
        + [
            "traceparent", "traceparent:", "traceparent: ", "traceparent: a", "traceparent: a\r", "traceparent: a\n",
            "traceparent:a\r\n", "traceparent:\r\n", "traceparent:\ta\r\n", "traceparent\r\n", "traceparent a\r\n",
            "traceparent;: a\r\n", "traceparent : a\r\n", ": \r\n", ":\r\n", " \r\n", "\r\n", "\r", "\n", "\0", " ",
            "a",
            "traceparent: a\r\n\r\n", "\r\ntraceparent: a\r\n", "traceparent: a\r\n ", "traceparent: a\r\n\0",
            "traceparent: a\r\nbaggage", "traceparent: a\r\nbaggage: b", "traceparent: a\r\nbaggage: b\n",
            "traceparent: a\nbaggage: b\r\n",
        ]

    private static func message(_ lines: [UInt8]) -> RequestOpen {
        RequestOpen(
            generation: 1, requestID: 2, identity: .anonymous, session: nil, method: .post, acceptsJSON: true,
            acceptsEvents: true, isModern: true, fields: FieldLines(unchecked: lines), bodyLength: 3)
    }

    @Test(arguments: legal) func wholeLinesOfForwardedNamesPass(lines: String) throws {
        let message = Self.message(Array(lines.utf8))
        let bytes = Sample.encoded(message)
        #expect(bytes == Unchecked.encoded(message))
        #expect(try RequestOpen(decoding: bytes.span) == message)
    }

    @Test(arguments: illegal) func everythingElseIsNeitherSentNorTaken(lines: String) {
        let message = Self.message(Array(lines.utf8))
        #expect(!message.fields.isWellFormed)
        #expect(Sample.encoded(message).isEmpty)
        #expect(Unchecked.refuses(message))
    }

    @Test func aLineIsReadToItsLastByte() {
        for text in Self.legal where !text.isEmpty {
            let bytes = Array(text.utf8)
            for length in 0..<bytes.count {
                // A cut at the end of a line leaves whole lines.
                let isWhole = length == 0 || bytes[length - 1] == 0x0A
                #expect(FieldLines(unchecked: Array(bytes[..<length])).isWellFormed == isWhole)
            }
        }
    }

    @Test func everyByteOfANameAndOfAValueIsChecked() {
        let token = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max {
            let name = Array("mcp-param-".utf8) + [byte] + Array(": v\r\n".utf8)
            #expect(FieldLines(unchecked: name).isWellFormed == token.contains(byte), "\(byte) in a name")
            let value = Array("baggage: a".utf8) + [byte] + Array("b\r\n".utf8)
            let isText = byte == 9 || byte >= 32 && byte != 127
            #expect(FieldLines(unchecked: value).isWellFormed == isText, "\(byte) in a value")
        }
    }

    /// Against a second reading of the same grammar: lines end with CR LF, a name ends with the first colon.
    @Test(arguments: [41, 42, 43] as [UInt64]) func damagedLinesAreTakenOnlyIfTheyAreLinesAgain(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("\r\n\0: \tTx-a".utf8)
        var taken = 0
        for _ in 0..<4000 {
            var bytes = (0..<(1 + random.below(2))).flatMap { _ in Sample.fields(&random).bytes }
            for _ in 0..<random.below(3) {
                let place = random.below(bytes.count + 1)
                let byte = random.oneIn(4) ? UInt8(truncatingIfNeeded: random.next()) : Sample.pick(alphabet, &random)
                switch random.below(4) {
                case 0: bytes.insert(byte, at: place)
                case 1 where place < bytes.count: bytes.remove(at: place)
                case 2 where place < bytes.count:
                    bytes.removeSubrange(place..<min(bytes.count, place + random.below(20)))
                default: if place < bytes.count { bytes[place] = byte }
                }
            }
            let expected = isLines(bytes)
            if expected { taken += 1 }
            let message = Self.message(bytes)
            guard message.fields.isWellFormed == expected, Sample.encoded(message).isEmpty != expected,
                Unchecked.refuses(message) != expected
            else { throw Broken("\(bytes)", seed: seed) }
        }
        #expect(taken > 500 && taken < 3500)
    }

    private func isLines(_ bytes: [UInt8]) -> Bool {
        var lines: [[UInt8]] = []
        var rest = bytes[...]
        while let end = rest.indices.first(where: { rest[$0...].starts(with: [13, 10]) }) {
            lines.append(Array(rest[..<end]))
            rest = rest[(end + 2)...]
        }
        return rest.isEmpty
            && lines.allSatisfy { line in
                guard let colon = line.firstIndex(of: 58), let name = String(validating: line[..<colon], as: UTF8.self),
                    line.dropFirst(colon + 1).first == 32
                else { return false }
                let isKnown = ["traceparent", "tracestate", "baggage"].contains(name)
                let isParameter = name.wholeMatch(of: /mcp-param-[!#$%&'*+.^_`|~0-9a-z\-]+/) != nil
                return (isKnown || isParameter) && !line.contains { $0 < 32 && $0 != 9 || $0 == 127 }
            }
    }

    /// What the ingress appends is what it was given, with the name in lower case.
    @Test(arguments: [51, 52] as [UInt64]) func appendedLinesHoldNameAndValue(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            var lines = FieldLines()
            var expected = ""
            for _ in 0..<random.below(5) {
                let name = Sample.pick(
                    ["TraceParent", "BAGGAGE", "tracestate", "MCP-Param-Zone", "mcp-param-_`"], &random)
                let value = random.value()
                lines.append(name: Array(name.utf8).span, value: Array(value.utf8).span)
                expected += "\(name.lowercased()): \(value)\r\n"
            }
            guard lines.bytes == Array(expected.utf8), lines.isWellFormed else { throw Broken(expected, seed: seed) }
        }
    }

    private func isForwarded(_ name: String) -> Bool { FieldLines.isForwarded(Array(name.utf8).span) }

    /// Only what means something to the server behind goes on; credentials, cookies and the like end at the ingress.
    @Test func onlyTheTraceContextAndParametersAreForwarded() {
        for name in ["traceparent", "tracestate", "baggage", "mcp-param-a", "mcp-param-region"] {
            #expect(isForwarded(name), "\(name)")
        }
        for name in [
            "authorization", "proxy-authorization", "cookie", "x-api-key", "x-forwarded-for", "x-forwarded-host",
            "x-forwarded-proto", "forwarded", "user-agent", "referer", "accept", "accept-language", "accept-encoding",
            "x-request-id", "keep-alive", "te", "trailer", "sec-fetch-site", "mcp-session-id", "mcp-unknown",
            "mcp-param",
            "mcp-param-", "mcp-params-x", "x-mcpgw-label-team", "via", "x-real-ip", "cache-control", "host", "origin",
            "content-length", "transfer-encoding", "connection", "upgrade", "expect", "",
        ] {
            #expect(!isForwarded(name), "\(name)")
            var lines = FieldLines()
            lines.append(name: Array(name.utf8).span, value: [0x61].span)
            #expect(!lines.isWellFormed, "\(name)")
        }
    }
}
