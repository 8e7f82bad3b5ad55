import StrictJSON
import Testing

@testable import MCP

/// What becomes of one text.
enum Outcome: Equatable {
    case message(MessageSummary.Kind, id: String?, method: String, isModern: Bool)
    case refused(GatewayError)
    case notJSON
}

/// Reads and classifies a text as the ingress does.
func summarise(_ text: String) -> Outcome {
    var tape = JSONTape()
    let bytes = Array(text.utf8)
    do throws(JSONError) {
        try JSONParser().parse(bytes.span, into: &tape)
    } catch {
        return .notJSON
    }
    do throws(GatewayError) {
        let summary = try MessageSummary(tape, bytes.span)
        return .message(
            summary.kind, id: summary.id.map { String(decoding: bytes[$0], as: UTF8.self) }, method: summary.method,
            isModern: summary.isModern)
    } catch {
        return .refused(error)
    }
}

@Suite struct MessageSummaryTests {
    private static let version = #""jsonrpc":"2.0""#

    @Test(
        arguments: [
            (#"{V,"id":1,"method":"tools/call"}"#, .message(.request, id: "1", method: "tools/call", isModern: false)),
            (#"{"method":"a","id":"x",V,"params":{}}"#, .message(.request, id: #""x""#, method: "a", isModern: false)),
            (#"{V,"id":0,"method":""}"#, .message(.request, id: "0", method: "", isModern: false)),
            (#"{V,"id":1,"method":"\u0061/b"}"#, .message(.request, id: "1", method: "a/b", isModern: false)),
            (#"{V,"id":1,"m\u0065thod":"a"}"#, .message(.request, id: "1", method: "a", isModern: false)),
            (
                #"{"json\u0072pc":"2\u002e0","id":1,"method":"a"}"#,
                .message(.request, id: "1", method: "a", isModern: false)
            ),
            (
                #"{V,"method":"notifications/initialized"}"#,
                .message(.notification, id: nil, method: "notifications/initialized", isModern: false)
            ),
            (#"{V,"id":1,"result":{}}"#, .message(.response, id: "1", method: "", isModern: false)),
            (#"{V,"id":1,"result":null}"#, .message(.response, id: "1", method: "", isModern: false)),
            (
                #"{V,"id":"a","error":{"code":-1,"message":"m"}}"#,
                .message(.response, id: #""a""#, method: "", isModern: false)
            ),
            (#"{V,"error":{"code":-32700,"message":"m"}}"#, .message(.response, id: nil, method: "", isModern: false)),
            (
                #"  {V,"id":1,"method":"a","unknown":[1,{"jsonrpc":"1.0"}]}  "#,
                .message(.request, id: "1", method: "a", isModern: false)
            ),
            (
                #"{V,"id":1,"method":"a","params":{"result":1,"error":2,"id":null}}"#,
                .message(.request, id: "1", method: "a", isModern: false)
            ),
        ] as [(String, Outcome)])
    func whatIsAMessage(text: String, outcome: Outcome) {
        #expect(summarise(text.replacing("V", with: Self.version)) == outcome)
    }

    @Test(arguments: [
        ("[]", "batches are not accepted"), (#"[{V,"id":1,"method":"a"}]"#, "batches are not accepted"),
        ("{}", #"member "jsonrpc" is not "2.0""#), ("null", "a message is an object"), ("1", "a message is an object"),
        (#""2.0""#, "a message is an object"), ("true", "a message is an object"),
        (#"{"id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{"jsonrpc":"2.0 ","id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{"jsonrpc":["2.0"],"id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{"JSONRPC":"2.0","id":1,"method":"a"}"#, #"member "jsonrpc" is not "2.0""#),
        (#"{V,"id":null,"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":1.5,"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":1.0,"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":1e2,"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":true,"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":[1],"method":"a"}"#, "an id is a string or an integer"),
        (#"{V,"id":{},"result":1}"#, "an id is a string or an integer"),
        (#"{V,"id":null,"error":{}}"#, "an id is a string or an integer"),
        (#"{V,"id":1,"method":1}"#, "a method is a string"), (#"{V,"id":1,"method":null}"#, "a method is a string"),
        (#"{V,"method":["a"]}"#, "a method is a string"),
        (#"{V,"id":1,"method":"a","result":1}"#, "a message is a call or an answer, not both"),
        (#"{V,"id":1,"method":"a","error":{}}"#, "a message is a call or an answer, not both"),
        (#"{V,"method":"a","error":null}"#, "a message is a call or an answer, not both"),
        (#"{V,"id":1,"method":7,"result":1}"#, "a message is a call or an answer, not both"),
        (#"{V,"id":1,"result":1,"error":{}}"#, "an answer is a result or an error, not both"),
        (#"{V,"id":1,"result":null,"error":null}"#, "an answer is a result or an error, not both"),
        (#"{V,"id":1,"method":"a","result":1,"error":{}}"#, "an answer is a result or an error, not both"),
        (#"{V,"id":1}"#, "neither a call nor an answer"), (#"{V}"#, "neither a call nor an answer"),
        (#"{V,"result":1}"#, "neither a call nor an answer"),
        (#"{V,"id":1,"Method":"a"}"#, "neither a call nor an answer"),
        (#"{V,"params":{"method":"a"},"id":1}"#, "neither a call nor an answer"),
    ])
    func whatIsNone(text: String, why: String) {
        #expect(summarise(text.replacing("V", with: Self.version)) == .refused(.notAMessage(why)))
    }

    @Test(arguments: [
        "", "{", "{}{}", #"{V,V}"#, #"{V,"id":1,"id":2,"method":"a"}"#, #"{V,"method":"a","m\u0065thod":"b"}"#,
        "\u{FEFF}{}",
    ])
    func whatIsNoStrictJSONNeverGetsHere(text: String) {
        #expect(summarise(text.replacing("V", with: Self.version)) == .notJSON)
    }

    /// The range is the id's exact spelling: `1` is not `"1"`, and what looks odd is not made pretty.
    @Test(arguments: [
        "0", "-0", "1", "-1", "9007199254740993", "-9223372036854775809", "123456789012345678901234567890", #""""#,
        #""1""#,
        #""a\"b""#, #""\u0031""#, #""é漢🔥""#, #""\ud83d\udd25""#, #""  ""#,
    ])
    func idsOfAllFormsAreFoundAsSpelt(id: String) {
        for text in [
            #"{V,"id":I,"method":"a"}"#, #"{V,"method":"a","id" : I }"#, #"{"id":I,"method":"a",V}"#,
        ] {
            let text = text.replacing("V", with: Self.version).replacing("I", with: id)
            #expect(summarise(text) == .message(.request, id: id, method: "a", isModern: false))
        }
        #expect(
            summarise(#"{V,"id":I,"result":{}}"#.replacing("V", with: Self.version).replacing("I", with: id))
                == .message(.response, id: id, method: "", isModern: false))
    }

    @Test(arguments: [
        (#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, true),
        (#"{"a":1,"_meta":{"x":1,"io.modelcontextprotocol/protocolVersion":"x"}}"#, true),
        (#"{"_meta":{"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}"#, true),
        (#"{"\u005fmeta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, true),
        ("{}", false), (#"{"_meta":{}}"#, false), (#"{"_meta":{"progressToken":1}}"#, false),
        (#"{"_meta":null}"#, false),
        (#"{"_meta":["io.modelcontextprotocol/protocolVersion"]}"#, false),
        (#"{"_meta":"io.modelcontextprotocol/protocolVersion"}"#, false),
        (#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#, false),
        (#"{"_meta":{"a":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#, false),
        (#"{"_Meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, false),
        (#"[{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}]"#, false), ("null", false),
        ("1", false),
    ])
    func aMessageIsModernWhenItsMetaCarriesTheRevision(params: String, isModern: Bool) {
        let request = #"{\#(Self.version),"id":1,"method":"tools/call","params":\#(params)}"#
        #expect(summarise(request) == .message(.request, id: "1", method: "tools/call", isModern: isModern))
        let notification = #"{\#(Self.version),"method":"a","params":\#(params)}"#
        #expect(summarise(notification) == .message(.notification, id: nil, method: "a", isModern: isModern))
    }

    @Test func metaBesideParamsIsNotModern() {
        let text =
            #"{\#(Self.version),"id":1,"method":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#
        #expect(summarise(text) == .message(.request, id: "1", method: "a", isModern: false))
    }
}
