/// What the configuration's format has and a later issue builds: the shape is checked, and nothing starts with it.
extension ConfigurationOption {
    static let later: [ConfigurationOption] = tokens + inspection + operations

    private static let tokens: [ConfigurationOption] = [
        ConfigurationOption(
            "auth.jwt.algorithm",
            .choice(
                \.unused.word,
                words: [
                    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                    "ES512",
                    "EdDSA",
                ]), "The algorithm of signatures of tokens.", isBuilt: false),
        ConfigurationOption("auth.jwt.jwks_url", .url(\.unused.text), "Where the keys of tokens are.", isBuilt: false),
        ConfigurationOption(
            "auth.jwt.pubkey_file", .path(\.unused.text, "file"), "The public key of tokens.", isBuilt: false),
        ConfigurationOption(
            "auth.jwt.secret", .secret(\.unused.secret, atLeast: 32), "The shared key of tokens.", secrecy: .secret,
            isBuilt: false),
        ConfigurationOption("auth.jwt.issuer", .text(\.unused.text), "Who issues tokens.", isBuilt: false),
        ConfigurationOption("auth.jwt.audience", .text(\.unused.text), "Whom tokens are for.", isBuilt: false),
        ConfigurationOption(
            "auth.jwt.roles_claim", .text(\.unused.text, "name"), "The claim that holds roles.", isBuilt: false),
        ConfigurationOption(
            "auth.jwt.tenant_claim", .text(\.unused.text, "name"), "The claim that holds the tenant.", isBuilt: false),
        ConfigurationOption("auth.oauth.issuer", .url(\.unused.text), "The authorization server.", isBuilt: false),
        ConfigurationOption("auth.oauth.audience", .text(\.unused.text), "Whom tokens are for.", isBuilt: false),
        ConfigurationOption(
            "auth.oauth.jwks_url", .url(\.unused.text), "Where the keys of tokens are.", isBuilt: false),
        ConfigurationOption(
            "auth.oauth.allowed_hosts", .texts(\.unused.texts, "hosts"), "Hosts that may serve keys and discovery.",
            isBuilt: false),
        ConfigurationOption(
            "auth.oauth.introspection_url", .url(\.unused.text), "Where tokens are asked after.", isBuilt: false),
        ConfigurationOption(
            "auth.oauth.client_id", .text(\.unused.text), "The name to ask after tokens with.", isBuilt: false),
        ConfigurationOption(
            "auth.oauth.client_secret", .secret(\.unused.secret, atLeast: 1), "The secret to ask after tokens with.",
            secrecy: .secret, isBuilt: false),
        ConfigurationOption(
            "auth.oauth.scopes", .texts(\.unused.texts, "names"), "Scopes a token must have.", isBuilt: false),
    ]

    private static let inspection: [ConfigurationOption] = [
        ConfigurationOption(
            "plugins", .structures(\.unused.texts, PluginReader.read, show: { $0 }),
            "Inspectors: pii, injection, schema.", isBuilt: false),
        ConfigurationOption(
            "server_eval.enabled", .truth(\.unused.truth), "Whether servers are scored.", isBuilt: false),
        ConfigurationOption(
            "server_eval.mode", .choice(\.unused.word, words: ["enforce", "audit"]),
            "Whether a server that is not approved is blocked.", isBuilt: false),
        ConfigurationOption(
            "server_eval.auto_approve.risk_levels",
            .texts(\.unused.texts, "levels") { reader, node in reader.word(node, ["low", "medium", "high"]) },
            "Levels of risk that need no approval.", isBuilt: false),
    ]

    private static let operations: [ConfigurationOption] = [
        ConfigurationOption(
            "circuit_breaker.max_failures", .number(\.unused.number, 1...1_000_000), "Failures that open the breaker.",
            isBuilt: false),
        ConfigurationOption(
            "circuit_breaker.timeout", .time(\.unused.time, atLeast: 100_000_000), "How long the breaker stays open.",
            isBuilt: false),
        ConfigurationOption(
            "cors.allowed_origins",
            .texts(\.unused.texts, "origins") { reader, node in
                if case .scalar("*", _) = node.value { return "*" }
                return reader.url(node, schemes: ["https", "http"])
            }, "Origins of pages that may use the gateway.", isBuilt: false),
        ConfigurationOption(
            "alerting.webhook_url", .url(\.unused.text, schemes: ["https", "http"]), "Where alerts go.",
            secrecy: .masked, isBuilt: false),
        ConfigurationOption(
            "alerting.dedup_window", .time(\.unused.time, atLeast: 1_000_000_000), "How long an alert is not repeated.",
            isBuilt: false),
        ConfigurationOption(
            "telemetry.otlp_endpoint", .url(\.telemetryEndpoint, schemes: ["https", "http"]),
            "Where traces go, OTLP over HTTP.", isBuilt: false),
        ConfigurationOption(
            "telemetry.service_name", .text(\.unused.text), "The service's name in traces.", isBuilt: false),
        ConfigurationOption(
            "mrtr.ttl", .time(\.unused.time, atLeast: 1_000_000_000), "How long requests for input are kept.",
            isBuilt: false),
    ]
}
