/// The members of `params` that some revision defines for some method.
enum ParameterName: UInt8, CaseIterable, ProtocolName {
    case meta, arguments, name, task, taskId, reason, requestId, argument, ref, context, includeContext, maxTokens,
        messages, metadata, modelPreferences, stopSequences, systemPrompt, temperature, toolChoice, tools,
        requestedSchema, message, elicitationId, mode, url, capabilities, clientInfo, protocolVersion, cursor, data,
        level, logger, progress, progressToken, total, uri, createdAt, lastUpdatedAt, pollInterval, pollIntervalMs,
        status, statusMessage, ttl, ttlMs, inputRequests, inputResponses, requestState, notifications, result, error

    static func named(_ name: Span<UInt8>) -> ParameterName? {
        switch name.count {
        case 3:
            if name.isEqual(to: "ref") { return .ref }
            if name.isEqual(to: "url") { return .url }
            if name.isEqual(to: "uri") { return .uri }
            if name.isEqual(to: "ttl") { return .ttl }
        case 4:
            if name.isEqual(to: "name") { return .name }
            if name.isEqual(to: "task") { return .task }
            if name.isEqual(to: "mode") { return .mode }
            if name.isEqual(to: "data") { return .data }
        case 5:
            if name.isEqual(to: "_meta") { return .meta }
            if name.isEqual(to: "tools") { return .tools }
            if name.isEqual(to: "level") { return .level }
            if name.isEqual(to: "total") { return .total }
            if name.isEqual(to: "ttlMs") { return .ttlMs }
            if name.isEqual(to: "error") { return .error }
        case 6:
            if name.isEqual(to: "taskId") { return .taskId }
            if name.isEqual(to: "reason") { return .reason }
            if name.isEqual(to: "cursor") { return .cursor }
            if name.isEqual(to: "logger") { return .logger }
            if name.isEqual(to: "status") { return .status }
            if name.isEqual(to: "result") { return .result }
        case 7:
            if name.isEqual(to: "context") { return .context }
            if name.isEqual(to: "message") { return .message }
        case 8:
            if name.isEqual(to: "argument") { return .argument }
            if name.isEqual(to: "messages") { return .messages }
            if name.isEqual(to: "metadata") { return .metadata }
            if name.isEqual(to: "progress") { return .progress }
        case 9:
            if name.isEqual(to: "arguments") { return .arguments }
            if name.isEqual(to: "requestId") { return .requestId }
            if name.isEqual(to: "maxTokens") { return .maxTokens }
            if name.isEqual(to: "createdAt") { return .createdAt }
        case 10:
            if name.isEqual(to: "toolChoice") { return .toolChoice }
            if name.isEqual(to: "clientInfo") { return .clientInfo }
        case 11:
            if name.isEqual(to: "temperature") { return .temperature }
        case 12:
            if name.isEqual(to: "systemPrompt") { return .systemPrompt }
            if name.isEqual(to: "capabilities") { return .capabilities }
            if name.isEqual(to: "pollInterval") { return .pollInterval }
            if name.isEqual(to: "requestState") { return .requestState }
        case 13:
            if name.isEqual(to: "stopSequences") { return .stopSequences }
            if name.isEqual(to: "elicitationId") { return .elicitationId }
            if name.isEqual(to: "progressToken") { return .progressToken }
            if name.isEqual(to: "lastUpdatedAt") { return .lastUpdatedAt }
            if name.isEqual(to: "statusMessage") { return .statusMessage }
            if name.isEqual(to: "inputRequests") { return .inputRequests }
            if name.isEqual(to: "notifications") { return .notifications }
        case 14:
            if name.isEqual(to: "includeContext") { return .includeContext }
            if name.isEqual(to: "pollIntervalMs") { return .pollIntervalMs }
            if name.isEqual(to: "inputResponses") { return .inputResponses }
        case 15:
            if name.isEqual(to: "requestedSchema") { return .requestedSchema }
            if name.isEqual(to: "protocolVersion") { return .protocolVersion }
        case 16:
            if name.isEqual(to: "modelPreferences") { return .modelPreferences }
        default: break
        }
        return nil
    }

    var text: StaticString {
        switch self {
        case .meta: "_meta"
        case .arguments: "arguments"
        case .name: "name"
        case .task: "task"
        case .taskId: "taskId"
        case .reason: "reason"
        case .requestId: "requestId"
        case .argument: "argument"
        case .ref: "ref"
        case .context: "context"
        case .includeContext: "includeContext"
        case .maxTokens: "maxTokens"
        case .messages: "messages"
        case .metadata: "metadata"
        case .modelPreferences: "modelPreferences"
        case .stopSequences: "stopSequences"
        case .systemPrompt: "systemPrompt"
        case .temperature: "temperature"
        case .toolChoice: "toolChoice"
        case .tools: "tools"
        case .requestedSchema: "requestedSchema"
        case .message: "message"
        case .elicitationId: "elicitationId"
        case .mode: "mode"
        case .url: "url"
        case .capabilities: "capabilities"
        case .clientInfo: "clientInfo"
        case .protocolVersion: "protocolVersion"
        case .cursor: "cursor"
        case .data: "data"
        case .level: "level"
        case .logger: "logger"
        case .progress: "progress"
        case .progressToken: "progressToken"
        case .total: "total"
        case .uri: "uri"
        case .createdAt: "createdAt"
        case .lastUpdatedAt: "lastUpdatedAt"
        case .pollInterval: "pollInterval"
        case .pollIntervalMs: "pollIntervalMs"
        case .status: "status"
        case .statusMessage: "statusMessage"
        case .ttl: "ttl"
        case .ttlMs: "ttlMs"
        case .inputRequests: "inputRequests"
        case .inputResponses: "inputResponses"
        case .requestState: "requestState"
        case .notifications: "notifications"
        case .result: "result"
        case .error: "error"
        }
    }
}
