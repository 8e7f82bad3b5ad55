import Testing

@testable import Configuration

/// Three different texts that may stand at each option. An option without them fails the tests.
private let texts: [String: [String]] = [
    "upstream": ["http://127.0.0.1:1/a", "http://127.0.0.1:2/b", "http://127.0.0.1:3/c"],
    "listen": ["127.0.0.1:1", "127.0.0.2:2", "[::1]:3"], "metrics.addr": ["127.0.0.1:4", "127.0.0.2:5", "[::1]:6"],
    "user": ["one", "two", "three"], "state_dir": ["/s1", "/s2", "/s3"], "runtime_dir": ["/r1", "/r2", "/r3"],
    "sandbox": ["strict", "default", "strict"], "denials": ["error", "result", "error"],
    "disclose_rules": ["true", "false", "true"], "audit_log": ["/a1", "/a2", "/a3"],
    "audit.label_claims": ["one", "one,two", "three"], "audit.max_value_bytes": ["1KiB", "2KiB", "3000"],
    "audit.on_failure": ["allow", "deny", "allow"], "audit.rotate_bytes": ["1MiB", "2MiB", "3MiB"],
    "audit.reserve_bytes": ["1MiB", "2MiB", "0"], "auth.required": ["true", "true", "true"],
    "rate_limit.requests_per_second": ["1.5", "20", "300"], "rate_limit.burst": ["1", "2", "3"],
    "transport.max_request_bytes": ["1MiB", "2MiB", "3MiB"], "transport.max_reply_bytes": ["1MiB", "2MiB", "3MiB"],
    "transport.max_event_bytes": ["1MiB", "2MiB", "3MiB"], "transport.upstream_connections": ["1", "2", "3"],
    "transport.queue": ["1", "2", "3"], "session.shared": ["true", "false", "true"],
    "supervision.crash_limit": ["1", "2", "3"], "supervision.ping_timeout": ["1m", "2m", "3m"],
    "supervision.ping_interval": ["1s", "2s", "3s"], "session.lifetime": ["1h", "2h", "3h"],
    "auth.api_keys": [
        "[{name: one, key: one-4567890123456}]", "[{name: two, key: two-4567890123456}]",
        "[{name: three, key: three-67890123456}]",
    ],
    "routing.routes": [
        "[{name: one, match_tools: [a], upstream: 'http://127.0.0.1:1/'}]",
        "[{name: two, match_tools: [b], upstream: 'http://127.0.0.1:2/'}]",
        "[{name: three, match_tools: [c], upstream: 'http://127.0.0.1:3/'}]",
    ],
]

/// Options whose values are secrets: they are not shown, and not taken from a command line.
private let secrets = ["metrics.api_key", "audit.signing_key", "auth.api_keys"]
/// Read from files, which have tests of their own.
private let files = ["policy"]

@Suite struct OptionTableTests {
    private static let built = ConfigurationOption.all.filter { $0.isBuilt && !files.contains($0.path) }.map(\.path)

    private func values(_ option: ConfigurationOption) throws -> [String] {
        if let texts = texts[option.path] { return texts }
        if option.valueName == "time" { return ["6s", "7s", "8s"] }
        if option.valueName == "secret" { return ["first-secret-16-b", "second-secret-16", "third-secret-16-b"] }
        return try #require(nil, "no values for \(option.path)")
    }

    /// A file in which only this option is set.
    private func file(_ path: String, _ text: String) -> String {
        let parts = path.split(separator: ".")
        var lines = ""
        for (depth, part) in parts.enumerated() {
            lines += String(repeating: "  ", count: depth) + part + (depth + 1 < parts.count ? ":\n" : ": \(text)\n")
        }
        return lines
    }

    @Test func namesAreUnique() {
        for names in [
            ConfigurationOption.all.map(\.path),
            ConfigurationOption.all.flatMap { [$0.flag] + [$0.formerFlag].compactMap { $0 } },
            ConfigurationOption.all.flatMap { [$0.variable] + [$0.formerVariable].compactMap { $0 } },
        ] {
            #expect(Set(names).count == names.count)
        }
    }

    @Test func noOptionIsTheSectionOfAnother() {
        for option in ConfigurationOption.all {
            #expect(!ConfigurationOption.all.contains { $0.path.hasPrefix(option.path + ".") }, "\(option.path)")
        }
    }

