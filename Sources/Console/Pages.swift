import Link
import PollLoop
import Roles
import Sandbox
import StrictJSON
import Telemetry

/// The pages of the console.
extension Console {
    /// The answer for a path. `/status` is for the control socket alone.
    func answer(_ path: String, isControl: Bool) -> Answer {
        guard let table = readTable() else { return Answer(status: 503, body: "no state yet\n") }
        switch path {
        case "/healthz": return Answer(body: "ok\n")
        case "/readyz": return readiness(table)
        case "/metrics": return Answer(type: "text/plain; version=0.0.4; charset=utf-8", body: metrics(table))
        case "/status" where isControl: return Answer(type: "application/json", body: status(table))
        default: return Answer(status: 404, body: "served here: /healthz, /readyz, /metrics\n")
        }
    }

    /// 200 if every worker runs, every listener is served and a route reaches its upstream, else 503; a line each. One dead route among several
    /// degrades the gateway, it does not stop it.
    private func readiness(_ table: ProcessTable) -> Answer {
        var lines: [String] = []
        var ready = table.ready && !table.draining
        var reachable = 0
        for worker in table.workers {
            let name = worker.role == .route ? "route \(worker.name)" : worker.role.name
            lines.append("worker \(name): \(worker.state.name)")
        }
        for (index, route) in table.routes.enumerated() {
            let state = routeState(index, table)
            reachable += state == "up" ? 1 : 0
            lines.append("upstream \(route.name): \(state)")
        }
        if reachable == 0 { ready = false }
        for listener in table.listeners where !listener.served { lines.append("listener \(listener.name): not served") }
        if table.draining { lines.append("draining") }
        return Answer(
            status: ready ? 200 : 503, body: (ready ? "ready\n" : "not ready\n") + lines.map { $0 + "\n" }.joined())
    }

    /// What came of a reload, for `mcpgw reload`.
    func reloadAnswer(_ result: ReloadResultMessage) -> Answer {
        var json = JSONWriter()
        json.object { json in
            json.member("done", result.isDone)
            json.member("generation", result.generation)
            json.member("text", result.text)
            json.array("warnings", result.warnings) { json, line in json.string(line) }
        }
        return Answer(type: "application/json", body: json.text)
    }

    // MARK: Status

    private func status(_ table: ProcessTable) -> String {
        var json = JSONWriter()
        json.object { json in
            json.member("version", Version.text)
            json.member("generation", table.generation)
            json.member("pid", UInt64(max(0, table.supervisor)))
            json.member("ready", table.ready)
            json.member("draining", table.draining)
            json.member("uptime_seconds", (PollLoop.now() &- table.startedAt) / 1_000_000_000)
            json.array("workers", table.workers) { json, worker in writeWorker(worker, &json) }
            json.array("routes", Array(table.routes.enumerated())) { json, route in
                json.object { json in
                    json.member("name", route.element.name)
                    json.member("upstream", route.element.upstream)
                    json.member("state", routeState(route.offset, table))
                }
            }
            json.array("listeners", table.listeners) { json, listener in
                json.object { json in
                    json.member("name", listener.name)
                    json.member("address", listener.address)
                    json.member("served", listener.served)
                }
            }
            json.array("degraded", degradations(table)) { json, line in json.string(line) }
            json.member("reloads") { json in
                json.object { json in
                    json.member("loaded_at", table.reloads.loadedAt)
                    json.member("failures", table.reloads.failures)
                    json.member("last_failure_at", table.reloads.lastFailureAt)
                    json.member("last_failure", table.reloads.lastFailure)
                }
            }
        }
        return json.text
    }

    private func writeWorker(_ worker: ProcessTable.Worker, _ json: inout JSONWriter) {
        json.object { json in
            json.member("role", worker.role.name)
            json.member("name", worker.name)
            json.member("pid", UInt64(max(0, worker.pid)))
            json.member("state", worker.state.name)
            json.member("restarts", worker.restarts)
            json.member("last_exit", worker.lastExit)
            if let report = ConfinementReport(decoding: worker.confinement, from: worker.role) {
                json.member("confinement") { json in
                    json.object { json in
                        json.member("enforced", UInt64(report.enforced))
                        json.member("promised", UInt64(report.promised))
                        json.array("missing", report.missing) { json, item in
                            json.string("\(item.facility.name): \(item.why)")
                        }
                    }
                }
            }
            json.member("note", worker.role.hasWork ? "" : "accepts no work in this version")
        }
    }

