/// The two ends of an MCP exchange.
public enum Peer: UInt8, CaseIterable, Sendable {
    /// The agent's side.
    case client
    /// The MCP server.
    case server
}

/// The two families of protocol revisions (DESIGN 2).
public enum Era: UInt8, CaseIterable, Sendable {
    /// Up to 2025-11-25: a handshake opens a session.
    case legacy
    /// From 2026-07-28 on: every request carries what it needs.
    case modern
}

/// The methods of every revision from 2024-11-05 to 2026-07-28 and of the tasks extension.
public enum Method: UInt8, CaseIterable, Sendable {
    // Requests.
    case initialize, ping, discover, toolsList, toolsCall, promptsList, promptsGet, resourcesList,
        resourceTemplatesList, resourcesRead, resourcesSubscribe, resourcesUnsubscribe, completionComplete,
        loggingSetLevel, subscriptionsListen, tasksGet, tasksList, tasksResult, tasksCancel, tasksUpdate, rootsList,
        samplingCreateMessage, elicitationCreate
    // Notifications.
    case cancelled, progress, initialized, logMessage, resourceUpdated, resourcesListChanged, toolsListChanged,
        promptsListChanged, rootsListChanged, elicitationCompleted, taskStatus, taskUpdated, subscriptionsAcknowledged
    /// A method of none of these revisions: another extension's, perhaps.
    case other

    /// Whether it is defined as a notification. False for ``other``: that is seen from its id.
    public var isNotification: Bool { rawValue >= Method.cancelled.rawValue && self != .other }

    /// Whether only legacy revisions define it; a modern server answers such a request with -32601.
    public var isLegacyOnly: Bool {
        switch self {
        case .initialize, .initialized, .ping, .loggingSetLevel, .resourcesSubscribe, .resourcesUnsubscribe,
            .tasksList, .tasksResult, .taskStatus, .elicitationCompleted, .rootsListChanged:
            true
        default: false
        }
    }

    /// Whether some revision lets this side send it. In the modern era a server asks for roots, sampling and
    /// elicitation within its results, not by messages of its own.
    public func maySend(_ peer: Peer) -> Bool {
        switch self {
        case .ping, .cancelled, .progress, .tasksGet, .tasksList, .tasksResult, .tasksCancel, .taskStatus, .other:
            true
        case .rootsList, .samplingCreateMessage, .elicitationCreate, .logMessage, .resourceUpdated,
            .resourcesListChanged, .toolsListChanged, .promptsListChanged, .elicitationCompleted, .taskUpdated,
            .subscriptionsAcknowledged:
            peer == .server
        case .initialize, .discover, .toolsList, .toolsCall, .promptsList, .promptsGet, .resourcesList,
            .resourceTemplatesList, .resourcesRead, .resourcesSubscribe, .resourcesUnsubscribe, .completionComplete,
            .loggingSetLevel, .subscriptionsListen, .tasksUpdate, .initialized, .rootsListChanged:
            peer == .client
        }
    }

    /// Whether it does no harm to send such a request a second time when it is not known whether the first one arrived.
    public var isSafeToRepeat: Bool {
        switch self {
        case .ping, .discover, .toolsList, .promptsList, .promptsGet, .resourcesList, .resourceTemplatesList,
            .resourcesRead, .completionComplete, .tasksGet, .tasksList, .rootsList:
            true
        default: false
        }
    }

    /// The member of `params` that `Mcp-Name` mirrors (2026-07-28, Standard Request Headers; tasks extension, Routing
    /// Headers).
    var nameParameter: ParameterName? {
        switch self {
        case .toolsCall, .promptsGet: .name
        case .resourcesRead: .uri
        case .tasksGet, .tasksUpdate, .tasksCancel: .taskId
        default: nil
        }
    }

    /// Whether the revision itself, not an extension, demands `Mcp-Name`.
    var requiresNameHeader: Bool {
        switch self {
        case .toolsCall, .promptsGet, .resourcesRead: true
        default: false
        }
    }
}
