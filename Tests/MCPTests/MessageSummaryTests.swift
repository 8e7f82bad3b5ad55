import StrictJSON
import Testing

@testable import MCP

@Suite struct MessageSummaryTests {
    private static let request = Facts(kind: .request, id: "1", methodName: "a")
    private static let answer = Facts(kind: .response, id: "1")

    @Test(
        arguments: [
            (#"{V,"id":1,"method":"a"}"#, request),
            (#"{"method":"a","id":1,"jsonrpc":"2.0","params":{}}"#, request.with { $0.params = "{}" }),
            (#"{V,"id":0,"method":""}"#, Facts(kind: .request, id: "0", methodName: "")),
            (#"{V,"id":1,"method":"\u0061/b"}"#, request.with { $0.methodName = "a/b" }),
            (#"{V,"id":1,"m\u0065thod":"a"}"#, request),
            (#"{V,"id":1,"method":"\u0070ing"}"#, Facts(kind: .request, id: "1", method: .ping, methodName: "ping")),
            (#"{"json\u0072pc":"2\u002e0","id":1,"method":"a"}"#, request),
            (
                #"{V,"method":"notifications/initialized"}"#,
                Facts(kind: .notification, method: .initialized, methodName: "notifications/initialized")
            ),
            (#"  {V,"id":1,"method":"a","unknown":[1,{"jsonrpc":"1.0"}]}  "#, request),
            (
                #"{V,"id":1,"method":"a","params":{"result":1,"error":2,"id":null}}"#,
                request.with { $0.params = #"{"result":1,"error":2,"id":null}"# }
            ),
            (#"{V,"id":1,"method":"a","params":null}"#, request),
        ])
    func whatIsACall(text: String, facts: Facts) {
        for sender in Peer.allCases { #expect(summarise(text, from: sender) == .message(facts)) }
    }

    @Test(
        arguments: [
            (#"{V,"id":1,"result":{}}"#, answer.with { $0.result = "{}" }),
            (#"{V,"id":1,"result":null}"#, answer.with { $0.result = "null" }),
            (#"{V,"id":1,"result":[{}]}"#, answer.with { $0.result = "[{}]" }),
            (
                #"{V,"id":1,"result":{"resultType":"complete","protocolVersion":"x","capabilities":{"a":1}}}"#,
                answer.with {
                    $0.result = #"{"resultType":"complete","protocolVersion":"x","capabilities":{"a":1}}"#
                    $0.resultType = "complete"
                    $0.initializeVersion = "x"
                    $0.capabilities = #"{"a":1}"#
                }
            ),
            (
                #"{V,"id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#,
                answer.with {
                    $0.result = #"{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}"#
                    $0.subscription = #""s""#
                }
            ),
            // A result is the upstream's own: what the gateway does not need may look as it likes.
            (
                #"{V,"id":1,"result":{"_meta":null,"resultType":1,"protocolVersion":2,"ProtocolVersion":3}}"#,
                answer.with { $0.result = #"{"_meta":null,"resultType":1,"protocolVersion":2,"ProtocolVersion":3}"# }
            ),
            (
                #"{V,"id":"a","error":{"code":-1,"message":"m"}}"#,
                Facts(kind: .response, id: #""a""#, isError: true, errorCode: -1)
            ),
            (#"{V,"id":1,"error":{"c\u006fde":7}}"#, Facts(kind: .response, id: "1", isError: true, errorCode: 7)),
            (#"{V,"id":1,"error":{"code":1.5}}"#, Facts(kind: .response, id: "1", isError: true)),
            (#"{V,"id":1,"error":{}}"#, Facts(kind: .response, id: "1", isError: true)),
        ])
    func whatIsAnAnswer(text: String, facts: Facts) {
        for sender in Peer.allCases { #expect(summarise(text, from: sender) == .message(facts)) }
    }

    @Test(arguments: [#"{V,"error":{"code":-32700,"message":"m"}}"#, #"{V,"id":null,"error":{"code":-32700}}"#])
    func onlyAServerMayAnswerWhatItCouldNotRead(text: String) {
        #expect(
            summarise(text, from: .server) == .message(Facts(kind: .response, isError: true, errorCode: -32700)))
        #expect(refusal(text, from: .client) == -32600)
    }

    @Test(arguments: [
        "[]", #"[{V,"id":1,"method":"a"}]"#, "{}", "null", "1", #""2.0""#, "true",
        // The version.
        #"{"id":1,"method":"a"}"#, #"{"jsonrpc":"1.0","id":1,"method":"a"}"#, #"{"jsonrpc":2.0,"id":1,"method":"a"}"#,
        #"{"jsonrpc":"2.0 ","id":1,"method":"a"}"#, #"{"jsonrpc":["2.0"],"id":1,"method":"a"}"#,
        // The id.
        #"{V,"id":null,"method":"a"}"#, #"{V,"id":1.5,"method":"a"}"#, #"{V,"id":1.0,"method":"a"}"#,
        #"{V,"id":1e2,"method":"a"}"#, #"{V,"id":1E0,"method":"a"}"#, #"{V,"id":true,"method":"a"}"#,
        #"{V,"id":[1],"method":"a"}"#, #"{V,"id":{},"result":1}"#, #"{V,"id":null,"result":{}}"#,
        // Neither one nor the other.
        #"{V,"id":1,"method":1}"#, #"{V,"id":1,"method":null}"#, #"{V,"method":["a"]}"#,
        #"{V,"id":1,"method":"a","result":1}"#, #"{V,"id":1,"method":"a","error":{}}"#,
        #"{V,"method":"a","error":null}"#, #"{V,"id":1,"method":7,"result":1}"#, #"{V,"id":1,"result":1,"error":{}}"#,
        #"{V,"id":1,"result":null,"error":null}"#, #"{V,"id":1,"method":"a","result":1,"error":{}}"#, #"{V,"id":1}"#,
        #"{V}"#, #"{V,"result":1}"#, #"{V,"result":{}}"#, #"{V,"params":{"method":"a"},"id":1}"#,
        #"{V,"id":1,"result":{},"params":{}}"#, #"{V,"id":1,"error":{},"params":{}}"#,
        #"{V,"id":1,"error":null}"#, #"{V,"id":1,"error":[]}"#, #"{V,"id":1,"error":"no"}"#,
        // Params.
        #"{V,"id":1,"method":"a","params":[]}"#, #"{V,"id":1,"method":"a","params":1}"#,
        #"{V,"id":1,"method":"a","params":"x"}"#, #"{V,"method":"a","params":[{"_meta":{}}]}"#,
    ])
    func whatIsNoMessage(text: String) {
        for sender in Peer.allCases { #expect(refusal(text, from: sender) == -32600) }
    }

    @Test(arguments: [
        #"{V,"id":1,"method":"a","params":{"_meta":[]}}"#, #"{V,"id":1,"method":"a","params":{"_meta":"x"}}"#,
        #"{V,"id":1,"result":{"_meta":1}}"#, #"{V,"id":1,"method":"tools/call","params":{"name":1}}"#,
        #"{V,"id":1,"method":"prompts/get","params":{"name":null}}"#,
        #"{V,"id":1,"method":"resources/read","params":{"uri":["x"]}}"#,
        #"{V,"id":1,"method":"tasks/get","params":{"taskId":{}}}"#,
        #"{V,"id":1,"method":"initialize","params":{"protocolVersion":1}}"#,
        #"{V,"id":1,"method":"initialize","params":{"capabilities":[]}}"#,
        #"{V,"id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":20260728}}}"#,
        #"{V,"id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":null}}}"#,
        #"{V,"id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":[]}}}"#,
    ])
    func membersTheGatewayNeedsHaveTheirType(text: String) {
        for sender in Peer.allCases { #expect(refusal(text, from: sender) == -32602) }
    }

    @Test(arguments: ["", "{", "{}{}", #"{V,"id":1,"id":2,"method":"a"}"#, #"{V,"method":"a","m\u0065thod":"b"}"#])
    func whatIsNoStrictJSONNeverGetsHere(text: String) {
        #expect(summarise(text) == .notJSON)
    }

    static let identifiers = [
        "0", "-0", "1", "-1", "9007199254740993", "-9223372036854775809", "123456789012345678901234567890", #""""#,
        #""1""#, #""a\"b""#, #""\u0031""#, #""é漢🔥""#, #""\ud83d\udd25""#, #""  ""#,
        String(repeating: "9", count: 1024), "\"" + String(repeating: "x", count: 1022) + "\"",
    ]

    /// Each with a place for an identifier, and where it is found.
    private static let places: [(String, @Sendable (Facts) -> String?)] = [
        (#"{V,"id":%,"method":"a"}"#, \.id), (#"{V,"method":"a","id" : % }"#, \.id), (#"{V,"id":%,"result":{}}"#, \.id),
        (#"{V,"id":1,"method":"tools/list","params":{"_meta":{"progressToken":%}}}"#, \.progressToken),
        (#"{V,"method":"notifications/progress","params":{"progressToken": %,"progress":1}}"#, \.progressSubject),
        (#"{V,"method":"notifications/cancelled","params":{"reason":"r","requestId":%}}"#, \.cancelledRequest),
        (
            #"{V,"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%}}}"#,
            \.subscription
        ),
        (#"{V,"id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":%}}}"#, \.subscription),
    ]

    /// The range is the exact spelling: `1` is not `"1"`, and what looks odd is not made pretty.
    @Test(arguments: identifiers)
    func identifiersOfAllFormsAreFoundAsSpelt(identifier: String) {
        for (text, found) in Self.places {
            guard case .message(let facts) = summarise(text.replacing("%", with: identifier)) else {
                Issue.record("refused: \(text) with \(identifier)")
                continue
            }
            #expect(found(facts) == identifier)
        }
    }

    @Test(arguments: [
        "1.0", "1e3", "0.5", "-1E1", "true", "false", "[]", "[1]", "{}", #"{"a":1}"#,
        String(repeating: "9", count: 1025), "\"" + String(repeating: "x", count: 1023) + "\"",
    ])
    func whatIsNoIdentifierIsRefusedEverywhere(text: String) {
        for (place, _) in Self.places {
            #expect([-32600, -32602].contains(refusal(place.replacing("%", with: text))))
        }
    }

    /// From servers only: the parser refuses them from clients. They could not be given back as they were.
    @Test func loneSurrogatesAreNoIdentifiers() {
        for (place, _) in Self.places {
            let text = place.replacing("%", with: #""a\ud800b""#)
            #expect(summarise(text, from: .client) == .notJSON)
            #expect([-32600, -32602].contains(refusal(text, from: .server)))
        }
    }

    @Test func tokensCountOnlyWhereTheyBelong() throws {
        let call = try #require(
            read(
                #"{V,"id":1,"method":"tools/call","params":{"name":"n","progressToken":1,"requestId":2,"uri":"u","taskId":"t","protocolVersion":"v","capabilities":{},"arguments":{"_meta":{"progressToken":3}}}}"#
            ))
        #expect(call.progressToken == nil)
        #expect(call.progressSubject == nil)
        #expect(call.cancelledRequest == nil)
        #expect(call.initializeVersion == nil)
        #expect(call.capabilities == nil)
        #expect(call.name == "n")
        // Even of a type they could not have there.
        #expect(refusal(#"{V,"id":1,"method":"a","params":{"progressToken":true,"requestId":[],"name":7}}"#) == nil)
    }

    @Test(arguments: [
        ("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri"), ("tasks/get", "taskId"),
        ("tasks/update", "taskId"), ("tasks/cancel", "taskId"),
    ])
    func theNameIsTheMemberTheMethodHas(method: String, member: String) {
        for params in [#"{"M":"th\u0069s"}"#, #"{"name":"x","uri":"x","taskId":"x","M":"this"}"#] {
            var params = params.replacing("M", with: member)
            if params.contains("x") { params = params.replacing(#""\#(member)":"x","#, with: "") }
            #expect(read(#"{V,"id":1,"method":"\#(method)","params":\#(params)}"#)?.name == "this")
        }
        #expect(read(#"{V,"id":1,"method":"\#(method)","params":{}}"#)?.name == .some(nil))
        #expect(read(#"{V,"id":1,"method":"\#(method)"}"#)?.name == .some(nil))
    }

    @Test func initializeSaysWhatTheClientSpeaks() throws {
        let facts = try #require(
            read(
                #"{V,"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}}"#
            ))
        #expect(facts.method == .initialize)
        #expect(facts.initializeVersion == "2025-11-25")
        #expect(facts.capabilities == #"{"roots":{}}"#)
        #expect(facts.version == nil)
    }

    @Test(
        arguments: [
            (#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, "2026-07-28", .v2026_07_28),
            (#"{"a":1,"_meta":{"x":1,"io.modelcontextprotocol/protocolVersion":"x"}}"#, "x", nil),
            (#"{"_meta":{"io.modelcontextprotocol\/protocolVersion":"2025-\u00311-25"}}"#, "2025-11-25", .v2025_11_25),
            (#"{"\u005fmeta":{"io.modelcontextprotocol/protocolVersion":""}}"#, "", nil),
            ("{}", nil, nil), (#"{"_meta":{}}"#, nil, nil), (#"{"_meta":{"progressToken":1}}"#, nil, nil),
            (#"{"_meta":null}"#, nil, nil), (#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#, nil, nil),
            (#"{"_meta":{"a":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#, nil, nil),
            ("null", nil, nil),
        ] as [(String, String?, ProtocolRevision?)])
    func theRevisionIsTheOneInTheMeta(params: String, version: String?, revision: ProtocolRevision?) throws {
        for start in [#"{V,"id":1,"method":"tools/call""#, #"{V,"method":"a""#] {
            let facts = try #require(read(#"\#(start),"params":\#(params)}"#))
            #expect(facts.version == version)
            #expect(facts.revision == revision)
        }
    }

    @Test func metaBesideParamsIsNotModern() {
        #expect(
            read(#"{V,"id":1,"method":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#)?.version
                == .some(nil))
    }

    @Test func everyElementOfABatchIsReadOnItsOwn() throws {
        let reading = try Reading(
            #"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":"b","result":{}},7,{"jsonrpc":"2.0"}]"#)
        var ids: [String?] = []
        for element in reading.tape.elements(of: .root) {
            let summary = try? MessageSummary(reading.tape, reading.bytes.span, at: element, from: .client)
            ids.append(reading.text(summary?.id))
        }
        #expect(ids == ["1", #""b""#, nil, nil])
    }

    private func read(_ text: String) -> Facts? {
        guard case .message(let facts) = summarise(text) else { return nil }
        return facts
    }
}
