import YAML

private let millisecond: UInt64 = 1_000_000
private let second: UInt64 = 1000 * millisecond
private let hour: UInt64 = 3600 * second

extension ConfigurationOption {
    /// Every option. Flags, variables, keys of the file, the help and `config show` come from here.
    public static let all: [ConfigurationOption] = general + transport + processes + decisions + later

    private static let general: [ConfigurationOption] = [
        ConfigurationOption(
            "upstream", .upstream(\.upstream),
            "The MCP endpoint to protect, for example http://127.0.0.1:8080/mcp; with routing.routes: of the tools no route matches."
        ),
        ConfigurationOption(
            "listen", .listener(\.configuration.listen, emptyHost: "0.0.0.0"),
            "Where clients connect; port 0: any free one. Without auth on loopback only."),
        ConfigurationOption(
            "metrics.addr", .listener(\.configuration.metricsAddress, emptyHost: "127.0.0.1"),
            "Where health and metrics are served."),
        ConfigurationOption(
            "metrics.api_key", .digestedSecret(\.configuration.metricsKeyDigest, atLeast: APIKeyReader.minimumBytes),
            "The key for what else the management listener serves, and for all of it beyond loopback.", secrecy: .secret
        ),
        ConfigurationOption(
            "user", .text(\.configuration.user, "name"), "The unprivileged account to become when started as root."),
        ConfigurationOption(
            "state_dir", .path(\.stateDirectory, "directory"), "State that outlives the daemon.",
            default: "$XDG_STATE_HOME/mcpgw, as root /var/lib/mcpgw"),
        ConfigurationOption(
            "runtime_dir", .path(\.runtimeDirectory, "directory"), "The control socket's place.",
            default: "$XDG_RUNTIME_DIR/mcpgw, as root /run/mcpgw"),
        ConfigurationOption(
            "drain_timeout", .time(\.configuration.drainTimeout, atLeast: 0),
            "Time for requests in flight after SIGTERM."),
        ConfigurationOption(
            "sandbox", .choice(\.configuration.strictSandbox, [("default", false), ("strict", true)]),
            "'strict' refuses to start where the host cannot enforce what is promised."),
    ]

    private static let transport: [ConfigurationOption] = [
        ConfigurationOption(
            "transport.connect_timeout", .time(\.configuration.limits.connectTimeout, atLeast: 100 * millisecond),
            "Time to resolve and connect to the upstream.", formerly: "connect_timeout"),
        ConfigurationOption(
            "transport.request_timeout", .time(\.configuration.limits.requestTimeout, atLeast: 100 * millisecond),
            "Time for a reply, anew at each sign of progress.", formerly: "request_timeout"),
        ConfigurationOption(
            "transport.request_limit", .time(\.configuration.limits.requestLimit, atLeast: 100 * millisecond),
            "Time for a reply whatever its progress.", formerly: "request_limit"),
        ConfigurationOption(
            "transport.keep_alive", .time(\.configuration.limits.keepAlive, atLeast: 100 * millisecond),
            "Time between comments that keep an open stream alive.", formerly: "keep_alive"),
        ConfigurationOption(
            "transport.head_timeout", .time(\.configuration.limits.headTimeout, atLeast: 100 * millisecond),
            "Time a client has to send a request's head."),
        ConfigurationOption(
            "transport.body_timeout", .time(\.configuration.limits.bodyTimeout, atLeast: 100 * millisecond),
            "Time a request's body may stand still."),
        ConfigurationOption(
            "transport.max_request_bytes", .size(\.configuration.limits.requestBody, (1 << 10)...(32 << 20)),
            "The largest request."),
        ConfigurationOption(
            "transport.max_reply_bytes", .size(\.configuration.limits.reply, (1 << 10)...(64 << 20)),
            "The largest reply."),
        ConfigurationOption(
            "transport.max_event_bytes", .size(\.configuration.limits.event, (1 << 10)...(64 << 20)),
            "The largest event of a stream."),
        ConfigurationOption(
            "transport.upstream_connections", .number(\.configuration.limits.upstreamConnections, 1...4096),
            "Connections to the upstream, for each route."),
        ConfigurationOption(
            "transport.upstream_idle", .time(\.configuration.limits.upstreamIdle, atLeast: second),
            "How long an idle connection to the upstream is kept."),
        ConfigurationOption(
            "transport.queue", .number(\.configuration.limits.queue, 1...65536),
            "Requests that may wait, for each route."),
    ]

