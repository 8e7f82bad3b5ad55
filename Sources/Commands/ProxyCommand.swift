import ArgumentParser
import Configuration
import Crypto
import Glibc
import NormalForms
import Policy
import Supervisor

/// `mcpgw proxy`: the daemon.
struct ProxyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Protect a remote MCP server (Streamable HTTP).",
        discussion: """
            Every option can also be given by environment: MCPGW_ and the option in capitals, for example MCPGW_UPSTREAM \
            or MCPGW_SUPERVISION_CRASH_LIMIT. Times are written 500ms, 30s, 5m or 1h. Started as root, the daemon binds its \
            sockets and then becomes --user.

            Exit status: 0 after an orderly stop, 2 if it cannot start.
            """)

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The MCP endpoint to protect, for example http://127.0.0.1:8080/mcp.", valueName: "url"))
    var upstream: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Where clients connect (default 127.0.0.1:9090; port 0: any free one).", valueName: "host:port"))
    var listen: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Where health and metrics are served (default 127.0.0.1:9091).", valueName: "host:port"))
    var metricsAddr: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The policy (default: everything passes, and status says so).", valueName: "file"))
    var policy: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The unprivileged account to become when started as root.", valueName: "name"))
    var user: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("State that outlives the daemon (default ~/.local/state/mcpgw).", valueName: "directory"))
    var stateDir: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The control socket's place (default $XDG_RUNTIME_DIR/mcpgw).", valueName: "directory"))
    var runtimeDir: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time for requests in flight after SIGTERM (default 30s).", valueName: "time"))
    var drainTimeout: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Wait before the first restart of a crashed worker (default 10ms).", valueName: "time"))
    var supervisionBackoffMin: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Longest wait before a restart (default 10s).", valueName: "time"))
    var supervisionBackoffMax: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Crashes within the window that mark a worker down (default 10).", valueName: "number"))
    var supervisionCrashLimit: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The window, and the wait of a worker that is down (default 60s).", valueName: "time"))
    var supervisionCrashWindow: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time between pings of the workers (default 1s).", valueName: "time"))
    var supervisionPingInterval: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Silence after which a worker is killed (default 5s).", valueName: "time"))
    var supervisionPingTimeout: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time a worker has to become ready (default 5s).", valueName: "time"))
    var supervisionStartTimeout: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Time to connect to the upstream (default 5s).", valueName: "time"))
    var connectTimeout: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time for a reply, anew at each sign of progress (default 10m).", valueName: "time"))
    var requestTimeout: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time for a reply whatever its progress (default 1h).", valueName: "time"))
    var requestLimit: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time between comments that keep an open stream alive (default 15s).", valueName: "time"))
    var keepAlive: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time after which a session nobody used is over (default 30m).", valueName: "time"))
    var sessionTtl: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time after which a session is over, used or not (default 24h).", valueName: "time"))
    var sessionLifetime: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "'true' where other instances have the same session.key: sessions they began go on here (default false).",
            valueName: "true|false"))
    var sessionShared: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "File of the audit log (default audit.jsonl in the state directory; as a service in /var/log/mcpgw).",
            valueName: "file"))
    var auditLog: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "'strict' refuses to start where the host cannot enforce what is promised.", valueName: "default|strict"))
    var sandbox: String?

    func run() throws {
        do {
            let supervisor = try Supervisor(try configuration())
            throw ExitCode(supervisor.run())
        } catch let error as ConfigurationError {
            fail(error.description)
        } catch let error as StartError {
            fail(error.description)
        }
    }

    private func configuration() throws(ConfigurationError) -> Configuration {
        guard let url = OptionValue(upstream, "--upstream", "MCPGW_UPSTREAM") else {
            throw ConfigurationError(
                "--upstream", "no MCP server is named; write for example --upstream http://127.0.0.1:8080/mcp")
        }
        let directories = DefaultDirectories.own
        let state = directories.state(named: OptionValue(stateDir, "--state-dir", "MCPGW_STATE_DIR")?.text)
        let route = Configuration.Route(
            name: "default", upstream: try UpstreamURL(parsing: url.text, source: url.source))
        let runtime = OptionValue(runtimeDir, "--runtime-dir", "MCPGW_RUNTIME_DIR")?.text ?? directories.runtime
        var configuration = Configuration(
            routes: [route], stateDirectory: state.path, stateIsRequired: state.isNamed, runtimeDirectory: runtime)
        configuration.audit.file = try auditLog(state.isNamed ? state.path : nil, directories)
        if let value = OptionValue(listen, "--listen", "MCPGW_LISTEN") {
            configuration.listen = try ListenAddress(parsing: value.text, emptyHost: "0.0.0.0", source: value.source)
            guard configuration.listen.isLoopback else {
                throw ConfigurationError(
                    value.source,
                    "\(configuration.listen) can be reached from other hosts, and this version cannot authenticate clients;"
                        + " listen on 127.0.0.1 or [::1]")
            }
        }
        if let value = OptionValue(metricsAddr, "--metrics-addr", "MCPGW_METRICS_ADDR") {
            configuration.metricsAddress = try ListenAddress(
                parsing: value.text, emptyHost: "127.0.0.1", source: value.source)
            guard configuration.metricsAddress.isLoopback else {
                throw ConfigurationError(value.source, "health and metrics are served on loopback only in this version")
            }
        }
        if let value = OptionValue(policy, "--policy", "MCPGW_POLICY") { configuration.policy = try readPolicy(value) }
        configuration.user = OptionValue(user, "--user", "MCPGW_USER")?.text
        if let value = OptionValue(drainTimeout, "--drain-timeout", "MCPGW_DRAIN_TIMEOUT") {
            configuration.drainTimeout = try value.nanoseconds()
        }
        if let value = OptionValue(connectTimeout, "--connect-timeout", "MCPGW_CONNECT_TIMEOUT") {
            configuration.limits.connectTimeout = try value.nanoseconds(atLeast: 100_000_000)
        }
        if let value = OptionValue(sandbox, "--sandbox", "MCPGW_SANDBOX") {
            guard ["default", "strict"].contains(value.text) else {
                throw ConfigurationError(value.source, "'\(value.text)' is neither default nor strict")
            }
            configuration.strictSandbox = value.text == "strict"
        }
        try setReplyLimits(&configuration.limits)
        configuration.sessions = try sessions()
        configuration.supervision = try supervision()
        return configuration
    }

    private func readPolicy(_ value: OptionValue) throws(ConfigurationError) -> PolicyFile {
        let descriptor = unsafe open(value.text, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ConfigurationError(value.source, "cannot read \(value.text)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        let library: UnicodeLibrary
        do throws(UnicodeLibrary.Unavailable) {
            library = try UnicodeLibrary.load()
        } catch {
            throw ConfigurationError(value.source, "\(error)")
        }
        let reading = PolicyModel.read(bytes, library)
        guard let model = reading.policy else {
            throw ConfigurationError(
                value.source, reading.errors.map { $0.description(file: value.text) }.joined(separator: "; "))
        }
        var hash: [UInt8] = []
        do throws(CryptoError) {
            try SHA256(try CryptoLibrary.load()).digest(of: bytes.span).append(to: &hash)
        } catch {
            throw ConfigurationError(value.source, "cannot hash the policy")
        }
        let digits = hash.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
        return PolicyFile(model: model, path: value.text, hash: digits)
    }

    /// The file of the audit log. A relative path begins at the working directory.
    private func auditLog(
        _ state: String?, _ directories: DefaultDirectories
    ) throws(ConfigurationError) -> String? {
        guard let value = OptionValue(auditLog, "--audit-log", "MCPGW_AUDIT_LOG") else {
            return directories.auditLog(state: state)
        }
        if value.text.hasPrefix("/") { return value.text }
        var bytes = [CChar](repeating: 0, count: 4097)
        guard unsafe getcwd(&bytes, 4096) != nil else {
            throw ConfigurationError(value.source, "'\(value.text)' is relative, and the working directory is gone")
        }
        let directory = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return directory + "/" + value.text
    }

    private func setReplyLimits(_ limits: inout Configuration.Limits) throws(ConfigurationError) {
        let minimum: UInt64 = 100_000_000
        if let value = OptionValue(requestTimeout, "--request-timeout", "MCPGW_REQUEST_TIMEOUT") {
            limits.requestTimeout = try value.nanoseconds(atLeast: minimum)
        }
        if let value = OptionValue(requestLimit, "--request-limit", "MCPGW_REQUEST_LIMIT") {
            limits.requestLimit = try value.nanoseconds(atLeast: minimum)
        }
        if let value = OptionValue(keepAlive, "--keep-alive", "MCPGW_KEEP_ALIVE") {
            limits.keepAlive = try value.nanoseconds(atLeast: minimum)
        }
    }

    /// Whole seconds: that is what ids and tables hold.
    private func sessions() throws(ConfigurationError) -> Configuration.Sessions {
        var result = Configuration.Sessions()
        let second: UInt64 = 1_000_000_000
        let idle = OptionValue(sessionTtl, "--session-ttl", "MCPGW_SESSION_TTL")
        if let idle { result.idle = try idle.nanoseconds(atLeast: second) }
        let lifetime = OptionValue(sessionLifetime, "--session-lifetime", "MCPGW_SESSION_LIFETIME")
        if let lifetime { result.lifetime = try lifetime.nanoseconds(atLeast: second) }
        if result.idle > result.lifetime {
            if let lifetime {
                throw ConfigurationError(
                    lifetime.source, "'\(lifetime.text)' is shorter than a session may be idle (--session-ttl)")
            } else if let idle {
                throw ConfigurationError(
                    idle.source, "'\(idle.text)' is longer than a session may live (--session-lifetime, 24h)")
            }
        }
        if let value = OptionValue(sessionShared, "--session-shared", "MCPGW_SESSION_SHARED") {
            guard ["true", "false"].contains(value.text) else {
                throw ConfigurationError(value.source, "'\(value.text)' is neither true nor false")
            }
            result.isShared = value.text == "true"
        }
        return result
    }

    private func supervision() throws(ConfigurationError) -> Configuration.Supervision {
        var result = Configuration.Supervision()
        let millisecond: UInt64 = 1_000_000
        if let value = OptionValue(supervisionBackoffMin, "--supervision-backoff-min", "MCPGW_SUPERVISION_BACKOFF_MIN")
        {
            result.backoffMinimum = try value.nanoseconds(atLeast: millisecond)
        }
        if let value = OptionValue(supervisionBackoffMax, "--supervision-backoff-max", "MCPGW_SUPERVISION_BACKOFF_MAX")
        {
            result.backoffMaximum = try value.nanoseconds(atLeast: millisecond)
            guard result.backoffMaximum >= result.backoffMinimum else {
                throw ConfigurationError(
                    value.source, "'\(value.text)' is shorter than the first wait (--supervision-backoff-min)")
            }
        }
        if let value = OptionValue(supervisionCrashLimit, "--supervision-crash-limit", "MCPGW_SUPERVISION_CRASH_LIMIT")
        {
            result.crashLimit = try value.number(1...1_000_000_000)
        }
        if let value = OptionValue(
            supervisionCrashWindow, "--supervision-crash-window", "MCPGW_SUPERVISION_CRASH_WINDOW")
        {
            result.crashWindow = try value.nanoseconds(atLeast: 100 * millisecond)
        }
        if let value = OptionValue(
            supervisionPingInterval, "--supervision-ping-interval", "MCPGW_SUPERVISION_PING_INTERVAL")
        {
            result.pingInterval = try value.nanoseconds(atLeast: 10 * millisecond)
        }
        if let value = OptionValue(
            supervisionPingTimeout, "--supervision-ping-timeout", "MCPGW_SUPERVISION_PING_TIMEOUT")
        {
            result.pingTimeout = try value.nanoseconds(atLeast: 50 * millisecond)
            guard result.pingTimeout > result.pingInterval else {
                throw ConfigurationError(value.source, "'\(value.text)' is not longer than the ping interval")
            }
        }
        if let value = OptionValue(
            supervisionStartTimeout, "--supervision-start-timeout", "MCPGW_SUPERVISION_START_TIMEOUT")
        {
            result.startTimeout = try value.nanoseconds(atLeast: 50 * millisecond)
        }
        return result
    }
}

/// Ends the program with one message and exit status 2.
func fail(_ message: String) -> Never {
    // What the user gave is quoted in messages; it must not make a second line or move the cursor.
    let clean = message.unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? " " : $0 }
    let line = Array("mcpgw: \(String(String.UnicodeScalarView(clean)))\n".utf8)
    _ = unsafe write(2, line, line.count)
    exit(2)
}
