import Testing

@testable import Configuration

/// What lies between options, and the structured ones.
@Suite struct SettingRulesTests {
    private let key = "0123456789abcdef"
    private let digest = String(repeating: "0aF9", count: 16)

    private func mistakes(_ yaml: String) throws -> [String] {
        try ConfigurationDirectory().mistakes("upstream: http://127.0.0.1:1/\n" + yaml)
    }

    @Test func aKeyIsKeptAsItsDigest() throws {
        let yaml = """
            auth:
              api_keys:
                - {name: one, key: \(key), roles: [a, b], tenant: t, labels: {x: y}, expires: 2099-12-31T23:59:59Z}
                - {name: two, hash: "sha256:\(digest)"}
            """
        let authentication = try ConfigurationDirectory().configuration(yaml).authentication
        #expect(authentication.isRequired)
        #expect(
            authentication.keys[0]
                == Authentication.APIKey(
                    name: "one", digest: try sha256(Array(key.utf8)), roles: ["a", "b"], tenant: "t",
                    labels: [Authentication.Label(name: "x", value: "y")], expiry: 4_102_444_799))
        #expect(authentication.keys[1].digest == (0..<16).flatMap { _ in [0x0a, 0xf9] as [UInt8] })
        #expect(authentication.keys[1].expiry == 0)
    }

    @Test(arguments: [
        ("{name: a}", "either key: or hash:"), ("{key: 0123456789abcdef}", "a key has a name"),
        ("{name: a, key: 0123456789abcde}", "15 bytes"), ("{name: a, key: ''}", "is empty"),
        ("{name: a, hash: md5:00}", "mcpgw keys hash"), ("{name: a, hash: 'sha256:00'}", "mcpgw keys hash"),
        ("{name: a, key: two words for one key}", "visible ASCII"),
        ("{name: a, key: 0123456789abcdé}", "visible ASCII"),
        ("{name: a, key: 0123456789abcdef, hash: x}", "not both"), ("{name: a, kye: x}", "did you mean key?"),
        ("{name: \"a\\nb\", key: 0123456789abcdef}", "control"),
        ("{name: \"a\\u200bb\", key: 0123456789abcdef}", "invisible"),
        ("{name: a, key: 0123456789abcdef, expires: tomorrow}", "RFC 3339"),
        ("{name: a, key: 0123456789abcdef, roles: []}", "empty list"),
        ("{name: a, key: 0123456789abcdef, labels: [x]}", "mapping"),
        ("{name: a, key: 0123456789abcdef, labels: {'a b': x}}", "label"),
        ("{name: a, key: 0123456789abcdef}, {name: b, key: 0123456789abcdef}", "the same key"),
    ])
    func aKeyThatIsNoneIsNamed(element: String, message: String) throws {
        let mistakes = try mistakes("auth: {api_keys: [\(element)]}")
        #expect(
            mistakes.contains {
                $0.hasPrefix("mcpgw.yaml:2:")
                    && ($0.contains(message) || message == "RFC 3339" && $0.contains("2027-01-31T23:59:59Z"))
            }, "\(mistakes)")
        #expect(!mistakes.joined().contains("0123456789abcde"))
    }

    @Test(arguments: [
        ("auth: {required: true}", "nobody could authenticate"), ("auth: {required: false}", "lets everybody in"),
        ("auth: {required: false, api_keys: [{name: a, key: 0123456789abcdef}]}", "lets everybody in"),
        ("listen: ':9090'", "add auth.api_keys"), ("listen: 192.0.2.1:9090", "add auth.api_keys"),
        ("metrics: {addr: '0.0.0.0:9091'}", "add metrics.api_key"),
        ("session: {ttl: 48h}", "session.lifetime"), ("session: {ttl: 2h, lifetime: 1h}", "session.ttl, 2h"),
        ("supervision: {backoff_min: 1m}", "shorter than the first"),
        ("supervision: {ping_interval: 5s}", "not longer than the ping interval"),
        ("rate_limit: {burst: 5}", "requests_per_second"),
        ("rate_limit: {requests_per_second: 0}", "a number from 0.001"),
        ("rate_limit: {requests_per_second: 1.2345}", "three places"), ("audit_log: logs/", "names no file"),
    ])
    func whatDoesNotGoTogetherIsNamed(yaml: String, message: String) throws {
        let mistakes = try mistakes(yaml)
        #expect(mistakes.count >= 1 && mistakes.allSatisfy { $0.hasPrefix("mcpgw.yaml:2:") }, "\(mistakes)")
        #expect(mistakes.contains { $0.contains(message) }, "\(mistakes)")
    }

    @Test func withCredentialsEveryAddressMayBeListenedOn() throws {
        let configuration = try ConfigurationDirectory().configuration(
            "listen: ':9090'\nauth: {api_keys: [{name: a, key: \(key)}]}")
        #expect(configuration.listen.description == "0.0.0.0:9090")
    }

    @Test(arguments: [
        ("0.5", nil, 500, 1), ("100", 20, 100_000, 20), ("2.5", nil, 2500, 3),
        ("1000000000", nil, 1_000_000_000_000, 1_000_000_000),
    ])
    func aRateHasABurst(rate: String, burst: Int?, milliRate: UInt64, expected: UInt32) throws {
        let tail = burst.map { ", burst: \($0)" } ?? ""
        let limit = try ConfigurationDirectory().configuration("rate_limit: {requests_per_second: \(rate)\(tail)}")
            .rateLimit
        #expect(limit == RateLimit(milliRate: milliRate, burst: expected))
    }

    @Test func routesHaveNamesAndTheUpstreamServesTheRest() throws {
        let route = "{match_tools: [a*], upstream: 'http://127.0.0.1:2/'}"
        let directory = try ConfigurationDirectory()
        let open = try directory.configuration("routing: {routes: [\(route)]}")
        #expect(open.routes.map(\.name) == ["route-1", "default"] && open.routes.map(\.matchTools) == [["a*"], ["*"]])
        let closed = try directory.read(
            "upstream: http://127.0.0.1:1/\nrouting: {routes: [{name: all, match_tools: ['*'], upstream: 'http://127.0.0.1:3/', labels: {a: b}}, \(route)]}"
        )
        #expect(closed.configuration?.routes.map(\.name) == ["all", "route-2"])
        #expect(closed.configuration?.routes[0].labels == [Authentication.Label(name: "a", value: "b")])
        #expect(closed.warnings.count == 2 && closed.warnings.allSatisfy { $0.contains("matches every tool") })
        let alone = try directory.read("routing: {routes: [\(route)]}")
        #expect(alone.configuration?.routes.map(\.name) == ["route-1"])
    }

    @Test(arguments: [
        ("{match_tools: [a]}", "has an upstream"), ("{upstream: 'http://127.0.0.1:2/'}", "has match_tools"),
        ("{match_tools: [], upstream: 'http://127.0.0.1:2/'}", "empty list"),
        ("{match_tools: [a], upstream: 'x'}", "not a URL"),
        ("{name: 'a b', match_tools: [a], upstream: 'http://127.0.0.1:2/'}", "a route's name"),
        ("{name: default, match_tools: [a], upstream: 'http://127.0.0.1:2/'}", "two routes are named 'default'"),
        ("{match_tool: [a], match_tools: [a], upstream: 'http://127.0.0.1:2/'}", "did you mean match_tools?"),
        ("{prefix: a, match_tools: [a], upstream: 'http://127.0.0.1:2/'}", "prefix is not supported"), ("x", "mapping"),
    ])
    func aRouteThatIsNoneIsNamed(element: String, message: String) throws {
        let mistakes = try mistakes("routing: {routes: [\(element)]}")
        #expect(mistakes.contains { $0.hasPrefix("mcpgw.yaml:2:") && $0.contains(message) }, "\(mistakes)")
    }

    @Test(arguments: ["[", "{a: b", "- x", "5"])
    func aStructureOnTheCommandLineIsReadAsYAML(text: String) throws {
        let reading = try ConfigurationDirectory().read(flags: ["routing.routes": text])
        #expect(reading.errors.contains { $0.source == "--routing-routes" && $0.line != nil }, "\(reading.errors)")
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:01Z", 1), ("2000-02-29T12:00:00Z", 951_825_600),
            ("2027-01-31T23:59:59+01:00", 1_801_436_399),
            ("2027-01-31t23:59:59.25z", 1_801_439_999), ("2100-03-01T00:00:00-00:30", 4_107_544_200),
        ] as [(String, UInt64)])
    func timesAreRead(text: String, seconds: UInt64) {
        #expect(PointInTime.seconds(text) == seconds)
        #expect(PointInTime.seconds(PointInTime.text(seconds)) == seconds)
    }

    @Test(arguments: [
        "", "2027-01-31", "2027-02-29T00:00:00Z", "2027-13-01T00:00:00Z", "2027-00-01T00:00:00Z",
        "2027-01-31T24:00:00Z",
        "2027-01-31T23:59:59", "2027-01-31T23:59:59+1:00", "1969-12-31T23:59:59Z", "2027-01-31T23:59:59.Z",
        "2027-01-31T23:59:59ZZ",
        "2100-02-29T00:00:00Z", "２027-01-31T00:00:00Z", "2027-01-31T23:60:00Z",
    ])
    func whatIsNoTimeIsNot(text: String) { #expect(PointInTime.seconds(text) == nil) }

    @Test func everyDaySurvivesWritingAndReading() {
        for day in stride(from: UInt64(0), to: 60_000, by: 1) {
            let seconds = day * 86_400 + day % 86_400
            #expect(PointInTime.seconds(PointInTime.text(seconds)) == seconds)
        }
    }

    @Test(
        arguments: [("0", 0), ("1KiB", 1024), ("16 MiB", 16 << 20), ("3GiB", 3 << 30), ("007", 7)] as [(String, UInt64)]
    )
    func sizesAreRead(text: String, bytes: UInt64) {
        #expect(SizeText.bytes(text) == bytes)
        #expect(SizeText.bytes(SizeText.text(bytes)) == bytes)
    }

    @Test(arguments: ["", "KiB", "1kb", "1KB", "1.5MiB", "-1", "1  KiB", "18446744073709551615KiB", "٥"])
    func whatIsNoSizeIsNot(text: String) { #expect(SizeText.bytes(text) == nil) }
}