    private static let processes: [ConfigurationOption] = [
        // Whole seconds: that is what ids and tables hold.
        ConfigurationOption(
            "session.ttl", .time(\.configuration.sessions.idle, atLeast: second),
            "Time after which a session nobody used is over."),
        ConfigurationOption(
            "session.lifetime", .time(\.configuration.sessions.lifetime, atLeast: second),
            "Time after which a session is over, used or not."),
        ConfigurationOption(
            "session.shared", .truth(\.configuration.sessions.isShared),
            "'true' where other instances have the same session.key: sessions they began go on here."),
        ConfigurationOption(
            "supervision.backoff_min", .time(\.configuration.supervision.backoffMinimum, atLeast: millisecond),
            "Wait before the first restart of a crashed worker."),
        ConfigurationOption(
            "supervision.backoff_max", .time(\.configuration.supervision.backoffMaximum, atLeast: millisecond),
            "Longest wait before a restart."),
        ConfigurationOption(
            "supervision.crash_limit", .number(\.configuration.supervision.crashLimit, 1...1_000_000_000),
            "Crashes within the window that mark a worker down."),
        ConfigurationOption(
            "supervision.crash_window", .time(\.configuration.supervision.crashWindow, atLeast: 100 * millisecond),
            "The window, and the wait of a worker that is down."),
        ConfigurationOption(
            "supervision.ping_interval", .time(\.configuration.supervision.pingInterval, atLeast: 10 * millisecond),
            "Time between pings of the workers."),
        ConfigurationOption(
            "supervision.ping_timeout", .time(\.configuration.supervision.pingTimeout, atLeast: 50 * millisecond),
            "Silence after which a worker is killed."),
        ConfigurationOption(
            "supervision.start_timeout", .time(\.configuration.supervision.startTimeout, atLeast: 50 * millisecond),
            "Time a worker has to become ready."),
    ]

    private static let decisions: [ConfigurationOption] = [
        ConfigurationOption(
            "policy", .path(\.policy, "file"), "The policy.", default: "none: everything passes, and status says so"),
        ConfigurationOption(
            "denials", .choice(\.configuration.denials, [("result", .result), ("error", .error)]),
            "How a blocked tool call is told: as a result with isError, or as a JSON-RPC error."),
        ConfigurationOption(
            "disclose_rules", .truth(\.configuration.disclosesRules), "Whether answers to denied calls name the rule."),
        ConfigurationOption(
            "audit_log", .path(\.auditLog, "file"), "The audit log.",
            default: "as a service /var/log/mcpgw/audit.jsonl, else audit.jsonl in the state directory"),
        ConfigurationOption(
            "audit.label_claims", .texts(\.configuration.audit.labelClaims, "names", labelName),
            "Claims, and X-MCPGW-Label- headers, that become labels of records."),
        ConfigurationOption(
            "audit.signing_key", .secret(\.configuration.audit.signingKey, atLeast: 1),
            "The key of each record's HMAC-SHA-256.", secrecy: .secret),
        ConfigurationOption(
            "audit.max_value_bytes", .size(\.configuration.audit.maximumValue, 64...(128 << 10)),
            "The largest value recorded whole."),
        ConfigurationOption(
            "audit.sync", .time(\.configuration.audit.sync, atLeast: 10 * millisecond),
            "Time between syncs of what passed; blocks are synced at once."),
        ConfigurationOption(
            "audit.on_failure", .choice(\.configuration.audit.onFailure, [("deny", .deny), ("allow", .allow)]),
            "What becomes of a message that cannot be recorded."),
        ConfigurationOption(
            "audit.rotate_bytes", .size(\.configuration.audit.rotationSize, (64 << 10)...(1 << 40)),
            "A file this large is closed and the next begun."),
        ConfigurationOption(
            "audit.rotate_after", .time(\.configuration.audit.rotationAge, atLeast: second),
            "A file this old is closed and the next begun."),
        ConfigurationOption(
            "audit.keep", .time(\.configuration.audit.retention, atLeast: second), "How long files are kept."),
        ConfigurationOption(
            "audit.reserve_bytes", .size(\.configuration.audit.reserve, 0...(1 << 40)),
            "Disk held back for denials when it fills."),
        ConfigurationOption(
            "auth.required", .optionalTruth(\.isAuthenticationRequired),
            "Whether nobody is served without a credential.", default: "true with any auth option, else false"),
        ConfigurationOption(
            "auth.api_keys",
            .structures(\.configuration.authentication.keys, APIKeyReader.read, show: APIKeyReader.show),
            "API keys: [{name: NAME, hash: sha256:DIGITS}].", secrecy: .secret),
        ConfigurationOption(
            "rate_limit.requests_per_second", .thousandths(\.milliRate, 1...1_000_000_000_000),
            "Requests a second, for each subject."),
        ConfigurationOption(
            "rate_limit.burst", .optionalNumber(\.burst, 1...1_000_000_000),
            "Requests at once, for each subject.", default: "as many as in a second"),
        ConfigurationOption(
            "routing.routes", .structures(\.routes, RouteReader.read, show: RouteReader.show),
            "Routes, the first that matches serves a tool: [{match_tools: [GLOB], upstream: URL}]."),
    ]

    private static let labelName: @Sendable (inout ValueReader, YAMLNode) -> String? = { reader, node in
        guard let text = reader.text(node) else { return nil }
        if LabelReader.isName(text) { return text }
        reader.note(node.position, "a label's name is 1 to 64 letters, digits, '_', '-' or '.', not \(quoted(text))")
        return nil
    }
}
