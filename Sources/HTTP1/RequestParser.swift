/// Reads request heads, one after the other, from bytes that the caller accumulates.
///
/// Call ``parseHead(_:)`` with everything received since the end of the previous message, whenever more has arrived.
/// When it answers true, ``head`` is the request; drop `head.length` bytes and the body before the next call. What it
/// refuses it goes on refusing: the connection has no further message. In steady state nothing is allocated.
public struct RequestParser: ~Copyable, Sendable {
    private enum State {
        case startLine, fields, done
        case refused(HTTP1Error)
    }

    /// Longer methods are refused: the longest registered one has 17 characters.
    private static let longestMethod = 32

    /// Fields of a request that may stand once; Host and the length fields have errors of their own.
    private static let single: UInt64 = [
        FieldName.contentType, .authorization, .origin, .expect, .xAPIKey, .mcpProtocolVersion, .mcpSessionID,
        .mcpMethod, .mcpName, .lastEventID,
    ].reduce(0) { $0 | $1.bit }

    /// The request read last. Valid after ``parseHead(_:)`` answered true and until it is called again.
    public private(set) var head = RequestHead()

    private let limits: HTTP1Limits
    private let names = FieldNameTable.shared
    private let single = RequestParser.single
    private var state = State.startLine
    private var lines = LineReader()
    private var framing = MessageFraming()

    /// A parser for one connection.
    public init(limits: HTTP1Limits = HTTP1Limits()) {
        self.limits = limits
    }

    /// Goes on reading a head.
    ///
    /// - Parameter bytes: all bytes since the end of the previous message; a call that follows "false" must begin with
    ///   the same bytes and may add to them.
    /// - Returns: whether the head is complete.
    /// - Throws: ``HTTP1Error``; then answer its status, if anything, and close.
    public mutating func parseHead(_ bytes: Span<UInt8>) throws(HTTP1Error) -> Bool {
        do {
            return try resume(bytes)
        } catch {
            state = .refused(error)
            throw error
        }
    }

    private mutating func resume(_ bytes: Span<UInt8>) throws(HTTP1Error) -> Bool {
        switch state {
        case .refused(let error): throw error
        case .fields: return try readFields(bytes)
        case .done:
            lines = LineReader()
            framing = MessageFraming()
            fallthrough
        case .startLine:
            state = .startLine
            let end = min(bytes.count, limits.startLine)
            guard let line = try lines.next(bytes, to: end) else {
                if end == limits.startLine { throw .targetTooLong }
                return false
            }
            head.fields.removeAll()
            try readRequestLine(line, bytes)
            state = .fields
            return try readFields(bytes)
        }
    }

    /// `method SP request-target SP HTTP-version` (RFC 9112, 3), with single spaces.
    private mutating func readRequestLine(_ line: Range<Int>, _ bytes: Span<UInt8>) throws(HTTP1Error) {
        var index = line.lowerBound
        while index < line.upperBound, CharacterClass.token.contains(bytes[index]) { index &+= 1 }
        guard index > line.lowerBound, index &- line.lowerBound <= RequestParser.longestMethod else {
            throw line.isEmpty ? .malformedRequestLine : .malformedMethod
        }
        guard index < line.upperBound else { throw .malformedRequestLine }
        guard bytes[index] == ASCII.space else { throw .malformedMethod }
        head.methodRange = line.lowerBound..<index
        head.method = HTTPMethod(bytes, head.methodRange)

        let targetStart = index &+ 1
        index = targetStart
        while index < line.upperBound, CharacterClass.target.contains(bytes[index]) { index &+= 1 }
        guard index > targetStart else { throw .malformedTarget }
        guard index < line.upperBound else { throw .malformedRequestLine }
        guard bytes[index] == ASCII.space else { throw .malformedTarget }
        head.target = targetStart..<index
        try checkVersion(bytes, (index &+ 1)..<line.upperBound)
        head.targetForm = try targetForm(bytes)
    }

    private func targetForm(_ bytes: Span<UInt8>) throws(HTTP1Error) -> TargetForm {
        let target = head.target
        if head.method == .connect {
            for index in target where !CharacterClass.host.contains(bytes[index]) { throw .malformedTarget }
            return .authority
        }
        if bytes[target.lowerBound] == ASCII.slash { return .origin }
        if target.count == 1, bytes[target.lowerBound] == UInt8(ascii: "*"), head.method == .options {
            return .asterisk
        }
        for scheme: StaticString in ["http://", "https://"] {
            let count = scheme.utf8CodeUnitCount
            guard target.count > count else { continue }
            if bytes.equalsIgnoringCase(target.lowerBound..<target.lowerBound + count, scheme) { return .absolute }
        }
        throw .malformedTarget
    }

    private mutating func readFields(_ bytes: Span<UInt8>) throws(HTTP1Error) -> Bool {
        let end = min(bytes.count, limits.head)
        while let line = try lines.next(bytes, to: end) {
            if line.isEmpty {
                try finish(bytes)
                return true
            }
            guard head.fields.count < limits.fields else { throw .tooManyFields }
            try framing.read(line, of: bytes, names: names, into: &head.fields)
        }
        if end == limits.head { throw .headTooLarge }
        return false
    }

    private mutating func finish(_ bytes: Span<UInt8>) throws(HTTP1Error) {
        guard let host = head.fields.first(.host) else { throw .missingHost }
        guard !head.fields.isRepeated(.host) else { throw .repeatedHost }
        guard !host.isEmpty else { throw .malformedHost }
        for index in host where !CharacterClass.host.contains(bytes[index]) { throw .malformedHost }
        try head.fields.requireSingle(single)
        head.framing = framing.isChunked ? .chunked : framing.contentLength.map { .length($0) } ?? .none
        // What follows CONNECT is another protocol to some readers, and a body to others (RFC 9110, 9.3.6).
        head.keepAlive = !framing.close && head.method != .connect
        head.expectsContinue = framing.expectsContinue
        head.length = lines.lineStart
        state = .done
    }
}

/// Whether `range` spells `HTTP/1.1`.
///
/// - Throws: ``HTTP1Error/unsupportedVersion`` for another `HTTP/d.d`, ``HTTP1Error/malformedVersion`` for the rest.
func checkVersion(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(HTTP1Error) {
    guard range.count == 8 else { throw .malformedVersion }
    // "HTTP/1.1" and its form with both digits as zero, first byte lowest.
    let word = bytes.word(at: range.lowerBound)
    if word == 0x312E_312F_5054_5448 { return }
    let major = bytes[range.lowerBound + 5] &- ASCII.zero
    let minor = bytes[range.lowerBound + 7] &- ASCII.zero
    guard word & 0x00FF_00FF_FFFF_FFFF == 0x002E_002F_5054_5448, major <= 9, minor <= 9 else { throw .malformedVersion }
    throw .unsupportedVersion
}
