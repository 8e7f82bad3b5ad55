import HTTP1
import MCP

/// What a client says of its body's type and of those it takes. The spellings that nearly every client uses are recognised at once.
enum MediaTypes {
    /// Whether a Content-Type is `application/json`, with no parameter but `charset=utf-8`.
    static func isJSON(_ value: Span<UInt8>) -> Bool {
        if value.isEqual(to: "application/json") { return true }
        let parts = value.text.lowercased().split(separator: ";", omittingEmptySubsequences: false).map { $0.trimmed }
        guard parts.first == "application/json" else { return false }
        // RFC 9110, 5.6.6 allows empty parameters.
        return parts.dropFirst().allSatisfy { $0.isEmpty || $0 == "charset=utf-8" || $0 == "charset=\"utf-8\"" }
    }

    /// Which of the two kinds of answer the Accept fields allow (RFC 9110, 12.5.1).
    static func accepted(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) -> (json: Bool, events: Bool) {
        if let value = head.first(.accept), !head.fields.isRepeated(.accept) {
            let accept = bytes.extracting(value)
            if accept.isEqual(to: "application/json, text/event-stream") { return (true, true) }
            if accept.isEqual(to: "*/*") { return (true, true) }
            if accept.isEqual(to: "text/event-stream, application/json") { return (true, true) }
            if accept.isEqual(to: "text/event-stream") { return (false, true) }
            if accept.isEqual(to: "application/json") { return (true, false) }
        }
        let list = AcceptList(head, bytes)
        return (list.allows("application", "json"), list.allows("text", "event-stream"))
    }
}

/// The media ranges of the Accept fields.
private struct AcceptList {
    private var ranges: [(type: Substring, subtype: Substring, refused: Bool)] = []

    init(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) {
        for index in head.fields.indices where head.fields[index].id == .accept {
            let field = head.fields[index]
            for item in bytes.extracting(field.value).text.lowercased().split(separator: ",") {
                let parts = item.split(separator: ";").map { $0.trimmed }
                guard let media = parts.first, let slash = media.firstIndex(of: "/") else { continue }
                let refused = parts.dropFirst().contains {
                    $0.hasPrefix("q=0") && $0.dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
                }
                ranges.append((media[..<slash], media[media.index(after: slash)...], refused))
            }
        }
    }

    /// Whether the type may be sent: the most specific range decides; no Accept field allows everything.
    func allows(_ type: String, _ subtype: String) -> Bool {
        if ranges.isEmpty { return true }
        let exact = ranges.first { $0.type == type && $0.subtype == subtype }
        let partial = ranges.first { $0.type == type && $0.subtype == "*" }
        let any = ranges.first { $0.type == "*" && $0.subtype == "*" }
        guard let decisive = exact ?? partial ?? any else { return false }
        return !decisive.refused
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    fileprivate var trimmed: Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = drop(while: isBlank)
        guard let end = start.lastIndex(where: { !isBlank($0) }) else { return "" }
        return start[...end]
    }
}
