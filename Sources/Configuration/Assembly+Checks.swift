import Glibc
import NormalForms
import Policy
import YAML

extension Assembly {
    /// Fills in what depends on several options, and checks what lies between them.
    mutating func complete(needsUpstream: Bool) {
        completeDirectories()
        completeRoutes(needsUpstream)
        completeAuthentication()
        completeRateLimit()
        checkListeners()
        checkTimes()
        checkRest()
        readPolicy()
    }

    mutating func completeDirectories() {
        let variables = environment
        let directories = DefaultDirectories(user: user) { name in variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        let state = directories.state(named: draft.stateDirectory)
        draft.stateDirectory = state.path
        draft.runtimeDirectory = draft.runtimeDirectory ?? directories.runtime
        draft.auditLog = draft.auditLog ?? directories.auditLog(state: state.isNamed ? state.path : nil)
        draft.configuration.stateDirectory = state.path
        draft.configuration.stateIsRequired = state.isNamed
        draft.configuration.runtimeDirectory = draft.runtimeDirectory ?? directories.runtime
        draft.configuration.audit.file = draft.auditLog
    }

    private mutating func completeRoutes(_ needsUpstream: Bool) {
        for index in draft.routes.indices where draft.routes[index].name.isEmpty {
            draft.routes[index].name = "route-\(index + 1)"
        }
        var routes = draft.routes
        let hasRoutes = settings["routing.routes"] != nil
        if routes.count > Assembly.routeLimit {
            complain(["routing.routes"], "more than \(Assembly.routeLimit) routes; each is a process of its own")
        }
        if let last = routes.firstIndex(where: { $0.matchTools.contains("*") }) {
            for route in routes[(last + 1)...] {
                warnings.append(
                    "routing.routes: \(route.name) is never reached: \(routes[last].name) before it matches every tool")
            }
            if draft.upstream != nil {
                warnings.append(
                    "upstream: \(routes[last].name) in routing.routes matches every tool; upstream is not used")
            }
        } else if let upstream = draft.upstream {
            routes.append(Configuration.Route(name: Assembly.defaultRoute, upstream: upstream))
        }
        var names: Set<String> = []
        for route in routes where !names.insert(route.name).inserted {
            let hint = route.name == Assembly.defaultRoute ? " ('default' is the one that upstream: makes)" : ""
            complain(["routing.routes"], "two routes are named '\(route.name)'\(hint); give one of them another name")
        }
        if routes.isEmpty, settings["upstream"] == nil, !hasRoutes {
            let message = "no MCP server is named; write for example"
            if needsUpstream {
                complain(["upstream"], "\(message) --upstream http://127.0.0.1:8080/mcp")
            } else {
                warnings.append("upstream: \(message) upstream: http://127.0.0.1:8080/mcp, or give --upstream at start")
            }
        }
        draft.configuration.routes = routes
    }

    private mutating func completeAuthentication() {
        let paths = ConfigurationOption.all.map(\.path).filter { $0.hasPrefix("auth.") && settings[$0] != nil }
        let isAsked = !paths.isEmpty
        let hasTokens = paths.contains { $0.hasPrefix("auth.jwt.") || $0.hasPrefix("auth.oauth.") }
        draft.configuration.authentication.isRequired = isAsked
        if draft.isAuthenticationRequired == false {
            complain(
                ["auth.required"],
                "false lets everybody in whom auth: is to keep out; remove the whole auth: section to serve without credentials"
            )
        }
        let keys = draft.configuration.authentication.keys
        if isAsked, settings["auth.api_keys"] == nil, !hasTokens {
            complain(paths, "nobody could authenticate; add auth.api_keys")
        }
        var digests: [[UInt8]: String] = [:]
        for key in keys {
            if let other = digests.updateValue(key.name, forKey: key.digest) {
                complain(
                    ["auth.api_keys"], "\(quoted(other)) and \(quoted(key.name)) have the same key; give each its own")
            }
            if key.expiry > 0, key.expiry <= UInt64(max(0, time(nil))) {
                warnings.append(
                    "auth.api_keys: the key of \(quoted(key.name)) ended on \(PointInTime.text(key.expiry))")
            }
        }
    }

    private mutating func completeRateLimit() {
        guard let rate = draft.milliRate else {
            if draft.burst != nil, settings["rate_limit.requests_per_second"] == nil {
                complain(
                    ["rate_limit.burst"], "a burst without rate_limit.requests_per_second limits nothing; add that")
            }
            return
        }
        let burst = draft.burst ?? Int(min(1_000_000_000, max(1, (rate + 999) / 1000)))
        draft.burst = burst
        draft.configuration.rateLimit = RateLimit(milliRate: rate, burst: UInt32(burst))
    }

    private mutating func checkListeners() {
        let configuration = draft.configuration
        if !configuration.listen.isLoopback, !configuration.authentication.isRequired {
            complain(
                ["listen"],
                "\(configuration.listen) can be reached from other hosts, and nobody is asked for a credential; add auth.api_keys,"
                    + " or listen on 127.0.0.1 or [::1]")
        }
        if !configuration.metricsAddress.isLoopback, configuration.metricsKeyDigest == nil,
            settings["metrics.api_key"] == nil
        {
            complain(
                ["metrics.addr"],
                "\(configuration.metricsAddress) can be reached from other hosts, and nobody is asked for a credential; add metrics.api_key,"
                    + " or listen on 127.0.0.1 or [::1]")
        }
    }

    private mutating func checkTimes() {
        let sessions = draft.configuration.sessions
        if sessions.idle > sessions.lifetime {
            let idle = DurationText.text(sessions.idle)
            let lifetime = DurationText.text(sessions.lifetime)
            complain(
                ["session.lifetime", "session.ttl"],
                "a session may not be idle (session.ttl, \(idle)) for longer than it may live (session.lifetime, \(lifetime))"
            )
        }
        let supervision = draft.configuration.supervision
        if supervision.backoffMaximum < supervision.backoffMinimum {
            complain(
                ["supervision.backoff_max", "supervision.backoff_min"],
                "'\(DurationText.text(supervision.backoffMaximum))', the longest wait, is shorter than the first"
                    + " (supervision.backoff_min, \(DurationText.text(supervision.backoffMinimum)))")
        }
        if supervision.pingTimeout <= supervision.pingInterval {
            complain(
                ["supervision.ping_timeout", "supervision.ping_interval"],
                "'\(DurationText.text(supervision.pingTimeout))' of silence is not longer than the ping interval"
                    + " (\(DurationText.text(supervision.pingInterval)))")
        }
    }

    private mutating func checkRest() {
        let audit = draft.configuration.audit
        if audit.labelClaims.count > Assembly.labelLimit {
            complain(["audit.label_claims"], "more than \(Assembly.labelLimit) labels")
        }
        if audit.signingKey.count > RecorderGeneration.signingKeyLimit {
            complain(["audit.signing_key"], "the key has more than \(RecorderGeneration.signingKeyLimit) bytes")
        } else if (1..<16).contains(audit.signingKey.count) {
            warnings.append(
                "audit.signing_key: a key of \(audit.signingKey.count) bytes could be guessed; 32 or more are wanted")
        }
        if let file = draft.auditLog, file.hasSuffix("/") { complain(["audit_log"], "'\(file)' names no file") }
        if let endpoint = draft.telemetryEndpoint, endpoint.contains(":4317") {
            warnings.append(
                "telemetry.otlp_endpoint: port 4317 is for gRPC; mcpgw speaks OTLP over HTTP, usually on port 4318")
        }
    }

    /// Reads the policy. Expressions that RE2 refuses are among its mistakes.
    private mutating func readPolicy() {
        guard let path = draft.policy, let setting = settings["policy"] else { return }
        let content: ProtectedFile
        let library: UnicodeLibrary
        do {
            content = try ProtectedFile(path, user: user)
            library = try UnicodeLibrary.load()
        } catch let refusal as ProtectedFile.Refusal {
            errors.append(setting.error(refusal.message))
            return
        } catch {
            errors.append(setting.error("a policy cannot be read: \(error)"))
            return
        }
        let reading = PolicyModel.read(content.bytes, library)
        errors += reading.errors.map {
            ConfigurationError(path, line: $0.position.line, column: $0.position.column, $0.message)
        }
        warnings += reading.warnings.map { $0.description(file: path) }
        guard let model = reading.policy else { return }
        do {
            draft.configuration.policy = PolicyFile(
                model: model, path: path, hash: hexadecimal(try sha256(content.bytes)))
        } catch {
            errors.append(setting.error("the policy cannot be hashed: \(error.reason)"))
        }
    }

    /// Routes at most.
    private static let routeLimit = 64
    /// Labels from claims and headers at most.
    private static let labelLimit = 16
    /// The name of the route that `upstream` makes.
    private static let defaultRoute = "default"
}
