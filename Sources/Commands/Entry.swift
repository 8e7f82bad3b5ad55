import ArgumentParser
import Console
import Crypto
import Dialer
import Glibc
import Ingress
import Launcher
import NormalForms
import Recorder
import Roles
import Route
import Supervisor
import Worker

/// Where the program begins, whatever it is to be. Synchronous: a worker must reach its role before anything could start a thread.
public enum Entry {
    /// What each role runs. A test program may put another function in the place of one.
    public typealias RoleTable = [Role: @Sendable (Bootstrap.Outcome) -> Never]

    /// The roles of the product.
    public static let roles: RoleTable = [
        .ingress: { Ingress.run($0) },
        .route: { Route.run($0) },
        .dialer: { Dialer.run($0) },
        .launcher: { Launcher.run($0) },
        .recorder: { Recorder.run($0) },
        .console: { Console.run($0) },
    ]

    /// Runs a worker if the arguments say so, else the command line.
    public static func main(roles: RoleTable = Entry.roles) -> Never {
        let arguments = CommandLine.arguments
        if let worker = WorkerArguments(arguments), let run = roles[worker.role] {
            run(Bootstrap.prepare(worker) { try warmUp(worker.role) })
        }
        if arguments.count == 3, arguments[1] == SandboxProbe.argument { SandboxProbe.run(arguments[2]) }
        runCommand()
    }

    /// What a role must have done before it is confined: whatever opens files.
    private static func warmUp(_ role: Role) throws {
        if role == .route || role == .ingress {
            do throws(UnicodeLibrary.Unavailable) {
                _ = try UnicodeLibrary.load()
            } catch {
                throw StartError("names cannot be compared: \(error)")
            }
        }
        guard [.ingress, .route, .recorder, .console].contains(role) else { return }
        do throws(CryptoError) {
            _ = try CryptoLibrary.load()
        } catch {
            let why =
                switch error {
                case .unavailable(let text), .failed(let text): text
                case .keyLength: "libcrypto takes other keys"
                }
            throw StartError("keys cannot be compared, sessions not be sealed, and records not be chained: \(why)")
        }
    }

    /// Runs the command line. Wrong usage is exit status 2 and one line, like everything else that keeps a command from starting.
    private static func runCommand() -> Never {
        do {
            var command = try MCPGW.parseAsRoot()
            try command.run()
            exit(0)
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch {
            guard MCPGW.exitCode(for: error).isSuccess else { fail("\(MCPGW.message(for: error)); see mcpgw --help") }
            // Help and version are "errors" of the parser too.
            print(MCPGW.fullMessage(for: error))
            exit(0)
        }
    }
}

/// The command line.
struct MCPGW: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcpgw",
        abstract: "The firewall between AI agents and MCP servers.",
        discussion: """
            Puts itself between agents and an MCP server. Every message is read strictly and carried by separate, confined \
            processes.

              mcpgw proxy --upstream http://127.0.0.1:8080/mcp
              mcpgw status
              mcpgw reload
            """,
        subcommands: [
            ProxyCommand.self, ConfigCommand.self, PolicyCommand.self, StatusCommand.self, ReloadCommand.self,
            AuditCommand.self, SandboxCommand.self, KeysCommand.self, VersionCommand.self,
        ])
}
