import Glibc
import Testing

@testable import Configuration

@Suite struct ConfigurationFileTests {
    @Test(
        arguments: [
            ("upstraem: x", "mcpgw.yaml:1:1: a configuration has no key \"upstraem\"; did you mean upstream?"),
            ("session:\n  tll: 5m", "mcpgw.yaml:2:3: session has no key \"tll\"; did you mean ttl?"),
            (
                "auth:\n  jwt:\n    algoritm: RS256",
                "mcpgw.yaml:3:5: auth.jwt has no key \"algoritm\"; did you mean algorithm?"
            ),
            ("listen: 1\nlisten: 2", "mcpgw.yaml:2:1: \"listen\" is there already, in line 1; remove one of them"),
            (
                "user: {a: ${B}}",
                "mcpgw.yaml:1:12: did not find expected ',' or '}' while parsing a flow mapping; between { } and [ ] put quotation marks around ${...}"
            ),
            ("listen: &a x", "mcpgw.yaml:1:9: anchors (&name) are not accepted; quote a text that begins with &"),
            (
                "listen: *a",
                "mcpgw.yaml:1:9: aliases (*name) are not accepted; write the value out, or quote a text that begins with *"
            ),
            ("listen: !!str x", "mcpgw.yaml:1:9: tags (!name) are not accepted; quote a text that begins with !"),
            ("session: 5", "mcpgw.yaml:1:10: session is a mapping of names and values, not a single value"),
            ("session:", "mcpgw.yaml:1:9: session is a mapping of names and values, not nothing"),
            ("session: {}", "mcpgw.yaml:1:10: session is empty; remove the key or add what belongs there"),
            ("- a", "mcpgw.yaml:1:1: a configuration is a mapping of names and values, not a list"),
            ("", "mcpgw.yaml:1:1: the file is empty; it begins for example with upstream:"),
            ("# nothing", "mcpgw.yaml:1:1: the file is empty; it begins for example with upstream:"),
            ("listen: [1]", "mcpgw.yaml:1:9: listen: a single value is expected, not a list"),
            ("listen: {a: b}", "mcpgw.yaml:1:9: listen: a single value is expected, not a mapping"),
            ("user: ~", "mcpgw.yaml:1:7: user: a single value is expected, not nothing"),
            ("user: ''", "mcpgw.yaml:1:7: user: '' is empty"),
            ("denials: reslut", "mcpgw.yaml:1:10: denials: 'reslut' is not result or error; did you mean result?"),
            ("audit:\n  on_failure: ignore", "mcpgw.yaml:2:15: audit.on_failure: 'ignore' is not deny or allow"),
            ("disclose_rules: yes", "mcpgw.yaml:1:17: disclose_rules: 'yes' is not true or false"),
            (
                "disclose_rules: 'true'",
                "mcpgw.yaml:1:17: disclose_rules: \"true\" in quotation marks is a text, not true or false; remove them"
            ),
            (
                "session: {ttl: 30}",
                "mcpgw.yaml:1:16: session.ttl: '30' is not a time; write for example 500ms, 30s, 5m or 1h"
            ),
            ("session: {ttl: 10ms}", "mcpgw.yaml:1:16: session.ttl: '10ms' is too short; at least 1s"),
            ("transport: {queue: -1}", "mcpgw.yaml:1:20: transport.queue: '-1' is not a whole number from 1 to 65536"),
            (
                "transport: {queue: 1e3}",
                "mcpgw.yaml:1:20: transport.queue: '1e3' is not a whole number from 1 to 65536"
            ),
            (
                "transport: {max_request_bytes: 4MB}",
                "mcpgw.yaml:1:32: transport.max_request_bytes: '4MB' is not a size from 1KiB to 32MiB, such as 4MiB"
            ),
            (
                "audit: {label_claims: []}",
                "mcpgw.yaml:1:23: audit.label_claims: an empty list; remove the key or add a value"
            ),
            (
                "audit: {label_claims: [a b]}",
                "mcpgw.yaml:1:24: audit.label_claims: a label's name is 1 to 64 letters, digits, '_', '-' or '.', not \"a b\""
            ),
            ("routing: {routes: []}", "mcpgw.yaml:1:19: routing.routes: an empty list; remove the key or add a value"),
            (
                "routing: {routes: {a: b}}",
                "mcpgw.yaml:1:19: routing.routes: a list is expected, each element beginning with \"- \", not a mapping"
            ),
            ("auth: {api_keys: []}", "mcpgw.yaml:1:18: auth.api_keys: an empty list; remove the key or add a value"),
            (
                "plugins: [{name: pi}]",
                "mcpgw.yaml:1:18: plugins: 'pi' is not one of pii, injection, schema; did you mean pii?"
            ),
            (
                "plugins: [{name: pii, config: {mod: redact}}]",
                "mcpgw.yaml:1:32: plugins: the config of pii has no key \"mod\"; did you mean mode?"
            ),
            (
                "plugins: [{name: injection, config: {threshold: 1.5}}]",
                "mcpgw.yaml:1:49: plugins: '1.5' is not a number from 0 to 1, with at most three places"
            ),
            (
                "server_eval: {auto_approve: {risk_levels: [none]}}",
                "mcpgw.yaml:1:44: server_eval.auto_approve.risk_levels: 'none' is not one of low, medium, high"
            ),
            (
                "alerting: {webhook_url: 'ftp://secret'}",
                "mcpgw.yaml:1:25: alerting.webhook_url: the value is not a URL that begins with https:// or http://"
            ),
            (
                "cors: {allowed_origins: [nonsense]}",
                "mcpgw.yaml:1:26: cors.allowed_origins: 'nonsense' is not a URL that begins with https:// or http://"
            ),
        ] as [(String, String)])
    func aMistakeIsNamedWithItsPlace(yaml: String, message: String) throws {
        #expect(try ConfigurationDirectory().mistakes(yaml) == [message])
    }

