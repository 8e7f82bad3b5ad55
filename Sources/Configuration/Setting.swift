import YAML

/// Where an option's value comes from.
public enum SettingSource: Equatable, Sendable, CustomStringConvertible {
    /// A flag; its name with dashes.
    case flag(String)
    /// A variable of the environment.
    case variable(String)
    /// The configuration file.
    case file(String)

    /// What messages name.
    public var description: String {
        switch self {
        case .flag(let name), .variable(let name), .file(let name): name
        }
    }
}

/// One option's value as written, and where.
struct Setting: Sendable {
    let option: ConfigurationOption
    let source: SettingSource
    let node: YAMLNode

    /// Whether messages tell lines and columns.
    private var hasPlaces: Bool {
        if case .file = source { return true }
        return option.kind.form == .structure
    }

    /// A mistake in it.
    func error(_ message: String, at position: YAMLPosition? = nil) -> ConfigurationError {
        let place = position ?? node.position
        guard hasPlaces else { return ConfigurationError(source.description, message) }
        var told = message
        if case .file = source { told = "\(option.path): \(message)" }
        return ConfigurationError(source.description, line: place.line, column: place.column, told)
    }

    /// Where it is from, in words: a flag, a variable, a file and line.
    var origin: String {
        if case .file(let path) = source { return "\(path):\(node.position.line)" }
        return source.description
    }

    /// The value as it is written, on one line.
    var written: String { Setting.written(node) }

    private static func written(_ node: YAMLNode) -> String {
        switch node.value {
        case .scalar(let text, _): text
        case .sequence(let elements): elements.map(written).joined(separator: ", ")
        case .mapping(let entries):
            "{\(entries.map { "\($0.key): \(written($0.value))" }.joined(separator: ", "))}"
        }
    }
}
