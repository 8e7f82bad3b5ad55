/// One option: its place in the file, from which its flag's and its variable's names follow, and what may stand there.
public struct ConfigurationOption: Sendable {
    /// How far its value must be kept from view.
    public enum Secrecy: Sendable {
        /// Not at all.
        case none
        /// It is never shown.
        case masked
        /// It is never shown, and is refused where others can read it: on a command line, in a file without protection.
        case secret
    }

    /// Names joined by dots, as they are nested in the file.
    public let path: String
    /// A second name of the flag and variable, from before there was a file; as a path.
    public let formerPath: String?
    /// What it is for, in a sentence.
    public let help: String
    /// What its value is called in the help, for example `time`.
    public let valueName: String
    /// Where its default comes from, in words, when it is no fixed value.
    public let defaultHelp: String?
    /// How far its value must be kept from view.
    public let secrecy: Secrecy
    /// Whether this version does what it asks for. Else its shape is checked, and the daemon does not start with it.
    public let isBuilt: Bool
    /// What may stand there.
    let kind: OptionKind

    init(
        _ path: String, _ kind: OptionKind, _ help: String, default defaultHelp: String? = nil, formerly: String? = nil,
        secrecy: Secrecy = .none, isBuilt: Bool = true
    ) {
        self.path = path
        self.kind = kind
        self.help = help
        self.defaultHelp = defaultHelp
        formerPath = formerly
        valueName = kind.valueName
        self.secrecy = secrecy
        self.isBuilt = isBuilt
    }

    /// Its flag's name without dashes in front: `session.ttl` is `session-ttl`.
    public var flag: String { ConfigurationOption.flag(path) }
    /// Its variable in the environment: `session.ttl` is `MCPGW_SESSION_TTL`.
    public var variable: String { ConfigurationOption.variable(path) }
    /// The other name of its flag.
    public var formerFlag: String? { formerPath.map(ConfigurationOption.flag) }
    /// The other name of its variable.
    public var formerVariable: String? { formerPath.map(ConfigurationOption.variable) }

    /// The default as a person would write it; nil if there is none.
    public var defaultText: String? { defaultHelp ?? (isBuilt ? kind.show(ConfigurationDraft()) : nil) }

    /// The section it belongs to, as it is named when it is not built: `auth.jwt`, `circuit_breaker`.
    var section: String {
        let parts = path.split(separator: ".")
        return parts.first == "auth" ? parts.prefix(2).joined(separator: ".") : String(parts.first ?? "")
    }

    /// The options with such a path, or nil.
    public static func named(_ path: String) -> ConfigurationOption? { byPath[path] }

    private static let byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })

    private static func flag(_ path: String) -> String {
        String(path.map { $0 == "." || $0 == "_" ? "-" : $0 })
    }

    private static func variable(_ path: String) -> String {
        "MCPGW_" + String(path.map { $0 == "." ? "_" : $0 }).uppercased()
    }
}
