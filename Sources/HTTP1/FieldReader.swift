/// Reads the lines of one head as they arrive and remembers how far it came, so that a head that drips in byte by byte
/// costs the same work as one that comes whole.
struct LineReader: Sendable {
    /// Where the current line begins.
    private(set) var lineStart = 0
    /// Up to where the current line is known to hold neither CR nor LF nor another control character.
    private(set) var scanned = 0

    /// The next line without its CRLF, or nil while it is incomplete.
    ///
    /// - Parameter end: no byte at or after this offset is looked at.
    @inline(__always)
    mutating func next(_ bytes: Span<UInt8>, to end: Int) throws(HTTP1Error) -> Range<Int>? {
        let stop = bytes.firstControl(from: scanned, to: end)
        guard stop < end else {
            scanned = Swift.max(scanned, end)
            return nil
        }
        switch bytes[stop] {
        case ASCII.carriageReturn:
            guard stop &+ 1 < end else {
                scanned = stop
                return nil
            }
            guard bytes[stop &+ 1] == ASCII.lineFeed else { throw .bareCarriageReturn }
            let line = lineStart..<stop
            lineStart = stop &+ 2
            scanned = lineStart
            return line
        case ASCII.lineFeed: throw .bareLineFeed
        default: throw .controlCharacter
        }
    }
}

/// What the fields of a head say about the framing of the message (RFC 9112, 6).
struct MessageFraming: Sendable {
    var contentLength: UInt64?
    var isChunked = false
    var close = false
    var expectsContinue = false

    /// Takes one field line: syntax, name, and what it says about framing.
    @inline(__always)
    mutating func read(
        _ line: Range<Int>, of bytes: Span<UInt8>, names: FieldNameTable, into fields: inout FieldList
    ) throws(HTTP1Error) {
        let colon = bytes.endOfToken(from: line.lowerBound, to: line.upperBound)
        guard colon < line.upperBound, colon > line.lowerBound, bytes[colon] == ASCII.colon else {
            throw MessageFraming.nameError(line, stoppedAt: colon, bytes)
        }
        let name = line.lowerBound..<colon
        let value = bytes.trimmingWhitespace((colon &+ 1)..<line.upperBound)
        let id = names.name(bytes, name)
        if id != .other { try note(id, value, bytes) }
        fields.append(Field(name: name, value: value, id: id))
    }

    private static func nameError(_ line: Range<Int>, stoppedAt stop: Int, _ bytes: Span<UInt8>) -> HTTP1Error {
        guard stop < line.upperBound else { return .malformedFieldName }
        let byte = bytes[stop]
        let isBlank = byte == ASCII.space || byte == ASCII.tab
        if stop == line.lowerBound {
            return isBlank ? .obsoleteFolding : byte == ASCII.colon ? .emptyFieldName : .malformedFieldName
        }
        return isBlank ? .whitespaceBeforeColon : .malformedFieldName
    }

    @inline(__always)
    private mutating func note(_ id: FieldName, _ value: Range<Int>, _ bytes: Span<UInt8>) throws(HTTP1Error) {
        switch id {
        case .contentLength:
            guard contentLength == nil else { throw .repeatedContentLength }
            guard !hasTabBehind(value, bytes) else { throw .malformedContentLength }
            guard let length = decimal(bytes, value) else { throw .malformedContentLength }
            guard !isChunked else { throw .conflictingLength }
            contentLength = length
        case .transferEncoding:
            guard !isChunked else { throw .repeatedTransferEncoding }
            guard !hasTabBehind(value, bytes) else { throw .unsupportedTransferEncoding }
            guard bytes.equalsIgnoringCase(value, "chunked") else { throw .unsupportedTransferEncoding }
            guard contentLength == nil else { throw .conflictingLength }
            isChunked = true
        case .connection:
            try readConnection(value, bytes)
        case .expect:
            guard bytes.equalsIgnoringCase(value, "100-continue") else { throw .unsupportedExpectation }
            expectsContinue = true
        default:
            break
        }
    }

    /// Whether a tab stands between a value and its CR: white space by RFC 9110, 5.5, but some readers take it for a part of
    /// the value, and then see no length or no chunks.
    private func hasTabBehind(_ value: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        var index = value.upperBound
        while bytes[index] == ASCII.space { index += 1 }
        return bytes[index] == ASCII.tab
    }

    /// `Connection` is a list of tokens; of them only `close` means anything here, since the gateway forwards no field
    /// it did not write itself.
    private mutating func readConnection(_ value: Range<Int>, _ bytes: Span<UInt8>) throws(HTTP1Error) {
        var start = value.lowerBound
        while start <= value.upperBound {
            var end = start
            while end < value.upperBound, bytes[end] != ASCII.comma { end += 1 }
            let token = bytes.trimmingWhitespace(start..<end)
            for index in token where !CharacterClass.token.contains(bytes[index]) { throw .malformedConnection }
            if bytes.equalsIgnoringCase(token, "close") { close = true }
            start = end + 1
        }
    }

    /// `1*DIGIT` (RFC 9110, 8.6) below 2^63, without leading zeros: some readers take `010` for eight.
    private func decimal(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
        guard !range.isEmpty, range.count <= 19 else { return nil }
        if range.count > 1, bytes[range.lowerBound] == ASCII.zero { return nil }
        var value: UInt64 = 0
        for index in range {
            let digit = bytes[index] &- ASCII.zero
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ UInt64(digit)
        }
        return value <= UInt64(Int64.max) ? value : nil
    }
}

extension FieldList {
    /// Refuses the repetition of fields of which readers take the first, the last or a joined value, as they please.
    func requireSingle(_ names: UInt64) throws(HTTP1Error) {
        guard repeatedNames & names == 0 else { throw .repeatedField }
    }
}
