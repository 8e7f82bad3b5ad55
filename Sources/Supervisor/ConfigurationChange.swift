import Configuration

/// What differs between two configurations, and what of it a running daemon cannot take over. Values only.
struct ConfigurationChange {
    /// Options that cannot change while the daemon runs, each with the reason.
    let fixed: [String]
    /// What else changed, as options are named.
    let changed: [String]

    init(from old: Configuration, to new: Configuration) {
        var fixed: [String] = []
        var changed: [String] = []
        func compare<Value: Equatable>(_ name: String, _ path: KeyPath<Configuration, Value>, isFixed: Bool = false) {
            guard old[keyPath: path] != new[keyPath: path] else { return }
            if isFixed { fixed.append(name) } else { changed.append(name) }
        }
        // Bound, owned or handed over once.
        compare("listen", \.listen, isFixed: true)
        compare("metrics.addr", \.metricsAddress, isFixed: true)
        compare("user", \.user, isFixed: true)
        compare("state_dir", \.stateDirectory, isFixed: true)
        compare("runtime_dir", \.runtimeDirectory, isFixed: true)
        compare("sandbox", \.strictSandbox, isFixed: true)
        compare("audit_log", \.audit.file, isFixed: true)
        // The chain's lines are checked with one key.
        compare("audit.signing_key", \.audit.signingKey, isFixed: true)
        // Sessions that are alive were begun under them.
        compare("session", \.sessions, isFixed: true)
        // One worker each, with its own links and connections.
        if old.routes.map(\.name) != new.routes.map(\.name) {
            fixed.append("the routes' names, number or order")
        } else {
            for (before, after) in zip(old.routes, new.routes) where before.upstream != after.upstream {
                fixed.append("the upstream of route \(after.name)")
            }
            compare("routing.routes", \.routes)
        }

        compare("policy", \.policy)
        compare("denials", \.denials)
        compare("disclose_rules", \.disclosesRules)
        compare("auth", \.authentication)
        compare("rate_limit", \.rateLimit)
        compare("metrics.api_key", \.metricsKeyDigest)
        compare("transport", \.limits)
        compare("supervision", \.supervision)
        compare("drain_timeout", \.drainTimeout)
        if old.audit.file == new.audit.file, old.audit.signingKey == new.audit.signingKey { compare("audit", \.audit) }
        self.fixed = fixed
        // Whatever this table does not know is a change all the same.
        if changed.isEmpty, fixed.isEmpty, old != new { changed.append("configuration") }
        self.changed = changed
    }

    /// Why the new configuration cannot be taken over; nil if it can.
    var refusal: String? {
        guard !fixed.isEmpty else { return nil }
        return "\(fixed.joined(separator: ", ")) cannot change while the daemon runs; restart it"
    }

    /// What changed, in words.
    var summary: String { changed.isEmpty ? "nothing changed" : "changed: \(changed.joined(separator: ", "))" }
}
