import YAML

/// Reads the elements of `routing.routes`.
enum RouteReader {
    /// Bytes of a glob.
    private static let globLimit = 1024

    /// A route; its name is empty where none is given.
    static func read(_ reader: inout ValueReader, _ node: YAMLNode) -> Configuration.Route? {
        // Known, and refused with a reason, since silence would be taken for consent.
        let later = [
            "command", "match_resources", "match_prompts", "prefix", "timeout", "headers", "credential",
            "sandbox", "instances",
        ]
        let known = ["name", "match_tools", "upstream", "labels"]
        guard let keys = YAMLMappingReader(node, "a route", known: known + later, &reader.mistakes) else { return nil }
        for name in later {
            guard let entry = keys.entry(name) else { continue }
            reader.note(entry.position, "a route's \(name) is not supported by this version; remove it")
        }
        let name = keys["name"].flatMap { routeName(&reader, $0) }
        var tools: [String]?
        if let node = keys["match_tools"] {
            tools = reader.list(node, glob)
        } else {
            reader.note(node.position, "a route has match_tools, the tools it serves; write [\"*\"] for all of them")
        }
        var upstream: UpstreamURL?
        if let node = keys["upstream"] {
            upstream = reader.upstream(node)
        } else {
            reader.note(node.position, "a route has an upstream, the URL of its MCP server")
        }
        let labels = keys["labels"].flatMap { LabelReader.read(&reader, $0) }
        guard let upstream, let tools, !tools.isEmpty else { return nil }
        return Configuration.Route(name: name ?? "", upstream: upstream, matchTools: tools, labels: labels ?? [])
    }

    private static func routeName(_ reader: inout ValueReader, _ node: YAMLNode) -> String? {
        guard let text = reader.text(node) else { return nil }
        guard LabelReader.isName(text), text.utf8.first != 0x2e else {
            reader.note(
                node.position, "a route's name is 1 to 64 letters, digits, '_', '-' or '.', not \(quoted(text))")
            return nil
        }
        return text
    }

    private static func glob(_ reader: inout ValueReader, _ node: YAMLNode) -> String? {
        guard let text = reader.text(node) else { return nil }
        guard text.utf8.count <= globLimit else {
            reader.note(node.position, "a glob is at most \(globLimit) bytes long")
            return nil
        }
        return text
    }

    /// How a route is shown.
    static func show(_ route: Configuration.Route) -> String {
        var parts = [
            "name: \(route.name)", "match_tools: [\(route.matchTools.joined(separator: ", "))]",
            "upstream: \(route.upstream)",
        ]
        if !route.labels.isEmpty { parts.append("labels: \(LabelReader.show(route.labels))") }
        return "{\(parts.joined(separator: ", "))}"
    }
}
