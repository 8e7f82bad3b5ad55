import StrictJSON
import Testing

@testable import MCP

/// One error with what DESIGN 5 says of it.
struct Expected: Sendable {
    let error: GatewayError
    let code: Int64
    let modernStatus: UInt16
    let type: String
    var retry = false
    /// The status a legacy client gets.
    var legacyStatus: UInt16 = 200

    static let all = [
        Expected(error: .notJSON(offset: 17), code: -32700, modernStatus: 400, type: "parse_error"),
        Expected(error: .notAMessage("why"), code: -32600, modernStatus: 400, type: "invalid_request"),
        Expected(error: .methodNotFound("ping"), code: -32601, modernStatus: 404, type: "method_not_found"),
        Expected(error: .invalidParams("why"), code: -32602, modernStatus: 400, type: "invalid_params"),
        Expected(
            error: .headerMismatch(.name, .differs), code: -32020, modernStatus: 400, type: "header_mismatch",
            legacyStatus: 400),
        Expected(
            error: .unsupportedVersion(requested: "1900-01-01"), code: -32022, modernStatus: 400,
            type: "unsupported_version", legacyStatus: 400),
        Expected(
            error: .sessionNotFound, code: -32600, modernStatus: 404, type: "session_not_found", legacyStatus: 404),
        Expected(
            error: .sessionRequired, code: -32600, modernStatus: 400, type: "session_required", legacyStatus: 400),
        Expected(
            error: .upstreamUnavailable("why"), code: -31013, modernStatus: 503, type: "upstream_unavailable",
            retry: true),
        Expected(error: .upstreamUnreadable("why"), code: -31013, modernStatus: 502, type: "upstream_unreadable"),
        Expected(error: .upstreamTimedOut, code: -31013, modernStatus: 504, type: "upstream_timed_out"),
        Expected(error: .tooLarge(limit: 4_194_304), code: -31015, modernStatus: 413, type: "too_large"),
        Expected(error: .capacity("why"), code: -31016, modernStatus: 503, type: "capacity", retry: true),
    ]
}

@Suite struct GatewayErrorTests {
    /// Texts that end a string, a line or a reader's patience if they are not escaped.
    private static let hostile = [
        "", "\"", "\\", "\",\"x\":\"", "\r\n\r\nHTTP/1.1 200 OK", "\0", "\u{1}\u{1F}\u{7F}", "é漢🔥", "\u{2028}\u{2029}",
        "\u{202E}",
        String(repeating: "\"", count: 5000),
    ]
    private static let ids: [String?] = [
        nil, "0", "-0", "1", "123456789012345678901234567890", #""""#, #""1""#, #""a\"b\\""#, #""\u0031""#, #""é🔥""#,
    ]

    @Test(arguments: Expected.all)
    func codesAndStatusesAreThoseOfTheDesign(expected: Expected) {
        let error = expected.error
        #expect(Int64(error.code) == expected.code)
        #expect(error.type == expected.type)
        #expect(error.modernStatus == expected.modernStatus)
        #expect(error.status(isModern: true) == expected.modernStatus)
        #expect(error.status(isModern: false) == expected.legacyStatus)
        #expect((error.retryAfter > 0) == expected.retry)
        #expect((error.modernStatus == 503) == expected.retry, "503 comes with Retry-After")
    }

    @Test(arguments: Expected.all)
    func everyBodyIsAStrictJSONRPCError(expected: Expected) throws {
        for id in Self.ids {
            try check(expected.error, expected.code, expected.type, id: id, requestID: 0xABC)
        }
    }

    @Test func nothingInAReasonBreaksTheBody() throws {
        for text in Self.hostile {
            try check(.notAMessage(text), -32600, "invalid_request", id: "1", requestID: 1)
            try check(.upstreamUnavailable(text), -31013, "upstream_unavailable", id: "1", requestID: 1)
            try check(.upstreamUnreadable(text), -31013, "upstream_unreadable", id: "1", requestID: 1)
            try check(.capacity(text), -31016, "capacity", id: "1", requestID: 1)
            try check(.methodNotFound(text), -32601, "method_not_found", id: "1", requestID: 1)
            try check(.invalidParams(text), -32602, "invalid_params", id: "1", requestID: 1)
            try check(.unsupportedVersion(requested: text), -32022, "unsupported_version", id: "1", requestID: 1)
        }
    }

    @Test(arguments: [0, 1, 0xF, .max] as [UInt64])
    func requestIdsAreSixteenHexadecimalDigits(number: UInt64) throws {
        let text = RequestID.text(number)
        #expect(text.utf8.count == 16)
        #expect(UInt64(text, radix: 16) == number)
        #expect(text == text.lowercased())
        try check(.capacity("why"), -31016, "capacity", id: nil, requestID: number)
    }

    private func check(_ error: GatewayError, _ code: Int64, _ type: String, id: String?, requestID: UInt64) throws {
        let bytes = error.body(id: id.map { Array($0.utf8) }, requestID: requestID)
        #expect(!bytes.contains { $0 < 0x20 }, "one line, fit for a client over stdio")
        var members: [(String, Value)] = [("request_id", .text(RequestID.text(requestID))), ("type", .text(type))]
        if case .unsupportedVersion(let requested) = error {
            let supported = #"["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]"#
            members += [("supported", .raw(supported)), ("requested", .text(requested))]
        }
        let data = Value.object(members)
        let body = Value.object([("code", .raw("\(code)")), ("message", .text(error.message)), ("data", data)])
        var expected: [(String, Value)] = [("jsonrpc", .text("2.0"))]
        if let id { expected.append(("id", .raw(id))) }
        expected.append(("error", body))
        #expect(try Value(parsing: bytes) == Value.object(expected))
        // A reader of ours sees an answer to the request it belongs to.
        guard case .message(let facts) = summarise(String(decoding: bytes, as: UTF8.self), from: .server) else {
            Issue.record("our own error is no message")
            return
        }
        #expect(facts == Facts(kind: .response, id: id, isError: true, errorCode: code))
    }
}

/// A JSON text taken apart, its objects in their order; ids and numbers as spelt.
private indirect enum Value: Equatable {
    case object([(String, Value)])
    case text(String)
    case raw(String)

    init(parsing bytes: [UInt8]) throws {
        var tape = JSONTape()
        try JSONParser().parse(bytes.span, into: &tape)
        self = Value.read(.root, tape, bytes, isID: false)
    }

    private static func read(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: [UInt8], isID: Bool) -> Value {
        if tape.kind(node) == .object {
            var members: [(String, Value)] = []
            for (name, value) in tape.members(of: node) {
                let name = tape.string(name, in: bytes.span) ?? ""
                members.append((name, read(value, tape, bytes, isID: name == "id")))
            }
            return .object(members)
        }
        if !isID, let text = tape.string(node, in: bytes.span) { return .text(text) }
        return .raw(String(decoding: bytes[tape.range(node)], as: UTF8.self))
    }

    static func == (left: Value, right: Value) -> Bool {
        switch (left, right) {
        case (.text(let left), .text(let right)): left == right
        case (.raw(let left), .raw(let right)): left == right
        case (.object(let left), .object(let right)):
            left.map(\.0) == right.map(\.0) && zip(left, right).allSatisfy { $0.1 == $1.1 }
        default: false
        }
    }
}
