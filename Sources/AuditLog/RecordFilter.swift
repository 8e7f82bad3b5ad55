import Records
import StrictJSON

/// Which records of a log are wanted. Every condition must hold; one of texts holds as `*` and `?` say.
public struct RecordFilter: Sendable {
    /// Members and what their values must be like.
    public var texts: [(name: String, pattern: String)] = []
    /// Labels, of whatever origin, and what their values must be like.
    public var labels: [(name: String, pattern: String)] = []
    /// The earliest time, as a text that sorts like times; empty: none.
    public var since = ""
    /// The time before which records are wanted; empty: none.
    public var until = ""

    /// The members that hold labels.
    private static let labelMembers = ["labels", "claimed_labels", "route_labels"]

    /// Everything is wanted.
    public init() {}

    /// Whether a record is wanted.
    public func accepts(_ line: Span<UInt8>, _ tape: borrowing JSONTape) -> Bool {
        func text(_ name: String, _ node: JSONNode = .root) -> String? {
            tape.member(named: name, of: node, in: line).flatMap { tape.string($0, in: line) }
        }
        if !since.isEmpty || !until.isEmpty {
            guard let time = text("timestamp") else { return false }
            if !since.isEmpty, time < since { return false }
            if !until.isEmpty, time >= until { return false }
        }
        for (name, pattern) in texts {
            guard let value = text(name), RecordFilter.matches(pattern, value) else { return false }
        }
        if !labels.isEmpty {
            let lists = RecordFilter.labelMembers.compactMap { tape.member(named: $0, of: .root, in: line) }
            for (name, pattern) in labels {
                let isFound = lists.contains { node in
                    text(name, node).map { RecordFilter.matches(pattern, $0) } ?? false
                }
                guard isFound else { return false }
            }
        }
        return true
    }

    /// Whether a text is like a pattern: `*` is any run of characters, `?` any one.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let pattern = Array(pattern.unicodeScalars)
        let text = Array(text.unicodeScalars)
        var (p, t, star, mark) = (0, 0, -1, 0)
        while t < text.count {
            if p < pattern.count, pattern[p] == "*" {
                star = p
                mark = t
                p += 1
            } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if star >= 0 {
                mark += 1
                p = star + 1
                t = mark
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == "*" { p += 1 }
        return p == pattern.count
    }
}

/// Writes records as comma-separated values (RFC 4180), a line each.
public enum RecordTable {
    /// The columns: the seed's, then what tells a record apart.
    public static let columns = [
        "timestamp", "direction", "method", "tool_name", "tool_args", "action", "reason", "subject", "upstream",
        "labels", "kind", "rule", "route", "tenant", "request_id", "session", "duration_ms", "seq",
        "claimed_labels", "route_labels",
    ]

    /// The first line.
    public static var head: [UInt8] { Array((columns.joined(separator: ",") + "\r\n").utf8) }

    /// Appends a record's line. A cell that a spreadsheet would take for a formula begins with an apostrophe.
    public static func append(_ line: Span<UInt8>, _ tape: borrowing JSONTape, to output: inout [UInt8]) {
        for (index, name) in columns.enumerated() {
            if index > 0 { output.append(0x2c) }
            guard let node = tape.member(named: name, of: .root, in: line) else { continue }
            let isText = tape.kind(node) == .string
            // Spelt as in the log, so that a cell is one line without control characters; only quotation marks are unescaped.
            var shown: [UInt8] = []
            VisibleText.append(line.extracting(isText ? tape.contentRange(node) : tape.range(node)), to: &shown)
            let value = shown.span
            output.append(0x22)
            if isText, value.count > 0, RecordTable.beginsFormula(value) { output.append(0x27) }
            var index = 0
            while index < value.count {
                if isText, value[index] == 0x5c, index + 1 < value.count {
                    if value[index + 1] == 0x22 {
                        output.append(contentsOf: [0x22, 0x22])
                    } else {
                        output.append(contentsOf: [0x5c, value[index + 1]])
                    }
                    index += 2
                    continue
                }
                if value[index] == 0x22 { output.append(0x22) }
                output.append(value[index])
                index += 1
            }
            output.append(0x22)
        }
        output.append(contentsOf: [0x0d, 0x0a])
    }

    /// Whether a spreadsheet would take the text for a formula: it begins with one of `= + - @`, or with white space that some leave out.
    private static func beginsFormula(_ text: Span<UInt8>) -> Bool {
        var index = 0
        while index < text.count, text[index] == 0x20 { index += 1 }
        guard index < text.count else { return false }
        switch text[index] {
        case 0x3d, 0x2b, 0x2d, 0x40: return true
        case 0x5c: return index + 1 < text.count && [0x74, 0x72, 0x6e, 0x75].contains(text[index + 1])
        // The wide forms of the four: U+FF1D, U+FF0B, U+FF0D, U+FF20.
        case 0xef:
            guard index + 2 < text.count, text[index + 1] == 0xbc else { return false }
            return [0x9d, 0x8b, 0x8d, 0xa0].contains(text[index + 2])
        default: return false
        }
    }
}
