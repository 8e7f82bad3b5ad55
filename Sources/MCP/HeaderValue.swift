import StrictJSON

/// What is wrong with a header that mirrors a part of the body.
public enum HeaderFault: UInt8, CaseIterable, Sendable {
    /// It is required and not there.
    case missing
    /// It holds characters no such header may have.
    case badCharacters
    /// It begins and ends like the Base64 form and is none.
    case badEncoding
    /// It says something else than the body.
    case differs

    /// What records say of a request that is refused for one of these.
    public static let reason: StaticString = "a header does not say what the body says"
}

/// Values of headers that mirror parts of the body (MCP 2026-07-28, Streamable HTTP, Value Encoding): a plain text of
/// visible ASCII, spaces and tabs, or `=?base64?...?=` around the Base64 of any UTF-8.
public enum HeaderValue {
    private static let prefix: StaticString = "=?base64?"
    private static let suffix: StaticString = "?="

    /// Whether a value is of one of the two forms. White space around it has been removed.
    public static func isWellFormed(_ value: Span<UInt8>) -> Bool {
        guard isPlain(value) else { return false }
        guard isEncoded(value) else { return true }
        guard var reader = Base64Reader(payload(value), .standard) else { return false }
        var decoded: [UInt8] = []
        reader.appendRest(to: &decoded)
        return (try? UTF8Span(validating: decoded.span)) != nil
    }

    /// Compares a value with a string of the body.
    ///
    /// - Returns: nil if it says the same.
    public static func fault(
        in value: Span<UInt8>, mirroring node: JSONNode, of tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        mayBeEncoded: Bool = true
    ) -> HeaderFault? {
        guard isPlain(value) else { return .badCharacters }
        guard tape.isEscaped(node) else {
            return fault(in: value, mirroring: bytes.extracting(tape.contentRange(node)), mayBeEncoded)
        }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        return fault(in: value, mirroring: text.span, mayBeEncoded)
    }

    /// The text that a value stands for: as it is, or out of its Base64 form. Nil: it is not well-formed.
    public static func decoded(_ value: Span<UInt8>) -> [UInt8]? {
        guard isWellFormed(value) else { return nil }
        guard isEncoded(value), var reader = Base64Reader(payload(value), .standard) else { return value.copy }
        var text: [UInt8] = []
        reader.appendRest(to: &text)
        return text
    }

    private static func fault(in value: Span<UInt8>, mirroring text: Span<UInt8>, _ mayBeEncoded: Bool) -> HeaderFault?
    {
        guard mayBeEncoded, isEncoded(value) else { return value.isEqual(to: text) ? nil : .differs }
        guard var reader = Base64Reader(payload(value), .standard) else { return .badEncoding }
        guard reader.count == text.count else { return .differs }
        for index in text.indices where reader.next() != text[index] { return .differs }
        return nil
    }

    /// Appends the header value for a string of the body: plain where that is safe, else encoded.
    public static func append(
        _ node: JSONNode, of tape: borrowing JSONTape, _ bytes: Span<UInt8>, to output: inout [UInt8]
    ) {
        guard tape.isEscaped(node) || tape.hasLoneSurrogate(node) else {
            append(bytes.extracting(tape.contentRange(node)), to: &output)
            return
        }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        append(text.span, to: &output)
    }

    /// Appends the header value for a string of the body that must stand plainly, as `Mcp-Method` must.
    ///
    /// - Returns: whether it can; if not, nothing is appended.
    public static func appendPlain(
        _ node: JSONNode, of tape: borrowing JSONTape, _ bytes: Span<UInt8>, to output: inout [UInt8]
    ) -> Bool {
        let start = output.count
        tape.appendString(node, in: bytes, to: &output)
        guard isSafe(output.span.extracting(droppingFirst: start)) else {
            output.removeLast(output.count - start)
            return false
        }
        return true
    }

    /// Appends the header value for a text.
    static func append(_ text: Span<UInt8>, to output: inout [UInt8]) {
        guard !isSafe(text) || isEncoded(text) else {
            output.append(copying: text)
            return
        }
        output.append(prefix)
        Base64Form.standard.append(text, to: &output)
        output.append(suffix)
    }

    /// Whether a text keeps its meaning as a field value: no white space around it that a reader would take away.
    private static func isSafe(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty else { return true }
        return text[0] > 0x20 && text[text.count - 1] > 0x20 && isPlain(text)
    }

    private static func isPlain(_ value: Span<UInt8>) -> Bool {
        for index in value.indices {
            guard 0x20...0x7E ~= value[index] || value[index] == 0x09 else { return false }
        }
        return true
    }

    private static func isEncoded(_ value: Span<UInt8>) -> Bool {
        value.count >= 11 && value.hasPrefix(prefix) && value.hasSuffix(suffix)
    }

    @_lifetime(copy value)
    private static func payload(_ value: Span<UInt8>) -> Span<UInt8> {
        value.extracting(9..<value.count - 2)
    }
}
