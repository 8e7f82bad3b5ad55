import Link

extension FieldWriter {
    /// Appends a list of texts.
    mutating func strings(_ list: [String]) {
        count(list.count)
        for text in list { string(text) }
    }
}

extension FieldReader {
    /// A list of texts.
    @_lifetime(self: copy self)
    mutating func strings() throws(LinkViolation) -> [String] {
        var list: [String] = []
        for _ in 0..<(try count(elementBytes: 4)) { list.append(try string(maximum: 65536)) }
        return list
    }
}

extension Authentication.Label {
    static func write(_ labels: [Authentication.Label], _ writer: inout FieldWriter) {
        writer.count(labels.count)
        for label in labels {
            writer.string(label.name)
            writer.string(label.value)
        }
    }

    @_lifetime(reader: copy reader)
    static func read(_ reader: inout FieldReader) throws(LinkViolation) -> [Authentication.Label] {
        var labels: [Authentication.Label] = []
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            let name = try reader.string(maximum: LinkLimits.name)
            labels.append(Authentication.Label(name: name, value: try reader.string(maximum: LinkLimits.labelValue)))
        }
        return labels
    }
}

extension Authentication.APIKey {
    func write(_ writer: inout FieldWriter) {
        writer.string(name)
        writer.blob(digest)
        writer.strings(roles)
        writer.string(tenant)
        Authentication.Label.write(labels, &writer)
        writer.u64(expiry)
    }

    @_lifetime(reader: copy reader)
    init(_ reader: inout FieldReader) throws(LinkViolation) {
        name = try reader.string(maximum: LinkLimits.name)
        digest = try reader.blob(maximum: Authentication.APIKey.digestLength)
        guard digest.count == Authentication.APIKey.digestLength else { throw .badPayload }
        roles = try reader.strings()
        tenant = try reader.string(maximum: LinkLimits.name)
        labels = try Authentication.Label.read(&reader)
        expiry = try reader.u64()
    }
}
