extension RecordField {
    /// A bit of its own.
    var bit: UInt64 {
        switch self {
        case .timestamp: 0
        case .kind: 1
        case .direction: 2
        case .method: 3
        case .id: 4
        case .toolName: 5
        case .toolAlias: 6
        case .toolArguments: 7
        case .resource: 8
        case .prompt: 9
        case .action: 10
        case .reason: 11
        case .rule: 12
        case .mode: 13
        case .subject: 14
        case .auth: 15
        case .roles: 16
        case .tenant: 17
        case .session: 18
        case .requestID: 19
        case .revision: 20
        case .upstream: 21
        case .labels: 22
        case .size: 23
        case .status: 24
        case .listener: 25
        case .count: 26
        case .threatType: 27
        case .threatScore: 28
        case .threatDetails: 29
        case .traceID: 30
        case .policyHash: 31
        case .durationMS: 32
        case .cut: 33
        case .detail: 34
        case .claimedLabels: 35
        case .routeLabels: 36
        }
    }

    /// The member's name.
    var name: StaticString {
        switch self {
        case .timestamp: "timestamp"
        case .kind: "kind"
        case .direction: "direction"
        case .method: "method"
        case .id: "id"
        case .toolName: "tool_name"
        case .toolAlias: "tool_alias"
        case .toolArguments: "tool_args"
        case .resource: "resource"
        case .prompt: "prompt"
        case .action: "action"
        case .reason: "reason"
        case .rule: "rule"
        case .mode: "mode"
        case .subject: "subject"
        case .auth: "auth"
        case .roles: "roles"
        case .tenant: "tenant"
        case .session: "session"
        case .requestID: "request_id"
        case .revision: "revision"
        case .upstream: "upstream"
        case .labels: "labels"
        case .claimedLabels: "claimed_labels"
        case .routeLabels: "route_labels"
        case .size: "size"
        case .status: "status"
        case .listener: "listener"
        case .count: "count"
        case .threatType: "threat_type"
        case .threatScore: "threat_score"
        case .threatDetails: "threat_details"
        case .traceID: "trace_id"
        case .policyHash: "policy_hash"
        case .durationMS: "duration_ms"
        case .cut: "cut"
        case .detail: "detail"
        }
    }

    /// The member's name as it stands in a line, with the colon.
    var prefix: StaticString {
        switch self {
        case .timestamp: "\"timestamp\":"
        case .kind: "\"kind\":"
        case .direction: "\"direction\":"
        case .method: "\"method\":"
        case .id: "\"id\":"
        case .toolName: "\"tool_name\":"
        case .toolAlias: "\"tool_alias\":"
        case .toolArguments: "\"tool_args\":"
        case .resource: "\"resource\":"
        case .prompt: "\"prompt\":"
        case .action: "\"action\":"
        case .reason: "\"reason\":"
        case .rule: "\"rule\":"
        case .mode: "\"mode\":"
        case .subject: "\"subject\":"
        case .auth: "\"auth\":"
        case .roles: "\"roles\":"
        case .tenant: "\"tenant\":"
        case .session: "\"session\":"
        case .requestID: "\"request_id\":"
        case .revision: "\"revision\":"
        case .upstream: "\"upstream\":"
        case .labels: "\"labels\":"
        case .claimedLabels: "\"claimed_labels\":"
        case .routeLabels: "\"route_labels\":"
        case .size: "\"size\":"
        case .status: "\"status\":"
        case .listener: "\"listener\":"
        case .count: "\"count\":"
        case .threatType: "\"threat_type\":"
        case .threatScore: "\"threat_score\":"
        case .threatDetails: "\"threat_details\":"
        case .traceID: "\"trace_id\":"
        case .policyHash: "\"policy_hash\":"
        case .durationMS: "\"duration_ms\":"
        case .cut: "\"cut\":"
        case .detail: "\"detail\":"
        }
    }
}
