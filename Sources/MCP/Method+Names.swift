extension Method {
    /// The method of this name; ``other`` for a name that no revision defines.
    ///
    /// - Parameter name: unescaped UTF-8.
    public static func named(_ name: Span<UInt8>) -> Method {
        switch name.count {
        case 4:
            if name.isEqual(to: "ping") { return .ping }
        case 9:
            if name.isEqual(to: "tasks/get") { return .tasksGet }
        case 10:
            if name.isEqual(to: "initialize") { return .initialize }
            if name.isEqual(to: "tools/list") { return .toolsList }
            if name.isEqual(to: "tools/call") { return .toolsCall }
            if name.isEqual(to: "tasks/list") { return .tasksList }
            if name.isEqual(to: "roots/list") { return .rootsList }
        case 11:
            if name.isEqual(to: "prompts/get") { return .promptsGet }
        case 12:
            if name.isEqual(to: "prompts/list") { return .promptsList }
            if name.isEqual(to: "tasks/result") { return .tasksResult }
            if name.isEqual(to: "tasks/cancel") { return .tasksCancel }
            if name.isEqual(to: "tasks/update") { return .tasksUpdate }
        case 14:
            if name.isEqual(to: "resources/list") { return .resourcesList }
            if name.isEqual(to: "resources/read") { return .resourcesRead }
        case 15:
            if name.isEqual(to: "server/discover") { return .discover }
        case 16:
            if name.isEqual(to: "logging/setLevel") { return .loggingSetLevel }
        case 18:
            if name.isEqual(to: "elicitation/create") { return .elicitationCreate }
        case 19:
            if name.isEqual(to: "resources/subscribe") { return .resourcesSubscribe }
            if name.isEqual(to: "completion/complete") { return .completionComplete }
            if name.isEqual(to: "notifications/tasks") { return .taskUpdated }
        case 20:
            if name.isEqual(to: "subscriptions/listen") { return .subscriptionsListen }
        case 21:
            if name.isEqual(to: "resources/unsubscribe") { return .resourcesUnsubscribe }
            if name.isEqual(to: "notifications/message") { return .logMessage }
        case 22:
            if name.isEqual(to: "sampling/createMessage") { return .samplingCreateMessage }
            if name.isEqual(to: "notifications/progress") { return .progress }
        case 23:
            if name.isEqual(to: "notifications/cancelled") { return .cancelled }
        case 24:
            if name.isEqual(to: "resources/templates/list") { return .resourceTemplatesList }
        case 25:
            if name.isEqual(to: "notifications/initialized") { return .initialized }
        case 26:
            if name.isEqual(to: "notifications/tasks/status") { return .taskStatus }
        case 31:
            if name.isEqual(to: "notifications/resources/updated") { return .resourceUpdated }
        case 32:
            if name.isEqual(to: "notifications/tools/list_changed") { return .toolsListChanged }
            if name.isEqual(to: "notifications/roots/list_changed") { return .rootsListChanged }
        case 34:
            if name.isEqual(to: "notifications/prompts/list_changed") { return .promptsListChanged }
            if name.isEqual(to: "notifications/elicitation/complete") { return .elicitationCompleted }
        case 36:
            if name.isEqual(to: "notifications/resources/list_changed") { return .resourcesListChanged }
        case 40:
            if name.isEqual(to: "notifications/subscriptions/acknowledged") { return .subscriptionsAcknowledged }
        default: break
        }
        return .other
    }

    /// The name as it stands in messages; empty for ``other``.
    public var name: StaticString {
        switch self {
        case .initialize: "initialize"
        case .ping: "ping"
        case .discover: "server/discover"
        case .toolsList: "tools/list"
        case .toolsCall: "tools/call"
        case .promptsList: "prompts/list"
        case .promptsGet: "prompts/get"
        case .resourcesList: "resources/list"
        case .resourceTemplatesList: "resources/templates/list"
        case .resourcesRead: "resources/read"
        case .resourcesSubscribe: "resources/subscribe"
        case .resourcesUnsubscribe: "resources/unsubscribe"
        case .completionComplete: "completion/complete"
        case .loggingSetLevel: "logging/setLevel"
        case .subscriptionsListen: "subscriptions/listen"
        case .tasksGet: "tasks/get"
        case .tasksList: "tasks/list"
        case .tasksResult: "tasks/result"
        case .tasksCancel: "tasks/cancel"
        case .tasksUpdate: "tasks/update"
        case .rootsList: "roots/list"
        case .samplingCreateMessage: "sampling/createMessage"
        case .elicitationCreate: "elicitation/create"
        case .cancelled: "notifications/cancelled"
        case .progress: "notifications/progress"
        case .initialized: "notifications/initialized"
        case .logMessage: "notifications/message"
        case .resourceUpdated: "notifications/resources/updated"
        case .resourcesListChanged: "notifications/resources/list_changed"
        case .toolsListChanged: "notifications/tools/list_changed"
        case .promptsListChanged: "notifications/prompts/list_changed"
        case .rootsListChanged: "notifications/roots/list_changed"
        case .elicitationCompleted: "notifications/elicitation/complete"
        case .taskStatus: "notifications/tasks/status"
        case .taskUpdated: "notifications/tasks"
        case .subscriptionsAcknowledged: "notifications/subscriptions/acknowledged"
        case .other: ""
        }
    }
}
