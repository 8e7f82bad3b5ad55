import MCP
import StrictJSON
import Testing

@testable import Policy

private let readme = """
    version: v1
    mode: enforce
    rules:
      - name: admin-full-access
        match:
          methods: ["tools/call"]
          subjects: ["admin-*"]
        action: allow
      - name: block-dangerous-exec
        match:
          methods: ["tools/call"]
          tools: ["exec_*"]
          arguments:
            command: ["*rm -rf*", "*sudo*", "*chmod 777*"]
        action: deny
      - name: default-allow
        match:
          methods: ["*"]
        action: allow
    """

private func reply(_ policy: CompiledPolicy, _ text: String, tool: String?) throws -> PolicyVerdict {
    // What is no message by itself stands in an answer.
    let isMessage = text.hasPrefix(#"{"jsonrpc""#)
    let bytes = Array((isMessage ? text : #"{"jsonrpc":"2.0","id":1,"result":\#(text)}"#).utf8)
    var tape = JSONTape()
    try JSONParser(surrogates: .replace).parse(bytes.span, into: &tape)
    var evaluator = PolicyEvaluator(library)
    let message = try MessageSummary(tape, bytes.span, from: .server)
    return evaluator.inspectReply(
        policy, message, tape, bytes.span, subject: tool.map { .tool(PolicyText($0, library)) } ?? .other)
}

@Suite struct DecisionTests {
    @Test func `the first rule that matches decides, and its name is told`() throws {
        let policy = try policy(readme)
        var call = Call.tool("exec_shell", [Member("command", .text("sudo reboot"))])
        let denied = try decide(policy, call)
        #expect(
            denied.action == .deny && denied.mode == .enforce && policy.name(of: denied.cause) == "block-dangerous-exec"
        )
        #expect(policy.reason(of: denied) == "policy denied: block-dangerous-exec")
        #expect(policy.dependsOnArguments(denied.cause))
        call.subject = "admin-1"
        #expect(try decide(policy, call).cause == .rule(0))
        call.subject = nil
        #expect(!(try decide(policy, call).passes))
    }

    @Test func `without a rule only handshake, housekeeping and the server's messages pass`() throws {
        let policy = try policy("version: v1\nrules:\n- {name: a, match: {tools: [nothing]}, action: allow}\n")
        for method in ["initialize", "ping", "server/discover"] {
            #expect(try decide(policy, Call(method: method)).cause == .handshake)
        }
        for method in ["notifications/initialized", "notifications/cancelled", "notifications/vendor/thing"] {
            #expect(try decide(policy, Call(method: method, isRequest: false)).cause == .handshake)
        }
        for method in ["tools/list", "tools/call", "resources/read", "vendor/thing", "notifications/vendor/thing"] {
            #expect(try decide(policy, Call(method: method)).cause == .noRule)
        }
        #expect(try decide(policy, Call(method: "tools/call", isRequest: false)).cause == .noRule)
        #expect(try decide(policy, Call(method: "sampling/createMessage", sender: .server)).cause == .serverMessage)
    }

    @Test func `explicit rules match handshake and the server's messages, too`() throws {
        let policy = try policy(
            "version: v1\nrules:\n- {name: a, match: {methods: [initialize, \"sampling/*\"]}, action: deny}\n")
        #expect(!(try decide(policy, Call(method: "initialize")).passes))
        #expect(!(try decide(policy, Call(method: "sampling/createMessage", sender: .server)).passes))
        #expect(try decide(policy, Call(method: "roots/list", sender: .server)).passes)
    }

    @Test func `a denial in audit mode is noted and opens nothing`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
            - {name: tried, match: {tools: ["*"]}, mode: audit, action: deny}
            - {name: hard, match: {tools: [bad]}, action: deny}
            - {name: rest, match: {methods: ["*"]}, action: allow}
            """)
        let passed = try decide(policy, Call.tool("good", []))
        #expect(passed.passes && passed.action == .deny && passed.mode == .audit && passed.cause == .rule(0))
        let denied = try decide(policy, Call.tool("bad", []))
        #expect(!denied.passes && denied.cause == .rule(1) && denied.noted == .rule(0))
    }

    @Test func `in audit mode everything passes but what a rule enforces`() throws {
        let policy = try policy(
            """
            version: v1
            mode: audit
            allowed_tools: [good, bad, worse]
            rules:
            - {name: soft, match: {tools: [bad, worse]}, action: deny}
            - {name: hard, match: {tools: [worse]}, mode: enforce, action: deny}
            """)
        let soft = try decide(policy, Call.tool("bad", []))
        #expect(soft.passes && soft.action == .deny && soft.cause == .rule(0))
        #expect(!(try decide(policy, Call.tool("worse", [])).passes))
        #expect(try decide(policy, Call.tool("other", [])).cause == .allowedTools)
        #expect(try decide(policy, Call.tool("other", [])).passes)
    }

    @Test func `tools outside the allow-list are neither listed nor called`() throws {
        let policy = try policy(
            """
            version: v1
            allowed_tools: ["read_*", exec]
            rules:
            - {name: no, match: {tools: [read_secret]}, action: deny}
            - {name: sometimes, match: {tools: [exec], arguments: {command: ["*"]}}, action: deny}
            - {name: rest, match: {methods: ["*"]}, action: allow}
            """)
        var evaluator = PolicyEvaluator(library)
        let route = PolicyText("default", library)
        for (tool, isListed) in [
            ("read_a", true), ("read_secret", false), ("write", false), ("exec", true), ("ex\u{200B}ec", false),
        ] {
            let name = Array(tool.utf8)
            #expect(
                evaluator.mayList(policy, .tool, name.span, caller: Call().caller, route: route) == isListed, "\(tool)")
            #expect(try decide(policy, Call.tool(tool, [])).passes == isListed)
        }
    }

    @Test func `deny rules match the visible name, too, and allow rules only the upstream's`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
            - {name: no, match: {tools: [web_bad, bad]}, action: deny}
            - {name: yes, match: {tools: [good, bad]}, action: allow}
            """)
        for (visible, upstream, passes) in [
            ("web_bad", "good", false), ("web_good", "bad", false), ("web_good", "good", true),
            ("good", "other", false),
        ] {
            var call = Call.tool(visible, [])
            call.upstreamName = upstream
            #expect(try decide(policy, call).passes == passes)
        }
    }

    @Test func `labels found by process id never allow`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
            - {name: no, match: {labels: {unit: ["bad*"]}}, action: deny}
            - {name: yes, match: {labels: {unit: ["good*"]}}, action: allow}
            """)
        for (value, isRacy, passes) in [
            ("good", false, true), ("good", true, false), ("bad", true, false), ("bad", false, false),
        ] {
            var call = Call.tool("x", [])
            call.labels = [("unit", value, isRacy)]
            #expect(try decide(policy, call).passes == passes)
        }
    }

    @Test func `resources are matched wherever they are named`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
            - {name: no, match: {resources: ["file:///etc/*"]}, action: deny}
            - {name: yes, match: {methods: ["*"]}, action: allow}
            """)
        for uri in [
            "file:///etc/passwd", "file:///etc%2fpasswd", "file:///srv/../etc/x", "FILE:/etc/x",
            "file://localhost/etc/x",
        ] {
            #expect(
                !(try decide(policy, Call(method: "resources/read", params: [Member("uri", .text(uri))])).passes),
                "\(uri)")
            #expect(
                !(try decide(policy, Call(method: "resources/subscribe", params: [Member("uri", .text(uri))])).passes))
            let filter = Value.object([Member("resourceSubscriptions", .array([.text("file:///a"), .text(uri)]))])
            #expect(
                !(try decide(policy, Call(method: "subscriptions/listen", params: [Member("notifications", filter)]))
                    .passes))
            let reference = Value.object([Member("type", .text("ref/resource")), Member("uri", .text(uri))])
            #expect(
                !(try decide(policy, Call(method: "completion/complete", params: [Member("ref", reference)])).passes))
        }
        #expect(
            try decide(policy, Call(method: "resources/read", params: [Member("uri", .text("file:///srv/x"))])).passes)
    }

    @Test func `expressions look at every form of an argument`() throws {
        let policy = try policy(
            """
            version: v1
            rules:
            - {name: no, match: {tools: [q], argument_patterns: {sql: ['(?i)drop\\s+table']}}, action: deny}
            - {name: yes, match: {tools: [p], argument_patterns: {path: ['^/data/[a-z/]*$']}}, action: allow}
            - {name: rest, match: {tools: [q]}, action: allow}
            """)
        #expect(!(try decide(policy, Call.tool("q", [Member("sql", .text("DROP\u{200B} TABLE x"))])).passes))
        #expect(try decide(policy, Call.tool("q", [Member("sql", .text("select 1"))])).passes)
        #expect(try decide(policy, Call.tool("p", [Member("path", .text("/data/a/b"))])).passes)
        #expect(!(try decide(policy, Call.tool("p", [Member("path", .text("/data/a//../../etc"))])).passes))
    }

    @Test func `response patterns block what they find in any form`() throws {
        let policy = try policy(
            """
            version: v1
            response_patterns:
              - {name: tried, pattern: "internal", mode: audit}
              - {name: keys, patterns: ["AKIA[0-9A-Z]{4}", "BEGIN KEY"], reason: a key}
              - {name: only-read, pattern: "secret", tools: ["read_*"]}
            rules:
            - {name: rest, match: {methods: ["*"]}, action: allow}
            """)
        #expect(try reply(policy, #"{"content":[{"text":"harmless"}]}"#, tool: "x").passes)
        for text in [
            #"{"a":["AKIA1234"]}"#, #"{"AKIA1234":1}"#, #"["AK\u0049A1234"]"#, #"["AK\u200bIA1234"]"#,
            #"["BEGIN\u00a0 KEY"]"#,
        ] {
            let verdict = try reply(policy, text, tool: nil)
            #expect(!verdict.passes && policy.reason(of: verdict) == "a key", "\(text)")
        }
        let noted = try reply(policy, #"["internal"]"#, tool: nil)
        #expect(noted.passes && noted.action == .deny && policy.name(of: noted.cause) == "tried")
        #expect(!(try reply(policy, #"["a secret"]"#, tool: "read_file").passes))
        #expect(try reply(policy, #"["a secret"]"#, tool: "write_file").passes)
        #expect(try reply(policy, #"["a secret"]"#, tool: nil).passes)
    }

    @Test func `ten thousand rules that name tools are not looked at one by one`() throws {
        for suffix in ["", "_*"] {
            var model = PolicyModel()
            for index in 0..<10_000 {
                var match = PolicyModel.Match()
                match.tools = ["tool\(index)x\(suffix)"]
                model.rules.append(.init(name: "r\(index)", match: match, action: .deny))
            }
            let policy = try CompiledPolicy(model, library)
            var evaluator = PolicyEvaluator(library)
            let name = Array("tool77x_a".utf8)
            evaluator.toolNames.add(name.span, [], &evaluator.forms)
            evaluator.collect(policy, .toolsCall)
            var candidates = 0
            while evaluator.nextRule(policy) != nil { candidates += 1 }
            #expect(candidates == (suffix.isEmpty ? 0 : 1))
        }
    }
}
