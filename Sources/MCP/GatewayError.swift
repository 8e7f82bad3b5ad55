import StrictJSON

/// An answer of the gateway itself to a message it does not pass (DESIGN 5, Errors).
public enum GatewayError: Error, Equatable, Sendable {
    /// The body is not strict JSON.
    case notJSON(offset: Int)
    /// The body is JSON but no JSON-RPC message that may pass.
    case notAMessage(String)
    /// The method does not exist in the message's era.
    case methodNotFound(String)
    /// A member of `params` is missing or of the wrong type.
    case invalidParams(String)
    /// A header does not say what the body says (MCP 2026-07-28, Server Validation).
    case headerMismatch(MirroredHeaders.Field, HeaderFault)
    /// The gateway does not speak this revision (MCP 2026-07-28, Protocol Version Negotiation).
    case unsupportedVersion(requested: String)
    /// The session ended, or never was, or is someone else's: the client shall open a new one.
    case sessionNotFound
    /// The upstream demands a session and the message names none.
    case sessionRequired
    /// The header names another revision than the session has.
    case otherRevision
    /// There is no such stream, or no session to end: what a GET or DELETE asks for does not exist here.
    case methodNotAllowed
    /// The upstream, or the worker in front of it, is not there.
    case upstreamUnavailable(String)
    /// The upstream answered something that cannot be read.
    case upstreamUnreadable(String)
    /// The upstream did not answer in time.
    case upstreamTimedOut
    /// Policy does not let the message, or its answer, pass. `reason` is what the rule has for the caller, `rule` its name where it may be told.
    case denied(reason: String?, rule: String?)
    /// There is no such tool, or the caller may not know of it.
    case unknownTool(String)
    /// The message is larger than the limit.
    case tooLarge(limit: UInt64)
    /// No room for more work.
    case capacity(String)
    /// Nobody is served without a valid credential.
    case unauthenticated
    /// The subject has used up what it may ask for the time being.
    case rateLimited(retryAfterMilliseconds: UInt64)

    /// The JSON-RPC error code.
    public var code: Int {
        switch self {
        case .notJSON: -32700
        case .notAMessage, .sessionNotFound, .sessionRequired, .otherRevision, .methodNotAllowed, .unauthenticated:
            -32600
        case .methodNotFound: -32601
        case .invalidParams, .unknownTool: -32602
        case .denied: -31010
        case .headerMismatch: -32020
        case .unsupportedVersion: -32022
        case .upstreamUnavailable, .upstreamUnreadable, .upstreamTimedOut: -31013
        case .tooLarge: -31015
        case .capacity: -31016
        case .rateLimited: -31012
        }
    }

    /// The HTTP status a modern client gets with it.
    public var modernStatus: UInt16 {
        switch self {
        case .notJSON, .notAMessage, .invalidParams, .headerMismatch, .unsupportedVersion, .sessionRequired,
            .otherRevision, .unknownTool:
            400
        case .denied: 403
        case .methodNotAllowed: 405
        case .methodNotFound, .sessionNotFound: 404
        case .upstreamUnavailable, .capacity: 503
        case .upstreamUnreadable: 502
        case .upstreamTimedOut: 504
        case .tooLarge: 413
        case .unauthenticated: 401
        case .rateLimited: 429
        }
    }

    /// The HTTP status. Once the message is read, a legacy client's transport would end with anything but 200; what its
    /// head alone decides keeps the status that revision gives it.
    public func status(isModern: Bool) -> UInt16 { isModern || isDecidedByHead ? modernStatus : 200 }

    /// Whether a legacy client gets it for its head, whatever the message says.
    private var isDecidedByHead: Bool {
        switch self {
        case .unsupportedVersion, .headerMismatch, .sessionNotFound, .sessionRequired, .otherRevision,
            .methodNotAllowed, .unauthenticated:
            true
        default: false
        }
    }

    /// Whether the upstream is to blame, or the worker in front of it: another may do better.
    public var isUnavailability: Bool {
        switch self {
        case .upstreamUnavailable, .upstreamUnreadable, .upstreamTimedOut: true
        default: false
        }
    }

    /// Seconds for `Retry-After`; 0 if trying again is of no use.
    public var retryAfter: UInt32 {
        switch self {
        case .upstreamUnavailable, .capacity: 1
        case .rateLimited(let wait): UInt32(clamping: wait / 1000 + (wait % 1000 == 0 ? 0 : 1))
        default: 0
        }
    }

