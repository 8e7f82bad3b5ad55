/// The pieces of an event stream in canonical form.
///
/// The standard ends lines at CR, LF and CRLF only. Readers that split with Python's `str.splitlines` (httpx-sse before
/// 0.4.1, which SDK 1.x allows) end them at VT, FF, FS, GS, RS, NEL, LS and PS as well; a server could hide an event from the
/// gateway in a JSON string of two LS and give it to such a client. So none of these is ever written.
public enum EventEncoding {
    /// What stands behind the data of an event: the end of their line and the empty line.
    public static let end: StaticString = "\n\n"
    static let lineEnd: StaticString = "\n"
    static let id: StaticString = "id: "
    static let name: StaticString = "event: "
    static let retry: StaticString = "retry: "
    static let data: StaticString = "data: "
    static let comment: StaticString = ": "

    /// The bytes that a comment takes.
    public static func commentCount(_ text: Span<UInt8>) -> Int {
        comment.utf8CodeUnitCount &+ text.count &+ lineEnd.utf8CodeUnitCount
    }

    /// Appends a comment, between two events. No empty line follows it: behind an id, httpx-sse makes an event of one.
    ///
    /// - Throws: ``EventEncodingError/unsafeComment``; nothing is written then.
    public static func appendComment(
        _ text: Span<UInt8>, to sink: inout some EventSink & ~Copyable
    ) throws(EventEncodingError) {
        guard text.isSafeLine(nullAllowed: true) else { throw .unsafeComment }
        sink.append(comment.span)
        sink.append(text)
        sink.append(lineEnd.span)
    }
}

/// What some reader takes for the end of a line.
private enum LineBreak {
    /// CR, LF or CRLF.
    case plain(length: Int)
    /// VT, FF, FS, GS or RS.
    case control
    /// NEL, LS or PS.
    case separator(length: Int, escape: StaticString)
}

extension Span<UInt8> {
    /// Whether this can be the rest of a line for every reader.
    func isSafeLine(nullAllowed: Bool) -> Bool {
        var index = 0
        while true {
            index = firstSpecial(from: index, to: count)
            guard index < count else { return true }
            guard lineBreak(at: index) == nil, nullAllowed || self[index] != ASCII.null else { return false }
            index &+= 1
        }
    }

    /// The end of a line, as some reader understands it, that begins at `index`.
    @inline(__always)
    private func lineBreak(at index: Int) -> LineBreak? {
        switch self[index] {
        case ASCII.lineFeed:
            return .plain(length: 1)
        case ASCII.carriageReturn:
            return .plain(length: index &+ 1 < count && self[index &+ 1] == ASCII.lineFeed ? 2 : 1)
        case 0x0B, 0x0C, 0x1C...0x1E:
            return .control
        case 0xC2 where index &+ 1 < count && self[index &+ 1] == 0x85:
            return .separator(length: 2, escape: "\\u0085")
        case 0xE2 where index &+ 2 < count && self[index &+ 1] == 0x80:
            switch self[index &+ 2] {
            case 0xA8: return .separator(length: 3, escape: "\\u2028")
            case 0xA9: return .separator(length: 3, escape: "\\u2029")
            default: return nil
            }
        default:
            return nil
        }
    }

    /// The first line end, as some reader understands it, in `start...`.
    @inline(__always)
    fileprivate func nextLineBreak(from start: Int) -> (index: Int, found: LineBreak)? {
        var index = start
        while true {
            index = firstSpecial(from: index, to: count)
            if index < count, self[index] >= 0x80 { index = firstBreakLead(from: index, to: count) }
            guard index < count else { return nil }
            if let found = lineBreak(at: index) { return (index, found) }
            index &+= 1
        }
    }
}

/// The bytes that data take between `data: ` and ``EventEncoding/end``; nil when they cannot be written.
func encodedDataCount(_ data: Span<UInt8>, _ form: DataForm) -> Int? {
    var index = 0
    var total = data.count
    while let (start, found) = data.nextLineBreak(from: index) {
        switch found {
        case .plain(let length):
            total &+= EventEncoding.lineEnd.utf8CodeUnitCount &+ EventEncoding.data.utf8CodeUnitCount &- length
            index = start &+ length
        case .control:
            return nil
        case .separator(let length, let escape):
            guard form == .json else { return nil }
            total &+= escape.utf8CodeUnitCount &- length
            index = start &+ length
        }
    }
    return total
}

/// Writes data that have such a count.
func appendData(_ data: Span<UInt8>, to sink: inout some EventSink & ~Copyable) {
    var index = 0
    while let (start, found) = data.nextLineBreak(from: index) {
        sink.append(data.extracting(index..<start))
        switch found {
        case .plain(let length):
            sink.append(EventEncoding.lineEnd.span)
            sink.append(EventEncoding.data.span)
            index = start &+ length
        case .control:
            // Refused before.
            index = start &+ 1
        case .separator(let length, let escape):
            sink.append(escape.span)
            index = start &+ length
        }
    }
    sink.append(data.extracting(index..<data.count))
}
