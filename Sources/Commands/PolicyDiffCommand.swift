import ArgumentParser
import Policy
import PolicyTools

/// `mcpgw policy diff`.
struct PolicyDiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show which calls a new policy decides otherwise, with an example of each kind.",
        discussion: """
            Compares what the policies do, not how they are written: calls are made up from what both mention and decided by \
            both. Finding nothing is no proof that the policies are the same. Exit status: 0 if nothing is found, 1 if \
            something is, 2 if a policy has mistakes.
            """)

    @Argument(help: "The old policy.")
    var old: String

    @Argument(help: "The new policy.")
    var new: String

    @Option(help: "text or json.")
    var format = OutputFormat.text

    func run() throws {
        let library = PolicyFiles.library()
        let oldModel = PolicyFiles.policy(old, library)
        let newModel = PolicyFiles.policy(new, library)
        let difference: PolicyDifference
        do throws(PolicyError) {
            difference = try PolicyDifference(oldModel, newModel, library)
        } catch {
            fail("\(error)")
        }
        if format == .json { printJSON(difference) } else { printText(difference) }
        if !difference.isEmpty { throw ExitCode(1) }
    }

    private func printText(_ difference: PolicyDifference) {
        for group in difference.groups {
            print(
                "\(verdict(group.oldPasses)) by \(group.oldCause) -> \(verdict(group.newPasses)) by \(group.newCause): "
                    + "\(group.count) of the calls tried")
            print("    \(PolicyFiles.message(group.example))")
            print("    \(PolicyFiles.caller(group.example))")
        }
        for name in difference.removedPatterns { print("response pattern \(name): gone or changed") }
        for name in difference.addedPatterns { print("response pattern \(name): new or changed") }
        print("\(difference.tried) calls tried, \(difference.groups.count) kinds of difference")
    }

    private func verdict(_ passes: Bool) -> String { PolicyFiles.words(passes: passes) }

    private func printJSON(_ difference: PolicyDifference) {
        var line = JSONLine()
        line.set("tried", difference.tried)
        line.set(
            "differences",
            list: difference.groups.map { group in
                var line = JSONLine()
                line.set("old", verdict(group.oldPasses))
                line.set("old_rule", group.oldCause)
                line.set("new", verdict(group.newPasses))
                line.set("new_rule", group.newCause)
                line.set("count", group.count)
                line.set("example", json: String(decoding: group.example.message, as: UTF8.self))
                line.set("subject", group.example.subject)
                line.set("roles", list: group.example.roles.map { PolicyCall.json($0) })
                line.set("tenant", group.example.tenant)
                line.set("route", group.example.route)
                return line.json
            })
        line.set("removed_response_patterns", list: difference.removedPatterns.map { PolicyCall.json($0) })
        line.set("added_response_patterns", list: difference.addedPatterns.map { PolicyCall.json($0) })
        print(line.json)
    }
}
