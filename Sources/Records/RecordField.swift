/// What a record can say. The raw value is the member's name in the line (DESIGN 10); a member that is not here condemns whoever wrote it.
///
/// `seq`, `prev`, `route`, `src` and `sig` are the recorder's alone.
public enum RecordField: String, CaseIterable, Sendable {
    /// When it happened: RFC 3339, UTC, microseconds. First in every line.
    case timestamp
    /// What the record is of: a `RecordKind`.
    case kind
    /// `c2s` or `s2c`.
    case direction
    /// The JSON-RPC method.
    case method
    /// The JSON-RPC id, as spelt.
    case id
    /// The tool, by the upstream's name.
    case toolName = "tool_name"
    /// The tool, by the name that clients see, where that is another.
    case toolAlias = "tool_alias"
    /// The arguments of the call.
    case toolArguments = "tool_args"
    /// The resource's URI.
    case resource
    /// The prompt's name.
    case prompt
    /// `allow`, `block`, `audit` or `redact`.
    case action
    /// Why, for people.
    case reason
    /// The rule that decided.
    case rule
    /// The mode in which it decided: `enforce` or `audit`.
    case mode
    /// Who asked.
    case subject
    /// How that was established.
    case auth
    /// The subject's roles.
    case roles
    /// The subject's tenant.
    case tenant
    /// The session.
    case session
    /// The gateway's id of the exchange.
    case requestID = "request_id"
    /// The protocol revision.
    case revision
    /// The server behind.
    case upstream
    /// Labels of the subject, by which rules match.
    case labels
    /// Labels that are only the client's own word: they make rules deny and none allow.
    case claimedLabels = "claimed_labels"
    /// Labels of the route, by which no rule matches.
    case routeLabels = "route_labels"
    /// Bytes of the message.
    case size
    /// The HTTP status that was answered.
    case status
    /// Where the client connected.
    case listener
    /// For how many equal events the record stands.
    case count
    /// What kind of threat was found.
    case threatType = "threat_type"
    /// How sure that is, 0 to 1.
    case threatScore = "threat_score"
    /// What was found.
    case threatDetails = "threat_details"
    /// The trace that the request belongs to.
    case traceID = "trace_id"
    /// The hash of the policy that decided.
    case policyHash = "policy_hash"
    /// How long the exchange took, in milliseconds.
    case durationMS = "duration_ms"
    /// The values that do not stand here whole: name, bytes, SHA-256.
    case cut
    /// What a checkpoint, tombstone or recovery says; the recorder's alone.
    case detail

    /// Whether a producer may write it.
    public var isProducers: Bool { self != .detail }
}

/// What a record is of (DESIGN 10).
public enum RecordKind: String, CaseIterable, Sendable {
    /// A message with an id, towards whoever is to answer it.
    case request
    /// Its answer.
    case response
    /// A message that nobody answers.
    case notification
    /// What the gateway did not take.
    case refusal
    /// A forwarded request whose worker ended before the answer. The recorder's.
    case aborted
    /// The log was mended, or its writing stopped or went on. The recorder's.
    case recovery
    /// A signed head of the chain. The recorder's.
    case checkpoint
    /// The signed end of a file that was removed. The recorder's.
    case tombstone

    /// The word in records.
    var word: StaticString {
        switch self {
        case .request: "request"
        case .response: "response"
        case .notification: "notification"
        case .refusal: "refusal"
        case .aborted: "aborted"
        case .recovery: "recovery"
        case .checkpoint: "checkpoint"
        case .tombstone: "tombstone"
        }
    }

    /// Whether a producer may write it.
    public var isProducers: Bool {
        switch self {
        case .request, .response, .notification, .refusal: true
        case .aborted, .recovery, .checkpoint, .tombstone: false
        }
    }
}

/// Which way a message went.
public enum RecordDirection: String, Sendable {
    /// From the client to the server.
    case clientToServer = "c2s"
    /// From the server to the client.
    case serverToClient = "s2c"

    /// The word in records.
    var word: StaticString { self == .clientToServer ? "c2s" : "s2c" }
}

/// Takes secrets out of what is recorded, before it is cut.
public protocol RecordRedaction {
    /// Changes a value; nothing is done to it if the answer is false. A JSON value must stay one.
    func redact(_ field: RecordField, _ value: inout [UInt8]) -> Bool
}
