import Policy
import YAML

/// One case of a file of cases: a call and what is to become of it.
public struct PolicyCase: Sendable {
    /// Its name.
    public let name: String
    /// Where it stands.
    public let position: YAMLPosition
    /// The call.
    public let call: PolicyCall
    /// Whether it is to pass.
    public let passes: Bool
    /// The rule that is to decide, or what holds without one in brackets; nil for any.
    public let rule: String?
}

/// Reads a file of cases for `mcpgw policy test`.
public struct PolicyCaseReader {
    /// What is wrong, in the order of the file.
    public private(set) var mistakes: [YAMLError] = []

    private enum Expected: String, CaseIterable { case allow, deny }
    private enum Sender: String, CaseIterable { case client, server }

    private static let keys = [
        "name", "method", "tool", "prompt", "resource", "arguments", "params", "message", "subject", "roles", "tenant",
        "labels", "route", "from", "expect", "rule",
    ]

    /// A reader.
    public init() {}

    /// The cases of a file: a list, or a mapping with one named `cases`.
    public mutating func read(_ bytes: [UInt8]) -> [PolicyCase] {
        let root: YAMLNode?
        do throws(YAMLError) {
            root = try YAMLParser.parse(bytes)
        } catch {
            mistakes.append(error)
            return []
        }
        guard let root, !root.isNull else {
            note(YAMLPosition(line: 1, column: 1), "the file is empty; it holds a list of cases")
            return []
        }
        var list = root
        if case .mapping = root.value {
            guard let keys = YAMLMappingReader(root, "a file of cases", known: ["cases"], &mistakes) else { return [] }
            guard let node = keys["cases"] else {
                note(root.position, "cases are missing; write cases: and a list")
                return []
            }
            list = node
        }
        guard case .sequence(let elements) = list.value, !elements.isEmpty else {
            note(list.position, "cases are a list with at least one case, not \(list.kindName) or empty")
            return []
        }
        return elements.enumerated().compactMap { read($1, $0 + 1) }
    }

    private mutating func note(_ position: YAMLPosition, _ message: String) {
        mistakes.append(YAMLError(position, message))
    }

    private mutating func read(_ node: YAMLNode, _ number: Int) -> PolicyCase? {
        guard let keys = YAMLMappingReader(node, "a case", known: PolicyCaseReader.keys, &mistakes) else { return nil }
        let count = mistakes.count
        guard var call = call(node, keys) else { return nil }
        call.subject = text(keys, "subject")
        call.tenant = text(keys, "tenant")
        call.route = text(keys, "route") ?? "default"
        if let node = keys["roles"] { call.roles = texts(node, "roles") }
        if let node = keys["labels"] {
            if case .mapping(let entries) = node.value {
                call.labels = entries.compactMap { entry in
                    entry.value.text("a label", &mistakes).map { PolicyCall.Label(name: entry.key, value: $0) }
                }
            } else {
                note(node.position, "labels is a mapping of names and values, not \(node.kindName)")
            }
        }
        if let sender: Sender = keys["from"].flatMap({ $0.choice("from", &mistakes) }) {
            call.isFromServer = sender == .server
        }
        guard let node = keys["expect"] else {
            note(node.position, "a case says what it expects: allow or deny")
            return nil
        }
        guard let expected: Expected = node.choice("expect", &mistakes), mistakes.count == count else { return nil }
        return PolicyCase(
            name: text(keys, "name") ?? "case \(number)", position: keys.position, call: call,
            passes: expected == .allow, rule: text(keys, "rule"))
    }

    private mutating func text(_ keys: YAMLMappingReader, _ name: String) -> String? {
        keys[name].flatMap { $0.text(name, &mistakes) }
    }

    private mutating func texts(_ node: YAMLNode, _ what: String) -> [String] {
        node.list(what, &mistakes).compactMap { $0.text(what, &mistakes) }
    }

    private mutating func call(_ node: YAMLNode, _ keys: YAMLMappingReader) -> PolicyCall? {
        let ways = ["tool", "prompt", "resource", "params", "message"].compactMap { keys.entry($0) }
        if ways.count > 1 {
            note(ways[1].position, "a case has only one of tool, prompt, resource, params and message")
            return nil
        }
        if let entry = keys.entry("arguments"), ways.first.map({ $0.key != "tool" && $0.key != "prompt" }) ?? true {
            note(entry.position, "arguments go with tool or prompt")
            return nil
        }
        let arguments = keys["arguments"].map { YAMLJSON.text($0) }
        let method = text(keys, "method")
        switch ways.first?.key {
        case "message":
            guard let message = text(keys, "message") else { return nil }
            if let entry = keys.entry("method") { note(entry.position, "the message has a method already") }
            return PolicyCall(message: Array(message.utf8))
        case "tool", "prompt":
            let key = ways[0].key
            guard let name = text(keys, key) else { return nil }
            return PolicyCall(
                method: method ?? (key == "tool" ? "tools/call" : "prompts/get"),
                params: PolicyCall.params(name: name, arguments: arguments))
        case "resource":
            guard let uri = text(keys, "resource") else { return nil }
            return PolicyCall(method: method ?? "resources/read", params: PolicyCall.params(uri: uri))
        default:
            guard let method else {
                if keys.entry("method") == nil { note(node.position, "a case has a method, a tool or a message") }
                return nil
            }
            return PolicyCall(method: method, params: keys["params"].map { YAMLJSON.text($0) })
        }
    }
}

/// YAML's values as JSON (YAML 1.2, core schema, as far as JSON has the same).
public enum YAMLJSON {
    /// The JSON of a value.
    public static func text(_ node: YAMLNode) -> String {
        switch node.value {
        case .scalar(let text, let isPlain):
            if node.isNull { return "null" }
            if isPlain, text == "true" || text == "false" || isNumber(text) { return text }
            return PolicyCall.json(text)
        case .sequence(let elements): return "[" + elements.map(text).joined(separator: ",") + "]"
        case .mapping(let entries):
            return "{" + entries.map { PolicyCall.json($0.key) + ":" + text($0.value) }.joined(separator: ",") + "}"
        }
    }

    /// RFC 8259, 6.
    static func isNumber(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func digits() -> Int {
            let count = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }.count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        let startsWithZero = rest.first == 0x30
        let whole = digits()
        if whole == 0 || startsWithZero && whole > 1 { return false }
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            if digits() == 0 { return false }
        }
        if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
            rest.removeFirst()
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
            if digits() == 0 { return false }
        }
        return rest.isEmpty
    }
}
