import Link
import Testing
import YAML

@testable import Policy

/// What is said of a file, as `LINE:COLUMN: MESSAGE`.
private func mistakes(_ text: String) -> [String] {
    PolicyModel.read(Array(text.utf8), library).errors.map {
        "\($0.position.line):\($0.position.column): \($0.message)"
    }
}

private func warnings(_ text: String) -> [String] {
    let reading = PolicyModel.read(Array(text.utf8), library)
    #expect(reading.errors.isEmpty)
    return reading.warnings.map { "\($0.position.line): \($0.message)" }
}

private let allow = "- {name: all, match: {methods: [\"*\"]}, action: allow}\n"

@Suite struct PolicyFileTests {
    @Test(arguments: ["exec_.*", "^exec", "exec_(a|b)", "{a,b}", "[a-z]*"])
    func `a glob in another language is a warning`(glob: String) {
        let text = "version: v1\nrules:\n- {name: a, match: {tools: [\"\(glob)\"]}, action: deny}\n"
        #expect(warnings(text).contains { $0.hasPrefix("3:") && $0.contains("letter by letter") })
    }

    @Test(arguments: [
        ("", "1:1:", "empty"),
        ("# nothing\n", "1:1:", "empty"),
        ("version: v1\n", "1:1:", "rules are missing"),
        ("rules:\n\(allow)", "1:1:", "version is missing"),
        ("version: v2\nrules:\n\(allow)", "1:10:", "version is v1"),
        ("version: v1\nrules: []\n", "2:8:", "empty list"),
        ("version: v1\nrules:\n", "2:7:", "rules are a list"),
        ("version: v1\nrulse:\n\(allow)", "2:1:", "did you mean rules?"),
        ("version: v1\nmode: audti\nrules:\n\(allow)", "2:7:", "did you mean audit?"),
        ("version: v1\nmode: monitor\nrules:\n\(allow)", "2:7:", "enforce or audit"),
        ("version: v1\nmode: [audit]\nrules:\n\(allow)", "2:7:", "a text, not a list"),
        ("version: v1\nmode:\nrules:\n\(allow)", "2:6:", "not nothing"),
        ("version: v1\nversion: v1\nrules:\n\(allow)", "2:1:", "there already, in line 1"),
        ("version: v1\nrules: &a\n\(allow)", "2:8:", "anchors"),
        ("version: v1\nrules: *a\n", "2:8:", "aliases"),
        ("version: v1\nrules: !!seq\n\(allow)", "2:8:", "tags"),
        ("version: v1\nrules:\n\t- name: x\n", "3:1:", "tab"),
        ("version: v1\nrules:\n\(allow)---\nversion: v1\n", "4:1:", "second document"),
        ("version: v1\nrules:\n- {name: a, match: {methods: [\"*\"]}, action: permit}\n", "3:46:", "allow or deny"),
        (
            "version: v1\nrules:\n- {name: a, match: {method: [\"*\"]}, action: deny}\n", "3:21:",
            "did you mean methods?"
        ),
        ("version: v1\nrules:\n- {name: a, match: {tools: []}, action: deny}\n", "3:28:", "empty list"),
        ("version: v1\nrules:\n- {name: a, match: {tools: }, action: deny}\n", "3:28:", "not nothing"),
        ("version: v1\nrules:\n- {name: a, match: {tools: [\"\"]}, action: deny}\n", "3:29:", "is empty"),
        ("version: v1\nrules:\n- {name: a, match: {tools: [{x: y}]}, action: deny}\n", "3:29:", "not a mapping"),
        ("version: v1\nrules:\n- {name: a, match: {}, action: deny}\n", "3:20:", "no key to match by"),
        ("version: v1\nrules:\n- {name: a, action: deny}\n", "3:3:", "says what it matches"),
        ("version: v1\nrules:\n- {match: {tools: [x]}, action: deny}\n", "3:3:", "has a name"),
        ("version: v1\nrules:\n- {name: a, match: {tools: [x]}}\n", "3:3:", "has an action"),
        ("version: v1\nrules:\n- {name: a, match: {tools: [x], prompts: [y]}, action: deny}\n", "3:33:", "two rules"),
        (
            "version: v1\nrules:\n- {name: a, match: {methods: [tools/cal]}, action: deny}\n", "3:31:",
            "did you mean tools/call?"
        ),
        ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"(\"]}}, action: deny}\n", "3:45:", "RE2"),
        (
            "version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"(?=x)\"]}}, action: deny}\n", "3:45:",
            "RE2"
        ),
        (
            "version: v1\nrules:\n- {name: a, match: {argument_patterns: {c: [\"((a{1000}){1000}){1000}\"]}}, action: deny}\n",
            "3:45:", "RE2"
        ),
        ("version: v1\nrules:\n- {name: a, match: {arguments: [x]}, action: deny}\n", "3:32:", "a mapping of names"),
        ("version: v1\nrules:\n- {name: a, match: {arguments: {\"a[x]\": [y]}}, action: deny}\n", "3:33:", "index"),
        (
            "version: v1\nrules:\n- {name: a, match: {arguments: {\"a..b\": [y]}}, action: deny}\n", "3:33:",
            "name is missing"
        ),
        (
            "version: v1\nrules:\n- {name: a, match: {tools: [x], decode: [percent]}, action: deny}\n", "3:33:",
            "decode is for"
        ),
        ("version: v1\nallowed_tools: []\nrules:\n\(allow)", "2:16:", "empty list"),
        ("version: v1\nresponse_patterns: []\nrules:\n\(allow)", "2:20:", "response_patterns"),
        ("version: v1\nresponse_patterns: [\"[\"]\nrules:\n\(allow)", "2:21:", "RE2"),
        ("- a\n- b\n", "1:1:", "a mapping"),
        (
            "version: v1\nrules:\n- {name: a, match: {tools: \"exec_a, exec_b\"}, action: deny}\n", "3:28:",
            "write a list"
        ),
        ("version: v1\nrules:\n- {name: a, match: {tools: [\"x \"]}, action: deny}\n", "3:29:", "a space"),
        ("version: v1\nrules:\n- {name: a, match: {tools: [\"x\\u200b*\"]}, action: deny}\n", "3:29:", "U+200B"),
        ("version: v1\nrules:\n- {name: a, match: {methods: tools/cal}, action: deny}\n", "3:30:", "did you mean"),
        (
            "version: v1\nrules:\n- name: a\n  match:\n    tools:\n    - |\n      exec_*\n  action: deny\n", "6:7:",
            "line break"
        ),
        (
            "version: v1\nrules:\n- {name: a, match: {arguments: {path: [a], Path: [b]}}, action: deny}\n", "3:44:",
            "the same argument"
        ),
        ("version: v1\nrules:\n\(allow)\(allow)", "4:3:", "there already, in line 3"),
        ("version: v1\nrules: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", "2:39:", "inside each other"),
    ]) func `a mistake is an error with its place and a remedy`(text: String, place: String, part: String) {
        let found = mistakes(text)
        #expect(found.contains { $0.hasPrefix(place) && $0.contains(part) }, "\(found)")
    }

    @Test func `bytes that are no text are refused`() {
        for bytes in [[0xFF, 0xFE, 0x41], [0x61, 0x3A, 0x20, 0xC3, 0x28], [0x61, 0x3A, 0x20, 0x00]] as [[UInt8]] {
            #expect(!PolicyModel.read(bytes, library).errors.isEmpty)
        }
        let huge = [UInt8](repeating: UInt8(ascii: "#"), count: 10 * 1024 * 1024 + 1)
        #expect(PolicyModel.read(huge, library).errors.first?.message.contains("10 MB") == true)
    }

    @Test func `a file of ten million bytes ends in a verdict`() {
        var text = "version: v1\nrules:\n- name: a\n  match:\n    tools:\n"
        while text.utf8.count < 10_000_000 { text += "    - tool_\(text.utf8.count)\n" }
        text += "  action: deny\n"
        let reading = PolicyModel.read(Array(text.utf8), library)
        #expect(reading.errors.isEmpty)
        #expect((reading.policy?.rules.first?.match.tools.count ?? 0) > 100_000)
    }

    @Test func `all mistakes of a file are found at once`() {
        let found = mistakes("version: v2\nmode: x\nrules:\n- {nmae: a, match: {tools: []}, action: no}\n")
        #expect(found.count >= 5, "\(found)")
    }

    @Test func `every key is read`() throws {
        let text = """
            version: v1
            mode: audit
            allowed_tools: ["read_*", exec_shell]
            response_patterns:
              - "(?i)secret"
              - {name: keys, patterns: ["AKIA[0-9A-Z]{16}"], tools: ["read_*"], mode: enforce, reason: no keys}
            rules:
              - name: everything
                mode: enforce
                reason: because
                match:
                  methods: ["tools/*"]
                  tools: ["exec_*"]
                  subjects: ["agent-*"]
                  roles: [dev]
                  routes: [default]
                  tenants: [t1]
                  labels: {team: ["a*"]}
                  arguments: {"files[*].path": ["/etc/*"]}
                  argument_patterns: {command: ["^rm"]}
                  decode: [percent, base64]
                action: deny
              - {name: uris, match: {resources: ["file:///*"]}, action: deny}
              - {name: prompt, match: {prompts: [p]}, action: allow}
            """
        let reading = PolicyModel.read(Array(text.utf8), library)
        #expect(reading.errors.isEmpty && reading.warnings.isEmpty)
        let model = try #require(reading.policy)
        #expect(model.mode == .audit && model.allowedTools == ["read_*", "exec_shell"])
        #expect(model.responsePatterns.map(\.name) == ["response_patterns[0]", "keys"])
        let rule = model.rules[0]
        #expect(rule.mode == .enforce && rule.reason == "because" && rule.position == YAMLPosition(line: 8, column: 5))
        #expect(rule.match.decode == [.percent, .base64])
        #expect(rule.match.labels == [.init(path: "team", patterns: ["a*"])])
        // The generation's form gives the same policy.
        var writer = FieldWriter()
        model.write(&writer)
        var reader = FieldReader(writer.bytes.span)
        let decoded = try PolicyModel(&reader)
        #expect(decoded == model && reader.remaining == 0)
        for count in 0..<writer.bytes.count {
            #expect(throws: LinkViolation.self) {
                let bytes = writer.bytes
                var reader = FieldReader(bytes.span, 0..<count)
                _ = try PolicyModel(&reader)
            }
        }
    }

    @Test(arguments: [
        (
            "- {name: a, match: {methods: [\"*\"]}, action: allow}\n- {name: b, match: {tools: [x]}, action: deny}\n",
            "4: rule \"b\" is never reached"
        ),
        (
            "- {name: a, match: {tools: [\"exec_*\"]}, action: deny}\n- {name: b, match: {tools: [exec_a, \"exec_b*\"]}, action: allow}\n",
            "4: rule \"b\" is never"
        ),
        (
            "- {name: a, match: {tools: [x]}, action: deny}\n- {name: b, match: {tools: [x], subjects: [s]}, action: allow}\n",
            "4: rule \"b\" is never"
        ),
        (
            "- {name: a, match: {methods: [\"resources/*\"], tools: [x]}, action: deny}\n",
            "3: rule \"a\" can match nothing"
        ),
    ]) func `a rule that nothing reaches is a warning`(rules: String, expected: String) {
        let found = warnings("version: v1\nrules:\n" + rules)
        #expect(found.contains { $0.hasPrefix(expected) }, "\(found)")
    }

    @Test(arguments: [
        "- {name: a, match: {tools: [x], arguments: {p: [q]}}, action: deny}\n- {name: b, match: {tools: [x]}, action: allow}\n",
        "- {name: a, match: {tools: [x]}, mode: audit, action: deny}\n- {name: b, match: {tools: [x]}, action: allow}\n",
        "- {name: a, match: {subjects: [s]}, action: allow}\n- {name: b, match: {methods: [\"*\"]}, action: deny}\n",
        "- {name: a, match: {methods: [\"tools/*\"]}, action: allow}\n- {name: b, match: {methods: [\"*\"]}, action: deny}\n",
        "- {name: a, match: {tools: [\"exec_?\"]}, action: deny}\n- {name: b, match: {tools: [\"exec_*\"]}, action: allow}\n",
    ]) func `a rule that something reaches is none`(rules: String) {
        #expect(warnings("version: v1\nrules:\n" + rules) == [])
    }
}

