import Link
import YAML

/// Reads the elements of `auth.api_keys`.
enum APIKeyReader {
    /// A key that is shorter could be guessed.
    static let minimumBytes = 16
    /// A key that is longer is not looked at.
    static let maximumBytes = 1024
    /// Bytes of a name, role, tenant or label value.
    private static let textLimit = 256

    static func read(_ reader: inout ValueReader, _ node: YAMLNode) -> Authentication.APIKey? {
        let known = ["key", "hash", "name", "roles", "tenant", "labels", "expires"]
        guard let keys = YAMLMappingReader(node, "a key", known: known, &reader.mistakes) else { return nil }
        let digest = keyDigest(&reader, node, keys)
        var name: String?
        if let node = keys["name"] {
            name = plainText(&reader, node, "a name")
        } else {
            reader.note(node.position, "a key has a name: the subject that policy and records know")
        }
        let roles = keys["roles"].flatMap { node in
            reader.list(node) { reader, node in plainText(&reader, node, "a role") }
        }
        let tenant = keys["tenant"].flatMap { plainText(&reader, $0, "a tenant") }
        let labels = keys["labels"].flatMap { LabelReader.read(&reader, $0) }
        let expiry = keys["expires"].flatMap { node in
            reader.parse(node, "a time such as 2027-01-31T23:59:59Z") { text throws(ConfigurationError) in
                guard let seconds = PointInTime.seconds(text), seconds > 0 else {
                    throw ConfigurationError("", "'\(text)' is not a time such as 2027-01-31T23:59:59Z (RFC 3339)")
                }
                return seconds
            }
        }
        guard let digest, let name else { return nil }
        return Authentication.APIKey(
            name: name, digest: digest, roles: roles ?? [], tenant: tenant ?? "", labels: labels ?? [],
            expiry: expiry ?? 0)
    }

    /// The digest of `key`, or what `hash` says.
    private static func keyDigest(_ reader: inout ValueReader, _ node: YAMLNode, _ keys: YAMLMappingReader) -> [UInt8]?
    {
        switch (keys["key"], keys["hash"]) {
        case (let key?, nil):
            return reader.key(key, atLeast: minimumBytes).flatMap { reader.digest($0, key) }
        case (nil, let hash?):
            // It is not quoted in the message: it might be the key itself.
            return reader.parse(hash, "sha256: and the 64 hexadecimal digits that mcpgw keys hash prints") {
                text throws(ConfigurationError) in
                guard let digest = APIKeyReader.digest(text) else { throw ConfigurationError("", "no hash") }
                return digest
            }
        case (nil, nil):
            reader.note(node.position, "a key has either key: or hash:; without one nobody could show it")
        case (_?, let hash?):
            reader.note(hash.position, "a key has either key: or hash:, not both; remove one")
        }
        return nil
    }

    /// The bytes of `sha256:` and 64 hexadecimal digits.
    private static func digest(_ text: String) -> [UInt8]? {
        let mark = "sha256:"
        guard text.hasPrefix(mark) else { return nil }
        let digits = Array(text.utf8.dropFirst(mark.utf8.count))
        guard digits.count == 2 * Authentication.APIKey.digestLength else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    /// A text of one line that looks like what it is.
    static func plainText(_ reader: inout ValueReader, _ node: YAMLNode, _ what: String) -> String? {
        guard let text = reader.text(node) else { return nil }
        let isPlain = text.unicodeScalars.allSatisfy {
            switch $0.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
            default: !$0.properties.isDefaultIgnorableCodePoint
            }
        }
        guard isPlain, text.utf8.count <= textLimit else {
            reader.note(node.position, "\(what) has at most \(textLimit) bytes, and no control or invisible characters")
            return nil
        }
        return text
    }

    /// How a key is shown.
    static func show(_ key: Authentication.APIKey) -> String {
        var parts = ["name: \(key.name)", "hash: (secret)"]
        if !key.roles.isEmpty { parts.append("roles: [\(key.roles.joined(separator: ", "))]") }
        if !key.tenant.isEmpty { parts.append("tenant: \(key.tenant)") }
        if !key.labels.isEmpty { parts.append("labels: \(LabelReader.show(key.labels))") }
        if key.expiry > 0 { parts.append("expires: \(PointInTime.text(key.expiry))") }
        return "{\(parts.joined(separator: ", "))}"
    }
}

/// Reads `labels:`, names and values.
enum LabelReader {
    /// Labels of one key or route.
    private static let limit = 32

    static func read(_ reader: inout ValueReader, _ node: YAMLNode) -> [Authentication.Label]? {
        guard case .mapping(let entries) = node.value else {
            reader.note(node.position, "labels are a mapping of names and values, not \(node.kindName)")
            return nil
        }
        guard entries.count <= limit else {
            reader.note(node.position, "more than \(limit) labels")
            return nil
        }
        return entries.compactMap { entry in
            guard isName(entry.key) else {
                reader.note(
                    entry.position,
                    "a label's name is 1 to 64 letters, digits, '_', '-' or '.', not \(quoted(entry.key))")
                return nil
            }
            return APIKeyReader.plainText(&reader, entry.value, "a label's value").map {
                Authentication.Label(name: entry.key, value: $0)
            }
        }
    }

    /// The name of a label, of a claim, or of what follows `X-MCPGW-Label-`.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2d, 0x2e: true
                default: false
                }
            }
    }

    /// How labels are shown.
    static func show(_ labels: [Authentication.Label]) -> String {
        "{\(labels.map { "\($0.name): \($0.value)" }.joined(separator: ", "))}"
    }
}
