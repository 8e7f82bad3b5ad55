import YAML

/// Why a text cannot be expanded.
struct ExpansionError: Error {
    /// What is wrong and what to do. Holds nothing that was expanded.
    let message: String
}

/// Puts in what is written `${VARIABLE}`, `${credential:NAME}` or `${file:PATH}`. What is put in is not looked at again.
struct Expander: Sendable {
    /// A text, and whether something was put in.
    struct Expansion {
        let text: String
        let isExpanded: Bool
    }

    /// The environment.
    let environment: [String: String]
    /// What relative paths are relative to.
    let directory: String
    /// The user of the process.
    let user: UInt32

    private static let mark = "${"

    /// The text with everything put in.
    func expand(_ written: String) throws(ExpansionError) -> Expansion {
        guard written.contains(Expander.mark) else { return Expansion(text: written, isExpanded: false) }
        var result = ""
        var rest = written[...]
        while let start = rest.firstRange(of: Expander.mark) {
            result += rest[..<start.lowerBound]
            let inside = rest[start.upperBound...]
            guard let end = inside.firstIndex(of: "}") else {
                throw ExpansionError(
                    message: "${ stands without }; write ${VARIABLE}, or put the text in a file and write ${file:PATH}")
            }
            result += try value(String(inside[..<end]))
            rest = inside[inside.index(after: end)...]
        }
        return Expansion(text: result + rest, isExpanded: true)
    }

    /// A path, made absolute.
    func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        return directory.hasSuffix("/") ? directory + path : "\(directory)/\(path)"
    }

    private func value(_ name: String) throws(ExpansionError) -> String {
        if let path = argument(of: name, "file") {
            guard !path.isEmpty else { throw ExpansionError(message: "${file:} names no file") }
            return try content(absolute(path))
        }
        if let credential = argument(of: name, "credential") { return try content(ofCredential: credential) }
        guard Expander.isVariable(name) else {
            throw ExpansionError(
                message: "what stands in ${} is no variable; write ${VARIABLE}, ${credential:NAME} or ${file:PATH}")
        }
        guard let value = environment[name], !value.isEmpty else {
            throw ExpansionError(message: "the environment has no \(name), which ${\(name)} asks for")
        }
        return value
    }

    private func argument(of name: String, _ kind: String) -> String? {
        name.hasPrefix(kind + ":") ? String(name.dropFirst(kind.count + 1)) : nil
    }

    private func content(ofCredential name: String) throws(ExpansionError) -> String {
        guard !name.isEmpty, name != ".", name != "..", !name.contains("/") else {
            throw ExpansionError(message: "\(quoted(name)) is no name of a credential")
        }
        guard let directory = environment["CREDENTIALS_DIRECTORY"], directory.hasPrefix("/") else {
            throw ExpansionError(
                message:
                    "there is no credential \(name): $CREDENTIALS_DIRECTORY is not set; write LoadCredential=\(name):PATH in the unit"
            )
        }
        // systemd made the directory, for this user alone.
        return try content("\(directory)/\(name)")
    }

    /// A file's text without the end of its last line.
    private func content(_ path: String) throws(ExpansionError) -> String {
        let file: ProtectedFile
        do throws(ProtectedFile.Refusal) {
            file = try ProtectedFile(path, user: user, maximumBytes: ProtectedFile.maximumSecretBytes)
        } catch {
            throw ExpansionError(message: error.message)
        }
        guard file.isPrivate else {
            throw ExpansionError(message: "others can read \(path); chmod go-r \(path)")
        }
        guard let text = String(validating: file.bytes, as: UTF8.self) else {
            throw ExpansionError(message: "\(path) is not UTF-8")
        }
        guard text.hasSuffix("\n") || text.hasSuffix("\r\n") else { return text }
        return String(text.dropLast())
    }

    private static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            switch $0 {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
            default: false
            }
        }
    }
}
