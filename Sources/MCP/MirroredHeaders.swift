import StrictJSON

/// The headers of a client's POST that say again what its body says (MCP 2026-07-28, Streamable HTTP, Request
/// Metadata). Ranges into one span of bytes, without the white space around the values.
public struct MirroredHeaders: Equatable, Sendable {
    /// One of them.
    public enum Field: UInt8, CaseIterable, Sendable {
        /// The revision; mirrors `params._meta`.
        case protocolVersion
        /// Mirrors `method`.
        case method
        /// Mirrors `params.name`, `params.uri` or `params.taskId`.
        case name
        /// Mirrors an argument.
        case parameter

        /// The name of the field.
        public var name: StaticString {
            switch self {
            case .protocolVersion: "MCP-Protocol-Version"
            case .method: "Mcp-Method"
            case .name: "Mcp-Name"
            case .parameter: "Mcp-Param-*"
            }
        }
    }

    /// `MCP-Protocol-Version`.
    public var protocolVersion: Range<Int>?
    /// `Mcp-Method`.
    public var method: Range<Int>?
    /// `Mcp-Name`.
    public var name: Range<Int>?

    /// None of them.
    public init() {}

    /// Some of them.
    public init(protocolVersion: Range<Int>?, method: Range<Int>?, name: Range<Int>?) {
        self.protocolVersion = protocolVersion
        self.method = method
        self.name = name
    }

    /// Decides the era of a client's message and, in the modern one, checks that the headers say what the body says.
    ///
    /// Of notifications nothing is demanded, as the revision does not; what is there must be true. In the legacy era
    /// only a version nobody knows is refused: that it is the session's is for the caller to check.
    ///
    /// - Parameters:
    ///   - head: the bytes the ranges lie in.
    ///   - message: what `tape` and `bytes` hold, sent by a client.
    /// - Throws: `headerMismatch`, `unsupportedVersion`, `methodNotFound`, `invalidParams` or, for a response of the
    ///   modern era, `notAMessage`.
    public func check(
        _ head: Span<UInt8>, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) -> Era {
        guard let versionNode = message.versionNode else {
            guard try eraWithoutMeta(head, message) == .modern else { return .legacy }
            // A notification: its body need not name the revision.
            try checkMethod(head, message, tape, bytes)
            try checkName(head, message, tape, bytes)
            return .modern
        }
        let versionFault = fault(in: protocolVersion, head, mirroring: versionNode, tape, bytes)
        guard let revision = message.revision, revision.isModern else {
            // Nothing else can be told about a revision the gateway does not speak in this form.
            if let versionFault, versionFault != .missing { throw .headerMismatch(.protocolVersion, versionFault) }
            throw .unsupportedVersion(requested: tape.string(versionNode, in: bytes) ?? "")
        }
        guard !message.method.isLegacyOnly else { throw .methodNotFound(String(describing: message.method.name)) }
        let isRequest = message.kind == .request
        if let versionFault, isRequest || versionFault != .missing {
            throw .headerMismatch(.protocolVersion, versionFault)
        }
        if isRequest, message.clientCapabilities == nil {
            throw .invalidParams("_meta lacks io.modelcontextprotocol/clientCapabilities")
        }
        try checkMethod(head, message, tape, bytes)
        try checkName(head, message, tape, bytes)
        return .modern
    }

    /// The era of a message whose body names no revision.
    private func eraWithoutMeta(_ head: Span<UInt8>, _ message: MessageSummary) throws(GatewayError) -> Era {
        guard let protocolVersion else { return .legacy }
        let text = head.extracting(protocolVersion)
        guard let revision = ProtocolRevision(text) else {
            throw .unsupportedVersion(requested: printable(text))
        }
        guard revision.isModern else { return .legacy }
        switch message.kind {
        case .request:
            throw .invalidParams("_meta lacks io.modelcontextprotocol/protocolVersion")
        case .notification:
            guard !message.method.isLegacyOnly else { throw .methodNotFound(String(describing: message.method.name)) }
            return .modern
        case .response:
            throw .notAMessage("clients send no answers in this revision")
        }
    }

    private func checkMethod(
        _ head: Span<UInt8>, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) {
        guard let node = message.methodNode,
            let fault = fault(in: method, head, mirroring: node, tape, bytes),
            message.kind == .request || fault != .missing
        else { return }
        throw .headerMismatch(.method, fault)
    }

    private func checkName(
        _ head: Span<UInt8>, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(GatewayError) {
        // Of other methods the revision defines no such header: what stands there is neither believed nor passed on.
        guard let parameter = message.method.nameParameter else { return }
        guard let node = message.nameNode else {
            throw .invalidParams("params.\(parameter.text) is missing")
        }
        guard let name else {
            if message.method.requiresNameHeader { throw .headerMismatch(.name, .missing) }
            return
        }
        let fault = HeaderValue.fault(in: head.extracting(name), mirroring: node, of: tape, bytes)
        if let fault { throw .headerMismatch(.name, fault) }
    }

    /// What is wrong with a header that must stand plainly.
    private func fault(
        in range: Range<Int>?, _ head: Span<UInt8>, mirroring node: JSONNode, _ tape: borrowing JSONTape,
        _ bytes: Span<UInt8>
    ) -> HeaderFault? {
        guard let range else { return .missing }
        return HeaderValue.fault(in: head.extracting(range), mirroring: node, of: tape, bytes, mayBeEncoded: false)
    }
}

/// The beginning of a text from outside, for an error's data: what is not printable ASCII becomes a question mark.
private func printable(_ text: Span<UInt8>) -> String {
    var characters: [UInt8] = []
    for index in 0..<min(text.count, 64) {
        characters.append(0x20...0x7E ~= text[index] ? text[index] : UInt8(ascii: "?"))
    }
    return String(decoding: characters, as: UTF8.self)
}
