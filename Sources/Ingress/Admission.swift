import HTTP1
import Link
import MCP

/// A request the gateway answers itself before it reads the body: status, and what to tell the client.
struct Refusal: Error {
    let status: Int
    let reason: String
    /// A further header line, `Name: value`.
    let field: String?
    /// The error in the body.
    let error: GatewayError

    init(_ status: Int, _ reason: String, field: String? = nil, error: GatewayError? = nil) {
        self.status = status
        self.reason = reason
        self.error = error ?? .notAMessage(reason)
        self.field = field ?? (self.error.retryAfter > 0 ? "Retry-After: \(self.error.retryAfter)" : nil)
    }
}

/// What later phases need of a request's head once it is admitted.
struct AdmittedHead {
    let method: ExchangeMethod
    let framing: BodyFraming
    let keepAlive: Bool
    let expectsContinue: Bool
    let acceptsJSON: Bool
    let acceptsEvents: Bool
    /// Who sends it.
    let identity: Identity

    /// The phase `admit`: method, path, Host and Origin, types, in an order that tells a foreign page nothing.
    /// - Throws: `Refusal`.
    init(
        _ head: borrowing RequestHead, _ bytes: Span<UInt8>, names: OwnNames, identity: Identity = .anonymous
    ) throws(Refusal) {
        self.identity = identity
        guard head.targetForm == .origin else { throw Refusal(400, "the request target is not a path") }
        guard let host = head.first(.host), names.accepts(host: bytes.extracting(host)) else {
            throw Refusal(403, "the Host header does not name this gateway")
        }
        if let origin = head.first(.origin), !names.accepts(origin: bytes.extracting(origin).text) {
            throw Refusal(403, "the Origin header names a foreign site")
        }
        switch head.method {
        case .post: method = .post
        case .get: method = .get
        case .delete: method = .delete
        default: throw Refusal(405, "the MCP endpoint takes POST, GET and DELETE", field: "Allow: POST, GET, DELETE")
        }
        guard AdmittedHead.isEndpoint(bytes.extracting(head.target)) else {
            throw Refusal(404, "the MCP endpoint is /mcp")
        }
        guard !head.fields.contains(.contentEncoding) else { throw Refusal(415, "compressed bodies are not accepted") }
        framing = head.framing
        if method == .post {
            guard framing != .none else { throw Refusal(400, "a message is missing") }
            guard let type = head.first(.contentType), MediaTypes.isJSON(bytes.extracting(type)) else {
                throw Refusal(415, "the Content-Type of a message is application/json")
            }
        } else {
            guard framing == .none || framing == .length(0) else { throw Refusal(400, "this method has no body") }
        }
        (acceptsJSON, acceptsEvents) = MediaTypes.accepted(head, bytes)
        switch method {
        case .post:
            guard acceptsJSON || acceptsEvents else {
                throw Refusal(406, "answers are application/json or text/event-stream")
            }
        case .get:
            guard acceptsEvents else { throw Refusal(406, "the answer is text/event-stream") }
        case .delete: break
        }
        keepAlive = head.keepAlive
        expectsContinue = head.expectsContinue
    }

    /// Whether a request target is that of the endpoint, whatever its query.
    private static func isEndpoint(_ target: Span<UInt8>) -> Bool {
        var end = 0
        while end < target.count, target[end] != UInt8(ascii: "?") { end += 1 }
        let path = target.extracting(0..<end)
        return path.isEqual(to: "/mcp") || path.isEqual(to: "/")
    }
}
