import Crypto
import YAML

/// Reads single values, expands what is written `${...}`, and collects mistakes.
struct ValueReader {
    /// What is wrong, and where.
    var mistakes: [YAMLError] = []
    /// Where secrets stand that anybody could read who can read the source.
    var plainSecrets: [YAMLPosition] = []
    /// Whether the value was put together with something from elsewhere: it is not shown.
    var hasExpanded = false
    /// What `${...}` stands for.
    let expander: Expander
    /// Whether the value is not to be told in messages either.
    let hidesValue: Bool

    init(_ expander: Expander, hidesValue: Bool = false) {
        self.expander = expander
        self.hidesValue = hidesValue
    }

    /// Adds a mistake.
    mutating func note(_ position: YAMLPosition, _ message: String) { mistakes.append(YAMLError(position, message)) }

    /// A text, which must not be empty or null.
    mutating func text(_ node: YAMLNode) -> String? { value(node)?.text }

    /// A text and, where it differs, how it is written.
    private mutating func value(_ node: YAMLNode) -> Expander.Expansion? {
        guard case .scalar(let written, _) = node.value, !node.isNull else {
            note(node.position, "a single value is expected, not \(node.kindName)")
            return nil
        }
        let expansion: Expander.Expansion
        do throws(ExpansionError) {
            expansion = try expander.expand(written)
        } catch {
            note(node.position, error.message)
            return nil
        }
        if expansion.isExpanded { hasExpanded = true }
        if expansion.text.isEmpty {
            note(node.position, written.isEmpty ? "'' is empty" : "\(quoted(written)) is empty once expanded")
            return nil
        }
        if expansion.text.utf8.contains(0) {
            note(node.position, "the text holds a null character")
            return nil
        }
        return expansion
    }

    /// What an expression makes of a text. The mistake it finds is told in its own words, unless that could tell what was expanded.
    mutating func parse<Value>(
        _ node: YAMLNode, _ form: String, _ parse: (String) throws(ConfigurationError) -> Value
    ) -> Value? {
        guard let value = value(node) else { return nil }
        do throws(ConfigurationError) {
            return try parse(value.text)
        } catch {
            if hidesValue {
                note(node.position, "the value is not \(form)")
            } else if value.isExpanded, case .scalar(let written, _) = node.value {
                note(node.position, "\(quoted(written)), expanded, is not \(form)")
            } else {
                note(node.position, error.message)
            }
            return nil
        }
    }

    /// The same for a reading that gives nil.
    private mutating func parse<Value>(_ node: YAMLNode, _ form: String, _ parse: (String) -> Value?) -> Value? {
        self.parse(node, form) { text throws(ConfigurationError) in
            guard let value = parse(text) else { throw ConfigurationError("", "'\(text)' is not \(form)") }
            return value
        }
    }

    /// A truth value or number in quotation marks is a text: whoever wrote it meant something else, or should write what is meant.
    private mutating func refuseQuoted(_ node: YAMLNode, _ form: String) -> Bool {
        guard case .scalar(let text, isPlain: false) = node.value, !text.contains("${") else { return false }
        note(node.position, "\(quoted(text)) in quotation marks is a text, not \(form); remove them")
        return true
    }

    /// A file or directory; relative to where it is named.
    mutating func path(_ node: YAMLNode) -> String? { text(node).map(expander.absolute) }

    /// A span of time.
    mutating func time(_ node: YAMLNode, atLeast minimum: UInt64) -> UInt64? {
        parse(node, "a time of at least \(DurationText.text(minimum)), such as 30s") {
            text throws(ConfigurationError) in
            let value = try DurationText.nanoseconds(text, source: "")
            guard value >= minimum else {
                throw ConfigurationError("", "'\(text)' is too short; at least \(DurationText.text(minimum))")
            }
            return value
        }
    }

