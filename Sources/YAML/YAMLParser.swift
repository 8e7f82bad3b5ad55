import CYAML
import Synchronization

/// Reads one YAML text into a tree that remembers where everything stands. Anchors, aliases, tags, several documents and
/// duplicate names are refused: two readers could take them differently.
public enum YAMLParser {
    /// The largest text, in bytes.
    public static let maximumBytes = 10 * 1024 * 1024
    /// Lists and mappings inside each other.
    public static let maximumDepth = 32
    /// Values in all.
    public static let maximumNodes = 1_000_000

    /// Guards the one-time opening of libyaml.
    private static let loading = Mutex(())

    /// Reads a text.
    ///
    /// - Returns: nil for a text without any value.
    /// - Throws: `YAMLError`.
    public static func parse(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        let start = YAMLPosition(line: 1, column: 1)
        guard bytes.count <= maximumBytes else { throw YAMLError(start, "the file is larger than 10 MB") }
        // A text that lives as long as the program.
        let problem = loading.withLock { _ in unsafe cy_load().map { unsafe String(cString: $0) } }
        if let problem { throw YAMLError(start, "cannot read YAML: \(problem)") }
        if bytes.isEmpty { return nil }
        let outcome = unsafe bytes.withUnsafeBufferPointer { buffer -> Result<YAMLNode?, YAMLError> in
            // Read to its end before the buffer's life ends.
            guard let parser = unsafe cy_new(buffer.baseAddress, buffer.count) else {
                return .failure(YAMLError(start, "out of memory"))
            }
            defer { unsafe cy_free(parser) }
            do throws(YAMLError) {
                var composer = unsafe Composer(parser)
                return .success(try composer.document())
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}

/// Makes a tree of libyaml's events. Its parser is alive as long as it is.
@safe private struct Composer {
    private let parser: OpaquePointer
    private var event = unsafe cy_event()
    private var depth = 0
    private var nodes = 0

    init(_ parser: OpaquePointer) {
        unsafe self.parser = parser
    }

    private var position: YAMLPosition { unsafe YAMLPosition(line: event.line, column: event.column) }

    private mutating func advance() throws(YAMLError) {
        var error = cy_error()
        // The event's text is copied before the next call.
        guard unsafe cy_next(parser, &event, &error) else {
            // An array of the struct itself, ended by a null byte.
            let text = unsafe withUnsafeBytes(of: error.text) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let hint =
                text.contains("cannot start any token") || text.contains("tab character")
                ? "; indent with spaces, not tabs, and quote special characters" : ""
            throw YAMLError(YAMLPosition(line: error.line, column: error.column), text + hint)
        }
    }

    mutating func document() throws(YAMLError) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            try advance()
            switch unsafe event.kind {
            case cy_end: return root
            case cy_other: continue
            case cy_document:
                if root != nil { throw YAMLError(position, "a second document begins; a file holds one") }
                if unsafe event.has_tag { throw YAMLError(position, "tags are not accepted; remove the %TAG line") }
            default: root = try node()
            }
        }
    }

    /// The value that begins with the current event.
    private mutating func node() throws(YAMLError) -> YAMLNode {
        let position = position
        nodes += 1
        guard nodes <= YAMLParser.maximumNodes else { throw YAMLError(position, "more than a million values") }
        if unsafe event.kind == cy_alias {
            throw YAMLError(
                position, "aliases (*name) are not accepted; write the value out, or quote a text that begins with *")
        }
        if unsafe event.has_anchor {
            throw YAMLError(position, "anchors (&name) are not accepted; quote a text that begins with &")
        }
        if unsafe event.has_tag {
            throw YAMLError(position, "tags (!name) are not accepted; quote a text that begins with !")
        }
        switch unsafe event.kind {
        case cy_scalar:
            let isPlain = unsafe event.is_plain
            return YAMLNode(value: .scalar(text(), isPlain: isPlain), position: position)
        case cy_sequence_start:
            return try nested(position) { composer throws(YAMLError) in try composer.sequence() }
        case cy_mapping_start:
            return try nested(position) { composer throws(YAMLError) in try composer.mapping() }
        default:
            throw YAMLError(position, "a value is missing")
        }
    }

    private mutating func nested(
        _ position: YAMLPosition, _ read: (inout Composer) throws(YAMLError) -> YAMLNode.Value
    ) throws(YAMLError) -> YAMLNode {
        guard depth < YAMLParser.maximumDepth else {
            throw YAMLError(position, "more than \(YAMLParser.maximumDepth) lists and mappings inside each other")
        }
        depth += 1
        defer { depth -= 1 }
        return YAMLNode(value: try read(&self), position: position)
    }

    private mutating func sequence() throws(YAMLError) -> YAMLNode.Value {
        var elements: [YAMLNode] = []
        while true {
            try advance()
            if unsafe event.kind == cy_sequence_end { return .sequence(elements) }
            elements.append(try node())
        }
    }

    private mutating func mapping() throws(YAMLError) -> YAMLNode.Value {
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        while true {
            try advance()
            if unsafe event.kind == cy_mapping_end { return .mapping(entries) }
            let keyNode = try node()
            guard case .scalar(let key, _) = keyNode.value else {
                throw YAMLError(keyNode.position, "a name is a text, not \(keyNode.kindName)")
            }
            if let line = lines.updateValue(keyNode.position.line, forKey: key) {
                throw YAMLError(
                    keyNode.position, "\(quoted(key)) is there already, in line \(line); remove one of them")
            }
            try advance()
            entries.append(YAMLNode.Entry(key: key, position: keyNode.position, value: try node()))
        }
    }

    private func text() -> String {
        // The library's own count, and valid until the next event.
        unsafe String(decoding: UnsafeBufferPointer(start: event.text, count: event.length), as: UTF8.self)
    }
}
