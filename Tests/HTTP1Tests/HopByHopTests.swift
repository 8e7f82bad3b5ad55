import HTTP1
import Testing

@Suite struct HopByHopTests {
    /// The names of those fields that are handed on.
    private func handedOn(_ lines: [String]) throws -> [String] {
        let bytes = Array(("POST / HTTP/1.1\r\n" + (lines + ["Host: a"]).map { $0 + "\r\n" }.joined() + "\r\n").utf8)
        var parser = RequestParser()
        let isComplete = try parser.parseHead(bytes.span)
        #expect(isComplete)
        var names: [String] = []
        for index in parser.head.fields.indices where !parser.head.fields.isHopByHop(at: index, in: bytes.span) {
            names.append(text(bytes, parser.head.fields[index].name))
        }
        return names
    }

    @Test(arguments: [
        "Connection: x", "Keep-Alive: timeout=5", "Proxy-Connection: close", "PROXY-AUTHORIZATION: Basic x",
        "Proxy-Authenticate: Basic", "Proxy-Status: x", "proxy-authentication-info: x", "TE: trailers", "Trailer: X",
        "Transfer-Encoding: chunked", "Upgrade: websocket",
    ])
    func fieldsOfOneConnectionEndThere(line: String) throws {
        #expect(try handedOn([line, "Accept: */*"]) == ["Accept", "Host"])
    }

    @Test(arguments: [
        ["Connection: x-one"], ["connection: close, X-ONE"], ["Connection: close,x-One\t, y"],
        ["Connection: close", "Connection: X-One"], ["Connection: ,,x-one"],
    ])
    func aFieldThatConnectionNamesEndsThere(connections: [String]) throws {
        #expect(try handedOn(["X-One: 1"] + connections + ["X-One-More: 2"]) == ["X-One-More", "Host"])
        #expect(try handedOn(connections + ["X-On: 2", "x-one: 1", "X-ONE: 2"]) == ["X-On", "Host"])
    }

    @Test func allElseIsHandedOn() throws {
        let lines = [
            "Connection: close, x", "Proxyx: 1", "Proxy: 1", "Mcp-Session-Id: a", "Te-st: 1", "X-Upgrade: 1",
            "Mcp-Param-Connection: 1", "Xx: 1", "MCP-Protocol-Version: 1", "Last-Event-ID: 1", "Traceparent: 1",
        ]
        let names = lines.dropFirst().map { String($0.prefix { $0 != ":" }) }
        #expect(try handedOn(lines) == names + ["Host"])
    }

    @Test func aKnownFieldCanBeNamedToo() throws {
        #expect(try handedOn(["Connection: mcp-session-id", "Mcp-Session-Id: a"]) == ["Host"])
    }
}

/// What the roles ask a head for.
@Suite struct KnownNamesTests {
    @Test(arguments: [
        ("MCP-Protocol-Version", FieldName.mcpProtocolVersion), ("Mcp-Session-Id", .mcpSessionID),
        ("Mcp-Method", .mcpMethod),
        ("Mcp-Name", .mcpName), ("Mcp-Param-Region", .mcpParam), ("Last-Event-ID", .lastEventID),
        ("traceparent", .traceparent), ("tracestate", .tracestate), ("baggage", .baggage), ("Expect", .expect),
        ("Accept", .accept), ("Accept-Encoding", .acceptEncoding), ("Content-Encoding", .contentEncoding),
        ("Origin", .origin), ("Host", .host), ("Content-Type", .contentType), ("TE", .te), ("Trailer", .trailer),
        ("Upgrade", .upgrade), ("Retry-After", .retryAfter), ("WWW-Authenticate", .wwwAuthenticate),
    ])
    func everyNameOfTheProtocolIsKnown(name: String, id: FieldName) throws {
        let value = id == .expect ? "100-continue" : "a"
        let host = id == .host ? "" : "Host: a\r\n"
        let head = try #require(readRequest("GET / HTTP/1.1\r\n\(host)\(name): \(value)\r\n\r\n").head)
        #expect(head.ids.last == id)
    }

    @Test(arguments: ["100-continue", "100-Continue", "100-CONTINUE"])
    func aClientThatWaitsForContinueSaysSo(value: String) throws {
        let head = try #require(
            readRequest("POST / HTTP/1.1\r\nHost: a\r\nExpect: \(value)\r\nContent-Length: 2\r\n\r\n").head)
        #expect(head.expectsContinue && head.framing == .length(2))
        let plain = try #require(readRequest("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").head)
        #expect(!plain.expectsContinue)
    }

    @Test(arguments: ["", "200-ok", "100-continue, x", "100-continue;a=b", "\"100-continue\"", "100 -continue"])
    func anyOtherExpectationFails(value: String) {
        let error = readRequest("POST / HTTP/1.1\r\nHost: a\r\nExpect: \(value)\r\nContent-Length: 2\r\n\r\n").error
        #expect(error == .unsupportedExpectation && error?.status == 417)
    }
}
