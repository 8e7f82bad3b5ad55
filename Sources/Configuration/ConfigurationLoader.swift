import Glibc
import YAML

/// Puts a configuration together: flags before environment before file before defaults (DESIGN 11). Starts no thread; a reload asks it again.
public struct ConfigurationLoader: Sendable {
    /// What flags say, by the option's path.
    private let flags: [String: String]
    /// The configuration file, if one is named.
    public let file: String?
    private let environment: [String: String]
    private let currentDirectory: String
    /// Who the process was when it was started: a daemon that has become another user since looks for the same defaults in a reload.
    private let user = geteuid()
    /// Whether only a file is looked at: then what is set by environment is not, and an upstream need not be there.
    private let isPartial: Bool
    /// What named the file, for messages.
    private let fileSource: String

    /// A loader that reads relative paths from the directory it is made in, whenever it is asked.
    ///
    /// - Parameters:
    ///   - flags: the values given on the command line, by the option's path, for example `session.ttl`.
    ///   - file: the value of `--config`; without one `MCPGW_CONFIG` counts.
    ///   - environment: the variables, for options and for `${VARIABLE}`.
    public init(flags: [String: String], file: String? = nil, environment: [String: String]) {
        self.init(flags: flags, file: file, environment: environment, isPartial: false)
    }

    /// A loader for a file alone, as `mcpgw config check` looks at it.
    public init(checking file: String, environment: [String: String]) {
        self.init(flags: [:], file: file, environment: environment, isPartial: true)
    }

    private init(flags: [String: String], file: String?, environment: [String: String], isPartial: Bool) {
        self.flags = flags
        self.environment = environment
        self.isPartial = isPartial
        currentDirectory = ConfigurationLoader.workingDirectory()
        fileSource = isPartial ? "mcpgw config check" : file == nil ? "MCPGW_CONFIG" : "--config"
        let named = file ?? environment["MCPGW_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let expander = Expander(environment: [:], directory: currentDirectory, user: 0)
        self.file = named.map { $0.isEmpty ? $0 : expander.absolute($0) }
    }

    /// The configuration, read anew, and what is probably not meant in it.
    ///
    /// - Throws: `ConfigurationError`: the first mistake, or every section that this version does not know what to do with.
    public func load() throws(ConfigurationError) -> (configuration: Configuration, warnings: [String]) {
        let reading = read()
        if let error = reading.failure { throw error }
        guard let configuration = reading.configuration else {
            throw ConfigurationError("mcpgw", "the configuration cannot be read")
        }
        return (configuration, reading.warnings)
    }

    /// Everything there is to say about the configuration, read anew.
    public func read() -> ConfigurationReading {
        var (collector, isPrivate) = collect()
        if !isPartial { collector.warnAboutVariables(environment) }
        var assembly = Assembly(
            settings: collector.settings, environment: environment, currentDirectory: currentDirectory, user: user)
        assembly.errors = collector.errors
        assembly.warnings = collector.warnings
        assembly.readValues(fileIsPrivate: isPrivate)
        assembly.complete(needsUpstream: !isPartial)
        return assembly.reading
    }

    /// Where the daemon of this configuration has its control socket (`runtime_dir`). Nothing else of the configuration is looked at: a daemon whose file
    /// has become wrong can be asked what it thinks of it.
    /// - Throws: `ConfigurationError`.
    public func runtimeDirectory() throws(ConfigurationError) -> String {
        let path = "runtime_dir"
        let (collector, _) = collect()
        if collector.settings[path] == nil, let error = collector.errors.first {
            throw ConfigurationError(
                error.source, line: error.line, column: error.column,
                "\(error.message); to reach a running daemon all the same, give --runtime-dir")
        }
        var assembly = Assembly(
            settings: collector.settings.filter { $0.key == path }, environment: environment,
            currentDirectory: currentDirectory, user: user)
        assembly.readValues(fileIsPrivate: true)
        if let error = assembly.errors.first { throw error }
        assembly.completeDirectories()
        return assembly.draft.configuration.runtimeDirectory
    }

    /// What is set, and whether nobody else can read the file.
    private func collect() -> (collector: SettingCollector, fileIsPrivate: Bool) {
        var collector = SettingCollector()
        collector.addFlags(flags)
        if !isPartial { collector.addEnvironment(environment) }
        let isPrivate = addFile(&collector, user)
        return (collector, isPrivate)
    }

    /// Whether nobody else can read the file.
    private func addFile(_ collector: inout SettingCollector, _ user: UInt32) -> Bool {
        guard let path = file else { return true }
        guard !path.isEmpty else {
            collector.errors.append(ConfigurationError(fileSource, "'' is empty; name a file"))
            return true
        }
        do throws(ProtectedFile.Refusal) {
            let content = try ProtectedFile(path, user: user)
            collector.addFile(path, content.bytes)
            return content.isPrivate
        } catch {
            collector.errors.append(ConfigurationError(fileSource, error.message))
            return true
        }
    }

    private static func workingDirectory() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard unsafe getcwd(&buffer, buffer.count) != nil else { return "/" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What was found: the configuration, or what keeps it from being one.
public struct ConfigurationReading: Sendable {
    /// One option as it is in force.
    public struct Effective: Equatable, Sendable {
        /// The option's path.
        public let path: String
        /// Its value; secrets are not told. Nil where there is none.
        public let value: String?
        /// Where it is from: a flag, a variable, a file and line; nil for the default.
        public let origin: String?
    }

    /// The configuration; nil when there are errors.
    public let configuration: Configuration?
    /// What is wrong, all of it.
    public let errors: [ConfigurationError]
    /// What is probably not meant.
    public let warnings: [String]
    /// Sections that this version reads and does not do: nothing starts with them.
    public let unsupported: [String]
    /// Every option with its value.
    public let effective: [Effective]
    /// Where the first of `unsupported` stands.
    let unsupportedSource: String?

    /// What keeps the daemon from starting, in one error; nil if nothing does.
    var failure: ConfigurationError? {
        let count = errors.count
        if let source = unsupportedSource {
            let more =
                errors.first.map { "; there \(count == 1 ? "is a mistake" : "are \(count) mistakes") as well: \($0)" }
                ?? ""
            return ConfigurationError(
                source,
                "this version cannot do what these sections ask for, and does not pass over them: "
                    + "\(unsupported.joined(separator: ", ")); remove them\(more)")
        }
        guard let first = errors.first else { return nil }
        guard count > 1 else { return first }
        let more = "(and \(count - 1) more; mcpgw config show with the same options names all)"
        return ConfigurationError(first.source, line: first.line, column: first.column, "\(first.message) \(more)")
    }
}
