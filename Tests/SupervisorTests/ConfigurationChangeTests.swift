import Configuration
import Testing

@testable import Supervisor

@Suite struct ConfigurationChangeTests {
    private func change(_ edit: (inout Configuration) throws -> Void) throws -> ConfigurationChange {
        let old = try configuration(routes: 2)
        var new = old
        try edit(&new)
        return ConfigurationChange(from: old, to: new)
    }

    @Test func whatWasBoundOrOwnedAtTheStartCannotChange() throws {
        let edits: [(String, (inout Configuration) throws -> Void)] = [
            ("listen", { $0.listen = ListenAddress(host: "127.0.0.1", port: 1) }),
            ("metrics.addr", { $0.metricsAddress = ListenAddress(host: "127.0.0.1", port: 1) }),
            ("user", { $0.user = "other" }),
            ("state_dir", { $0.stateDirectory = "/other" }),
            ("runtime_dir", { $0.runtimeDirectory = "/other" }),
            ("sandbox", { $0.strictSandbox.toggle() }),
            ("audit_log", { $0.audit.file = "/other/log" }),
            ("audit.signing_key", { $0.audit.signingKey = [1] }),
            ("session", { $0.sessions.idle += 1 }),
            ("the routes' names", { $0.routes.removeLast() }),
            ("the routes' names", { $0.routes[1].name = "other" }),
            ("the routes' names", { $0.routes.reverse() }),
            (
                "upstream of route route1",
                {
                    $0.routes[1].upstream = try UpstreamURL(parsing: "http://127.0.0.1:1/mcp", source: "test")
                }
            ),
        ]
        for (name, edit) in edits {
            let found = try change(edit)
            let refusal = try #require(found.refusal, "\(name)")
            #expect(refusal.contains(name) && refusal.contains("restart"), "\(refusal)")
        }
    }

    @Test func theRestIsTakenOverAndNamed() throws {
        let edits: [(String, (inout Configuration) throws -> Void)] = [
            ("policy", { $0.policy = PolicyFile(model: .allowAll, path: "/p", hash: "1") }),
            ("transport", { $0.limits.requestTimeout += 1 }),
            ("supervision", { $0.supervision.crashLimit += 1 }),
            ("drain_timeout", { $0.drainTimeout += 1 }),
            ("audit", { $0.audit.sync += 1 }),
            ("denials", { $0.denials = .error }),
            ("routing.routes", { $0.routes[0].matchTools = ["x*"] }),
            ("rate_limit", { $0.rateLimit = RateLimit(milliRate: 1, burst: 1) }),
        ]
        for (name, edit) in edits {
            let found = try change(edit)
            #expect(found.refusal == nil, "\(name)")
            #expect(found.changed == [name])
        }
    }

    @Test func nothingChangedIsSaid() throws {
        let found = try change { _ in }
        #expect(found.summary == "nothing changed")
    }

    /// An option that nobody thought of here must not be lost.
    @Test func whatTheTableDoesNotKnowIsAChangeAllTheSame() throws {
        let found = try change { $0.stateIsRequired.toggle() }
        #expect(found.refusal == nil && found.changed == ["configuration"])
    }
}
