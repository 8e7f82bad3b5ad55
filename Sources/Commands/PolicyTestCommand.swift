import ArgumentParser
import Policy
import PolicyTools
import YAML

/// `mcpgw policy test`.
struct PolicyTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Decide about the calls of a file of cases, and compare.",
        discussion: """
            A case is a call and what is to become of it:

              cases:
                - name: agents do not run shells
                  tool: exec_shell
                  arguments: {command: "sudo ls"}
                  subject: agent-1
                  expect: deny
                  rule: no-shell

            Keys: name; tool, prompt, resource, params or message (JSON); method; arguments; subject, roles, tenant, labels, \
            route, from (client or server); expect (allow or deny); rule. Exit status: 0 if all are as expected, 1 if one \
            is not, 2 if a file has mistakes.
            """)

    @Argument(help: "The policy.")
    var policy: String

    @Argument(help: "The cases, YAML.")
    var cases: String

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() throws {
        let library = PolicyFiles.library()
        let model = PolicyFiles.policy(policy, library)
        var reader = PolicyCaseReader()
        let list = reader.read(PolicyFiles.bytes(cases))
        guard reader.mistakes.isEmpty else { PolicyFiles.refuse(cases, reader.mistakes) }
        var runner = PolicyFiles.runner(model, library)
        var failures: [(item: PolicyCase, problem: String)] = []
        for item in list {
            if let problem = problem(item, &runner) { failures.append((item, problem)) }
        }
        if format == .json {
            var line = JSONLine()
            line.set("cases", list.count)
            line.set("failed", failures.count)
            line.set(
                "failures",
                list: failures.map { failure in
                    var line = JSONLine()
                    line.set("name", failure.item.name)
                    line.set("line", failure.item.position.line)
                    line.set("problem", failure.problem)
                    return line.json
                })
            print(line.json)
        } else {
            for failure in failures {
                print(
                    YAMLError(failure.item.position, "\(quoted(failure.item.name)): \(failure.problem)")
                        .description(file: cases))
            }
            print("\(list.count) cases, \(list.count - failures.count) as expected, \(failures.count) not")
        }
        if !failures.isEmpty { throw ExitCode(1) }
    }

    private func problem(_ item: PolicyCase, _ runner: inout PolicyRunner) -> String? {
        let verdict: PolicyVerdict
        do throws(UnreadableCall) {
            verdict = try runner.decide(item.call)
        } catch {
            return item.passes ? "expected allow, but \(error)" : item.rule.map { "expected rule \($0), but \(error)" }
        }
        let cause = runner.causeName(verdict.cause)
        let got = PolicyFiles.words(passes: verdict.passes, isAudit: verdict.action == .deny)
        if verdict.passes != item.passes {
            return "expected \(item.passes ? "allow" : "deny"), got \(got) by \(cause)"
        }
        guard let rule = item.rule, rule != cause else { return nil }
        return "expected rule \(rule), got \(got) by \(cause)"
    }
}
