import MCP
import NormalForms
import Testing
import YAML

@testable import Policy

@Suite struct ReferenceTests {
    private static let words = ["exec", "read", "a", "b", "rm", "etc", "x1", "file", "é", "ﬁle"]
    private static let odd = [
        "\u{200B}", " ", "  ", "\t", "/", "//", "/../", "/./", "\\", "%2f", "\u{0}", "Ａ", "é", "*", ".",
    ]

    /// What both RE2 and the standard library read alike.
    private static let expressions = [
        "ex.c", "^r", "b$", "(?i)ETC", "a+b?", "e[tx]", "^(read|file)", "x[0-9]", "é", "^[^/]*$",
    ]

    private func text(_ random: inout Random, isOdd: Bool) -> String {
        var text = ""
        for _ in 0...random.below(3) {
            text += random.pick(ReferenceTests.words)
            if isOdd, random.below(3) == 0 { text += random.pick(ReferenceTests.odd) }
        }
        return text
    }

    private func glob(_ random: inout Random) -> String {
        switch random.below(7) {
        case 0: "*"
        case 1: random.pick(ReferenceTests.words) + "*"
        case 2: "*" + random.pick(ReferenceTests.words)
        case 3: random.pick(ReferenceTests.words) + "?" + random.pick(["", "*", "a"])
        case 4: "*" + random.pick(ReferenceTests.words) + "*" + random.pick(["", "/", "b"]) + "*"
        case 5: "/" + random.pick(ReferenceTests.words) + "/*"
        default: random.pick(ReferenceTests.words)
        }
    }

    private func globs(_ random: inout Random) -> [String] {
        (0...random.below(3)).map { _ in glob(&random) }
    }

    private func path(_ random: inout Random) -> String {
        random.pick(["a", "b", "a.b", "a[*].b", "a[0]", "*", "a.*", "b[*]", "B", "b.a[1]"])
    }

    private func value(_ random: inout Random, depth: Int) -> Value {
        switch random.below(depth > 0 ? 8 : 5) {
        case 0: .scalar(random.pick(["1", "-2.50", "true", "null", "1e9"]))
        case 1...4: .text(text(&random, isOdd: true))
        case 5: .array((0..<random.below(4)).map { _ in value(&random, depth: 0) })
        case 6: .array((0..<random.below(3)).map { _ in value(&random, depth: depth - 1) })
        default: object(&random, depth: depth - 1)
        }
    }

    private func object(_ random: inout Random, depth: Int) -> Value {
        var members: [Member] = []
        for name in ["a", "b", "A", "a\u{200B}", "a.b", "Ｂ", "c", "a\u{0}x", "*"] where random.below(3) == 0 {
            members.append(Member(name, value(&random, depth: depth)))
        }
        return .object(members)
    }

    private func rule(_ index: Int, _ random: inout Random) -> PolicyModel.Rule {
        var match = PolicyModel.Match()
        if random.below(3) == 0 {
            match.methods = [
                random.pick([
                    "*", "tools/*", "tools/call", "*/get", "resources/read", "vendor/?ing", "sampling/*",
                    "notifications/*", "*/create*",
                ])
            ]
        }
        switch random.below(6) {
        case 0...2: match.tools = globs(&random)
        case 3: match.resources = globs(&random)
        case 4: match.prompts = globs(&random)
        default: break
        }
        if random.below(4) == 0 { match.subjects = [random.pick(["agent-*", "admin", "*1"])] }
        if random.below(6) == 0 { match.roles = [random.pick(["dev", "ops", "d*"])] }
        if random.below(8) == 0 { match.tenants = ["t?"] }
        if random.below(8) == 0 { match.routes = [random.pick(["default", "sand*"])] }
        if random.below(8) == 0 { match.labels = [.init(path: "team", patterns: ["a*", "b"])] }
        if random.below(2) == 0, match.resources.isEmpty {
            for path in Set((0...random.below(2)).map { _ in path(&random) }).sorted() {
                match.arguments.append(.init(path: path, patterns: globs(&random)))
            }
            if random.below(3) == 0 {
                match.argumentPatterns = [
                    .init(path: path(&random), patterns: [random.pick(ReferenceTests.expressions)])
                ]
            }
            if random.below(4) == 0 { match.decode = random.pick([[.percent], [.base64], [.percent, .base64]]) }
        }
        return PolicyModel.Rule(
            name: "r\(index)", match: match, action: random.below(2) == 0 ? .allow : .deny,
            mode: random.below(4) == 0 ? random.pick([.audit, .enforce]) : nil)
    }