    @Test(arguments: built)
    func flagBeatsEnvironmentBeatsFileBeatsDefault(path: String) throws {
        let option = try #require(ConfigurationOption.named(path))
        let values = try values(option)
        let directory = try ConfigurationDirectory()
        let base = path == "upstream" || path == "routing.routes" ? "" : "upstream: http://127.0.0.1:9/\n"
        // What an option needs beside it.
        let beside = [
            "rate_limit.burst": "\n  requests_per_second: 1",
            "auth.required": "\n  api_keys: [{name: a, key: 0123456789abcdef}]",
        ]
        let yaml = base + file(path, values[0]) + (beside[path].map { $0.dropFirst() + "\n" } ?? "")
        func effective(_ flags: [String: String]) throws -> ConfigurationReading.Effective {
            let reading = try directory.read(yaml, flags: flags)
            #expect(reading.errors.map(\.description) == [])
            return try #require(reading.effective.first { $0.path == path })
        }
        func isShown(_ value: String?, _ text: String) -> Bool {
            if secrets.contains(path) { return value?.contains("(secret)") == true && value?.contains(text) == false }
            if path == "routing.routes" { return value?.contains(text.split(separator: ",")[0].dropFirst(2)) == true }
            return value == text
        }
        let fromFile = try effective([:])
        #expect(
            fromFile.origin?.hasPrefix(directory.path + "/mcpgw.yaml:") == true && isShown(fromFile.value, values[0]))
        directory.environment[option.variable] = values[1]
        let fromEnvironment = try effective([:])
        #expect(fromEnvironment.origin == option.variable && isShown(fromEnvironment.value, values[1]))
        if secrets.contains(path) { return }
        let fromFlag = try effective([path: values[2]])
        #expect(fromFlag.origin == "--" + option.flag && isShown(fromFlag.value, values[2]))
    }

    @Test(arguments: secrets)
    func aSecretIsNotTakenFromACommandLine(path: String) throws {
        let option = try #require(ConfigurationOption.named(path))
        let value = try values(option)[0]
        let reading = try ConfigurationDirectory().read(flags: ["upstream": "http://127.0.0.1:1/", path: value])
        let message = reading.errors.map(\.description).joined()
        #expect(message.contains("--" + option.flag) && message.contains(option.variable))
        #expect(!message.contains("secret-16") && !message.contains("4567890123456"))
    }

    @Test(arguments: ["connect_timeout", "request_timeout", "request_limit", "keep_alive"])
    func namesFromBeforeTheFileStillWork(former: String) throws {
        let directory = try ConfigurationDirectory()
        let option = try #require(ConfigurationOption.all.first { $0.formerPath == former })
        let variable = try #require(option.formerVariable)
        directory.environment[variable] = "7s"
        let shown = try directory.read("upstream: http://127.0.0.1:1/\n").effective.first { $0.path == option.path }
        #expect(shown == .init(path: option.path, value: "7s", origin: variable))
        directory.environment[option.variable] = "8s"
        let errors = try directory.read("upstream: http://127.0.0.1:1/\n").errors
        #expect(errors.map(\.source) == [variable] && errors[0].message.contains(option.variable))
    }

    /// The table of DESIGN 12, written out: what somebody relies on who sets nothing.
    @Test func whatIsNotSetHasTheDefaultsOfTheDesign() throws {
        let configuration = try ConfigurationDirectory().configuration("")
        let (second, hour, day): (UInt64, UInt64, UInt64) = (1_000_000_000, 3_600_000_000_000, 86_400_000_000_000)
        let limits = configuration.limits
        let supervision = configuration.supervision
        let numbers: [(name: String, value: UInt64, design: UInt64)] = [
            ("request body", limits.requestBody, 4 * 1024 * 1024), ("reply", limits.reply, 16 * 1024 * 1024),
            ("SSE event", limits.event, 16 * 1024 * 1024), ("head", limits.headTimeout, 10 * second),
            ("body", limits.bodyTimeout, 30 * second),
            ("transport.request_timeout", limits.requestTimeout, 600 * second),
            ("at most", limits.requestLimit, hour), ("connect", limits.connectTimeout, 5 * second),
            ("session.ttl", configuration.sessions.idle, 1800 * second),
            ("session.lifetime", configuration.sessions.lifetime, day),
            ("drain_timeout", configuration.drainTimeout, 30 * second),
            ("upstream connections", UInt64(limits.upstreamConnections), 64),
            ("idle", limits.upstreamIdle, 90 * second),
            ("queue", UInt64(limits.queue), 256),
            ("audit.max_value_bytes", configuration.audit.maximumValue, 16 * 1024),
            ("rotation", configuration.audit.rotationSize, 100 * 1024 * 1024),
            ("rotation", configuration.audit.rotationAge, day), ("keep", configuration.audit.retention, 30 * day),
            ("audit.sync", configuration.audit.sync, second),
            ("restart backoff", supervision.backoffMinimum, 10_000_000),
            ("restart backoff", supervision.backoffMaximum, 10 * second),
            ("crash loop", UInt64(supervision.crashLimit), 10), ("crash loop", supervision.crashWindow, 60 * second),
        ]
        for number in numbers { #expect(number.value == number.design, "\(number.name)") }
        #expect(configuration.listen == ListenAddress(host: "127.0.0.1", port: 9090))
        #expect(configuration.metricsAddress == ListenAddress(host: "127.0.0.1", port: 9091))
        #expect(configuration.denials == .result && configuration.audit.onFailure == .deny)
        #expect(configuration.audit.signingKey.isEmpty && configuration.audit.labelClaims.isEmpty)
        #expect(!configuration.authentication.isRequired && configuration.authentication.keys.isEmpty)
        #expect(configuration.rateLimit == nil && configuration.metricsKeyDigest == nil && configuration.user == nil)
        #expect(configuration.policy == .none && !configuration.strictSandbox && !configuration.disclosesRules)
        #expect(!configuration.sessions.isShared && !configuration.stateIsRequired)
        let isRoot = configuration.stateDirectory == "/var/lib/mcpgw"
        let state = "/home/somebody/.local/state/mcpgw"
        #expect(isRoot || configuration.stateDirectory == state)
        #expect(configuration.audit.file == (isRoot ? "/var/log/mcpgw" : state) + "/audit.jsonl")
        #expect(configuration.routes.map(\.name) == ["default"] && configuration.routes.map(\.matchTools) == [["*"]])
    }

    @Test func aVariableThatIsNearlyAnOptionsIsNamed() throws {
        let directory = try ConfigurationDirectory()
        directory.environment["MCPGW_LISTNE"] = "127.0.0.1:1"
        directory.environment["MCPGW_SOMETHING_OF_ANOTHER_PROGRAM"] = "x"
        let reading = try directory.read("upstream: http://127.0.0.1:1/\n")
        #expect(reading.warnings == ["MCPGW_LISTNE: no option has this variable; did you mean MCPGW_LISTEN?"])
    }
}