@Suite struct PolicyTextTests {
    private static let whole = """
        version: v1
        mode: audit
        allowed_tools: ["a*", b]
        rules:
          - name: first
            match: {tools: ["exec_*"], subjects: [s], roles: [r], tenants: [t], routes: [d], labels: {l: [v]}}
            action: deny
            mode: enforce
            reason: "no"
          - {name: second, match: {arguments: {"a[0].b": [x]}, argument_patterns: {q: ["x+"]}, decode: [percent]}, action: allow}
          - {name: third, match: {resources: ["file:///*"], methods: [resources/read]}, action: allow}
          - {name: fourth, match: {methods: ["*"]}, action: deny}
        response_patterns:
          - AKIA
          - {name: p, patterns: [a, b], tools: [x], mode: audit, reason: r}
        """

    @Test(arguments: 0..<4) func `any text ends in mistakes or in a policy that its encoding keeps`(shard: UInt64)
        throws
    {
        var random = Random(seed: shard)
        let words = [
            "[", "]", "{", "}", ":", "\n", "  ", "- ", "\"", "*", "&a ", "!!x ", "|\n", "#", "\t", "name", "~",
            "\u{200B}", "é", "0", "\\",
        ]
        var read = 0
        for _ in 0..<400 {
            var text = Array(PolicyTextTests.whole.utf8)
            for _ in 0..<random.below(4) {
                let place = random.below(text.count)
                switch random.below(3) {
                case 0: text.remove(at: place)
                case 1: text.insert(contentsOf: random.pick(words).utf8, at: place)
                default: text[place] = UInt8(random.below(256))
                }
            }
            let reading = PolicyModel.read(text, library)
            guard let policy = reading.policy else {
                #expect(!reading.errors.isEmpty)
                continue
            }
            read += 1
            var writer = FieldWriter()
            policy.write(&writer)
            let bytes = writer.bytes
            var reader = FieldReader(bytes.span)
            #expect(try PolicyModel(&reader) == policy)
        }
        #expect(read > 20)
    }
}