    private func call(_ random: inout Random) -> Call {
        var call = Call()
        call.method = random.pick([
            "tools/call", "tools/call", "tools/call", "tools/call", "prompts/get", "resources/read", "tools/list",
            "ping",
            "initialize", "vendor/ping", "notifications/vendor", "notifications/initialized",
        ])
        if random.below(8) == 0 {
            call.sender = .server
            call.method = random.pick([
                "sampling/createMessage", "elicitation/create", "roots/list", "notifications/message",
                "notifications/vendor",
            ])
        }
        call.isRequest = !call.method.hasPrefix("notifications/")
        if call.method == "resources/read" {
            call.params.append(Member("uri", .text(text(&random, isOdd: true))))
        } else if random.below(20) > 0 {
            call.params.append(Member("name", .text(text(&random, isOdd: random.below(3) == 0))))
        }
        switch random.below(12) {
        case 0: break
        case 1: call.params.append(Member("arguments", value(&random, depth: 2)))
        default: call.params.append(Member("arguments", object(&random, depth: 2)))
        }
        call.subject = random.pick(["agent-1", "admin", "adm\u{200B}in", nil])
        call.roles = random.pick([[], ["dev"], ["dev", "ops"]])
        call.tenant = random.pick([nil, "t1", "other"])
        call.route = random.pick(["default", "sandbox"])
        call.labels = random.pick([
            [], [("team", "alpha", false)], [("team", "b", true)], [("team", "c", true), ("team", "b", false)],
        ])
        if call.method == "tools/call", random.below(4) == 0 { call.upstreamName = text(&random, isOdd: false) }
        return call
    }

    @Test(arguments: 0..<8) func `the compiled policy decides as the reference does`(shard: UInt64) throws {
        var outcomes: Set<String> = []
        for round in 0..<150 {
            var random = Random(seed: shard << 32 | UInt64(round))
            var model = PolicyModel()
            model.mode = random.below(4) == 0 ? .audit : .enforce
            model.rules = (0...random.below(12)).map { rule($0, &random) }
            if random.below(5) == 0 { model.allowedTools = globs(&random) }
            let compiled = try CompiledPolicy(model, library)
            let reference = ReferenceEvaluator(model: model)
            for _ in 0..<30 {
                let call = call(&random)
                let verdict = try decide(compiled, call.bytes(seed: random.next()), call)
                let expected = reference.decide(call)
                #expect(verdict == expected, "shard \(shard) round \(round): \(call)")
                outcomes.insert("\(verdict.action) \(verdict.mode)")
                if verdict != expected { return }
            }
        }
        #expect(outcomes.count >= 3)
    }

    @Test func `globs match as the table says`() {
        var random = Random(seed: 7)
        for _ in 0..<20_000 {
            let alphabet = ["a", "b", "é", "𝄞"]
            let glob = (0..<random.below(7)).map { _ in random.pick(alphabet + ["*", "?", "*"]) }.joined()
            let text = (0..<random.below(9)).map { _ in random.pick(alphabet) }.joined()
            var table = GlobTable()
            let list = table.add([Array(glob.utf8)])
            let expected = slowMatch(Array(glob.unicodeScalars), Array(text.unicodeScalars))
            #expect(table.matches(list, Array(text.utf8).span) == expected, "\(glob) on \(text)")
        }
    }

    @Test func `what one glob covers matches it, too`() {
        var random = Random(seed: 9)
        var covers = 0
        for _ in 0..<50_000 {
            let wide = (0..<random.below(5)).map { _ in random.pick(["a", "b", "*", "?"]) }.joined()
            let narrow = (0..<random.below(5)).map { _ in random.pick(["a", "b", "*", "?"]) }.joined()
            guard Glob.covers(wide, narrow) else { continue }
            covers += 1
            let text = (0..<random.below(6)).map { _ in random.pick(["a", "b"]) }.joined()
            if slowMatch(Array(narrow.unicodeScalars), Array(text.unicodeScalars)) {
                #expect(slowMatch(Array(wide.unicodeScalars), Array(text.unicodeScalars)), "\(wide) \(narrow) \(text)")
            }
        }
        #expect(covers > 1000)
    }
}
