import HTTP1
import Testing

@testable import Ingress

/// What becomes of one request head.
enum Answer: Equatable {
    /// The reader of heads refuses it.
    case malformed(Int)
    /// `admit` refuses it.
    case refused(Int)
    case admitted
}

@Suite struct AdmissionTests {
    private static let names = OwnNames(address: "127.0.0.1:9090")

    /// Reads a head and admits it; the body, if any, is not looked at.
    private func admit(_ lines: [String]) throws -> AdmittedHead {
        var parser = RequestParser()
        let bytes = Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
        guard try parser.parseHead(bytes.span) else { throw Incomplete() }
        return try AdmittedHead(parser.head, bytes.span, names: Self.names)
    }

    private struct Incomplete: Error {}

    private func answer(_ lines: [String]) -> (Answer, field: String?) {
        do {
            _ = try admit(lines)
            return (.admitted, nil)
        } catch let refusal as Refusal {
            #expect(!refusal.reason.isEmpty)
            return (.refused(refusal.status), refusal.field)
        } catch let error as HTTP1Error {
            return (.malformed(error.status), nil)
        } catch {
            Issue.record("\(error)")
            return (.malformed(0), nil)
        }
    }

    /// A request that is admitted, with lines put in place of its own by name; nil takes a line away.
    private func request(_ line: String = "POST /mcp HTTP/1.1", _ changes: KeyValuePairs<String, String?> = [:])
        -> [String]
    {
        var fields: [(String, String)] = [
            ("Host", "127.0.0.1:9090"), ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Length", "2"),
        ]
        if !line.hasPrefix("POST") { fields.removeAll { $0.0 == "Content-Type" || $0.0 == "Content-Length" } }
        for (name, value) in changes {
            fields.removeAll { $0.0 == name }
            if let value { fields.append((name, value)) }
        }
        return [line] + fields.map { "\($0.0): \($0.1)" }
    }

    @Test func theUsualRequestsAreAdmitted() throws {
        let post = try admit(request())
        #expect(post.method == .post)
        #expect(post.framing == .length(2))
        #expect(post.keepAlive)
        #expect(!post.expectsContinue)
        #expect(post.acceptsJSON && post.acceptsEvents)
        let get = try admit(request("GET /mcp HTTP/1.1", ["Connection": "close"]))
        #expect(get.method == .get)
        #expect(get.framing == .none)
        #expect(!get.keepAlive)
        #expect(try admit(request("DELETE / HTTP/1.1", ["Accept": nil])).method == .delete)
        let chunked = try admit(
            request(
                "POST / HTTP/1.1", ["Content-Length": nil, "Transfer-Encoding": "chunked", "Expect": "100-continue"]))
        #expect(chunked.framing == .chunked)
        #expect(chunked.expectsContinue)
    }

    @Test(
        arguments: [
            ("/mcp", .admitted), ("/", .admitted), ("/mcp?a=b", .admitted), ("/?x", .admitted),
            ("/mcp/", .refused(404)),
            ("/MCP", .refused(404)), ("/mcp/files", .refused(404)), ("//mcp", .refused(404)), ("/./mcp", .refused(404)),
            ("/%6dcp", .refused(404)), ("/mcp;x", .refused(404)), ("/sse", .refused(404)), ("/metrics", .refused(404)),
            ("/healthz", .refused(404)), ("http://127.0.0.1:9090/mcp", .refused(400)),
            ("http://evil.example/mcp", .refused(400)),
            ("mcp", .malformed(400)), ("/mcp#x", .malformed(400)),
        ] as [(String, Answer)])
    func onlyTheEndpointsPathIsServed(target: String, expected: Answer) {
        #expect(answer(request("POST \(target) HTTP/1.1")).0 == expected)
    }

