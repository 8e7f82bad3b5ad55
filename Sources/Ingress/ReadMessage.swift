import HTTP1
import Link
import MCP
import NIOCore
import Sessions
import StrictJSON

/// The phase `readMessage`: a request's message, read once and strictly, its headers checked against it and its session found.
struct ReadMessage: ~Copyable {
    /// One message of a batch.
    struct Element {
        /// Where it stands in the body.
        let range: Range<Int>
        /// Its id as spelt.
        let callID: [UInt8]?
        /// Where it belongs.
        let destination: Destination
        /// Whether it answers a request of the server.
        let isResponse: Bool
    }

    /// Messages of a batch at most.
    private static let batchLimit = 64

    /// Bytes of an id at most, as `MessageSummary` has it.
    private static let idLimit = 1024

    /// What the route will be told.
    private(set) var open: RequestOpen
    /// The id as spelt, for answers of the gateway's own; nil as long as it is not read, and if there is none.
    private(set) var callID: [UInt8]?
    /// The method, as soon as it is read, for the record of a refusal; nil if there is none or the gateway does not know it.
    private(set) var method: Method?
    /// Where the name of the tool that is called stands in the body, quotes included.
    private(set) var toolName: Range<Int>?
    /// The session that the client named.
    private(set) var grant: SessionGrant?
    /// Where the message belongs.
    private(set) var destination = Destination.home
    /// Whether the message answers a request of the server.
    private(set) var isResponse = false
    /// The messages, if the body is a batch.
    private(set) var elements: [Element] = []

    /// Whether the body is a batch.
    var isBatch: Bool { !elements.isEmpty }

    /// Made of the generation that admits the request.
    private let settings: IngressSettings

    /// Nothing is read yet.
    init(_ head: AdmittedHead, requestID: UInt64, settings: IngressSettings) {
        self.settings = settings
        open = RequestOpen(
            generation: settings.number, requestID: requestID, identity: head.identity, session: nil,
            method: head.method,
            acceptsJSON: head.acceptsJSON, acceptsEvents: head.acceptsEvents, isModern: false, bodyLength: 0)
    }

    /// Reads the message. What is found before something is wrong stands in `open` and `callID`.
    /// - Throws: `GatewayError`.
    mutating func read(
        _ body: ByteBuffer, _ head: borrowing RequestHead, _ headBytes: Span<UInt8>, _ ingress: Ingress
    ) throws(GatewayError) {
        open.bodyLength = UInt64(body.readableBytes)
        // Until the body is read, the header is all that says how the client wants to hear of errors.
        let version = head.first(.mcpProtocolVersion)
        let claimed = version.flatMap { ProtocolRevision(headBytes.extracting($0)) }
        open.isModern = claimed?.isModern ?? false
        switch open.method {
        case .post: try readPost(body, head, headBytes, &ingress.tape, ingress)
        case .get, .delete:
            guard !open.isModern else { throw .methodNotAllowed }
            if let id = head.first(.lastEventID) { open.lastEventID = headBytes.extracting(id).copy }
            if let routing = settings.routing { destination = routing.destination(open) }
        }
        if !open.isModern {
            if let version {
                guard let claimed else { throw .unsupportedVersion(requested: headBytes.extracting(version).text) }
                open.revision = claimed.rawValue
            }
            try findSession(head, headBytes, ingress)
        }
        try collectFields(head, headBytes)
    }

    private mutating func readPost(
        _ body: ByteBuffer, _ head: borrowing RequestHead, _ headBytes: Span<UInt8>, _ tape: inout JSONTape,
        _ ingress: Ingress
    ) throws(GatewayError) {
        let bytes = body.readableBytesUInt8Span
        try ingress.parse(bytes, into: &tape, limit: settings.generation.requestBody)
        defer { Ingress.release(&tape) }
        guard tape.kind(.root) != .array else {
            guard !open.isModern else { throw .notAMessage("this revision has no batches") }
            return try readBatch(bytes, tape, settings.routing)
        }
        let message: MessageSummary
        do throws(GatewayError) {
            message = try MessageSummary(tape, bytes, from: .client)
        } catch {
            callID = readableID(tape, bytes)
            throw error
        }
        if let id = message.id { callID = bytes.extracting(id).copy }
        isResponse = message.kind == .response
        if message.method != .other { method = message.method }
        if message.method == .toolsCall, let params = message.params,
            let name = tape.member("name", of: params, in: bytes), tape.kind(name) == .string
        {
            toolName = tape.range(name)
        }
        // An error is told as the message's own era has it, whatever the headers say.
        open.isModern = message.isModern || open.isModern
        let headers = MirroredHeaders(
            protocolVersion: head.first(.mcpProtocolVersion), method: head.first(.mcpMethod), name: head.first(.mcpName)
        )
        open.isModern = try headers.check(headBytes, message, tape, bytes) == .modern
        guard message.kind != .request || message.method.maySend(.client) else {
            throw .methodNotFound("\(message.method.name) is what servers ask of clients")
        }
        if let routing = settings.routing { destination = routing.destination(message, tape, bytes, open) }
        if message.kind == .request, message.method == .initialize {
            open.session = ingress.sessions.open(SessionCapabilities(message.capabilities, of: tape, bytes))
        }
    }

