import YAML

/// Where an option's value goes.
typealias DraftKey<Value> = WritableKeyPath<ConfigurationDraft, Value> & Sendable

/// What may stand at an option, where it goes, and how it is shown.
struct OptionKind: Sendable {
    /// How several values are written on a command line or in a variable.
    enum Form: Sendable {
        /// There is only one.
        case single
        /// By commas.
        case list
        /// As in the file.
        case structure
    }

    /// What the value is called in the help.
    let valueName: String
    /// How it is written outside a file.
    var form = Form.single
    /// Reads a value into the draft; mistakes go to the reader.
    let read: @Sendable (inout ValueReader, YAMLNode, inout ConfigurationDraft) -> Void
    /// The value as a person would write it; nil if there is none.
    let show: @Sendable (ConfigurationDraft) -> String?

    /// A text that an expression makes a value of.
    private static func simple<Value: Sendable>(
        _ valueName: String, _ key: DraftKey<Value>,
        _ read: @escaping @Sendable (inout ValueReader, YAMLNode) -> Value?,
        _ show: @escaping @Sendable (Value) -> String?
    ) -> OptionKind {
        OptionKind(
            valueName: valueName,
            read: { reader, node, draft in
                if let value = read(&reader, node) { draft[keyPath: key] = value }
            },
            show: { draft in show(draft[keyPath: key]) })
    }

    /// A text.
    static func text(_ key: DraftKey<String?>, _ valueName: String = "text") -> OptionKind {
        simple(valueName, key, { reader, node in reader.text(node) }, { $0 })
    }

    /// A file or directory; made absolute.
    static func path(_ key: DraftKey<String?>, _ valueName: String) -> OptionKind {
        simple(valueName, key, { reader, node in reader.path(node) }, { $0 })
    }

    /// A secret text of at least `minimum` bytes. It is never shown, not even as a default.
    static func secret(_ key: DraftKey<[UInt8]>, atLeast minimum: Int) -> OptionKind {
        simple(
            "secret", key, { reader, node in reader.secret(node, atLeast: minimum) }, { $0.isEmpty ? nil : "(secret)" })
    }

    /// A secret of which only the SHA-256 is kept.
    static func digestedSecret(_ key: DraftKey<[UInt8]?>, atLeast minimum: Int) -> OptionKind {
        simple(
            "secret", key,
            { reader, node in
                guard let secret = reader.key(node, atLeast: minimum) else { return nil }
                return reader.digest(secret, node)
            }, { $0 == nil ? nil : "(secret)" })
    }

    /// An address to listen on.
    static func listener(_ key: DraftKey<ListenAddress>, emptyHost: String) -> OptionKind {
        simple(
            "host:port", key,
            { reader, node in
                reader.parse(node, "an address such as 127.0.0.1:9090") { text throws(ConfigurationError) in
                    try ListenAddress(parsing: text, emptyHost: emptyHost, source: "")
                }
            }, { $0.description })
    }

    /// The endpoint of an MCP server.
    static func upstream(_ key: DraftKey<UpstreamURL?>) -> OptionKind {
        simple("url", key, { reader, node in reader.upstream(node) }, { $0?.description })
    }

    /// A URL of another service, with one of these schemes.
    static func url(_ key: DraftKey<String?>, schemes: [String] = ["https"]) -> OptionKind {
        simple("url", key, { reader, node in reader.url(node, schemes: schemes) }, { $0 })
    }

    /// A span of time of at least `minimum` nanoseconds.
    static func time(_ key: DraftKey<UInt64>, atLeast minimum: UInt64) -> OptionKind {
        simple("time", key, { reader, node in reader.time(node, atLeast: minimum) }, DurationText.text)
    }

    /// A number of bytes.
    static func size(_ key: DraftKey<UInt64>, _ range: ClosedRange<UInt64>) -> OptionKind {
        simple("bytes", key, { reader, node in reader.size(node, range) }, SizeText.text)
    }

    /// A whole number.
    static func number(_ key: DraftKey<Int>, _ range: ClosedRange<Int>) -> OptionKind {
        simple("number", key, { reader, node in reader.number(node, range) }, { String($0) })
    }

    /// A whole number that may be left out.
    static func optionalNumber(_ key: DraftKey<Int?>, _ range: ClosedRange<Int>) -> OptionKind {
        simple("number", key, { reader, node in reader.number(node, range) }, { $0.map { String($0) } })
    }

    /// A number with up to three places, kept in thousandths.
    static func thousandths(_ key: DraftKey<UInt64?>, _ range: ClosedRange<UInt64>) -> OptionKind {
        simple("number", key, { reader, node in reader.thousandths(node, range) }, { $0.map(ValueReader.decimal) })
    }

    /// `true` or `false`.
    static func truth(_ key: DraftKey<Bool>) -> OptionKind {
        simple("true|false", key, { reader, node in reader.truth(node) }, { String($0) })
    }

    /// `true` or `false`, or nothing.
    static func optionalTruth(_ key: DraftKey<Bool?>) -> OptionKind {
        simple("true|false", key, { reader, node in reader.truth(node) }, { $0.map { String($0) } })
    }

    /// One of some words, each with its value.
    static func choice<Value: Equatable & Sendable>(
        _ key: DraftKey<Value>, _ choices: [(word: String, value: Value)]
    ) -> OptionKind {
        let words = choices.map(\.word)
        return simple(
            words.joined(separator: "|"), key,
            { reader, node in reader.word(node, words).flatMap { word in choices.first { $0.word == word }?.value } },
            { value in choices.first { $0.value == value }?.word })
    }

    /// One of some words.
    static func choice(_ key: DraftKey<String>, words: [String]) -> OptionKind {
        choice(key, words.map { (word: $0, value: $0) })
    }

    /// A list of texts, each of which passes a check.
    static func texts(
        _ key: DraftKey<[String]>, _ valueName: String,
        _ check: @escaping @Sendable (inout ValueReader, YAMLNode) -> String? = { reader, node in reader.text(node) }
    ) -> OptionKind {
        var kind = simple(
            valueName, key, { reader, node in reader.list(node, check) },
            { (list: [String]) in list.isEmpty ? nil : list.joined(separator: ",") })
        kind.form = .list
        return kind
    }

    /// A list of mappings.
    static func structures<Value: Sendable>(
        _ key: DraftKey<[Value]>, _ element: @escaping @Sendable (inout ValueReader, YAMLNode) -> Value?,
        show: @escaping @Sendable (Value) -> String
    ) -> OptionKind {
        var kind = simple(
            "yaml", key,
            { reader, node in reader.structures(node, element) },
            { (list: [Value]) in list.isEmpty ? nil : list.map(show).joined(separator: ", ") })
        kind.form = .structure
        return kind
    }
}
