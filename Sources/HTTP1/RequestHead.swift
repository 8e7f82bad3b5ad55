/// The methods the gateway tells apart. Methods are case-sensitive (RFC 9110, 9.1).
public enum HTTPMethod: UInt8, CaseIterable, Sendable, Hashable {
    case get, post, delete, options, head, put, patch, connect, trace
    /// Another token; its spelling stands at ``RequestHead/methodRange``.
    case other

    @inline(__always)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        var word: UInt64 = 0
        guard range.count <= 7 else {
            self = .other
            return
        }
        for index in range { word = word &<< 8 | UInt64(bytes[index]) }
        switch word {
        case 0x47_4554: self = .get
        case 0x504F_5354: self = .post
        case 0x4445_4C45_5445: self = .delete
        case 0x4F_5054_494F_4E53: self = .options
        case 0x4845_4144: self = .head
        case 0x50_5554: self = .put
        case 0x50_4154_4348: self = .patch
        case 0x43_4F4E_4E45_4354: self = .connect
        case 0x54_5241_4345: self = .trace
        default: self = .other
        }
    }
}

/// The form of a request target (RFC 9112, 3.2).
public enum TargetForm: UInt8, Sendable, Hashable {
    /// A path, perhaps with a query.
    case origin
    /// A whole `http` or `https` URI. It would override Host; the caller decides whether it takes it.
    case absolute
    /// `host:port`, with CONNECT only.
    case authority
    /// `*`, with OPTIONS only.
    case asterisk
}

/// How the end of a body is found (RFC 9112, 6.3).
public enum BodyFraming: Sendable, Hashable {
    /// There is no body.
    case none
    /// So many bytes.
    case length(UInt64)
    /// Chunks, for ``ChunkedDecoder``.
    case chunked
    /// Until the server closes the connection. Responses only.
    case untilClose
}

/// A checked request head. Ranges are offsets into the bytes given to ``RequestParser/parseHead(_:)``; nothing is copied.
/// It is read in place: `parser.head.first(.origin)`.
public struct RequestHead: ~Copyable, Sendable {
    /// The method, where it is one that is told apart.
    public internal(set) var method = HTTPMethod.other
    /// Where the method stands.
    public internal(set) var methodRange = 0..<0
    /// Where the request target stands: characters of RFC 3986 only, never `#`, never empty.
    public internal(set) var target = 0..<0
    /// The form of the target.
    public internal(set) var targetForm = TargetForm.origin
    /// The fields in their order.
    public internal(set) var fields = FieldList()
    /// How the body ends; never ``BodyFraming/untilClose``.
    public internal(set) var framing = BodyFraming.none
    /// Whether the connection may serve another request after this one.
    public internal(set) var keepAlive = true
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    public internal(set) var expectsContinue = false
    /// The bytes of the whole head, the empty line included: the body begins here.
    public internal(set) var length = 0

    init() {}

    /// The value of the first field of this name.
    public func first(_ name: FieldName) -> Range<Int>? { fields.first(name) }
}