    /// The id of a message that is none: whoever asked waits for an answer under it.
    private func readableID(_ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> [UInt8]? {
        guard tape.kind(.root) == .object, let id = tape.member("id", of: .root, in: bytes) else { return nil }
        let isID = tape.kind(id) == .string || (tape.kind(id) == .number && tape.isInteger(id))
        let range = tape.range(id)
        return isID && range.count <= ReadMessage.idLimit ? bytes.extracting(range).copy : nil
    }

    private mutating func readBatch(
        _ bytes: Span<UInt8>, _ tape: borrowing JSONTape, _ routing: Routing?
    ) throws(GatewayError) {
        let count = tape.childCount(.root)
        guard count > 0 else { throw .notAMessage("a batch is not empty") }
        guard count <= ReadMessage.batchLimit else {
            throw .notAMessage("a batch has at most \(ReadMessage.batchLimit) messages")
        }
        for node in tape.elements(of: .root) {
            let message = try MessageSummary(tape, bytes, at: node, from: .client)
            guard !message.isModern else { throw .notAMessage("this revision has no batches") }
            guard message.method != .initialize else { throw .notAMessage("initialize is not part of a batch") }
            let id = message.kind == .request ? message.id.map { bytes.extracting($0).copy } : nil
            let destination = routing.map { $0.destination(message, tape, bytes, open) } ?? .home
            elements.append(
                Element(
                    range: tape.range(node), callID: id, destination: destination,
                    isResponse: message.kind == .response))
        }
    }

    /// Finds the session that the client names.
    private mutating func findSession(
        _ head: borrowing RequestHead, _ headBytes: Span<UInt8>, _ ingress: Ingress
    ) throws(GatewayError) {
        if open.session == nil, let id = head.first(.mcpSessionID) {
            guard let session = ingress.sessions.find(headBytes.extracting(id), open.identity) else {
                throw .sessionNotFound
            }
            guard open.revision == 0 || open.revision == session.revision else { throw .otherRevision }
            grant = session
            open.session = SessionReference(
                use: .member, uuid: session.uuid, capabilities: session.capabilities.rawValue, expires: session.expires)
            open.revision = session.revision
        }
        let revision = open.session?.use == .member ? ProtocolRevision(rawValue: open.revision) : nil
        if isBatch, revision?.allowsBatches != true {
            throw .notAMessage("batches exist only in sessions of revision 2025-03-26")
        }
    }

    /// The fields that mean something to the server behind; everything else ends here.
    private mutating func collectFields(
        _ head: borrowing RequestHead, _ headBytes: Span<UInt8>
    ) throws(GatewayError) {
        for index in head.fields.indices {
            let field = head.fields[index]
            switch field.id {
            case .mcpParam:
                guard open.isModern, !head.fields.isHopByHop(at: index, in: headBytes) else { continue }
                let value = headBytes.extracting(field.value)
                guard HeaderValue.isWellFormed(value) else { throw .headerMismatch(.parameter, .badCharacters) }
                open.fields.append(name: headBytes.extracting(field.name), value: value)
            case .traceparent, .tracestate, .baggage:
                guard !head.fields.isHopByHop(at: index, in: headBytes) else { continue }
                open.fields.append(name: headBytes.extracting(field.name), value: headBytes.extracting(field.value))
            default: break
            }
        }
    }
}

extension SessionCapabilities {
    /// What a client declares in `initialize` that a server may ask of it.
    fileprivate init(_ node: JSONNode?, of tape: borrowing JSONTape, _ bytes: Span<UInt8>) {
        self = []
        guard let node else { return }
        if let sampling = tape.member("sampling", of: node, in: bytes) {
            insert(.sampling)
            if tape.kind(sampling) == .object {
                if tape.member("tools", of: sampling, in: bytes) != nil { insert(.samplingTools) }
                if tape.member("context", of: sampling, in: bytes) != nil { insert(.samplingContext) }
            }
        }
        if let elicitation = tape.member("elicitation", of: node, in: bytes) {
            insert(.elicitation)
            if tape.kind(elicitation) == .object {
                if tape.member("form", of: elicitation, in: bytes) != nil { insert(.elicitationForm) }
                if tape.member("url", of: elicitation, in: bytes) != nil { insert(.elicitationURL) }
            }
        }
        if let roots = tape.member("roots", of: node, in: bytes) {
            insert(.roots)
            if tape.kind(roots) == .object, let changed = tape.member("listChanged", of: roots, in: bytes),
                tape.boolean(changed) == true
            {
                insert(.rootsListChanged)
            }
        }
    }
}
