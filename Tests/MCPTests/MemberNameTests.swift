import Testing

@testable import MCP

/// Names that some readers take for a protocol member and others do not.
@Suite struct MemberNameTests {
    /// Ways to spell a name so that it looks the same, or is the same to a reader who ignores case.
    static let disguises: [@Sendable (String) -> String] = [
        { $0.uppercased() }, { $0.prefix(1).uppercased() + $0.dropFirst() },
        { $0.dropLast() + $0.suffix(1).uppercased() },
        // Full width, wholly and in part.
        { String(String.UnicodeScalarView($0.unicodeScalars.map { Unicode.Scalar($0.value + 0xFEE0) ?? $0 })) },
        { fullWidth($0.prefix(1)) + $0.dropFirst() },
        // What cannot be seen, in front, behind and within.
        { "\u{200B}" + $0 }, { $0 + "\u{200D}" }, { $0.prefix(1) + "\u{200C}" + $0.dropFirst() }, { $0 + "\u{AD}" },
        { "\u{FEFF}" + $0 }, { $0 + "\u{2060}" }, { "\u{202E}" + $0 + "\u{202C}" }, { "\u{2066}" + $0 + "\u{2069}" },
        { $0 + "\u{FE0F}" }, { $0 + "\u{E0100}" }, { $0 + "\u{E0041}" }, { $0 + "\u{180E}" }, { $0 + "\u{34F}" },
        { $0 + "\u{61C}" }, { $0 + "\u{115F}" }, { $0 + "\u{3164}" }, { $0 + "\u{FFA0}" }, { $0 + "\u{1D173}" },
        { $0 + "\u{FFF9}" }, { $0 + "\u{FFFD}" }, { $0 + "\u{2800}" }, { $0 + " " }, { " " + $0 }, { $0 + "\u{A0}" },
        { $0 + "\u{3000}" }, { $0 + "\u{2028}" }, { $0 + "\u{1680}" }, { $0 + "\\t" }, { $0 + "\\n" },
        { $0 + "\u{7F}" },
        { $0 + "\u{85}" },
        // Where a reader in C stops.
        { $0 + "\\u0000" }, { $0 + "\\u0000x" }, { $0 + "\\u0000é" }, { "\\u0000" + $0 },
        // The same with escapes.
        { $0.prefix(1) + #"\u00"# + String($0.dropFirst().uppercased().utf8.first ?? 0, radix: 16) + $0.dropFirst(2) },
        { $0 + #"\u200b"# },
        { $0 + #"\udb40\udd00"# }, { #"\ufeff"# + $0 },
    ]

    private static func fullWidth(_ text: some StringProtocol) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { Unicode.Scalar($0.value + 0xFEE0) ?? $0 }))
    }

    /// Characters that fold to ASCII, each with what it folds to.
    static let lookalikes = [
        ("k", "\u{212A}"), ("s", "\u{17F}"), ("i", "\u{130}"), ("i", "\u{131}"), ("ss", "\u{DF}"), ("ss", "\u{1E9E}"),
        ("ff", "\u{FB00}"), ("fi", "\u{FB01}"), ("fl", "\u{FB02}"), ("ffi", "\u{FB03}"), ("ffl", "\u{FB04}"),
        ("st", "\u{FB05}"), ("st", "\u{FB06}"),
    ]

    /// All spellings of a name that are not the name.
    static func variants(of name: String) -> [String] {
        var variants = disguises.map { $0(name) }
        for (letters, lookalike) in lookalikes where name.lowercased().contains(letters) {
            variants.append(name.lowercased().replacing(letters, with: lookalike))
        }
        // Names without a letter to change come out as they were.
        return variants.filter { $0 != name }
    }

    @Test func noMemberOfAMessageHasADouble() {
        for name in EnvelopeName.allCases { check(name) }
    }

    private func check(_ name: EnvelopeName) {
        for variant in Self.variants(of: "\(name.text)") {
            for text in [
                #"{"X":1,"jsonrpc":"2.0","id":1,"method":"a"}"#, #"{V,"id":1,"method":"a","X":null}"#,
                #"{V,"id":1,"result":{},"X":{}}"#,
            ] {
                for sender in Peer.allCases {
                    let text = text.replacing("X", with: variant)
                    #expect(refusal(text, from: sender) == -32600, "\(variant.debugDescription)")
                }
            }
        }
    }

