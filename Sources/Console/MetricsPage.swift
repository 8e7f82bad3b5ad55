import Roles
import Telemetry

/// Builds a page in the Prometheus text exposition format 0.0.4.
struct MetricsPage {
    /// A counter that is shown once for each worker of some roles.
    struct Row {
        let name: String
        let counter: Counter
        let roles: [Role]
        let help: String
    }

    /// Counters that mean the same in every worker that keeps them.
    static let perWorker: [Row] = [
        Row(
            name: "mcpgw_exchanges_answered_total", counter: .answered, roles: [.ingress, .route],
            help: "Exchanges answered."),
        Row(
            name: "mcpgw_exchanges_failed_total", counter: .failed, roles: [.ingress, .route],
            help: "Exchanges ended by an error of the gateway because of the upstream or its worker."),
        Row(
            name: "mcpgw_requests_refused_total", counter: .refused, roles: [.ingress],
            help: "Requests refused before they reached a route."),
        Row(
            name: "mcpgw_requests_unauthenticated_total", counter: .unauthenticated, roles: [.ingress],
            help: "Requests refused because they showed no valid credential."),
        Row(
            name: "mcpgw_messages_rate_limited_total", counter: .rateLimited, roles: [.ingress],
            help: "Messages refused because their subject had used up its limit."),
        Row(
            name: "mcpgw_connections_total", counter: .connections, roles: [.ingress],
            help: "Client connections accepted."),
        Row(
            name: "mcpgw_connections_open", counter: .openConnections, roles: [.ingress],
            help: "Client connections open."),
        Row(
            name: "mcpgw_exchanges_in_flight", counter: .inFlight, roles: [.ingress, .route],
            help: "Exchanges in flight."),
        Row(
            name: "mcpgw_request_bytes_total", counter: .requestBytes, roles: [.ingress],
            help: "Bytes of request bodies."),
        Row(name: "mcpgw_reply_bytes_total", counter: .replyBytes, roles: [.ingress], help: "Bytes of answers."),
        Row(
            name: "mcpgw_upstream_connections_total", counter: .upstreamConnections, roles: [.route],
            help: "Connections opened to the upstream."),
        Row(
            name: "mcpgw_upstream_errors_total", counter: .upstreamErrors, roles: [.route],
            help: "Failures of the upstream: unreachable, broken off, unreadable."),
        Row(name: "mcpgw_dials_total", counter: .dials, roles: [.route, .dialer], help: "Connections asked for."),
        Row(
            name: "mcpgw_dial_failures_total", counter: .dialFailures, roles: [.route, .dialer],
            help: "Connections that could not be opened."),
        Row(
            name: "mcpgw_condemnations_total", counter: .condemnations, roles: [.ingress, .route, .dialer],
            help: "Peers reported for breaking the link protocol."),
        Row(
            name: "mcpgw_active_sessions", counter: .activeSessions, roles: [.ingress],
            help: "Sessions of legacy clients that are alive."),
        Row(
            name: "mcpgw_sessions_refused_total", counter: .sessionsRefused, roles: [.ingress],
            help: "Requests that named a session which is none, not theirs, or over."),
        Row(
            name: "mcpgw_sessions_reopened_total", counter: .reopenedSessions, roles: [.route],
            help: "Sessions opened again with an upstream that had lost them."),
        Row(
            name: "mcpgw_messages_dropped_total", counter: .droppedMessages, roles: [.route],
            help: "Messages that belong to no request of one client, and were not handed on."),
        Row(
            name: "mcpgw_requests_repeated_total", counter: .repeatedRequests, roles: [.route],
            help: "Requests sent again because a kept connection had ended."),
        Row(
            name: "mcpgw_messages_denied_total", counter: .denied, roles: [.route],
            help: "Messages and answers that policy did not let pass."),
        Row(
            name: "mcpgw_list_items_withheld_total", counter: .withheldItems, roles: [.route],
            help: "Items taken out of lists because the caller may not use them."),
        Row(
            name: "mcpgw_tools_missing", counter: .toolsMissing, roles: [.route],
            help: "Whether the route's tools were left out of the last list, because its upstream did not give them."),
        Row(
            name: "mcpgw_tool_lists_incomplete_total", counter: .incompleteLists, roles: [.ingress],
            help: "Lists of tools that were put together without those of some route."),
        Row(
            name: "mcpgw_audit_records_total", counter: .recordsCommitted, roles: [.ingress, .route],
            help: "Records committed."),
        Row(
            name: "mcpgw_audit_ring_full_total", counter: .recordsRefused, roles: [.ingress, .route],
            help: "Records there was no room for: the ring is full, or the disk."),
        Row(
            name: "mcpgw_audit_lines_total", counter: .recordsWritten, roles: [.recorder],
            help: "Lines written to the audit log."),
        Row(
            name: "mcpgw_audit_blocks_synced_total", counter: .blocksSynced, roles: [.recorder],
            help: "Denials that are on disk."),
        Row(
            name: "mcpgw_audit_log_errors_total", counter: .recordErrors, roles: [.recorder],
            help: "Failures to write, sync, rotate or remove the audit log."),
        Row(
            name: "mcpgw_audit_producers_condemned_total", counter: .producersCondemned, roles: [.recorder],
            help: "Workers restarted because what they committed was no record."),
        Row(
            name: "mcpgw_audit_backlog_bytes", counter: .recordBacklog, roles: [.recorder],
            help: "Bytes committed and not written, as of a second ago."),
        Row(
            name: "mcpgw_audit_stopped", counter: .recordsStopped, roles: [.recorder],
            help: "1 while only denials are recorded because the disk is full."),
        Row(
            name: "mcpgw_heap_bytes", counter: .heapBytes, roles: [.ingress, .route],
            help: "Bytes of the worker's heap in use, as of two seconds ago at most."),
    ]

    private(set) var text = ""
    private var name = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        self.name = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ labels: [(String, String)], _ value: UInt64) { sample("", labels, "\(value)") }

    /// One bucket of a histogram.
    mutating func bucket(_ labels: [(String, String)], _ value: UInt64) { sample("_bucket", labels, "\(value)") }

    /// What a histogram's values add up to, in nanoseconds, and how many they are.
    mutating func sum(_ labels: [(String, String)], _ nanoseconds: UInt64, _ count: UInt64) {
        sample("_sum", labels, MetricsPage.seconds(nanoseconds))
        sample("_count", labels, "\(count)")
    }

    /// Nanoseconds as seconds, exactly.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        guard rest > 0 else { return "\(whole)" }
        var digits = String(rest)
        digits = String(repeating: "0", count: 9 - digits.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(whole).\(digits)"
    }

    private mutating func sample(_ suffix: String, _ labels: [(String, String)], _ value: String) {
        text += name + suffix
        if !labels.isEmpty {
            text += "{" + labels.map { "\($0.0)=\"\(MetricsPage.escape($0.1))\"" }.joined(separator: ",") + "}"
        }
        text += " \(value)\n"
    }

    private static func escape(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
