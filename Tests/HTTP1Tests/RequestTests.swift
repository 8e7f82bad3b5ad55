import Testing

@testable import HTTP1

@Suite struct RequestTests {
    static let ordinary = """
        POST /mcp?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nAccept:application/json, text/event-stream\r\n\
        Content-Type: \t application/json \t\r\nMCP-Protocol-Version: 2025-11-25\r\nX-Empty:\r\nX-Obs: caf\u{e9}\r\n\
        Mcp-Param-Region: eu\r\ncontent-length: 12\r\n\r\n
        """

    @Test func anOrdinaryHeadIsReadWhole() throws {
        let head = try #require(readRequest(Self.ordinary + "{\"jsonrpc\":").head)
        #expect(head.method == .post)
        #expect(head.methodText == "POST")
        #expect(head.target == "/mcp?x=1")
        #expect(head.form == .origin)
        #expect(head.framing == .length(12))
        #expect(head.keepAlive)
        #expect(!head.expectsContinue)
        #expect(head.length == Self.ordinary.utf8.count)
        #expect(
            head.fields == [
                ["Host", "127.0.0.1:9090"], ["Accept", "application/json, text/event-stream"],
                ["Content-Type", "application/json"], ["MCP-Protocol-Version", "2025-11-25"], ["X-Empty", ""],
                ["X-Obs", "caf\u{e9}"], ["Mcp-Param-Region", "eu"], ["content-length", "12"],
            ])
        #expect(
            head.ids == [.host, .accept, .contentType, .mcpProtocolVersion, .other, .other, .mcpParam, .contentLength])
    }

    @Test func everyMethodIsToldApartAndCaseMatters() {
        let expected: [(String, HTTPMethod)] = [
            ("GET", .get), ("POST", .post), ("DELETE", .delete), ("OPTIONS", .options), ("HEAD", .head), ("PUT", .put),
            ("PATCH", .patch), ("TRACE", .trace), ("get", .other), ("PURGE", .other), ("VERSION-CONTROL", .other),
            ("GETS", .other), ("GE", .other), ("$!", .other),
        ]
        for (name, method) in expected {
            let head = readRequest("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n").head
            #expect(head?.method == method, "\(name)")
            #expect(head?.methodText == name)
        }
        #expect(readRequest("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").head?.method == .connect)
    }

    @Test(arguments: [
        ("GET /a/b?c=%20 HTTP/1.1", TargetForm.origin), ("GET //evil/ HTTP/1.1", .origin),
        ("GET http://h/x HTTP/1.1", .absolute), ("GET HTTPS://h HTTP/1.1", .absolute),
        ("OPTIONS * HTTP/1.1", .asterisk), ("CONNECT h:80 HTTP/1.1", .authority),
    ])
    func everyTargetFormIsNamed(line: String, form: TargetForm) {
        #expect(readRequest(line + "\r\nHost: h\r\n\r\n").head?.form == form)
    }

    @Test(arguments: [
        "GET * HTTP/1.1", "GET mcp HTTP/1.1", "GET ftp://h/ HTTP/1.1", "GET http:// HTTP/1.1", "GET /#f HTTP/1.1",
        "GET /\u{e9} HTTP/1.1", "GET /a\"b HTTP/1.1", "GET /a\\b HTTP/1.1", "GET /<a> HTTP/1.1", "GET /^ HTTP/1.1",
        "GET /\tx HTTP/1.1", "CONNECT h/x HTTP/1.1", "GET  / HTTP/1.1",
    ])
    func aTargetOutsideTheGrammarIsRefused(line: String) {
        #expect(readRequest(line + "\r\nHost: h\r\n\r\n").error == .malformedTarget)
    }

    @Test func oneParserReadsPipelinedRequestsInOrder() throws {
        let first = "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
        let second = "GET /two HTTP/1.1\r\nHost: b\r\nConnection: x, Close\r\n\r\n"
        let bytes = Array((first + second).utf8)
        var parser = RequestParser()
        let isFirst = try parser.parseHead(bytes.span)
        #expect(isFirst)
        let one = summary(parser, bytes)
        #expect(one.target == "/one" && one.framing == .length(3) && one.expectsContinue && one.keepAlive)
        let rest = Array(bytes[one.length...])
        let isSecond = try parser.parseHead(rest.span)
        #expect(isSecond)
        let two = summary(parser, rest)
        #expect(two.target == "/two" && two.framing == .none && !two.expectsContinue && !two.keepAlive)
        #expect(two.fields == [["Host", "b"], ["Connection", "x, Close"]])
        #expect(two.length == second.utf8.count)
    }

    @Test func nothingFollowsAConnect() {
        #expect(readRequest("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").head?.keepAlive == false)
        #expect(readRequest("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").head?.keepAlive == true)
    }

    @Test func fieldsAreFoundByName() throws {
        let bytes = Array(
            "GET / HTTP/1.1\r\nhOST: a\r\nBaggage: one\r\nBAGGAGE: two\r\nX-Other: three\r\n\r\n".utf8)
        var parser = RequestParser()
        let isComplete = try parser.parseHead(bytes.span)
        #expect(isComplete)
        let first = parser.head.first(.baggage)
        #expect(text(bytes, try #require(first)) == "one")
        let hasOrigin = parser.head.fields.contains(.origin)
        let noOrigin = parser.head.first(.origin) == nil
        let isBaggageRepeated = parser.head.fields.isRepeated(.baggage)
        let isHostRepeated = parser.head.fields.isRepeated(.host)
        #expect(!hasOrigin && noOrigin && isBaggageRepeated && !isHostRepeated)
    }

    @Test func whatIsRefusedStaysRefused() throws {
        var parser = RequestParser()
        let bad = Array("GET / HTTP/1.0\r\n\r\n".utf8)
        let good = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        for bytes in [bad, good] {
            var refusal: HTTP1Error?
            do { _ = try parser.parseHead(bytes.span) } catch { refusal = error }
            #expect(refusal == .unsupportedVersion)
        }
    }

    @Test func limitsHoldExactlyAtTheirByte() {
        var limits = HTTP1Limits()
        limits.head = 100
        limits.startLine = 40
        limits.fields = 3
        func request(target: Int, fields: [String]) -> [UInt8] {
            Array(
                ("GET /\(String(repeating: "a", count: target - 1)) HTTP/1.1\r\n"
                    + fields.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
        }
        // `GET `, target, ` HTTP/1.1` and CRLF are 15 bytes and the target.
        #expect(readRequest(request(target: 25, fields: ["Host: a"]), limits: limits).head != nil)
        #expect(readRequest(request(target: 26, fields: ["Host: a"]), limits: limits).error == .targetTooLong)
        #expect(readRequest(request(target: 1, fields: ["Host: a", "b:", "c:"]), limits: limits).head != nil)
        #expect(
            readRequest(request(target: 1, fields: ["Host: a", "b:", "c:", "d:"]), limits: limits).error
                == .tooManyFields)
        let padding = 100 - 16 - 9 - 2
        let fits = request(target: 1, fields: ["Host: a", "b: " + String(repeating: "x", count: padding - 5)])
        #expect(fits.count == 100)
        #expect(readRequest(fits, limits: limits).head != nil)
        let tooLarge = request(target: 1, fields: ["Host: a", "b: " + String(repeating: "x", count: padding - 4)])
        #expect(readRequest(tooLarge, limits: limits).error == .headTooLarge)
        #expect(readRequest(Array(tooLarge[..<100]), limits: limits).error == .headTooLarge)
        #expect(readRequest(Array(tooLarge[..<99]), limits: limits) == .needMore)
    }

    @Test func everyErrorHasAClientErrorOrServerErrorStatusAndAReason() {
        for error in HTTP1Error.allCases {
            #expect([400, 413, 414, 417, 431, 501, 505].contains(error.status))
            #expect(!error.reason.isEmpty && HTTP1Encoding.isFieldValue(error.reason))
        }
        #expect(Set(HTTP1Error.allCases.map(\.reason)).count == HTTP1Error.allCases.count)
    }

    @Test func knownNamesAreFoundInAnyCaseAndOthersAreNot() {
        for name in FieldName.allCases where name != .other {
            let spelling = name.spelling + (name.isPrefix ? "zone" : "")
            for variant in [spelling, spelling.uppercased(), spelling.capitalized] {
                #expect(lookUp(variant) == name, "\(variant)")
                // At the very end of the bytes there is no room for a whole word.
                let bytes = Array(variant.utf8)
                #expect(FieldNameTable.shared.name(bytes.span, 0..<bytes.count) == name, "\(variant)")
            }
            for wrong in ["x" + spelling, spelling.replacing("-", with: "_"), String(spelling.dropFirst())]
            where wrong != spelling && !FieldName.allCases.contains(where: { $0.spelling == wrong }) {
                #expect(lookUp(wrong) == .other, "\(wrong)")
            }
            if !name.isPrefix { #expect(lookUp(spelling + "-") == .other) }
        }
        for bare in ["Mcp-Param-", "X-Mcpgw-Label-", "Mcp-Paramx", "X-Mcpgw-Labels"] { #expect(lookUp(bare) == .other) }
        #expect(lookUp(String(repeating: "h", count: 300)) == .other)
        #expect(lookUp("mcp-param-" + String(repeating: "h", count: 300)) == .mcpParam)
    }

    private func lookUp(_ name: String) -> FieldName {
        let bytes = Array("--\(name)--------".utf8)
        return FieldNameTable.shared.name(bytes.span, 2..<2 + name.utf8.count)
    }
}

extension String {
    fileprivate func replacing(_ old: Character, with new: Character) -> String {
        String(map { $0 == old ? new : $0 })
    }

    fileprivate var capitalized: String {
        split(separator: "-", omittingEmptySubsequences: false).map { $0.prefix(1).uppercased() + $0.dropFirst() }
            .joined(separator: "-")
    }
}
