import HTTP1
import Link
import MCP
import NIOCore

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

/// What remains of a request's head once it is admitted: the values later phases need, free of the bytes it was read from.
struct AdmittedHead {
    let method: ExchangeMethod
    let framing: BodyFraming
    let keepAlive: Bool
    let expectsContinue: Bool
    let acceptsJSON: Bool
    let acceptsEvents: Bool
    let session: String
    /// Fields that are forwarded or checked later.
    let fields: [HeaderField]

    /// The phase `admit`: method, path, Host and Origin, types and session, in an order that tells a foreign page nothing.
    /// - Throws: `Refusal`.
    init(_ head: borrowing RequestHead, _ bytes: Span<UInt8>, names: OwnNames) throws(Refusal) {
        guard head.targetForm == .origin else { throw Refusal(400, "the request target is not a path") }
        guard let host = text(.host, head, bytes), names.accepts(host: host) else {
            throw Refusal(403, "the Host header does not name this gateway")
        }
        if let origin = text(.origin, head, bytes), !names.accepts(origin: origin) {
            throw Refusal(403, "the Origin header names a foreign site")
        }
        switch head.method {
        case .post: method = .post
        case .get: method = .get
        case .delete: method = .delete
        default: throw Refusal(405, "the MCP endpoint takes POST, GET and DELETE", field: "Allow: POST, GET, DELETE")
        }
        let path = string(bytes, head.target).prefix(while: { $0 != "?" })
        guard path == "/" || path == "/mcp" else { throw Refusal(404, "the MCP endpoint is /mcp") }
        guard !head.fields.contains(.contentEncoding) else { throw Refusal(415, "compressed bodies are not accepted") }
        framing = head.framing
        if method == .post {
            guard framing != .none else { throw Refusal(400, "a message is missing") }
            guard isJSON(text(.contentType, head, bytes)) else {
                throw Refusal(415, "the Content-Type of a message is application/json")
            }
        } else {
            guard framing == .none || framing == .length(0) else { throw Refusal(400, "this method has no body") }
        }
        let accept = AcceptList(head, bytes)
        acceptsJSON = accept.allows("application", "json")
        acceptsEvents = accept.allows("text", "event-stream")
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
        session = text(.mcpSessionID, head, bytes) ?? ""
        guard session.utf8.count <= 1024 else { throw Refusal(400, "the session id is too long") }
        fields = AdmittedHead.forwarded(head, bytes)
    }

    /// The fields that mean something to the server behind; everything else ends here.
    private static func forwarded(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) -> [HeaderField] {
        var fields: [HeaderField] = []
        for index in head.fields.indices {
            let field = head.fields[index]
            switch field.id {
            case .mcpProtocolVersion, .mcpMethod, .mcpName, .mcpParam, .lastEventID, .traceparent, .tracestate,
                .baggage:
                let name = string(bytes, field.name).lowercased()
                fields.append(HeaderField(name: name, value: string(bytes, field.value)))
            default: break
            }
        }
        return fields
    }
}

/// The media ranges of the Accept fields (RFC 9110, 12.5.1).
private struct AcceptList {
    private var ranges: [(type: Substring, subtype: Substring, refused: Bool)] = []

    init(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) {
        for index in head.fields.indices where head.fields[index].id == .accept {
            let field = head.fields[index]
            for item in string(bytes, field.value).lowercased().split(separator: ",") {
                let parts = item.split(separator: ";").map { $0.trimmed }
                guard let media = parts.first, let slash = media.firstIndex(of: "/") else { continue }
                let refused = parts.dropFirst().contains {
                    $0.hasPrefix("q=0") && $0.dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
                }
                ranges.append((media[..<slash], media[media.index(after: slash)...], refused))
            }
        }
    }

    /// Whether the type may be sent: the most specific range decides; no Accept field allows everything.
    func allows(_ type: String, _ subtype: String) -> Bool {
        if ranges.isEmpty { return true }
        let exact = ranges.first { $0.type == type && $0.subtype == subtype }
        let partial = ranges.first { $0.type == type && $0.subtype == "*" }
        let any = ranges.first { $0.type == "*" && $0.subtype == "*" }
        guard let decisive = exact ?? partial ?? any else { return false }
        return !decisive.refused
    }
}

/// `application/json`, with no parameter but `charset=utf-8`.
private func isJSON(_ value: String?) -> Bool {
    guard let parts = value?.lowercased().split(separator: ";", omittingEmptySubsequences: false).map({ $0.trimmed }),
        parts.first == "application/json"
    else { return false }
    return parts.dropFirst().allSatisfy { $0 == "charset=utf-8" || $0 == "charset=\"utf-8\"" }
}

private func text(_ name: FieldName, _ head: borrowing RequestHead, _ bytes: Span<UInt8>) -> String? {
    head.first(name).map { string(bytes, $0) }
}

/// The bytes as text; a head may hold bytes that are not UTF-8, which become U+FFFD and so never equal anything expected.
private func string(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
    var copy: [UInt8] = []
    copy.reserveCapacity(range.count)
    for index in range { copy.append(bytes[index]) }
    return String(decoding: copy, as: UTF8.self)
}

extension Substring {
    /// Without spaces and tabs at both ends.
    fileprivate var trimmed: Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = drop(while: isBlank)
        guard let end = start.lastIndex(where: { !isBlank($0) }) else { return "" }
        return start[...end]
    }
}