    @Test(arguments: ["\tlisten: x", "session:\n\tttl: 5m"])
    func aTabIsNamed(yaml: String) throws {
        let mistakes = try ConfigurationDirectory().mistakes(yaml)
        #expect(mistakes.count == 1 && mistakes[0].contains("indent with spaces, not tabs"), "\(mistakes)")
    }

    @Test func everyMistakeIsNamedInTheOrderOfTheFile() throws {
        let yaml = "denials: x\nlisten: y\nsession:\n  ttl: z\nsomething: 1\nupstream: nonsense"
        let mistakes = try ConfigurationDirectory().mistakes(yaml)
        #expect(mistakes.map { $0.split(separator: ":")[1] } == ["1", "2", "4", "5", "6"], "\(mistakes)")
    }

    @Test func loadingNamesTheFirstMistakeAndCountsTheOthers() throws {
        let directory = try ConfigurationDirectory()
        let file = try directory.write("mcpgw.yaml", "denials: x\nlisten: y\n")
        let error = configurationError { () throws(ConfigurationError) in
            _ = try ConfigurationLoader(flags: [:], file: file, environment: [:]).load()
        }
        let text = try #require(error).description
        #expect(text.hasPrefix("\(file):1:10: denials: 'x' is not result or error (and 2 more;"), "\(text)")
    }

    @Test func whatALaterVersionDoesIsNeverPassedOver() throws {
        let directory = try ConfigurationDirectory()
        let later = [
            "auth.jwt": "auth: {jwt: {algorithm: RS256}}", "auth.oauth": "auth: {oauth: {audience: x}}",
            "circuit_breaker": "circuit_breaker: {max_failures: 5}", "server_eval": "server_eval: {enabled: false}",
            "plugins": "plugins: [{name: pii}]", "cors": "cors: {allowed_origins: ['*']}",
            "alerting": "alerting: {dedup_window: 5m}", "telemetry": "telemetry: {service_name: x}",
            "mrtr": "mrtr: {ttl: 1h}",
        ]
        #expect(Set(later.keys) == Set(ConfigurationOption.all.filter { !$0.isBuilt }.map(\.section)))
        for (section, yaml) in later {
            let file = try directory.write("mcpgw.yaml", "upstream: http://127.0.0.1:1/\n\(yaml)\n")
            let loader = ConfigurationLoader(flags: [:], file: file, environment: [:])
            #expect(loader.read().unsupported == [section])
            #expect(loader.read().errors == [])
            let error = configurationError { () throws(ConfigurationError) in _ = try loader.load() }
            #expect(error?.message.contains(section) == true)
        }
        directory.environment["MCPGW_CORS_ALLOWED_ORIGINS"] = "*"
        #expect(try directory.read("upstream: http://127.0.0.1:1/").unsupported == ["cors"])
    }

    @Test(arguments: [0o622, 0o660, 0o602, 0o666])
    func aFileOthersCanWriteIsRefused(mode: Int) throws {
        let mistakes = try ConfigurationDirectory().mistakes("upstream: http://127.0.0.1:1/", mode: mode_t(mode))
        #expect(mistakes == ["mcpgw config check: others can write mcpgw.yaml; chmod go-w mcpgw.yaml"])
    }