    @Test(arguments: ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "post", "M"])
    func anotherMethodIsToldWhichThereAre(method: String) {
        let (answer, field) = answer(request("\(method) /mcp HTTP/1.1"))
        #expect(answer == .refused(405))
        #expect(field == "Allow: POST, GET, DELETE")
    }

    @Test func formsThatAreNoPathAreRefused() {
        #expect(answer(request("OPTIONS * HTTP/1.1")).0 == .refused(400))
        #expect(answer(request("CONNECT 127.0.0.1:9090 HTTP/1.1")).0 == .refused(400))
    }

    @Test(
        arguments: [
            ("localhost:9090", .admitted), ("[::1]", .admitted), ("evil.example", .refused(403)),
            ("localhost.", .refused(403)),
            ("127.0.0.1.evil.example:9090", .refused(403)), ("", .malformed(400)), ("a b", .malformed(400)),
            ("user@localhost", .malformed(400)), ("localhost/x", .malformed(400)),
        ] as [(String, Answer)])
    func theHostMustBeOurs(host: String, expected: Answer) {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Host": host])).0 == expected)
    }

    @Test func aMissingOrRepeatedHostIsMalformed() {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Host": nil])).0 == .malformed(400))
        #expect(answer(request() + ["Host: 127.0.0.1:9090"]).0 == .malformed(400))
    }

    @Test(
        arguments: [
            ("http://localhost:9090", .admitted), ("https://127.0.0.1", .admitted), ("null", .refused(403)),
            ("", .refused(403)),
            ("http://evil.example", .refused(403)), ("http://localhost.evil.example", .refused(403)),
            ("http://localhost:9090 http://evil.example", .refused(403)),
            ("http://localhost@evil.example", .refused(403)),
        ] as [(String, Answer)])
    func theOriginMustBeOursIfThereIsOne(origin: String, expected: Answer) {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Origin": origin])).0 == expected)
        #expect(answer(request("GET /mcp HTTP/1.1", ["Origin": origin])).0 == expected)
    }

    @Test func twoOriginsAreMalformed() {
        let lines = request() + ["Origin: http://localhost", "Origin: http://evil.example"]
        #expect(answer(lines).0 == .malformed(400))
    }

    /// A foreign page learns nothing: it hears 403 whatever else would be wrong with its request.
    @Test func aForeignNameIsRefusedBeforeAnythingElse() {
        for name in ["Host", "Origin"] {
            for line in ["PUT /mcp HTTP/1.1", "POST /nowhere HTTP/1.1", "GET /metrics HTTP/1.1"] {
                #expect(
                    answer(request(line, [name: "http://evil.example".dropFirst(name == "Host" ? 7 : 0).description])).0
                        == .refused(403))
            }
            let lines = request("POST /mcp HTTP/1.1", ["Content-Type": "text/plain", "Accept": "text/html"])
            #expect(
                answer(
                    lines.map { $0.hasPrefix("Host") && name == "Host" ? "Host: evil.example" : $0 }
                        + (name == "Origin" ? ["Origin: http://evil.example"] : [])
                ).0 == .refused(403))
        }
    }

    @Test(
        arguments: [
            ("application/json", .admitted), ("APPLICATION/JSON", .admitted),
            ("application/json; charset=utf-8", .admitted), ("application/json;", .admitted),
            ("application/json;charset=UTF-8", .admitted), ("application/json ;\tcharset=\"utf-8\"", .admitted),
            ("application/json; charset=latin1", .refused(415)), ("application/json; charset=utf-16", .refused(415)),
            ("application/json; profile=x", .refused(415)), ("application/json, text/plain", .refused(415)),
            ("application/jsonx", .refused(415)), ("application/json-seq", .refused(415)),
            ("application/x-json", .refused(415)),
            ("text/json", .refused(415)), ("text/plain", .refused(415)),
            ("application/x-www-form-urlencoded", .refused(415)),
            ("multipart/form-data; boundary=x", .refused(415)), ("", .refused(415)), ("application", .refused(415)),
            ("*/*", .refused(415)), ("application/ json", .refused(415)),
            ("text/plain; application/json", .refused(415)),
            ("application/json; charset=utf-8; charset=utf-16", .refused(415)),
        ] as [(String, Answer)])
    func onlyJSONInUTF8IsAMessage(type: String, expected: Answer) {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Content-Type": type])).0 == expected)
    }

    @Test func aMessageNeedsItsTypeAndABody() {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Content-Type": nil])).0 == .refused(415))
        #expect(answer(request("POST /mcp HTTP/1.1", ["Content-Length": nil])).0 == .refused(400))
        #expect(answer(request() + ["Content-Type: application/json"]).0 == .malformed(400))
    }

    @Test(arguments: ["gzip", "br", "identity", "", "gzip, identity"])
    func anEncodedBodyIsRefused(coding: String) {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Content-Encoding": coding])).0 == .refused(415))
    }

    @Test(arguments: ["GET", "DELETE"])
    func methodsWithoutABodyHaveNone(method: String) {
        #expect(answer(request("\(method) /mcp HTTP/1.1", ["Content-Length": "0"])).0 == .admitted)
        #expect(answer(request("\(method) /mcp HTTP/1.1", ["Content-Length": "1"])).0 == .refused(400))
        #expect(answer(request("\(method) /mcp HTTP/1.1", ["Transfer-Encoding": "chunked"])).0 == .refused(400))
    }

    @Test(
        arguments: [
            // Accept, takes JSON, takes events
            ("application/json, text/event-stream", true, true), ("text/event-stream,application/json", true, true),
            ("application/json", true, false), ("text/event-stream", false, true), ("*/*", true, true),
            ("application/*", true, false), ("text/*", false, true),
            ("APPLICATION/JSON , Text/Event-Stream", true, true),
            ("application/json;q=0.5, text/event-stream;q=0.1", true, true),
            ("application/json;q=0, text/event-stream", false, true),
            ("application/json, text/event-stream;q=0", true, false), ("application/json; q=0.000, */*", false, true),
            ("*/*, application/json;q=0", false, true), ("*/*;q=0, application/json", true, false),
            ("text/*;q=0, */*", true, false), ("text/*;q=0, text/event-stream, application/json", true, true),
            ("application/json;q=0.001, text/event-stream", true, true),
            ("application/json;Q=0, text/event-stream", false, true),
            ("application/json;v=1, text/event-stream;v=2;q=1.0", true, true), ("text/html, */*;q=0.1", true, true),
            (",, application/json ,", true, false), ("application/json\t;\tq=0.9", true, false),
        ] as [(String, Bool, Bool)])
    func acceptSaysWhichAnswersTheClientTakes(accept: String, json: Bool, events: Bool) throws {
        let head = try admit(request("POST /mcp HTTP/1.1", ["Accept": accept]))
        #expect(head.acceptsJSON == json)
        #expect(head.acceptsEvents == events)
        let get = answer(request("GET /mcp HTTP/1.1", ["Accept": accept])).0
        #expect(get == (events ? .admitted : .refused(406)), "a GET's answer is a stream")
        #expect(answer(request("DELETE /mcp HTTP/1.1", ["Accept": accept])).0 == .admitted)
    }

    @Test(arguments: [
        "text/html", "application/json;q=0, text/event-stream;q=0", "*/*;q=0", "*/*;q=0.000",
        "application/xml, image/*",
        "application/json-seq, text/event-streams", "json/application", "*/json", "application/json;q=0",
    ])
    func anAcceptThatExcludesBothIsRefused(accept: String) {
        #expect(answer(request("POST /mcp HTTP/1.1", ["Accept": accept])).0 == .refused(406))
    }

    @Test func noAcceptTakesEverythingAndSeveralLinesAreOneList() throws {
        let none = try admit(request("POST /mcp HTTP/1.1", ["Accept": nil]))
        #expect(none.acceptsJSON && none.acceptsEvents)
        let two = try admit(request("POST /mcp HTTP/1.1", ["Accept": "text/html"]) + ["accept: text/event-stream"])
        #expect(!two.acceptsJSON && two.acceptsEvents)
    }

    @Test func aSessionIdStandsInOneField() {
        #expect(answer(request() + ["Mcp-Session-Id: a"]).0 == .admitted)
        #expect(answer(request() + ["Mcp-Session-Id: a", "Mcp-Session-Id: b"]).0 == .malformed(400))
    }
}