    @Test(arguments: Method.allCases)
    func noParameterOfAMethodHasADouble(method: MCP.Method) {
        let method = method == .other ? "x/y" : "\(method.name)"
        for parameter in ParameterName.allCases {
            let isOwn = Method.named(Array(method.utf8).span).parameters.match(folded("\(parameter.text)")) != nil
            for variant in Self.variants(of: "\(parameter.text)").prefix(isOwn ? .max : 1) {
                let text = #"{V,"id":1,"method":"\#(method)","params":{"\#(variant)":"x"}}"#
                #expect(refusal(text) == (isOwn ? -32600 : nil), "\(method) \(variant.debugDescription)")
            }
        }
    }

    @Test func noProtocolKeyInMetaHasADouble() {
        for name in MetaName.allCases { check(name) }
    }

    private func check(_ name: MetaName) {
        let isGuarded = MetaName.guarded.match(folded("\(name.text)")) != nil
        #expect(isGuarded == ![.traceparent, .tracestate, .baggage].contains(name))
        for variant in Self.variants(of: "\(name.text)") {
            for text in [
                #"{V,"id":1,"method":"a","params":{"_meta":{"X":1}}}"#, #"{V,"id":1,"result":{"_meta":{"X":1}}}"#,
            ] {
                let text = text.replacing("X", with: variant)
                #expect(refusal(text) == (isGuarded ? -32600 : nil), "\(variant.debugDescription)")
            }
        }
    }

    /// What an extension or an argument calls its own is nobody's business.
    @Test(arguments: [
        #"{V,"id":1,"method":"a","methods":1,"ids":2,"i":3,"d":4,"":5,"rpc":6,"méthod":7,"mеthod":8,"方法":9}"#,
        #"{V,"id":1,"method":"tools/call","params":{"name":"n","arguments":{"Name":1,"ＮＡＭＥ":2,"_Meta":3,"name\u200b":4}}}"#,
        #"{V,"id":1,"method":"tools/call","params":{"name":"n","names":1,"Uri":2,"na me2":3,"nаme":4,"":5}}"#,
        #"{V,"id":1,"method":"a","params":{"_meta":{"com.example/ProgressToken":1,"io.modelcontextprotocol/other":2,"ProtocolVersion":3,"TraceParent":4}}}"#,
        #"{V,"id":1,"method":"a","params":{"METHOD":1,"Id":2,"Jsonrpc":3}}"#,
        #"{V,"id":1,"result":{"Result":1,"_META":2,"content":[{"Type":"text"}]}}"#,
        #"{V,"id":1,"error":{"Code":1,"code":2}}"#,
    ])
    func otherNamesPass(text: String) {
        #expect(refusal(text) == nil)
        guard case .message = summarise(text) else {
            Issue.record("\(summarise(text))")
            return
        }
    }

    /// Spelt with escapes a name is the name itself, to every reader.
    @Test func escapesChangeNothing() {
        for name in EnvelopeName.allCases {
            let escaped = "\(name.text)".utf8.map { "\\u00" + String($0, radix: 16) }.joined()
            let text = #"{"jsonrpc":"2.0","id":1,"method":"a","params":{}}"#
            let answer = #"{"jsonrpc":"2.0","id":1,"result":{}}"#
            for text in [text, answer] {
                #expect(summarise(text.replacing("\"\(name.text)\":", with: "\"\(escaped)\":")) == summarise(text))
            }
        }
    }

    @Test func longNamesAreNoVariants() {
        for length in [47, 48, 49, 1000] {
            let long = String(repeating: "m", count: length)
            #expect(refusal(#"{V,"id":1,"method":"a","\#(long)":1}"#) == nil)
            // Unless what makes them long cannot be seen.
            let padded = "method" + String(repeating: "\u{200B}", count: length)
            #expect(refusal(#"{V,"id":1,"method":"a","\#(padded)":1}"#) == -32600)
        }
    }

    private func folded(_ name: String) -> FoldedName { FoldedName(Array(name.utf8).span) }
}

@Suite struct ProtocolNameTests {
    @Test func everyNameIsFoundByItsTextAndByNothingElse() {
        check(EnvelopeName.self)
        check(ParameterName.self)
        check(MetaName.self)
        check(ResultName.self)
    }

    private func check<Name: ProtocolName & Equatable>(_ type: Name.Type) {
        func named(_ text: some Sequence<UInt8>) -> Name? { Name.named(Array(text).span) }
        for name in Name.allCases {
            let text = Array("\(name.text)".utf8)
            #expect(named(text) == name)
            for index in text.indices {
                var other = text
                other[index] ^= 1
                #expect(named(other) != name)
            }
            #expect(named(text.dropLast()) != name)
            #expect(named(text + [0]) == nil)
        }
        #expect(Name.allCases.count <= 64)
    }
}
