import StrictJSON

/// What the gateway must know of a JSON-RPC message to carry it: found in the checked tape, as nodes of it and ranges
/// into the bytes. Making one allocates nothing unless a member name is written with escapes.
public struct MessageSummary: Equatable, Sendable {
    /// Exactly one of these is every message (JSON-RPC 2.0, 4 and 5).
    public enum Kind: Equatable, Sendable {
        /// Has a method and an id.
        case request
        /// Has a method and no id.
        case notification
        /// Has a result or an error.
        case response
    }

    /// Bytes an id or a progress token may have as spelt.
    public static let maxIdentifierLength = 1024

    /// What it is.
    public internal(set) var kind = Kind.request
    /// Where the id stands as spelt, quotes included; nil in notifications and in a server's answer to a message whose
    /// id it could not read.
    public internal(set) var id: Range<Int>?
    /// The method; `other` in responses, too.
    public internal(set) var method = Method.other
    /// The method's name; nil in responses.
    public internal(set) var methodNode: JSONNode?
    /// The object `params`; nil when it is absent or null.
    public internal(set) var params: JSONNode?
    /// The object `params._meta`; nil when it is absent or null.
    public internal(set) var meta: JSONNode?
    /// The string `io.modelcontextprotocol/protocolVersion` in `params._meta`.
    public internal(set) var versionNode: JSONNode?
    /// The revision ``versionNode`` names; nil if there is none or the gateway does not know it.
    public internal(set) var revision: ProtocolRevision?
    /// The object `io.modelcontextprotocol/clientCapabilities` in `params._meta`.
    public internal(set) var clientCapabilities: JSONNode?
    /// Where `params._meta.progressToken` stands as spelt.
    public internal(set) var progressToken: Range<Int>?
    /// Where `params.progressToken` of `notifications/progress` stands as spelt.
    public internal(set) var progressSubject: Range<Int>?
    /// Where `params.requestId` of `notifications/cancelled` stands as spelt.
    public internal(set) var cancelledRequest: Range<Int>?
    /// Where `io.modelcontextprotocol/subscriptionId` stands as spelt, in `params._meta` or `result._meta`.
    public internal(set) var subscription: Range<Int>?
    /// The string that `Mcp-Name` mirrors: `params.name`, `params.uri` or `params.taskId`, as the method has it.
    public internal(set) var nameNode: JSONNode?
    /// The result of a response, of whatever kind.
    public internal(set) var result: JSONNode?
    /// The string `resultType` of a result.
    public internal(set) var resultType: JSONNode?
    /// The object `error` of a response.
    public internal(set) var error: JSONNode?
    /// The code of ``error``, if it has an integer one of 64 bits.
    public internal(set) var errorCode: Int64?
    /// The string `protocolVersion` in the `params` of `initialize` or in a result.
    public internal(set) var initializeVersion: JSONNode?
    /// The object `capabilities` in the `params` of `initialize` or in a result.
    public internal(set) var capabilities: JSONNode?

    /// Whether the message names its protocol revision in `params._meta` (2026-07-28 and later).
    public var isModern: Bool { versionNode != nil }

    /// Whether it is an answer that reports an error.
    public var isError: Bool { error != nil }

