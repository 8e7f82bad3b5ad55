/// The field names the gateway knows. Names outside this list are ``other``; their spelling stands in the head.
///
/// Names are compared without regard to case (RFC 9110, 5.1).
public enum FieldName: UInt8, CaseIterable, Sendable, Hashable {
    /// A name that is not in this list.
    case other
    case host, origin, connection, expect, upgrade, te, trailer, keepAlive, date, server
    case contentType, contentLength, contentEncoding, contentLanguage, transferEncoding
    case accept, acceptEncoding, acceptLanguage, userAgent, referer, cookie, setCookie
    case authorization, wwwAuthenticate, xAPIKey, proxyAuthorization, proxyAuthenticate, proxyConnection
    case mcpProtocolVersion, mcpSessionID, mcpMethod, mcpName, lastEventID
    case traceparent, tracestate, baggage, xRequestID
    case retryAfter, cacheControl, location, allow, vary, etag, xAccelBuffering
    case forwarded, xForwardedFor, xForwardedHost, xForwardedProto, secFetchSite
    /// Any name that begins with `Mcp-Param-` and goes on.
    case mcpParam
    /// Any name that begins with `X-Mcpgw-Label-` and goes on.
    case mcpgwLabel

    /// The name in lower case; the prefix for ``mcpParam`` and ``mcpgwLabel``, empty for ``other``.
    public var spelling: String {
        switch self {
        case .other: ""
        case .host: "host"
        case .origin: "origin"
        case .connection: "connection"
        case .expect: "expect"
        case .upgrade: "upgrade"
        case .te: "te"
        case .trailer: "trailer"
        case .keepAlive: "keep-alive"
        case .date: "date"
        case .server: "server"
        case .contentType: "content-type"
        case .contentLength: "content-length"
        case .contentEncoding: "content-encoding"
        case .contentLanguage: "content-language"
        case .transferEncoding: "transfer-encoding"
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .acceptLanguage: "accept-language"
        case .userAgent: "user-agent"
        case .referer: "referer"
        case .cookie: "cookie"
        case .setCookie: "set-cookie"
        case .authorization: "authorization"
        case .wwwAuthenticate: "www-authenticate"
        case .xAPIKey: "x-api-key"
        case .proxyAuthorization: "proxy-authorization"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyConnection: "proxy-connection"
        case .mcpProtocolVersion: "mcp-protocol-version"
        case .mcpSessionID: "mcp-session-id"
        case .mcpMethod: "mcp-method"
        case .mcpName: "mcp-name"
        case .lastEventID: "last-event-id"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .baggage: "baggage"
        case .xRequestID: "x-request-id"
        case .retryAfter: "retry-after"
        case .cacheControl: "cache-control"
        case .location: "location"
        case .allow: "allow"
        case .vary: "vary"
        case .etag: "etag"
        case .xAccelBuffering: "x-accel-buffering"
        case .forwarded: "forwarded"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedProto: "x-forwarded-proto"
        case .secFetchSite: "sec-fetch-site"
        case .mcpParam: "mcp-param-"
        case .mcpgwLabel: "x-mcpgw-label-"
        }
    }

    /// Whether the name is a prefix that further characters must follow.
    @inline(__always)
    var isPrefix: Bool { self == .mcpParam || self == .mcpgwLabel }

    /// This name's bit in the sets of ``FieldList``.
    @inline(__always)
    var bit: UInt64 { 1 &<< UInt64(rawValue) }
}

/// Finds a ``FieldName`` from the bytes of a name, without allocating: up to 24 bytes are three overlapping words, and
/// words are looked up in a small open-addressed table.
struct FieldNameTable: Sendable {
    private struct Entry {
        var words = NameWords(first: 0, middle: 0, last: 0, length: 0)
        var name = FieldName.other
    }

    private let entries: [Entry]

    /// The table of all known names, built once.
    static let shared = FieldNameTable()

    private init() {
        var entries = [Entry](repeating: Entry(), count: 256)
        for name in FieldName.allCases where name != .other {
            let spelling = Array(name.spelling.utf8)
            let words = NameWords(spelling.span, 0..<spelling.count)
            var slot = words.slot
            while entries[slot].name != .other { slot = (slot + 1) & 255 }
            entries[slot] = Entry(words: words, name: name)
        }
        self.entries = entries
    }

    /// The name that `range` of `bytes` spells. The range holds token characters only, at least one.
    @inline(__always)
    func name(_ bytes: Span<UInt8>, _ range: Range<Int>) -> FieldName {
        let length = range.count
        if length <= NameWords.longest {
            let exact = find(NameWords(bytes, range))
            if exact != .other && !exact.isPrefix { return exact }
        }
        // Only names as long as this can have a known prefix.
        guard length > 10 else { return .other }
        let first = bytes[range.lowerBound] | 0x20
        guard first == 0x6D || first == 0x78 else { return .other }
        if hasPrefix(.mcpParam, 10, bytes, range) { return .mcpParam }
        if length > 14, hasPrefix(.mcpgwLabel, 14, bytes, range) { return .mcpgwLabel }
        return .other
    }

    private func hasPrefix(_ name: FieldName, _ count: Int, _ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        find(NameWords(bytes, range.lowerBound..<range.lowerBound + count)) == name
    }

    @inline(__always)
    private func find(_ words: NameWords) -> FieldName {
        var slot = words.slot
        while entries[slot].name != .other {
            if entries[slot].words == words { return entries[slot].name }
            slot = (slot &+ 1) & 255
        }
        return .other
    }
}

/// A name of at most 24 bytes in lower case, as words that overlap where it is no multiple of eight long.
///
/// Setting bit 5 folds letters; of the other token characters it changes only `^` and `_`, which no known name holds and
/// which turn into bytes that no known name holds either.
private struct NameWords: Equatable {
    static let longest = 24

    var first: UInt64
    var middle: UInt64
    var last: UInt64
    var length: Int

    init(first: UInt64, middle: UInt64, last: UInt64, length: Int) {
        self.first = first
        self.middle = middle
        self.last = last
        self.length = length
    }

    @inline(__always)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        let start = range.lowerBound
        length = range.count
        if length >= 8 {
            first = bytes.word(at: start) | repeated(0x20)
            last = bytes.word(at: range.upperBound &- 8) | repeated(0x20)
            middle = length > 16 ? bytes.word(at: start &+ 8) | repeated(0x20) : 0
        } else {
            var word: UInt64 = 0
            if start &+ 8 <= bytes.count {
                word = bytes.word(at: start) & ((1 &<< UInt64(length &* 8)) &- 1)
            } else {
                for index in range.reversed() { word = word &<< 8 | UInt64(bytes[index]) }
            }
            first = word | (repeated(0x20) & ((1 &<< UInt64(length &* 8)) &- 1))
            last = 0
            middle = 0
        }
    }

    /// Where the search begins in a table of 256.
    @inline(__always)
    var slot: Int {
        let mixed = (first ^ last &* 3 ^ UInt64(truncatingIfNeeded: length)) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed &>> 56)
    }
}
