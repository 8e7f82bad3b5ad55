import ArgumentParser
import Telemetry

/// `mcpgw version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() {
        print("mcpgw \(Version.text)")
    }
}