    /// The kind of error in `data.type`.
    public var type: String {
        switch self {
        case .notJSON: "parse_error"
        case .notAMessage: "invalid_request"
        case .methodNotFound: "method_not_found"
        case .invalidParams: "invalid_params"
        case .headerMismatch: "header_mismatch"
        case .unsupportedVersion: "unsupported_version"
        case .sessionNotFound: "session_not_found"
        case .sessionRequired: "session_required"
        case .otherRevision: "other_revision"
        case .methodNotAllowed: "method_not_allowed"
        case .upstreamUnavailable: "upstream_unavailable"
        case .upstreamUnreadable: "upstream_unreadable"
        case .upstreamTimedOut: "upstream_timed_out"
        case .denied: "policy_denied"
        case .unknownTool: "unknown_tool"
        case .tooLarge: "too_large"
        case .capacity: "capacity"
        case .unauthenticated: "unauthenticated"
        case .rateLimited: "rate_limited"
        }
    }

    /// The sentence for people.
    public var message: String {
        switch self {
        case .notJSON(let offset): "Parse error: the body is not strict JSON (byte \(offset))"
        case .notAMessage(let why): "Invalid request: \(why)"
        case .methodNotFound(let name): "Method not found: \(name)"
        case .invalidParams(let why): "Invalid params: \(why)"
        case .headerMismatch(let field, let fault): "Header mismatch: \(field.name) \(GatewayError.text(of: fault))"
        case .unsupportedVersion: "Unsupported protocol version"
        case .sessionNotFound: "Session not found"
        case .sessionRequired: "Invalid request: the Mcp-Session-Id header is missing"
        case .otherRevision: "Invalid request: MCP-Protocol-Version is not the revision of the session"
        case .methodNotAllowed: "Invalid request: this server takes only POST here"
        case .upstreamUnavailable(let why): "The MCP server is not available: \(why)"
        case .upstreamUnreadable(let why): "The MCP server's answer cannot be read: \(why)"
        case .upstreamTimedOut: "The MCP server did not answer in time"
        case .denied(let reason, _): "Denied by policy\(reason.map { ": \($0)" } ?? "")"
        case .unknownTool(let name): "Unknown tool: \(name)"
        case .tooLarge(let limit): "The message is larger than \(limit) bytes"
        case .capacity(let why): "The gateway has no room for this request: \(why)"
        case .unauthenticated: "Unauthorized: this server needs a valid credential"
        case .rateLimited(let wait): "Too many requests: try again in \(wait) ms"
        }
    }

    private static func text(of fault: HeaderFault) -> StaticString {
        switch fault {
        case .missing: "is missing"
        case .badCharacters: "holds characters that no such header may have"
        case .badEncoding: "is not valid in its Base64 form"
        case .differs: "does not match the body"
        }
    }

    /// The JSON-RPC error response.
    /// - Parameter id: the request's id as it was spelt; nil leaves the member out.
    public func body(id: [UInt8]?, requestID: UInt64) -> [UInt8] {
        var bytes = Array(#"{"jsonrpc":"2.0","#.utf8)
        if let id {
            bytes += Array(#""id":"#.utf8)
            bytes += id
            bytes.append(0x2c)
        }
        bytes += Array(#""error":{"code":\#(code),"message":"#.utf8)
        JSONText.appendString(message, to: &bytes)
        bytes += Array(#","data":{"request_id":"\#(RequestID.text(requestID))","type":"\#(type)""#.utf8)
        if case .unsupportedVersion(let requested) = self { GatewayError.appendVersions(requested, to: &bytes) }
        if case .denied(_, let rule?) = self {
            bytes.append(#","rule":"#)
            JSONText.appendString(rule, to: &bytes)
        }
        if case .rateLimited(let wait) = self { bytes += Array(#","retry_after_ms":\#(wait)"#.utf8) }
        bytes.append("}}}")
        return bytes
    }

    /// Appends what a client needs to choose another revision.
    private static func appendVersions(_ requested: String, to bytes: inout [UInt8]) {
        bytes.append(#","supported":["#)
        for revision in ProtocolRevision.allCases.reversed() {
            if revision != .latest { bytes.append(",") }
            bytes.append("\"")
            bytes.append(revision.text)
            bytes.append("\"")
        }
        bytes.append(#"],"requested":"#)
        JSONText.appendString(requested, to: &bytes)
    }
}

/// The gateway's own id of a client exchange, in errors, records and logs.
public enum RequestID {
    /// Sixteen hexadecimal digits.
    public static func text(_ id: UInt64) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
