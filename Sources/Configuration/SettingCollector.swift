import YAML

/// Gathers what is set: by flag, else by environment, else by file.
struct SettingCollector {
    /// What is set, by path.
    var settings: [String: Setting] = [:]
    /// What is wrong with the gathering itself.
    var errors: [ConfigurationError] = []
    /// What is probably not meant.
    var warnings: [String] = []

    /// Names that stand directly below each path; `""` is the top.
    private static let children: [String: [String]] = {
        var result: [String: [String]] = [:]
        for option in ConfigurationOption.all {
            var parent = ""
            for part in option.path.split(separator: ".").map(String.init) {
                if result[parent]?.contains(part) != true { result[parent, default: []].append(part) }
                parent = parent.isEmpty ? part : "\(parent).\(part)"
            }
        }
        return result
    }()

    /// Adds what a flag gives.
    mutating func addFlags(_ flags: [String: String]) {
        for option in ConfigurationOption.all {
            guard let text = flags[option.path] else { continue }
            add(option, .flag("--" + option.flag), text)
        }
    }

    /// Adds what the environment gives and no flag. A variable that is empty is not set.
    mutating func addEnvironment(_ environment: [String: String]) {
        for option in ConfigurationOption.all {
            let names = [option.variable] + [option.formerVariable].compactMap { $0 }
            let given = names.compactMap { name in environment[name].map { (name: name, text: $0) } }
                .filter { !$0.text.isEmpty }
            guard let first = given.first, settings[option.path] == nil else { continue }
            if let other = given.dropFirst().first, other.text != first.text {
                errors.append(
                    ConfigurationError(other.name, "\(first.name) is the same option and says otherwise; remove one"))
            }
            add(option, .variable(first.name), first.text)
        }
    }

    /// A variable that is nearly an option's was probably meant for it, unless the file asks for it by its name.
    mutating func warnAboutVariables(_ environment: [String: String]) {
        let mark = "MCPGW_"
        let known =
            ConfigurationOption.all.flatMap { [$0.variable] + [$0.formerVariable].compactMap { $0 } } + ["MCPGW_CONFIG"]
        let written = settings.values.map(\.written)
        for name in environment.keys.sorted() where name.hasPrefix(mark) && !known.contains(name) {
            let near = nearest(
                to: String(name.dropFirst(mark.count)), among: known.map { $0.dropFirst(mark.count).lowercased() })
            guard let near, !written.contains(where: { $0.contains("${\(name)}") }) else { continue }
            warnings.append("\(name): no option has this variable; did you mean \(mark)\(near.uppercased())?")
        }
    }

    private mutating func add(_ option: ConfigurationOption, _ source: SettingSource, _ text: String) {
        let start = YAMLPosition(line: 1, column: 1)
        func scalar(_ text: String) -> YAMLNode { YAMLNode(value: .scalar(text, isPlain: true), position: start) }
        let node: YAMLNode
        switch option.kind.form {
        case .single: node = scalar(text)
        case .list:
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            node = YAMLNode(value: .sequence(parts.map { scalar(trimmed($0)) }), position: start)
        case .structure:
            do throws(YAMLError) {
                node = try YAMLParser.parse(Array(text.utf8)) ?? scalar("")
            } catch {
                let place = error.position
                errors.append(
                    ConfigurationError(source.description, line: place.line, column: place.column, error.message))
                return
            }
        }
        settings[option.path] = Setting(option: option, source: source, node: node)
    }

    private func trimmed(_ text: Substring) -> String {
        let start = text.drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }

    /// Adds what a file gives and neither flag nor environment.
    mutating func addFile(_ path: String, _ bytes: [UInt8]) {
        var mistakes: [YAMLError] = []
        do throws(YAMLError) {
            if let root = try YAMLParser.parse(bytes), !root.isNull {
                add(root, below: "", path, &mistakes)
            } else {
                mistakes.append(
                    YAMLError(
                        YAMLPosition(line: 1, column: 1), "the file is empty; it begins for example with upstream:"))
            }
        } catch {
            mistakes.append(YAMLError(error.position, error.message + SettingCollector.hint(error, bytes)))
        }
        for mistake in mistakes {
            let place = mistake.position
            errors.append(ConfigurationError(path, line: place.line, column: place.column, mistake.message))
        }
    }

    /// Between { } and [ ] the brace of `${` begins a mapping.
    private static func hint(_ error: YAMLError, _ bytes: [UInt8]) -> String {
        guard error.message.contains("parsing a flow") else { return "" }
        let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
        guard lines.indices.contains(error.position.line - 1),
            String(decoding: lines[error.position.line - 1], as: UTF8.self).contains("${")
        else { return "" }
        return "; between { } and [ ] put quotation marks around ${...}"
    }

    private mutating func add(_ node: YAMLNode, below parent: String, _ file: String, _ mistakes: inout [YAMLError]) {
        let known = SettingCollector.children[parent] ?? []
        let what = parent.isEmpty ? "a configuration" : parent
        guard let keys = YAMLMappingReader(node, what, known: known, &mistakes) else { return }
        if case .mapping(let entries) = node.value, entries.isEmpty {
            mistakes.append(YAMLError(node.position, "\(what) is empty; remove the key or add what belongs there"))
        }
        for name in known {
            guard let value = keys[name] else { continue }
            let path = parent.isEmpty ? name : "\(parent).\(name)"
            if let option = ConfigurationOption.named(path) {
                if settings[path] == nil { settings[path] = Setting(option: option, source: .file(file), node: value) }
            } else {
                add(value, below: path, file, &mistakes)
            }
        }
    }
}
