import StrictJSON
import Testing

@testable import MCP

/// A text, read by our own strict parser.
private struct ParsedText: ~Copyable {
    private var tape = JSONTape()
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        try JSONParser().parse(bytes.span, into: &tape)
    }

    func message() throws -> MessageSummary { try MessageSummary(tape, bytes.span, from: .server) }

    /// The text of a value as spelt, by the names of the members that lead to it.
    func value(_ path: String...) -> String? {
        var node = JSONNode.root
        for name in path {
            guard let next = tape.member(named: name, of: node, in: bytes.span) else { return nil }
            node = next
        }
        return String(decoding: bytes[tape.range(node)], as: UTF8.self)
    }

    func search(_ name: StaticString) -> MemberSearch { tape.search(name, of: .root, in: bytes.span) }
}

@Suite struct DenialTests {
    @Test(arguments: [true, false], [#""a\"b""#, "17"])
    func aDenialIsAToolResultWithTheCallersId(isModern: Bool, id: String) throws {
        let denial = Denial(reason: "a \"quoted\"\nreason", rule: "rule \u{1}")
        let text = denial.result(id: Array(id.utf8), requestID: 0xabc, isAnswer: false, isModern: isModern)
        let parsed = try ParsedText(text)
        let message = try parsed.message()
        #expect(message.kind == .response && (message.resultType != nil) == isModern)
        #expect(parsed.value("id") == id && parsed.value("result", "isError") == "true")
        #expect(parsed.value("result", "_meta", "mcpgw/denial", "rule") == #""rule \u0001""#)
    }

    @Test func aRuleThatMayNotBeToldIsNotTold() {
        let denial = Denial(reason: nil, rule: nil)
        for text in [
            denial.result(id: [0x31], requestID: 1, isAnswer: true, isModern: true),
            denial.error.body(id: [0x31], requestID: 1),
        ] {
            #expect(!String(decoding: text, as: UTF8.self).contains("\"rule\""))
        }
        #expect(denial.error.code == -31010 && denial.error.status(isModern: true) == 403)
        #expect(denial.error.status(isModern: false) == 200)
        #expect(GatewayError.unknownTool("x").code == -32602)
    }

    @Test(arguments: [
        (#"{"tools":1}"#, true), (#"{"a":1,"tools":2}"#, true), (#"{"too\u006cs":1}"#, true), (#"{"Tools":1}"#, false),
        (#"{"tools":1,"TOOLS":2}"#, false), (#"{"tools":1,"tool\u200bs":2}"#, false), (#"{"toolſ":1}"#, false),
    ])
    func aMemberIsFoundOnlyIfAllReadersFindTheSame(text: String, isFound: Bool) throws {
        let parsed = try ParsedText(Array(text.utf8))
        let search = parsed.search("tools")
        if isFound {
            #expect(search != .absent && search != .ambiguous)
        } else {
            #expect(search == .ambiguous)
        }
        #expect(parsed.search("other") == .absent)
    }

    @Test(arguments: [
        ("plain", "plain"), ("=?base64?YQ==?=", "a"), ("=?base64?!?=", nil), ("=?base64?_w==?=", nil), ("", ""),
    ])
    func aHeaderValueStandsForItsText(value: String, text: String?) {
        let bytes = Array(value.utf8)
        #expect(HeaderValue.decoded(bytes.span).map { String(decoding: $0, as: UTF8.self) } == text)
    }
}
