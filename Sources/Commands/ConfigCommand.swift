import ArgumentParser
import Configuration
import Glibc

/// `mcpgw config`: looks at configurations.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check a configuration file, or show what is in force.",
        subcommands: [ConfigCheckCommand.self, ConfigShowCommand.self])
}

/// `mcpgw config check`.
struct ConfigCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration file and the policy it names.",
        discussion: """
            Reads the file as mcpgw proxy --config FILE would, and the policy and secrets it names, and prints every mistake \
            with line and column. ${VARIABLE} is taken from the environment; options set by flag or environment do not count.

            Exit status: 0 if the file is valid, 2 if not.
            """)

    @Argument(help: "The configuration file.")
    var file: String

    func run() throws {
        let reading = ConfigurationLoader(checking: file, environment: Environment.all).read()
        ConfigurationReport.complain(reading)
        guard reading.errors.isEmpty else { throw ExitCode(2) }
        print("\(oneLine(file)): valid")
        guard !reading.unsupported.isEmpty else { return }
        print(
            "mcpgw proxy does not start with it: this version cannot do what these sections ask for: "
                + reading.unsupported.joined(separator: ", "))
    }
}

/// `mcpgw config show`.
struct ConfigShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print every option, its value, and where it comes from.",
        discussion: """
            Takes the flags of mcpgw proxy, its environment and its file, and prints what would be in force. Secrets are not \
            shown; what was put in for ${...} is shown as it is written.

            Exit status: 0, or 2 if mcpgw proxy would not take the configuration.
            """)

    @OptionGroup var options: ProxyOptions

    func run() throws {
        let reading = options.loader().read()
        ConfigurationReport.complain(reading)
        guard reading.errors.isEmpty else { throw ExitCode(2) }
        let options = reading.effective.filter { $0.value != nil || $0.origin != nil }
        let names = options.map { "\($0.path): \(oneLine($0.value ?? ""))" }
        let width = min(60, names.map(\.count).max() ?? 0)
        for (name, option) in zip(names, options) {
            let padding = String(repeating: " ", count: max(0, width - name.count))
            print("\(name)\(padding)  # \(oneLine(option.origin ?? "default"))")
        }
        guard !reading.unsupported.isEmpty else { return }
        fail(
            "this version cannot do what these sections ask for: \(reading.unsupported.joined(separator: ", "));"
                + " mcpgw proxy does not start with them")
    }
}

/// What is said about a configuration on standard error, a line for each mistake.
enum ConfigurationReport {
    static func complain(_ reading: ConfigurationReading) {
        for error in reading.errors { say("\(error)") }
        for warning in reading.warnings { say("warning: \(warning)") }
    }

    private static func say(_ message: String) {
        let line = Array("\(oneLine(message))\n".utf8)
        _ = unsafe write(2, line, line.count)
    }
}
