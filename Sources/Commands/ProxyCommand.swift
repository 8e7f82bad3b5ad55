import ArgumentParser
import Configuration
import Glibc
import Supervisor
import Telemetry

/// `mcpgw proxy`: the daemon.
struct ProxyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Protect a remote MCP server (Streamable HTTP).",
        discussion: """
            Every option can be given as a flag, by environment, or in the file that --config names; a flag comes before the \
            environment, the environment before the file. The variable of --session-ttl is MCPGW_SESSION_TTL, in the file it is \
            ttl: below session:. Lists are separated by commas; --auth-api-keys and --routing-routes take YAML. Times are \
            written 500ms, 30s, 5m or 1h, sizes 65536 or 64KiB. ${VARIABLE}, ${credential:NAME} and ${file:PATH} are put in \
            wherever they are written. Started as root, the daemon binds its sockets and then becomes --user.

            mcpgw config show prints what is in force.

            Exit status: 0 after an orderly stop, 2 if it cannot start.
            """)

    @OptionGroup var options: ProxyOptions

    func run() throws {
        do {
            let loader = options.loader()
            let (configuration, warnings) = try loader.load()
            let supervisor = try Supervisor(configuration, load: loader.load)
            for warning in warnings { Log(role: .supervisor).warning(warning) }
            throw ExitCode(supervisor.run())
        } catch let error as ConfigurationError {
            fail(error.description)
        } catch let error as StartError {
            fail(error.description)
        }
    }
}

/// Ends the program with one message and exit status 2.
func fail(_ message: String) -> Never {
    let line = Array("mcpgw: \(oneLine(message))\n".utf8)
    _ = unsafe write(2, line, line.count)
    exit(2)
}

/// A text on one line: what the user gave is quoted in messages, and must not make a second line or move the cursor.
func oneLine(_ text: String) -> String {
    let clean = text.unicodeScalars.map { scalar -> Unicode.Scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: " "
        default: scalar
        }
    }
    return String(String.UnicodeScalarView(clean))
}