    @Test(arguments: [
        "metrics: {api_key: '0123456789abcdef'}", "audit: {signing_key: '0123456789abcdef'}",
        "auth: {api_keys: [{name: a, key: '0123456789abcdef'}]}",
    ])
    func aSecretInAFileOthersCanReadIsRefused(yaml: String) throws {
        let directory = try ConfigurationDirectory()
        let file = "upstream: http://127.0.0.1:1/\n\(yaml)\n"
        #expect(try directory.mistakes(file) == [])
        let mistakes = try directory.mistakes(file, mode: 0o604)
        #expect(mistakes.count == 1 && mistakes[0].contains("chmod go-r mcpgw.yaml"), "\(mistakes)")
        #expect(!mistakes.joined().contains("0123456789abcdef"))
        directory.environment["SECRET"] = "0123456789abcdef"
        #expect(try directory.mistakes(file.replacing("0123456789abcdef", with: "${SECRET}"), mode: 0o604) == [])
    }

    @Test func aFileThatIsNotThereAndADirectoryAreNamed() throws {
        let directory = try ConfigurationDirectory()
        for path in [directory.path + "/nowhere", directory.path, "/dev/null"] {
            let reading = ConfigurationLoader(flags: [:], file: path, environment: [:]).read()
            #expect(
                reading.errors.contains { $0.source == "--config" && $0.message.contains(path) }, "\(reading.errors)")
        }
    }

    @Test func elevenMegabytesAreRefusedAndTenAreRead() throws {
        let directory = try ConfigurationDirectory()
        let line = "# " + String(repeating: "x", count: 1021) + "\n"
        let small = "upstream: http://127.0.0.1:1/\n" + String(repeating: line, count: 10 * 1024 - 1)
        #expect(try directory.mistakes(small) == [])
        let mistakes = try directory.mistakes(small + line + line)
        #expect(mistakes == ["mcpgw config check: mcpgw.yaml is larger than 10MiB"])
    }

    @Test func relativePathsStartWhereTheyAreNamed() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("rules.yaml", "version: v1\nrules: [{name: all, match: {methods: ['*']}, action: allow}]\n")
        let configuration = try directory.configuration("policy: rules.yaml\naudit_log: logs/a.jsonl\nstate_dir: s\n")
        #expect(configuration.policy.path == directory.path + "/rules.yaml")
        #expect(configuration.audit.file == directory.path + "/logs/a.jsonl")
        #expect(configuration.stateDirectory == directory.path + "/s" && configuration.stateIsRequired)
        let other = try directory.configuration("", flags: ["audit_log": "a.jsonl"]).audit.file
        #expect(
            other?.hasSuffix("/a.jsonl") == true && other?.hasPrefix("/") == true
                && other?.hasPrefix(directory.path) == false)
    }

    @Test func thePolicyIsReadWithItsHashAndItsMistakesAreNamed() throws {
        let directory = try ConfigurationDirectory()
        let text = "version: v1\nrules: [{name: all, match: {methods: ['*']}, action: allow}]\n"
        try directory.write("rules.yaml", text)
        let policy = try directory.configuration("policy: rules.yaml").policy
        #expect(policy.model.rules.map(\.name) == ["all"])
        let digest = try sha256(Array(text.utf8))
        #expect(policy.hash == hexadecimal(digest) && policy.hash.utf8.count == 64)
        for (rule, message) in [
            ("actoin: allow", "rules.yaml:2:42: a rule has no key \"actoin\"; did you mean action?"),
            ("action: allow, match: {argument_patterns: {a: '('}}", "rules.yaml:2:"),
        ] {
            let other = "version: v1\nrules: [{name: all, match: {methods: ['*']}, action: allow}]\n"
            let broken =
                rule.hasPrefix("actoin")
                ? other.replacing("action: allow", with: "\(rule)")
                : "version: v1\nrules: [{name: one, \(rule)}]\n"
            try directory.write("rules.yaml", broken)
            let mistakes = try directory.mistakes("upstream: http://127.0.0.1:1/\npolicy: rules.yaml\n")
            #expect(mistakes.contains { $0.hasPrefix(message) || $0.contains("did you mean action?") }, "\(mistakes)")
        }
        try directory.write("rules.yaml", text, mode: 0o666)
        let mistakes = try directory.mistakes("upstream: http://127.0.0.1:1/\npolicy: rules.yaml\n")
        #expect(mistakes == ["mcpgw.yaml:2:9: policy: others can write rules.yaml; chmod go-w rules.yaml"])
    }

    @Test func aReloadReadsTheFileAnew() throws {
        let directory = try ConfigurationDirectory()
        let file = try directory.write("mcpgw.yaml", "upstream: http://127.0.0.1:1/\n")
        let loader = ConfigurationLoader(flags: ["session.ttl": "5m"], file: file, environment: [:])
        #expect(try loader.load().configuration.drainTimeout == 30_000_000_000)
        try directory.write("mcpgw.yaml", "upstream: http://127.0.0.1:1/\ndrain_timeout: 9s\nsession: {ttl: 1h}\n")
        let configuration = try loader.load().configuration
        #expect(configuration.drainTimeout == 9_000_000_000 && configuration.sessions.idle == 300_000_000_000)
    }
}
