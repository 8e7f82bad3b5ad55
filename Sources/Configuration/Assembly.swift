import YAML

/// Makes a configuration of what is set.
struct Assembly {
    let settings: [String: Setting]
    let environment: [String: String]
    let currentDirectory: String
    let user: UInt32
    var draft = ConfigurationDraft()
    var errors: [ConfigurationError] = []
    var warnings: [String] = []
    /// Paths whose values were put together with something from elsewhere.
    private var expanded: Set<String> = []

    init(settings: [String: Setting], environment: [String: String], currentDirectory: String, user: UInt32) {
        self.settings = settings
        self.environment = environment
        self.currentDirectory = currentDirectory
        self.user = user
    }

    /// Reads every value that is set into the draft.
    mutating func readValues(fileIsPrivate: Bool) {
        for option in ConfigurationOption.all {
            guard let setting = settings[option.path] else { continue }
            let expander = Expander(environment: environment, directory: directory(of: setting), user: user)
            var reader = ValueReader(expander, hidesValue: option.secrecy != .none)
            option.kind.read(&reader, setting.node, &draft)
            errors += reader.mistakes.map { setting.error($0.message, at: $0.position) }
            if reader.hasExpanded { expanded.insert(option.path) }
            refuseOpenSecrets(setting, reader.plainSecrets, fileIsPrivate)
        }
    }

    /// What relative paths of a setting are relative to: the file that names them, or where the program was started.
    private func directory(of setting: Setting) -> String {
        guard case .file(let path) = setting.source, let slash = path.lastIndex(of: "/") else {
            return currentDirectory
        }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private mutating func refuseOpenSecrets(_ setting: Setting, _ places: [YAMLPosition], _ fileIsPrivate: Bool) {
        guard let place = places.first else { return }
        switch setting.source {
        case .variable: return
        case .flag:
            errors.append(
                setting.error(
                    "every user of this host can read a command line; write '${file:PATH}' or '${credential:NAME}', or set "
                        + setting.option.variable, at: place))
        case .file(let path):
            if fileIsPrivate { return }
            errors.append(
                setting.error(
                    "a secret stands in a file that others can read; chmod go-r \(path), or write ${file:PATH}",
                    at: place))
        }
    }

    /// Adds a mistake that lies between options; the first of them that is set is named.
    mutating func complain(_ paths: [String], _ message: String) {
        if let setting = paths.lazy.compactMap({ [settings] in settings[$0] }).first {
            errors.append(setting.error(message))
        } else {
            errors.append(ConfigurationError("--" + (ConfigurationOption.named(paths[0])?.flag ?? paths[0]), message))
        }
    }

    /// What was found.
    var reading: ConfigurationReading {
        let later = ConfigurationOption.all.filter { !$0.isBuilt }.compactMap { settings[$0.path] }
        var unsupported: [String] = []
        for setting in later where !unsupported.contains(setting.option.section) {
            unsupported.append(setting.option.section)
        }
        return ConfigurationReading(
            configuration: errors.isEmpty ? draft.configuration : nil, errors: sortedErrors, warnings: warnings,
            unsupported: unsupported, effective: ConfigurationOption.all.map(effective),
            unsupportedSource: later.first?.source.description)
    }

    /// Mistakes of one file stand in its order; else in the order of options.
    private var sortedErrors: [ConfigurationError] {
        var sources: [String] = []
        for error in errors where !sources.contains(error.source) { sources.append(error.source) }
        return sources.flatMap { source in
            errors.filter { $0.source == source }.sorted {
                ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0)
            }
        }
    }

    private func effective(_ option: ConfigurationOption) -> ConfigurationReading.Effective {
        guard let setting = settings[option.path] else {
            return .init(path: option.path, value: option.isBuilt ? option.kind.show(draft) : nil, origin: nil)
        }
        let isStructure = option.kind.form == .structure && option.isBuilt
        let value: String? =
            if option.secrecy != .none {
                isStructure ? option.kind.show(draft) : "(secret)"
            } else if expanded.contains(option.path) || !option.isBuilt {
                setting.written
            } else {
                option.kind.show(draft) ?? setting.written
            }
        return .init(path: option.path, value: value, origin: setting.origin)
    }
}
