import StrictJSON

extension MessageSummary {
    /// Reads `params`, every member once.
    mutating func readParams(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) throws(GatewayError) {
        guard tape.kind(node) != .null else { return }
        guard tape.kind(node) == .object else { throw .notAMessage("params are an object") }
        params = node
        let method = method
        let nameParameter = method.nameParameter
        for (name, value) in tape.members(of: node) {
            guard let parameter = try recognise(name, tape, bytes, guarded: method.parameters) else { continue }
            if parameter == nameParameter {
                guard tape.kind(value) == .string else { throw .invalidParams("params.\(parameter.text) is a string") }
                nameNode = value
                continue
            }
            switch parameter {
            case .meta:
                meta = try members(value, of: "params._meta", tape)
            case .progressToken where method == .progress:
                progressSubject = try token(value, "params.progressToken", tape)
            case .requestId where method == .cancelled:
                cancelledRequest = try token(value, "params.requestId", tape)
            case .protocolVersion where method == .initialize:
                guard tape.kind(value) == .string else { throw .invalidParams("params.protocolVersion is a string") }
                initializeVersion = value
            case .capabilities where method == .initialize:
                guard tape.kind(value) == .object else { throw .invalidParams("params.capabilities is an object") }
                capabilities = value
            default: break
            }
        }
        if let meta { try readMeta(meta, tape, bytes) }
    }

    private mutating func readMeta(
        _ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) {
        for (name, value) in tape.members(of: node) {
            switch try recognise(name, tape, bytes, guarded: MetaName.guarded) {
            case .progressToken:
                progressToken = try token(value, "_meta.progressToken", tape)
            case .protocolVersion:
                guard tape.kind(value) == .string else {
                    throw .invalidParams("_meta io.modelcontextprotocol/protocolVersion is a string")
                }
                versionNode = value
                revision = ProtocolRevision(value, tape, bytes)
            case .clientCapabilities:
                guard tape.kind(value) == .object else {
                    throw .invalidParams("_meta io.modelcontextprotocol/clientCapabilities is an object")
                }
                clientCapabilities = value
            case .subscriptionId:
                subscription = try token(value, "_meta io.modelcontextprotocol/subscriptionId", tape)
            case .clientInfo, .logLevel, .serverInfo, .relatedTask, .traceparent, .tracestate, .baggage, nil: break
            }
        }
    }

    /// Reads what the gateway needs of a result; results without such members pass as they are.
    mutating func readResult(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) throws(GatewayError) {
        guard tape.kind(node) == .object else { return }
        for (name, value) in tape.members(of: node) {
            switch try recognise(name, tape, bytes, guarded: ProtocolNames<ResultName>(bits: 0)) {
            case .meta: try readResultMeta(value, tape, bytes)
            case .protocolVersion: if tape.kind(value) == .string { initializeVersion = value }
            case .capabilities: if tape.kind(value) == .object { capabilities = value }
            case .resultType: if tape.kind(value) == .string { resultType = value }
            case nil: break
            }
        }
    }

    private mutating func readResultMeta(
        _ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) {
        guard let node = try members(node, of: "result._meta", tape) else { return }
        for (name, value) in tape.members(of: node) {
            guard try recognise(name, tape, bytes, guarded: MetaName.guarded) == .subscriptionId else { continue }
            subscription = try token(value, "_meta io.modelcontextprotocol/subscriptionId", tape)
        }
    }

    /// An object that may be null, which means the same to every reader as its absence.
    private func members(_ node: JSONNode, of name: StaticString, _ tape: borrowing JSONTape) throws(GatewayError)
        -> JSONNode?
    {
        switch tape.kind(node) {
        case .object: return node
        case .null: return nil
        default: throw .invalidParams("\(name) is an object")
        }
    }

    private func token(_ node: JSONNode, _ name: StaticString, _ tape: borrowing JSONTape) throws(GatewayError)
        -> Range<Int>
    {
        guard let range = identifier(node, tape) else {
            throw .invalidParams("\(name) is a string or an integer of at most 1024 bytes")
        }
        return range
    }
}

extension Method {
    /// The method a string of a message names.
    static func of(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> Method {
        guard tape.isEscaped(node) else { return named(bytes.extracting(tape.contentRange(node))) }
        var name: [UInt8] = []
        tape.appendString(node, in: bytes, to: &name)
        return named(name.span)
    }
}

extension ProtocolRevision {
    /// The revision a string of a message names; nil for an unknown one.
    public init?(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) {
        guard tape.kind(node) == .string else { return nil }
        guard tape.isEscaped(node) else {
            self.init(bytes.extracting(tape.contentRange(node)))
            return
        }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        self.init(text.span)
    }
}
