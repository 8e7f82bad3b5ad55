import StrictJSON

/// An answer of the gateway itself to a message it does not pass (DESIGN 5, Errors).
public enum GatewayError: Error, Equatable, Sendable {
    /// The body is not strict JSON.
    case notJSON(offset: Int)
    /// The body is JSON but no JSON-RPC message that may pass.
    case notAMessage(String)
    /// The upstream, or the worker in front of it, is not there.
    case upstreamUnavailable(String)
    /// The upstream answered something that cannot be read.
    case upstreamUnreadable(String)
    /// The message is larger than the limit.
    case tooLarge(limit: UInt64)
    /// No room for more work.
    case capacity(String)

    /// The JSON-RPC error code.
    public var code: Int {
        switch self {
        case .notJSON: -32700
        case .notAMessage: -32600
        case .upstreamUnavailable, .upstreamUnreadable: -31013
        case .tooLarge: -31015
        case .capacity: -31016
        }
    }

    /// The HTTP status a modern client gets with it.
    public var modernStatus: UInt16 {
        switch self {
        case .notJSON, .notAMessage: 400
        case .upstreamUnavailable, .capacity: 503
        case .upstreamUnreadable: 502
        case .tooLarge: 413
        }
    }

    /// The HTTP status: a legacy client's transport would end with anything but 200 once the message is read.
    public func status(isModern: Bool) -> UInt16 { isModern ? modernStatus : 200 }

    /// Seconds for `Retry-After`; 0 if trying again is of no use.
    public var retryAfter: UInt32 {
        switch self {
        case .upstreamUnavailable, .capacity: 1
        case .notJSON, .notAMessage, .upstreamUnreadable, .tooLarge: 0
        }
    }

    /// The kind of error in `data.type`.
    public var type: String {
        switch self {
        case .notJSON: "parse_error"
        case .notAMessage: "invalid_request"
        case .upstreamUnavailable: "upstream_unavailable"
        case .upstreamUnreadable: "upstream_unreadable"
        case .tooLarge: "too_large"
        case .capacity: "capacity"
        }
    }

    /// The sentence for people.
    public var message: String {
        switch self {
        case .notJSON(let offset): "Parse error: the body is not strict JSON (byte \(offset))"
        case .notAMessage(let why): "Invalid request: \(why)"
        case .upstreamUnavailable(let why): "The MCP server is not available: \(why)"
        case .upstreamUnreadable(let why): "The MCP server's answer cannot be read: \(why)"
        case .tooLarge(let limit): "The message is larger than \(limit) bytes"
        case .capacity(let why): "The gateway has no room for this request: \(why)"
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
        bytes += Array(#","data":{"request_id":"\#(RequestID.text(requestID))","type":"\#(type)"}}}"#.utf8)
        return bytes
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
