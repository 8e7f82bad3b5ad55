import StrictJSON

/// The id of an SSE event as the gateway gives it to legacy clients. It carries all that a resumption needs, so that
/// nothing is remembered for it:
///
///     <route>.<request>.<id>.<progress token>.<upstream's event id>
///
/// two decimal numbers and three texts in Base64url, each of which may be empty. What comes back in `Last-Event-ID` is
/// the client's claim: only its form is checked here.
public struct EventID: Equatable, Sendable {
    /// Bytes each of the three texts may have.
    public static let maxPartLength = 1024
    /// Bytes the whole may have.
    static let maxLength = 10 + 20 + 4 + 3 * 1366

    /// The number of the route.
    public let route: UInt32
    /// The gateway's own number of the request upstream; zero for none.
    public let request: UInt64
    /// The client's id of the request as spelt; empty for none. A JSON string or integer.
    public let id: [UInt8]
    /// The client's progress token as spelt; empty for none. A JSON string or integer.
    public let progressToken: [UInt8]
    /// The upstream's event id: fit to stand in a header; empty for none.
    public let upstream: [UInt8]

    /// Appends the text of an event id.
    ///
    /// - Returns: whether there is one. Nothing is appended if a part is too long or the upstream's id could not be
    ///   given back to it in a header: such an event cannot be resumed from.
    public static func append(
        route: UInt32, request: UInt64, id: Span<UInt8>, progressToken: Span<UInt8>, upstream: Span<UInt8>,
        to output: inout [UInt8]
    ) -> Bool {
        guard max(id.count, progressToken.count, upstream.count) <= maxPartLength, isFieldValue(upstream) else {
            return false
        }
        output.append(copying: DecimalDigits(UInt64(route)).span)
        output.append(UInt8(ascii: "."))
        output.append(copying: DecimalDigits(request).span)
        output.append(UInt8(ascii: "."))
        Base64Form.url.append(id, to: &output)
        output.append(UInt8(ascii: "."))
        Base64Form.url.append(progressToken, to: &output)
        output.append(UInt8(ascii: "."))
        Base64Form.url.append(upstream, to: &output)
        return true
    }

    /// Takes an event id apart.
    ///
    /// - Parameter text: the value of `Last-Event-ID`.
    /// - Returns: nil unless it is exactly what ``append(route:request:id:progressToken:upstream:to:)`` writes: then
    ///   there is nothing to resume from.
    public init?(_ text: Span<UInt8>) {
        guard text.count <= EventID.maxLength else { return nil }
        var start = 0
        guard let route = EventID.number(EventID.part(text, &start)), let route = UInt32(exactly: route),
            let request = EventID.number(EventID.part(text, &start)),
            let id = EventID.decoded(EventID.part(text, &start)),
            let progressToken = EventID.decoded(EventID.part(text, &start)), start <= text.count,
            let upstream = EventID.decoded(text.extracting(droppingFirst: start)),
            EventID.isIdentifier(id), EventID.isIdentifier(progressToken), EventID.isFieldValue(upstream.span)
        else { return nil }
        self.route = route
        self.request = request
        self.id = id
        self.progressToken = progressToken
        self.upstream = upstream
    }

    /// The text up to the next dot. The start moves behind that, or beyond the end if there is none.
    @_lifetime(copy text)
    private static func part(_ text: Span<UInt8>, _ start: inout Int) -> Span<UInt8> {
        let first = min(start, text.count)
        var end = first
        while end < text.count, text[end] != UInt8(ascii: ".") { end += 1 }
        start = end + 1
        return text.extracting(first..<end)
    }

    /// A decimal number without leading zeros.
    private static func number(_ text: Span<UInt8>) -> UInt64? {
        guard !text.isEmpty, text.count == 1 || text[0] != 0x30 else { return nil }
        var value: UInt64 = 0
        for index in text.indices {
            guard 0x30...0x39 ~= text[index] else { return nil }
            let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (next, tooLargeToo) = shifted.addingReportingOverflow(UInt64(text[index] - 0x30))
            guard !tooLarge, !tooLargeToo else { return nil }
            value = next
        }
        return value
    }

    private static func decoded(_ text: Span<UInt8>) -> [UInt8]? {
        guard var reader = Base64Reader(text, .url), reader.count <= maxPartLength else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(reader.count)
        reader.appendRest(to: &bytes)
        return bytes
    }

    /// Whether bytes can be put back into a message as an id; none at all can, meaning none.
    private static func isIdentifier(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, let last = bytes.last else { return true }
        // No white space around it, which the parser would allow.
        guard first > 0x20, last > 0x20 else { return false }
        var tape = JSONTape(capacity: 4)
        do throws(JSONError) {
            try JSONParser().parse(bytes.span, into: &tape)
        } catch {
            return false
        }
        return identifier(.root, tape) != nil
    }

    /// Whether bytes may stand as a field value (RFC 9110, 5.5): no control character, no white space around them.
    private static func isFieldValue(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty else { return true }
        for index in text.indices where text[index] < 0x20 || text[index] == 0x7F { return false }
        return text[0] != 0x20 && text[text.count - 1] != 0x20
    }
}
