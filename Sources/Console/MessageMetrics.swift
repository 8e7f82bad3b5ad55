import MCP
import Telemetry

/// What the routes count of their messages: by method and outcome, by rule, and how long answers take.
extension Console {
    func writeMessageMetrics(_ table: ProcessTable, to page: inout MetricsPage) {
        let routes = table.workers.filter { $0.role == .route }
        page.family("mcpgw_requests_total", "counter", "Messages of clients by method and what became of them.")
        for worker in routes {
            for method in Method.allCases {
                for action in MessageAction.allCases {
                    let count = value(MessageCounters.slot(method: method.rawValue, action), of: worker)
                    guard count > 0 else { continue }
                    let name = method == .other ? "other" : "\(method.name)"
                    page.sample([("method", name), ("action", action.name), ("route", worker.name)], count)
                }
            }
        }
        page.family("mcpgw_rule_decisions_total", "counter", "Messages that a rule of the policy decided.")
        for worker in routes {
            for (index, rule) in generation.rules.enumerated() {
                let count = value(MessageCounters.slot(rule: index), of: worker)
                if count > 0 { page.sample([("rule", rule), ("route", worker.name)], count) }
            }
            let others = value(MessageCounters.slot(rule: MessageCounters.ruleLimit), of: worker)
            if others > 0 { page.sample([("rule", "(others)"), ("route", worker.name)], others) }
        }
        page.family("mcpgw_request_duration_seconds", "histogram", "Time from a request to its answer.")
        for worker in routes {
            // Without a trap: the numbers are what another process wrote.
            var count: UInt64 = 0
            for (index, bound) in MessageCounters.durationBounds.enumerated() {
                count &+= value(MessageCounters.slot(bucket: index), of: worker)
                page.bucket([("route", worker.name), ("le", MetricsPage.seconds(bound))], count)
            }
            count &+= value(MessageCounters.slot(bucket: MessageCounters.durationBounds.count), of: worker)
            page.bucket([("route", worker.name), ("le", "+Inf")], count)
            page.sum([("route", worker.name)], value(MessageCounters.durationSumSlot, of: worker), count)
        }
    }

    /// A slot of a worker's segment; 0 where the segment could not be read.
    private func value(_ slot: Int, of worker: ProcessTable.Worker) -> UInt64 {
        counters[WorkerKey(role: worker.role.rawValue, index: worker.index)]?[slot] ?? 0
    }
}
