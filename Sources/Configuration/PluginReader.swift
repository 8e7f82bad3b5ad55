import YAML

/// Checks the shape of `plugins`. Nothing is made of them yet.
enum PluginReader {
    /// One key of a plugin's `config`.
    private struct Setting: Sendable {
        let name: String
        let check: @Sendable (inout ValueReader, YAMLNode) -> Void
    }

    private static let settings: [String: [Setting]] = [
        "pii": [
            word("mode", ["detect", "redact", "block"]),
            Setting(name: "types") { reader, node in _ = reader.list(node) { reader, node in reader.text(node) } },
        ],
        "injection": [
            word("mode", ["enforce", "audit"]), word("sensitivity", ["low", "medium", "high"]),
            Setting(name: "threshold") { reader, node in _ = reader.thousandths(node, 0...1000) },
        ],
        "schema": [
            Setting(name: "strict") { reader, node in _ = reader.truth(node) },
            word("unsupported_patterns", ["skip", "deny"]),
        ],
    ]

    private static func word(_ name: String, _ words: [String]) -> Setting {
        Setting(name: name) { reader, node in _ = reader.word(node, words) }
    }

    static func read(_ reader: inout ValueReader, _ node: YAMLNode) -> String? {
        let known = ["name", "config"]
        guard let keys = YAMLMappingReader(node, "a plugin", known: known, &reader.mistakes) else { return nil }
        guard let nameNode = keys["name"] else {
            reader.note(node.position, "a plugin has a name: pii, injection or schema")
            return nil
        }
        guard let name = reader.word(nameNode, ["pii", "injection", "schema"]) else { return nil }
        if let node = keys["config"] { check(&reader, node, name) }
        return name
    }

    private static func check(_ reader: inout ValueReader, _ node: YAMLNode, _ plugin: String) {
        let known = settings[plugin] ?? []
        let what = "the config of \(plugin)"
        guard let keys = YAMLMappingReader(node, what, known: known.map(\.name), &reader.mistakes) else { return }
        for setting in known {
            if let node = keys[setting.name] { setting.check(&reader, node) }
        }
    }
}
