import ArgumentParser
import Configuration

/// One flag's value and the option it belongs to.
struct GivenOption: Sendable {
    let path: String
    let text: String
}

extension Option where Value == GivenOption? {
    /// The flag of an option of the configuration: its names and help come from the table.
    init(_ path: String) {
        guard let option = ConfigurationOption.named(path) else { preconditionFailure("no option \(path)") }
        let names = [option.flag] + [option.formerFlag].compactMap { $0 }
        let note = option.defaultText.map { "\(option.help) (default: \($0))" } ?? option.help
        self.init(
            name: NameSpecification(names.map { .customLong($0) }), parsing: .unconditional,
            help: ArgumentHelp(note, valueName: option.valueName),
            transform: { GivenOption(path: path, text: $0) })
    }
}

/// Every option of the daemon as a flag. Each line is a row of `ConfigurationOption.all`; a test compares them.
struct ProxyOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The configuration file (also MCPGW_CONFIG); mcpgw config check looks at one.", valueName: "file"))
    var config: String?

    @Option("upstream") var upstream: GivenOption?
    @Option("listen") var listen: GivenOption?
    @Option("metrics.addr") var metricsAddress: GivenOption?
    @Option("metrics.api_key") var metricsKey: GivenOption?
    @Option("user") var user: GivenOption?
    @Option("state_dir") var stateDirectory: GivenOption?
    @Option("runtime_dir") var runtimeDirectory: GivenOption?
    @Option("drain_timeout") var drainTimeout: GivenOption?
    @Option("sandbox") var sandbox: GivenOption?

    @Option("policy") var policy: GivenOption?
    @Option("denials") var denials: GivenOption?
    @Option("disclose_rules") var disclosesRules: GivenOption?

    @Option("audit_log") var auditLog: GivenOption?
    @Option("audit.label_claims") var labelClaims: GivenOption?
    @Option("audit.signing_key") var signingKey: GivenOption?
    @Option("audit.max_value_bytes") var maximumValue: GivenOption?
    @Option("audit.sync") var auditSync: GivenOption?
    @Option("audit.on_failure") var auditFailure: GivenOption?
    @Option("audit.rotate_bytes") var rotationSize: GivenOption?
    @Option("audit.rotate_after") var rotationAge: GivenOption?
    @Option("audit.keep") var retention: GivenOption?
    @Option("audit.reserve_bytes") var reserve: GivenOption?

    @Option("auth.required") var authenticationRequired: GivenOption?
    @Option("auth.api_keys") var keys: GivenOption?
    @Option("rate_limit.requests_per_second") var rate: GivenOption?
    @Option("rate_limit.burst") var burst: GivenOption?
    @Option("routing.routes") var routes: GivenOption?

    @Option("transport.connect_timeout") var connectTimeout: GivenOption?
    @Option("transport.request_timeout") var requestTimeout: GivenOption?
    @Option("transport.request_limit") var requestLimit: GivenOption?
    @Option("transport.keep_alive") var keepAlive: GivenOption?
    @Option("transport.head_timeout") var headTimeout: GivenOption?
    @Option("transport.body_timeout") var bodyTimeout: GivenOption?
    @Option("transport.max_request_bytes") var maximumRequest: GivenOption?
    @Option("transport.max_reply_bytes") var maximumReply: GivenOption?
    @Option("transport.max_event_bytes") var maximumEvent: GivenOption?
    @Option("transport.upstream_connections") var upstreamConnections: GivenOption?
    @Option("transport.upstream_idle") var upstreamIdle: GivenOption?
    @Option("transport.queue") var queue: GivenOption?

    @Option("session.ttl") var sessionTTL: GivenOption?
    @Option("session.lifetime") var sessionLifetime: GivenOption?
    @Option("session.shared") var sessionShared: GivenOption?

    @Option("supervision.backoff_min") var backoffMinimum: GivenOption?
    @Option("supervision.backoff_max") var backoffMaximum: GivenOption?
    @Option("supervision.crash_limit") var crashLimit: GivenOption?
    @Option("supervision.crash_window") var crashWindow: GivenOption?
    @Option("supervision.ping_interval") var pingInterval: GivenOption?
    @Option("supervision.ping_timeout") var pingTimeout: GivenOption?
    @Option("supervision.start_timeout") var startTimeout: GivenOption?

    /// The flags that were given, by the option's path.
    var given: [String: String] {
        var result: [String: String] = [:]
        for child in Mirror(reflecting: self).children {
            guard let option = child.value as? Option<GivenOption?>, let value = option.wrappedValue else { continue }
            result[value.path] = value.text
        }
        return result
    }

    /// What reads the configuration that these flags, the environment and the file make, as often as it is asked.
    func loader() -> ConfigurationLoader {
        ConfigurationLoader(flags: given, file: config, environment: Environment.all)
    }
}
