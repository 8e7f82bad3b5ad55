import ArgumentParser
import Policy
import PolicyTools
import YAML

/// `mcpgw policy explain`.
struct PolicyExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show which rule decides about a call, and why those before it do not.",
        discussion: """
              mcpgw policy explain policy.yaml --tool read_file --arg path=/etc/passwd --subject agent-1

            Exit status: 0 if the call passes, 1 if it is denied, 2 if it or the policy cannot be read.
            """)

    @Argument(help: "The policy.")
    var policy: String

    @Option(help: "The method (default tools/call with --tool).")
    var method: String?

    @Option(help: "The tool's name.")
    var tool: String?

    @Option(parsing: .singleValue, help: ArgumentHelp("An argument; its value is a text.", valueName: "name=value"))
    var arg: [String] = []

    @Option(help: ArgumentHelp("The parameters, JSON.", valueName: "json"))
    var params: String?

    @Option(help: ArgumentHelp("A file with the whole message, JSON; - for standard input.", valueName: "file"))
    var message: String?

    @Option(help: "The caller's name (default: anonymous).")
    var subject: String?

    @Option(parsing: .singleValue, help: "A role of the caller.")
    var role: [String] = []

    @Option(help: "The caller's tenant.")
    var tenant: String?

    @Option(parsing: .singleValue, help: ArgumentHelp("A label of the caller.", valueName: "name=value"))
    var label: [String] = []

    @Option(help: "The route.")
    var route = "default"

    @Flag(help: "The message is a server's.")
    var fromServer = false

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() throws {
        let library = PolicyFiles.library()
        let model = PolicyFiles.policy(policy, library)
        var call = makeCall()
        call.subject = subject
        call.roles = role
        call.tenant = tenant
        call.labels = label.map {
            let pair = split($0, "--label")
            return PolicyCall.Label(name: pair.name, value: pair.value)
        }
        call.route = route
        call.isFromServer = fromServer
        var runner = PolicyFiles.runner(model, library)
        let verdict: PolicyVerdict
        let traces: [RuleTrace]
        do throws(UnreadableCall) {
            verdict = try runner.decide(call)
            traces = try runner.trace(call)
        } catch {
            fail("the call cannot be decided about: \(error)")
        }
        let cause = runner.causeName(verdict.cause)
        let reason = runner.policy.reason(of: verdict)
        // What decides before any rule is asked leaves them out.
        let isBeforeRules = verdict.cause == .allowedTools || verdict.cause == .disguisedMethod
        let shown = isBeforeRules ? [] : traces
        if format == .json {
            printJSON(verdict, cause, reason, shown, model)
        } else {
            for trace in shown {
                let rule = model.rules[trace.rule]
                print("\(policy):\(rule.position.line): \(quoted(rule.name)) \(words(trace, rule))")
            }
            print(
                "\(PolicyFiles.words(passes: verdict.passes, isAudit: verdict.action == .deny)) by \(cause): \(reason)")
        }
        if !verdict.passes { throw ExitCode(1) }
    }

    private func words(_ trace: RuleTrace, _ rule: PolicyModel.Rule) -> String {
        if trace.decided { return "matches and decides: \(rule.action.rawValue)" }
        if trace.missing.isEmpty { return "matches, in audit mode: \(rule.action.rawValue) is noted" }
        let quantity = rule.action == .allow ? "not every form of it matches, or there is none" : "nothing matches"
        return "does not match: \(trace.missing.joined(separator: ", ")) (\(quantity))"
    }

    private func printJSON(
        _ verdict: PolicyVerdict, _ cause: String, _ reason: String, _ traces: [RuleTrace], _ model: PolicyModel
    ) {
        var line = JSONLine()
        line.set("passes", verdict.passes)
        line.set("action", verdict.action.rawValue)
        line.set("mode", verdict.mode.rawValue)
        line.set("rule", cause)
        line.set("reason", reason)
        line.set(
            "trace",
            list: traces.map { trace in
                var line = JSONLine()
                line.set("rule", model.rules[trace.rule].name)
                line.set("line", model.rules[trace.rule].position.line)
                line.set("matches", trace.missing.isEmpty)
                line.set("decides", trace.decided)
                line.set("missing", list: trace.missing.map { PolicyCall.json($0) })
                return line.json
            })
        print(line.json)
    }

    private func makeCall() -> PolicyCall {
        if let message {
            if method != nil || tool != nil || !arg.isEmpty || params != nil {
                fail("--message is the whole message; leave out --method, --tool, --arg and --params")
            }
            return PolicyCall(message: PolicyFiles.bytes(message, maximum: 16 * 1024 * 1024))
        }
        if params != nil, tool != nil || !arg.isEmpty { fail("--params goes without --tool and --arg") }
        if let params {
            guard let method else { fail("--params needs --method") }
            return PolicyCall(method: method, params: params)
        }
        guard let tool else {
            if !arg.isEmpty { fail("--arg needs --tool") }
            guard let method else { fail("which call? Give --tool, --method or --message") }
            return PolicyCall(method: method, params: nil)
        }
        var arguments = JSONLine()
        for pair in arg.map({ split($0, "--arg") }) { arguments.set(pair.name, pair.value) }
        return PolicyCall(
            method: method ?? "tools/call", params: PolicyCall.params(name: tool, arguments: arguments.json))
    }

    private func split(_ text: String, _ option: String) -> (name: String, value: String) {
        guard let mark = text.firstIndex(of: "="), mark != text.startIndex else {
            fail("\(option) is NAME=VALUE, not \(quoted(text))")
        }
        return (String(text[..<mark]), String(text[text.index(after: mark)...]))
    }
}