    /// Classifies one message.
    ///
    /// - Parameters:
    ///   - tape: the tape of the text.
    ///   - bytes: the text.
    ///   - node: the message: the whole text, or an element of a batch.
    ///   - sender: who sent it.
    /// - Throws: `GatewayError.notAMessage` if it is none that may pass, `GatewayError.invalidParams` if a member of
    ///   `params` that the gateway needs has the wrong type.
    public init(
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, at node: JSONNode = .root, from sender: Peer
    ) throws(GatewayError) {
        guard tape.kind(node) == .object else {
            throw .notAMessage(tape.kind(node) == .array ? "batches are not accepted" : "a message is an object")
        }
        var envelope = Envelope()
        try envelope.read(node, tape, bytes)
        guard let version = envelope.jsonrpc, tape.equals(version, "2.0", in: bytes) else {
            throw .notAMessage(#"member "jsonrpc" is not "2.0""#)
        }
        try classify(envelope, tape, sender)
        if let methodNode {
            method = Method.of(methodNode, tape, bytes)
            if let node = envelope.params { try readParams(node, tape, bytes) }
        } else if let result {
            try readResult(result, tape, bytes)
        } else if let error {
            errorCode = tape.member("code", of: error, in: bytes).flatMap { tape.integer($0, in: bytes) }
        }
    }

    /// Classifies a request of the server that stands in an answer (`inputRequests`; MCP 2026-07-28, Multi Round-Trip Requests): it has a method and parameters,
    /// and its answer comes with the next request of the client.
    ///
    /// - Throws: `GatewayError.notAMessage` if it is none, `GatewayError.invalidParams` as above.
    public init(
        inputRequest node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) {
        guard tape.kind(node) == .object else { throw .notAMessage("a request is an object") }
        var envelope = Envelope()
        try envelope.read(node, tape, bytes)
        guard let name = envelope.method, tape.kind(name) == .string, envelope.result == nil, envelope.error == nil
        else {
            throw .notAMessage("a request has a method")
        }
        kind = .request
        methodNode = name
        method = Method.of(name, tape, bytes)
        if let node = envelope.params { try readParams(node, tape, bytes) }
    }

    /// Decides which of the three it is, and checks the members that make it so.
    private mutating func classify(_ envelope: Envelope, _ tape: borrowing JSONTape, _ sender: Peer)
        throws(GatewayError)
    {
        let hasOutcome = envelope.result != nil || envelope.error != nil
        if let node = envelope.id {
            id = identifier(node, tape)
            // A server that could not read a request's id answers with null (JSON-RPC 2.0, 5).
            let isNull = tape.kind(node) == .null && sender == .server && envelope.error != nil
            guard id != nil || isNull else {
                throw .notAMessage("an id is a string or an integer of at most 1024 bytes")
            }
        }
        // JSON-RPC 2.0, 5: never both. Readers differ in which of the two they believe.
        guard envelope.result == nil || envelope.error == nil else {
            throw .notAMessage("an answer is a result or an error, not both")
        }
        if let node = envelope.method {
            guard !hasOutcome else { throw .notAMessage("a message is a call or an answer, not both") }
            guard tape.kind(node) == .string else { throw .notAMessage("a method is a string") }
            methodNode = node
            kind = envelope.id == nil ? .notification : .request
            return
        }
        guard hasOutcome, id != nil || envelope.error != nil && sender == .server else {
            throw .notAMessage("neither a call nor an answer")
        }
        guard envelope.params == nil else { throw .notAMessage("a message is a call or an answer, not both") }
        kind = .response
        result = envelope.result
        if let node = envelope.error {
            guard tape.kind(node) == .object else { throw .notAMessage("an error is an object") }
            error = node
        }
    }
}

/// The members of a message, as they stand.
private struct Envelope {
    var jsonrpc: JSONNode?
    var id: JSONNode?
    var method: JSONNode?
    var params: JSONNode?
    var result: JSONNode?
    var error: JSONNode?

    mutating func read(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) throws(GatewayError) {
        for (name, value) in tape.members(of: node) {
            switch try recognise(name, tape, bytes, guarded: EnvelopeName.all) {
            case .jsonrpc: jsonrpc = value
            case .id: id = value
            case .method: method = value
            case .params: params = value
            case .result: result = value
            case .error: error = value
            case nil: break
            }
        }
    }
}

/// Where an id or token stands; nil if it is neither a string nor an integer, or too long. A lone surrogate could not
/// be given back as it was.
func identifier(_ node: JSONNode, _ tape: borrowing JSONTape) -> Range<Int>? {
    let isText = tape.kind(node) == .string && !tape.hasLoneSurrogate(node)
    guard isText || tape.isInteger(node) else { return nil }
    let range = tape.range(node)
    return range.count <= MessageSummary.maxIdentifierLength ? range : nil
}
