import StrictJSON

/// The member names a place of a message has a meaning for: at most 64.
protocol ProtocolName: RawRepresentable, CaseIterable where RawValue == UInt8 {
    /// The member of exactly this name.
    static func named(_ name: Span<UInt8>) -> Self?
    /// The name.
    var text: StaticString { get }
}

/// A set of names of one place: one bit for each raw value.
struct ProtocolNames<Name: ProtocolName>: Sendable {
    private(set) var bits: UInt64 = 0

    init(_ names: Name...) {
        for name in names { bits |= 1 &<< UInt64(name.rawValue) }
    }

    init(bits: UInt64) { self.bits = bits }

    /// The name that this one may be taken for.
    ///
    /// - Parameter name: unescaped UTF-8, none of the names itself.
    func resembling(_ name: Span<UInt8>) -> Name? {
        for index in name.indices where !(0x21...0x7E ~= name[index]) { return match(FoldedName(name)) }
        // All visible ASCII: nothing but case can differ.
        var rest = bits
        while rest != 0 {
            let lowest = UInt8(truncatingIfNeeded: rest.trailingZeroBitCount)
            rest &= rest &- 1
            if let known = Name(rawValue: lowest), name.isEqualIgnoringCase(to: known.text.span) { return known }
        }
        return nil
    }

    /// The first name that a folded one stands for.
    func match(_ folded: FoldedName) -> Name? {
        var rest = bits
        while rest != 0 {
            let lowest = UInt8(truncatingIfNeeded: rest.trailingZeroBitCount)
            rest &= rest &- 1
            if let name = Name(rawValue: lowest), folded.stands(for: name.text.span) { return name }
        }
        return nil
    }
}

/// The members of a message (JSON-RPC 2.0, 4 and 5).
enum EnvelopeName: UInt8, ProtocolName {
    case jsonrpc, id, method, params, result, error

    /// Every one of them.
    static var all: ProtocolNames<EnvelopeName> { ProtocolNames(bits: 0b11_1111) }

    static func named(_ name: Span<UInt8>) -> EnvelopeName? {
        switch name.count {
        case 2: name.isEqual(to: "id") ? .id : nil
        case 5: name.isEqual(to: "error") ? .error : nil
        case 6:
            name.isEqual(to: "method")
                ? .method : name.isEqual(to: "params") ? .params : name.isEqual(to: "result") ? .result : nil
        case 7: name.isEqual(to: "jsonrpc") ? .jsonrpc : nil
        default: nil
        }
    }

    var text: StaticString {
        switch self {
        case .jsonrpc: "jsonrpc"
        case .id: "id"
        case .method: "method"
        case .params: "params"
        case .result: "result"
        case .error: "error"
        }
    }
}

/// The members of `_meta` that the protocol reserves.
enum MetaName: UInt8, ProtocolName {
    case progressToken, protocolVersion, clientInfo, clientCapabilities, logLevel, subscriptionId, serverInfo,
        relatedTask
    // Trace context. No rule of the gateway hangs on these, so that their variants pass.
    case traceparent, tracestate, baggage

    /// Those whose variants are refused.
    static var guarded: ProtocolNames<MetaName> { ProtocolNames(bits: 0b1111_1111) }

    static func named(_ name: Span<UInt8>) -> MetaName? {
        if name.count > 24 {
            guard name.hasPrefix("io.modelcontextprotocol/") else { return nil }
            let rest = name.extracting(droppingFirst: 24)
            switch rest.count {
            case 8: return rest.isEqual(to: "logLevel") ? .logLevel : nil
            case 10:
                return rest.isEqual(to: "clientInfo") ? .clientInfo : rest.isEqual(to: "serverInfo") ? .serverInfo : nil
            case 12: return rest.isEqual(to: "related-task") ? .relatedTask : nil
            case 14: return rest.isEqual(to: "subscriptionId") ? .subscriptionId : nil
            case 15: return rest.isEqual(to: "protocolVersion") ? .protocolVersion : nil
            case 18: return rest.isEqual(to: "clientCapabilities") ? .clientCapabilities : nil
            default: return nil
            }
        }
        switch name.count {
        case 7: return name.isEqual(to: "baggage") ? .baggage : nil
        case 10: return name.isEqual(to: "tracestate") ? .tracestate : nil
        case 11: return name.isEqual(to: "traceparent") ? .traceparent : nil
        case 13: return name.isEqual(to: "progressToken") ? .progressToken : nil
        default: return nil
        }
    }

    var text: StaticString {
        switch self {
        case .progressToken: "progressToken"
        case .protocolVersion: "io.modelcontextprotocol/protocolVersion"
        case .clientInfo: "io.modelcontextprotocol/clientInfo"
        case .clientCapabilities: "io.modelcontextprotocol/clientCapabilities"
        case .logLevel: "io.modelcontextprotocol/logLevel"
        case .subscriptionId: "io.modelcontextprotocol/subscriptionId"
        case .serverInfo: "io.modelcontextprotocol/serverInfo"
        case .relatedTask: "io.modelcontextprotocol/related-task"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .baggage: "baggage"
        }
    }
}

