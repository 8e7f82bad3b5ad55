import NormalForms
import Policy
import Testing
import YAML

@testable import PolicyTools

private let library: UnicodeLibrary = {
    do { return try UnicodeLibrary.load() } catch { fatalError("\(error)") }
}()

private func policy(_ rules: String) throws -> PolicyModel {
    let reading = PolicyModel.read(Array("version: v1\nrules:\n\(rules)".utf8), library)
    #expect(reading.errors.isEmpty)
    return try #require(reading.policy)
}

@Suite struct PolicyToolsTests {
    @Test(arguments: [
        (#"(?i)drop\s+table"#, "drop table"), (#"^AKIA[0-9A-Z]{4}$"#, "AKIA0000"), (#"(a|b)c*d?"#, "ac?"),
        (#"(?P<n>x+)\.y"#, "x.y"), (#"[^a-z]\d{3}"#, "~111"), (#"(((("#, ""), (#"a{"#, "a{"), (#"[]]\"#, "]"),
    ]) func `an expression has an instance`(expression: String, instance: String) {
        let found = Instance.ofExpression(expression)
        // Repetitions that may be left out are written once.
        #expect(found == instance || instance.hasSuffix("?") && found.hasPrefix(instance.dropLast()))
    }

    @Test(arguments: [
        ("0", true), ("-1.5e+3", true), ("01", false), ("1.", false), (".5", false), ("1e", false), ("", false),
        ("-", false), ("0x1", false), ("1_0", false), ("inf", false),
    ]) func `JSON's numbers are told from texts`(text: String, isNumber: Bool) {
        #expect(YAMLJSON.isNumber(text) == isNumber)
    }

    @Test func `values stand where their paths say`() {
        #expect(
            ArgumentTree.json([("a.b", "1"), ("files[*].path", "/x"), ("files[*].mode", "r"), ("a.c", "2")])
                == #"{"a":{"b":"1","c":"2"},"files":[{"path":"/x","mode":"r"}]}"#)
    }

    @Test func `a call made up for a rule is one that the rule takes`() throws {
        let rules = [
            "{name: r, match: {tools: [\"ex*_?\"], subjects: [\"a*\"], roles: [r], tenants: [t], routes: [x]}, action: deny}",
            "{name: r, match: {arguments: {\"files[*].path\": [\"/etc/*\"], n: [\"1?\"]}}, action: deny}",
            "{name: r, match: {argument_patterns: {q: [\"drop\\\\s+table\"]}}, action: deny}",
            "{name: r, match: {resources: [\"vault://*\"]}, action: deny}",
            "{name: r, match: {prompts: [\"p_*\"], labels: {team: [\"a*\"]}}, action: deny}",
            "{name: r, match: {methods: [\"custom/*\"]}, action: deny}",
        ]
        for rule in rules {
            let model = try policy("- \(rule)\n")
            var runner = try PolicyRunner(model, library)
            var samples = SampleMaker([model])
            samples.make()
            var isFound = false
            for call in samples.calls where try runner.decide(call).cause == .rule(0) { isFound = true }
            #expect(isFound, "\(rule)")
        }
    }

    @Test func `samples are bounded whatever the policies are`() throws {
        let rules = (0..<600).map {
            "- {name: r\($0), match: {tools: [t\($0), \"*_\($0)\"], arguments: {a\($0): [x]}}, action: deny}\n"
        }
        var samples = SampleMaker([try policy(rules.joined())])
        samples.make()
        #expect(samples.calls.count <= SampleMaker.limit)
    }

    @Test func `a trace names what a rule misses and agrees with the decision`() throws {
        let model = try policy(
            """
            - {name: a, match: {tools: [x], subjects: [bob], arguments: {p: ["/a/*"], q: [1]}}, action: allow}
            - {name: b, match: {tools: [x]}, action: deny, mode: audit}
            - {name: c, match: {methods: ["*"]}, action: deny}

            """)
        var runner = try PolicyRunner(model, library)
        var call = PolicyCall(
            method: "tools/call", params: PolicyCall.params(name: "x", arguments: #"{"q":1,"p":"/b"}"#))
        #expect(
            try runner.trace(call).map(\.missing) == [["subjects", "arguments.p"], [], []])
        #expect(try runner.trace(call).map(\.decided) == [false, false, true])
        call.subject = "bob"
        #expect(try runner.trace(call)[0].hangsOnArguments && runner.trace(call)[0].missing == ["arguments.p"])
        #expect(try runner.decide(call).cause == .rule(2))
    }
}
