import StrictJSON
import Testing

@testable import MCP

@Suite struct MirroredHeadersTests {
    /// The `_meta` of a good modern request.
    private static let meta =
        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#

    /// What becomes of a client's message with these headers.
    private func check(
        _ text: String, version: String? = "2026-07-28", method: String? = nil, name: String? = nil
    ) throws -> Result<Era, GatewayError> {
        let reading = try Reading(
            text.replacing("{V", with: #"{"jsonrpc":"2.0""#).replacing("META", with: Self.meta))
        let summary = try reading.summary(from: .client)
        var head: [UInt8] = []
        func add(_ value: String?) -> Range<Int>? {
            guard let value else { return nil }
            head += Array("\r\nx: ".utf8)
            let start = head.count
            head += Array(value.utf8)
            return start..<head.count
        }
        let headers = MirroredHeaders(protocolVersion: add(version), method: add(method), name: add(name))
        do throws(GatewayError) {
            return .success(try headers.check(head.span, summary, reading.tape, reading.bytes.span))
        } catch {
            return .failure(error)
        }
    }

    private static let call = #"{V,"id":1,"method":"tools/call","params":{"name":"get_weather",META}}"#

    @Test func aTrueRequestPasses() throws {
        #expect(try check(Self.call, method: "tools/call", name: "get_weather") == .success(.modern))
        #expect(
            try check(#"{V,"id":1,"method":"tools/list","params":{META}}"#, method: "tools/list") == .success(.modern))
        #expect(
            try check(
                #"{V,"id":1,"method":"resources/r\u0065ad","params":{"uri":"file:\/\/\/a",META}}"#,
                method: "resources/read", name: "file:///a") == .success(.modern))
        // Methods of other extensions, too.
        #expect(try check(#"{V,"id":1,"method":"x/y","params":{META}}"#, method: "x/y") == .success(.modern))
    }

    @Test func everyRequiredHeaderIsMissed() throws {
        let method = "tools/call"
        let name = "get_weather"
        #expect(
            try check(Self.call, version: nil, method: method, name: name)
                == .failure(.headerMismatch(.protocolVersion, .missing)))
        #expect(try check(Self.call, method: nil, name: name) == .failure(.headerMismatch(.method, .missing)))
        #expect(try check(Self.call, method: method, name: nil) == .failure(.headerMismatch(.name, .missing)))
        for (method, member) in [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")] {
            let text = #"{V,"id":1,"method":"\#(method)","params":{"\#(member)":"a",META}}"#
            #expect(try check(text, method: method) == .failure(.headerMismatch(.name, .missing)))
            #expect(try check(text, method: method, name: "a") == .success(.modern))
        }
    }

    @Test(
        arguments: [
            ("2025-11-25", nil, nil, .protocolVersion, .differs),
            ("2026-07-28, 2026-07-28", nil, nil, .protocolVersion, .differs),
            ("", nil, nil, .protocolVersion, .differs),
            ("2026-07-2８", nil, nil, .protocolVersion, .badCharacters),
            ("2026-07-28\0", nil, nil, .protocolVersion, .badCharacters),
            ("=?base64?MjAyNi0wNy0yOA==?=", nil, nil, .protocolVersion, .differs),
            (nil, "tools/list", nil, .method, .differs), (nil, "Tools/call", nil, .method, .differs),
            (nil, "", nil, .method, .differs), (nil, "tools/call ", nil, .method, .differs),
            (nil, "=?base64?dG9vbHMvY2FsbA==?=", nil, .method, .differs),
            (nil, "tools/cäll", nil, .method, .badCharacters),
            (nil, nil, "get_weathe", .name, .differs), (nil, nil, "get_weather2", .name, .differs),
            (nil, nil, "GET_WEATHER", .name, .differs), (nil, nil, "", .name, .differs),
            (nil, nil, "get_weather\u{7F}", .name, .badCharacters), (nil, nil, "get_wéather", .name, .badCharacters),
            (nil, nil, "=?base64?Z2V0X3dlYXRoZXI?=", .name, .badEncoding),
            (nil, nil, "=?base64?Z2V0X3dlYXRoZXJ=?=", .name, .badEncoding),
            (nil, nil, "=?base64?Z2V0X3dlYXRoZXI==?=", .name, .badEncoding),
            (nil, nil, "=?base64? Z2V0X3dlYXRoZXI=?=", .name, .badEncoding),
            (nil, nil, "=?base64?Z2V0X3dlYXRoZXM=?=", .name, .differs), (nil, nil, "=?base64??=", .name, .differs),
            // The markers are case-sensitive: these are plain values.
            (nil, nil, "=?BASE64?Z2V0X3dlYXRoZXI=?=", .name, .differs),
            (nil, nil, "=?base64?Z2V0X3dlYXRoZXI=", .name, .differs),
        ] as [(String?, String?, String?, MirroredHeaders.Field, HeaderFault)])
    func whatDiffersIsRefused(
        version: String?, method: String?, name: String?, field: MirroredHeaders.Field, fault: HeaderFault
    ) throws {
        let outcome = try check(
            Self.call, version: version ?? "2026-07-28", method: method ?? "tools/call", name: name ?? "get_weather")
        #expect(outcome == .failure(.headerMismatch(field, fault)))
        guard case .failure(let error) = outcome else { return }
        #expect(error.code == -32020)
        #expect(error.modernStatus == 400)
        #expect(error.message.contains("\(field.name)"))
        #expect(error.message.utf8.allSatisfy { 0x20...0x7E ~= $0 }, "nothing of the header is said again")
    }

    @Test func encodedNamesAreDecodedAndComparedAsTexts() throws {
        for (json, header) in [
            ("get_weather", "=?base64?Z2V0X3dlYXRoZXI=?="), ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (#"\u0048ello, \u4e16界"#, "=?base64?SGVsbG8sIOS4lueVjA==?="), (" padded ", "=?base64?IHBhZGRlZCA=?="),
            (#"line1\nline2"#, "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("", "=?base64??="), ("", ""), ("=?base64?=", "=?base64?="), ("a b\\tc", "a b\tc"),
        ] {
            let text = #"{V,"id":1,"method":"tools/call","params":{"name":"\#(json)",META}}"#
            #expect(try check(text, method: "tools/call", name: header) == .success(.modern), "\(json)")
        }
        // A plain text that looks encoded is taken for what it decodes to.
        let text = #"{V,"id":1,"method":"tools/call","params":{"name":"=?base64?YQ==?=",META}}"#
        #expect(
            try check(text, method: "tools/call", name: "=?base64?YQ==?=") == .failure(.headerMismatch(.name, .differs))
        )
    }

    @Test func tasksNeedNoNameButATrueOne() throws {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let text = #"{V,"id":1,"method":"\#(method)","params":{"taskId":"t",META}}"#
            #expect(try check(text, method: method) == .success(.modern))
            #expect(try check(text, method: method, name: "t") == .success(.modern))
            #expect(try check(text, method: method, name: "u") == .failure(.headerMismatch(.name, .differs)))
        }
    }

    @Test func aCallWithoutItsNameIsInvalid() throws {
        let text = #"{V,"id":1,"method":"tools/call","params":{META}}"#
        #expect(try code(check(text, method: "tools/call", name: "x")) == -32602)
    }

    @Test func requiredMetaIsMissed() throws {
        for params in [
            "", #","params":{}"#, #","params":{"_meta":{}}"#,
            #","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}"#,
        ] {
            #expect(try code(check(#"{V,"id":1,"method":"tools/list"\#(params)}"#, method: "tools/list")) == -32602)
        }
        let bare = #"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#
        #expect(try code(check(#"{V,"id":1,"method":"tools/list","params":\#(bare)}"#, method: "tools/list")) == -32602)
    }

    @Test(arguments: MCP.Method.allCases)
    func whatTheRevisionTookOutIsNotFound(method: MCP.Method) throws {
        guard method != .other else { return }
        let id = method.isNotification ? "" : #""id":1,"#
        let text = #"{V,\#(id)"method":"\#(method.name)","params":{"name":"n","uri":"n","taskId":"n",META}}"#
        for version in ["2026-07-28", "2025-11-25", nil] {
            let outcome = try check(text, version: version, method: "\(method.name)", name: "n")
            let isTrue = version == "2026-07-28" || version == nil && method.isNotification
            #expect(try code(outcome) == (method.isLegacyOnly ? -32601 : isTrue ? nil : -32020))
        }
    }

    @Test(arguments: ["2099-01-01", "1900-01-01", "2025-11-25", "2024-11-05", "", "x"])
    func otherRevisionsInMetaAreUnsupported(version: String) throws {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"\#(version)","io.modelcontextprotocol/clientCapabilities":{}}"#
        for method in ["tools/list", "initialize", "ping"] {
            let text = #"{V,"id":1,"method":"\#(method)","params":{\#(meta)}}"#
            for header in [version, nil] {
                #expect(
                    try check(text, version: header, method: method)
                        == .failure(.unsupportedVersion(requested: version)))
            }
            #expect(
                try check(text, version: "2026-07-28", method: method)
                    == .failure(.headerMismatch(.protocolVersion, .differs)))
        }
    }

    @Test func answersHaveNoPlaceInTheModernEra() throws {
        #expect(try code(check(#"{V,"id":1,"result":{}}"#)) == -32600)
        #expect(try code(check(#"{V,"id":1,"error":{"code":1,"message":""}}"#)) == -32600)
        #expect(try check(#"{V,"id":1,"result":{}}"#, version: "2025-11-25") == .success(.legacy))
        #expect(try check(#"{V,"id":1,"result":{}}"#, version: nil) == .success(.legacy))
    }

    /// The revision defines no headers for them; what is there must be true all the same.
    @Test func notificationsMissNothing() throws {
        for text in [
            #"{V,"method":"notifications/cancelled","params":{"requestId":1,META}}"#,
            #"{V,"method":"notifications/cancelled","params":{"requestId":1}}"#,
        ] {
            #expect(try check(text) == .success(.modern))
            #expect(try check(text, method: "notifications/cancelled") == .success(.modern))
            #expect(try check(text, method: "tools/call") == .failure(.headerMismatch(.method, .differs)))
        }
        #expect(
            try check(#"{V,"method":"notifications/cancelled","params":{"requestId":1,META}}"#, version: nil)
                == .success(.modern))
        #expect(try code(check(#"{V,"method":"notifications/initialized"}"#)) == -32601)
    }

    @Test(arguments: [nil, "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
    func legacyMessagesAreNotLookedAt(version: String?) throws {
        for text in [
            #"{V,"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
            #"{V,"id":1,"method":"ping"}"#,
            #"{V,"id":1,"method":"tools/call","params":{"name":"a"}}"#, #"{V,"method":"notifications/initialized"}"#,
        ] {
            #expect(try check(text, version: version, method: "x", name: "y") == .success(.legacy))
        }
    }

    @Test(arguments: ["2099-01-01", "", "x\u{1B}[31m", String(repeating: "9", count: 5000)])
    func aVersionNobodyKnowsIsUnsupported(version: String) throws {
        let outcome = try check(#"{V,"id":1,"method":"ping"}"#, version: version)
        guard case .failure(.unsupportedVersion(let requested)) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(requested.utf8.allSatisfy { 0x20...0x7E ~= $0 })
        #expect(requested.utf8.count <= 64)
    }

    private func code(_ outcome: Result<Era, GatewayError>) throws -> Int? {
        guard case .failure(let error) = outcome else { return nil }
        return error.code
    }
}

@Suite struct HeaderValueTests {
    @Test(arguments: [
        "", "a", "us-west1", "a b\tc", "~!@#$%^&*()", "=?base64?SGVsbG8sIOS4lueVjA==?=", "=?base64??=", "=?base64?=",
        "=?x?=",
        "=?BASE64?%?=", "=?base64?AA==?=", "=?base64?%",
    ])
    func wellFormed(value: String) {
        #expect(isWellFormed(Array(value.utf8)))
    }

    @Test(arguments: [
        "é", "a\u{7F}", "a\nb", "a\rb", "\0", "\u{1B}", "=?base64?%?=", "=?base64?A?=", "=?base64?AA?=",
        "=?base64?AB==?=",
        "=?base64?AAF=?=", "=?base64?A===?=", "=?base64?====?=", "=?base64?_-__?=", "=?base64?AA==AA==?=",
        "=?base64?/w==?=",
        "=?base64?wIA=?=", "=?base64?7aCA?=", "=?base64?AAAA\n?=", "=?base64?AA=A?=",
    ])
    func malformed(value: String) {
        #expect(!isWellFormed(Array(value.utf8)))
    }

    /// What is written is well formed, says the same as the body, and is plain whenever it can be.
    @Test func whatIsWrittenIsReadBack() throws {
        var random = Seeded(state: 7)
        var texts = [
            "", " ", "\t", "a", " a", "a ", "a\t", "=?base64?YQ==?=", "=?base64??=", "=?base64?=", "é", "a\nb", "\0",
            "🔥",
            "get_weather", "file:///a b", "\u{7F}", "=?", "?=",
        ]
        let alphabet = Array("ab =?/é漢\n\t\"\\\u{1}base64🔥".unicodeScalars)
        for _ in 0..<2000 {
            let length = Int.random(in: 0...20, using: &random)
            var text = String.UnicodeScalarView()
            for _ in 0..<length { text.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)]) }
            texts.append(String(text))
        }
        for text in texts {
            for escaped in [false, true] {
                var json: [UInt8] = []
                if escaped {
                    let units = text.utf16.map { unit in
                        let digits = String(unit, radix: 16)
                        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                    json = Array("\"\(units.joined())\"".utf8)
                } else {
                    JSONText.appendString(text, to: &json)
                }
                let reading = try Reading(json)
                var value = Array("x".utf8)
                HeaderValue.append(.root, of: reading.tape, reading.bytes.span, to: &value)
                value.removeFirst()
                #expect(isWellFormed(value))
                let fault = HeaderValue.fault(in: value.span, mirroring: .root, of: reading.tape, reading.bytes.span)
                #expect(fault == nil, "\(text.debugDescription)")
                #expect(value.first != 0x20 && value.last != 0x20 && value.first != 9 && value.last != 9)
                var plain = Array("x".utf8)
                let isPlain = HeaderValue.appendPlain(.root, of: reading.tape, reading.bytes.span, to: &plain)
                #expect(plain == Array("x".utf8) + (isPlain ? Array(text.utf8) : []))
                let mustEncode = text.hasPrefix("=?base64?") && text.hasSuffix("?=") && text.utf8.count > 10
                #expect((value == Array(text.utf8)) == (isPlain && !mustEncode))
            }
        }
    }

    private func isWellFormed(_ value: [UInt8]) -> Bool { HeaderValue.isWellFormed(value.span) }
}