    private func degradations(_ table: ProcessTable) -> [String] {
        var lines = table.degraded
        for (index, route) in table.routes.enumerated() where routeState(index, table) == "unreachable" {
            lines.append("route \(route.name): the upstream \(route.upstream) cannot be reached")
        }
        for worker in table.workers where worker.role == .route && value(.toolsMissing, of: worker) != 0 {
            lines.append("route \(worker.name): its tools were left out of the last list")
        }
        for worker in table.workers where worker.role == .recorder && value(.recordsStopped, of: worker) != 0 {
            lines.append("recorder: the audit log cannot be written; see the daemon's log")
        }
        for worker in table.workers {
            guard let report = ConfinementReport(decoding: worker.confinement, from: worker.role),
                !report.missing.isEmpty
            else {
                continue
            }
            lines.append("\(worker.name): confined by \(report.enforced) of \(report.promised) facilities")
        }
        return lines
    }

    // MARK: Metrics

    /// The Prometheus text format 0.0.4.
    private func metrics(_ table: ProcessTable) -> String {
        var page = MetricsPage()
        page.family("mcpgw_worker_up", "gauge", "Whether the worker runs.")
        for worker in table.workers { page.sample(labels(worker), worker.state == .running ? 1 : 0) }
        page.family("mcpgw_worker_restarts_total", "counter", "Starts of the worker after its first.")
        for worker in table.workers { page.sample(labels(worker), worker.restarts) }
        page.family("mcpgw_confinement_enforced", "gauge", "Facilities that confine the worker, of those promised.")
        for worker in table.workers {
            guard let report = ConfinementReport(decoding: worker.confinement, from: worker.role) else { continue }
            page.sample(labels(worker), UInt64(report.enforced))
        }
        page.family("mcpgw_confinement_promised", "gauge", "Facilities that should confine the worker.")
        for worker in table.workers {
            guard let report = ConfinementReport(decoding: worker.confinement, from: worker.role) else { continue }
            page.sample(labels(worker), UInt64(report.promised))
        }
        page.family("mcpgw_upstream_up", "gauge", "Whether the route's upstream could be reached when last tried.")
        for (index, route) in table.routes.enumerated() {
            page.sample([("route", route.name)], routeState(index, table) == "up" ? 1 : 0)
        }
        page.family("mcpgw_generation", "gauge", "The configuration that serves: 1 at the start, more after reloads.")
        page.sample([], table.generation)
        page.family("mcpgw_reload_failures_total", "counter", "Reloads that left the old configuration in force.")
        page.sample([], table.reloads.failures)
        page.family("mcpgw_policy_loaded", "gauge", "Whether a policy decides; 0 means every message passes.")
        page.sample([], generation.hasPolicy ? 1 : 0)
        writeMessageMetrics(table, to: &page)
        page.family("mcpgw_http_requests_total", "counter", "Client exchanges by HTTP method.")
        for worker in table.workers where worker.role == .ingress {
            page.sample([("http_method", "POST")], value(.requestsPost, of: worker))
            page.sample([("http_method", "GET")], value(.requestsGet, of: worker))
            page.sample([("http_method", "DELETE")], value(.requestsDelete, of: worker))
        }
        for row in MetricsPage.perWorker {
            page.family(row.name, row.counter.isGauge ? "gauge" : "counter", row.help)
            for worker in table.workers where row.roles.contains(worker.role) {
                page.sample(labels(worker), value(row.counter, of: worker))
            }
        }
        return page.text
    }

    private func labels(_ worker: ProcessTable.Worker) -> [(String, String)] {
        [("role", worker.role.name), ("name", worker.name)]
    }
}

extension Role {
    /// Whether the role does anything yet.
    fileprivate var hasWork: Bool { self != .launcher }
}
