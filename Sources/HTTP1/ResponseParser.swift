/// A checked response head. Ranges are offsets into the bytes given to ``ResponseParser/parseHead(_:requestMethod:)``.
/// It is read in place.
public struct ResponseHead: ~Copyable, Sendable {
    /// The status code, 100 to 599.
    public internal(set) var status = 0
    /// Where the reason phrase stands; may be empty.
    public internal(set) var reason = 0..<0
    /// The fields in their order.
    public internal(set) var fields = FieldList()
    /// How the body ends.
    public internal(set) var framing = BodyFraming.none
    /// Whether the connection may carry another request after this response.
    public internal(set) var keepAlive = true
    /// The bytes of the whole head, the empty line included: the body begins here.
    public internal(set) var length = 0

    init() {}

    /// Whether this is a 1xx response, after which another head follows for the same request (RFC 9110, 15.2).
    public var isInterim: Bool { status < 200 }

    /// The value of the first field of this name.
    public func first(_ name: FieldName) -> Range<Int>? { fields.first(name) }
}

/// Reads response heads, one after the other, from bytes that the caller accumulates.
///
/// Used as ``RequestParser`` is. An interim head (``ResponseHead/isInterim``) is answered like any other: drop
/// `head.length` bytes and call again for the head that follows it.
public struct ResponseParser: ~Copyable, Sendable {
    private enum State {
        case startLine, fields, done
        case refused(HTTP1Error)
    }

    /// Fields of a response that may stand once; the length fields have errors of their own.
    private static let single: UInt64 =
        [FieldName.contentType, .mcpSessionID, .mcpProtocolVersion, .location].reduce(0) { $0 | $1.bit }

    /// The response read last. Valid after ``parseHead(_:requestMethod:)`` answered true and until it is called again.
    public private(set) var head = ResponseHead()

    private let limits: HTTP1Limits
    private let names = FieldNameTable.shared
    private let single = ResponseParser.single
    private var state = State.startLine
    private var lines = LineReader()
    private var framing = MessageFraming()

    /// A parser for one connection.
    public init(limits: HTTP1Limits = HTTP1Limits()) {
        self.limits = limits
    }

    /// Goes on reading a head.
    ///
    /// - Parameters:
    ///   - bytes: all bytes since the end of the previous message; a call that follows "false" must begin with the same
    ///     bytes and may add to them.
    ///   - requestMethod: the method of the request that this answers; it decides whether there is a body.
    /// - Returns: whether the head is complete.
    /// - Throws: ``HTTP1Error``; then close the connection.
    public mutating func parseHead(
        _ bytes: Span<UInt8>, requestMethod: HTTPMethod
    ) throws(HTTP1Error) -> Bool {
        do {
            return try resume(bytes, requestMethod)
        } catch {
            state = .refused(error)
            throw error
        }
    }

    private mutating func resume(_ bytes: Span<UInt8>, _ method: HTTPMethod) throws(HTTP1Error) -> Bool {
        switch state {
        case .refused(let error): throw error
        case .fields: return try readFields(bytes, method)
        case .done:
            lines = LineReader()
            framing = MessageFraming()
            fallthrough
        case .startLine:
            state = .startLine
            let end = min(bytes.count, limits.startLine)
            guard let line = try lines.next(bytes, to: end) else {
                if end == limits.startLine { throw .malformedStatusLine }
                return false
            }
            head.fields.removeAll()
            try readStatusLine(line, bytes)
            state = .fields
            return try readFields(bytes, method)
        }
    }

    /// `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112, 4).
    private mutating func readStatusLine(_ line: Range<Int>, _ bytes: Span<UInt8>) throws(HTTP1Error) {
        guard line.count >= 13 else { throw .malformedStatusLine }
        let start = line.lowerBound
        try checkVersion(bytes, start..<start + 8)
        let hundreds = bytes[start + 9] &- ASCII.zero
        let tens = bytes[start + 10] &- ASCII.zero
        let ones = bytes[start + 11] &- ASCII.zero
        guard bytes[start + 8] == ASCII.space, 1...5 ~= hundreds, tens <= 9, ones <= 9, bytes[start + 12] == ASCII.space
        else { throw .malformedStatusLine }
        head.status = Int(hundreds) * 100 + Int(tens) * 10 + Int(ones)
        head.reason = start + 13..<line.upperBound
        guard head.status != 101 else { throw .unexpectedUpgrade }
    }

    private mutating func readFields(_ bytes: Span<UInt8>, _ method: HTTPMethod) throws(HTTP1Error) -> Bool {
        let end = min(bytes.count, limits.head)
        while let line = try lines.next(bytes, to: end) {
            if line.isEmpty {
                try finish(method)
                return true
            }
            guard head.fields.count < limits.fields else { throw .tooManyFields }
            try framing.read(line, of: bytes, names: names, into: &head.fields)
        }
        if end == limits.head { throw .headTooLarge }
        return false
    }

    /// The length of the body by RFC 9112, 6.3.
    private mutating func finish(_ method: HTTPMethod) throws(HTTP1Error) {
        try head.fields.requireSingle(single)
        head.keepAlive = !framing.close
        if head.status < 200 || head.status == 204 {
            // Servers do send `Content-Length: 0` here, which no reader takes for anything else.
            guard !framing.isChunked, framing.contentLength ?? 0 == 0 else { throw .unexpectedLength }
            head.framing = .none
        } else if method == .head || head.status == 304 {
            head.framing = .none
        } else if framing.isChunked {
            head.framing = .chunked
        } else if let length = framing.contentLength {
            head.framing = .length(length)
        } else {
            head.framing = .untilClose
            head.keepAlive = false
        }
        head.length = lines.lineStart
        state = .done
    }
}