    /// A number of bytes.
    mutating func size(_ node: YAMLNode, _ range: ClosedRange<UInt64>) -> UInt64? {
        let form = "a size from \(SizeText.text(range.lowerBound)) to \(SizeText.text(range.upperBound)), such as 4MiB"
        return parse(node, form) { text in SizeText.bytes(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// A whole number.
    mutating func number(_ node: YAMLNode, _ range: ClosedRange<Int>) -> Int? {
        let form = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        if refuseQuoted(node, form) { return nil }
        return parse(node, form) { text in
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number with up to three places, in thousandths.
    mutating func thousandths(_ node: YAMLNode, _ range: ClosedRange<UInt64>) -> UInt64? {
        let form =
            "a number from \(ValueReader.decimal(range.lowerBound)) to \(ValueReader.decimal(range.upperBound)), with at most three places"
        if refuseQuoted(node, form) { return nil }
        return parse(node, form) { text in
            let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            let places = parts.count == 2 ? parts[1] : "0"
            guard let whole = parts.first, !whole.isEmpty, (1...3).contains(places.utf8.count),
                (whole + places).utf8.allSatisfy({ (0x30...0x39).contains($0) }), whole.utf8.count <= 12,
                let number = UInt64(whole + places + String(repeating: "0", count: 3 - places.utf8.count))
            else { return nil }
            return range.contains(number) ? number : nil
        }
    }

    /// Thousandths as a decimal number.
    static func decimal(_ thousandths: UInt64) -> String {
        let rest = String(thousandths % 1000 + 1000).dropFirst()
        let places = rest.reversed().drop { $0 == "0" }.reversed()
        return String(thousandths / 1000) + (places.isEmpty ? "" : "." + String(places))
    }

    /// `true` or `false`.
    mutating func truth(_ node: YAMLNode) -> Bool? {
        if refuseQuoted(node, "true or false") { return nil }
        return parse(node, "true or false") { text in text == "true" ? true : text == "false" ? false : nil }
    }

    /// One of some words.
    mutating func word(_ node: YAMLNode, _ words: [String]) -> String? {
        let form = words.count == 2 ? words.joined(separator: " or ") : "one of \(words.joined(separator: ", "))"
        return parse(node, form) { text throws(ConfigurationError) in
            if words.contains(text) { return text }
            let remedy = nearest(to: text, among: words).map { "; did you mean \($0)?" } ?? ""
            throw ConfigurationError("", "'\(text)' is not \(form)\(remedy)")
        }
    }

    /// The endpoint of an MCP server.
    mutating func upstream(_ node: YAMLNode) -> UpstreamURL? {
        parse(node, "a URL such as http://127.0.0.1:8080/mcp") { text throws(ConfigurationError) in
            try UpstreamURL(parsing: text, source: "")
        }
    }

    /// The URL of another service. Only its shape is looked at.
    mutating func url(_ node: YAMLNode, schemes: [String]) -> String? {
        let form = "a URL that begins with \(schemes.map { $0 + "://" }.joined(separator: " or "))"
        return parse(node, form) { text in
            guard let end = text.firstRange(of: "://"), schemes.contains(text[..<end.lowerBound].lowercased()),
                text[end.upperBound...].first.map({ !"/?#:".contains($0) }) == true,
                text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
            else { return nil }
            return text
        }
    }

    /// A secret's bytes. A short one could be guessed.
    mutating func secret(_ node: YAMLNode, atLeast minimum: Int) -> [UInt8]? {
        guard let value = value(node) else { return nil }
        if !value.isExpanded { plainSecrets.append(node.position) }
        guard value.text.utf8.count >= minimum else {
            note(
                node.position,
                "the secret has \(value.text.utf8.count) bytes and could be guessed; at least \(minimum)")
            return nil
        }
        return Array(value.text.utf8)
    }

    /// A key that clients show in a header: visible ASCII, or nobody could show it.
    mutating func key(_ node: YAMLNode, atLeast minimum: Int) -> [UInt8]? {
        guard let key = secret(node, atLeast: minimum) else { return nil }
        guard key.count <= APIKeyReader.maximumBytes, key.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            note(
                node.position,
                "a key has at most \(APIKeyReader.maximumBytes) bytes, all visible ASCII characters; no client could show another"
            )
            return nil
        }
        return key
    }

    /// The SHA-256 of a secret.
    mutating func digest(_ secret: [UInt8], _ node: YAMLNode) -> [UInt8]? {
        do throws(CryptoError) {
            return try sha256(secret)
        } catch {
            note(node.position, "cannot be hashed: \(error.reason)")
            return nil
        }
    }

    /// A list with at least one element, or a single value as a list of one.
    mutating func list<Element>(
        _ node: YAMLNode, _ read: (inout ValueReader, YAMLNode) -> Element?
    ) -> [Element]? {
        if case .sequence(let elements) = node.value {
            if elements.isEmpty {
                note(node.position, "an empty list; remove the key or add a value")
                return nil
            }
            return elements.compactMap { read(&self, $0) }
        }
        guard case .scalar = node.value, !node.isNull else {
            note(node.position, "a list is expected, not \(node.kindName)")
            return nil
        }
        return read(&self, node).map { [$0] }
    }

    /// A list of mappings.
    mutating func structures<Element>(
        _ node: YAMLNode, _ read: (inout ValueReader, YAMLNode) -> Element?
    ) -> [Element]? {
        guard case .sequence(let elements) = node.value else {
            note(node.position, "a list is expected, each element beginning with \"- \", not \(node.kindName)")
            return nil
        }
        if elements.isEmpty {
            note(node.position, "an empty list; remove the key or add a value")
            return nil
        }
        return elements.compactMap { read(&self, $0) }
    }
}