/// The members of a result that the gateway reads.
enum ResultName: UInt8, ProtocolName {
    case meta, protocolVersion, capabilities, resultType

    static func named(_ name: Span<UInt8>) -> ResultName? {
        switch name.count {
        case 5: name.isEqual(to: "_meta") ? .meta : nil
        case 10: name.isEqual(to: "resultType") ? .resultType : nil
        case 12: name.isEqual(to: "capabilities") ? .capabilities : nil
        case 15: name.isEqual(to: "protocolVersion") ? .protocolVersion : nil
        default: nil
        }
    }

    var text: StaticString {
        switch self {
        case .meta: "_meta"
        case .protocolVersion: "protocolVersion"
        case .capabilities: "capabilities"
        case .resultType: "resultType"
        }
    }
}

extension Method {
    /// The members of `params` that any revision defines for it.
    var parameters: ProtocolNames<ParameterName> {
        switch self {
        case .initialize: ProtocolNames(.meta, .capabilities, .clientInfo, .protocolVersion)
        case .toolsList, .promptsList, .resourcesList, .resourceTemplatesList, .tasksList: ProtocolNames(.meta, .cursor)
        case .toolsCall: ProtocolNames(.meta, .name, .arguments, .task, .inputResponses, .requestState)
        case .promptsGet: ProtocolNames(.meta, .name, .arguments, .inputResponses, .requestState)
        case .resourcesRead: ProtocolNames(.meta, .uri, .inputResponses, .requestState)
        case .resourcesSubscribe, .resourcesUnsubscribe, .resourceUpdated: ProtocolNames(.meta, .uri)
        case .completionComplete: ProtocolNames(.meta, .argument, .context, .ref)
        case .loggingSetLevel: ProtocolNames(.meta, .level)
        case .subscriptionsListen, .subscriptionsAcknowledged: ProtocolNames(.meta, .notifications)
        case .tasksGet, .tasksResult, .tasksCancel: ProtocolNames(.meta, .taskId)
        case .tasksUpdate: ProtocolNames(.meta, .taskId, .inputResponses)
        case .samplingCreateMessage:
            ProtocolNames(
                .meta, .includeContext, .maxTokens, .messages, .metadata, .modelPreferences, .stopSequences,
                .systemPrompt, .task, .temperature, .toolChoice, .tools)
        case .elicitationCreate: ProtocolNames(.meta, .elicitationId, .message, .mode, .requestedSchema, .task, .url)
        case .elicitationCompleted: ProtocolNames(.meta, .elicitationId)
        case .cancelled: ProtocolNames(.meta, .reason, .requestId)
        case .progress: ProtocolNames(.meta, .message, .progress, .progressToken, .total)
        case .logMessage: ProtocolNames(.meta, .data, .level, .logger)
        case .taskStatus, .taskUpdated:
            ProtocolNames(
                .meta, .taskId, .status, .statusMessage, .createdAt, .lastUpdatedAt, .ttl, .ttlMs, .pollInterval,
                .pollIntervalMs, .inputRequests, .result, .error)
        case .ping, .discover, .rootsList, .initialized, .resourcesListChanged, .toolsListChanged, .promptsListChanged,
            .rootsListChanged, .other:
            ProtocolNames(.meta)
        }
    }
}

/// Which protocol member a name is: exactly, or nil for a name of the sender's own.
///
/// - Parameter guarded: the names that no other may resemble.
/// - Throws: `GatewayError.notAMessage` for a name that looks like a guarded one to some readers and not to others.
@inline(__always)
func recognise<Name: ProtocolName>(
    _ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
    guarded: @autoclosure () -> ProtocolNames<Name>
) throws(GatewayError) -> Name? {
    if !tape.isEscaped(node), let name = Name.named(bytes.extracting(tape.contentRange(node))) { return name }
    return try recogniseSlowly(node, tape, bytes, guarded: guarded())
}

@inline(never)
private func recogniseSlowly<Name: ProtocolName>(
    _ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, guarded: ProtocolNames<Name>
) throws(GatewayError) -> Name? {
    guard tape.isEscaped(node) else {
        guard guarded.bits != 0 else { return nil }
        try refuseVariant(bytes.extracting(tape.contentRange(node)), of: guarded)
        return nil
    }
    var unescaped: [UInt8] = []
    tape.appendString(node, in: bytes, to: &unescaped)
    if let name = Name.named(unescaped.span) { return name }
    try refuseVariant(unescaped.span, of: guarded)
    return nil
}

private func refuseVariant<Name: ProtocolName>(
    _ name: Span<UInt8>, of guarded: ProtocolNames<Name>
) throws(GatewayError) {
    if let original = guarded.resembling(name) {
        throw .notAMessage(
            #"a member's name differs from "\#(original.text)" in case, width or invisible characters only"#)
    }
}
