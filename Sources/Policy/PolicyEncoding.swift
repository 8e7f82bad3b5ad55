import Link
import NormalForms
import YAML

/// How a policy travels in a generation: workers never read YAML.
extension PolicyModel {
    /// Appends the policy.
    public func write(_ writer: inout FieldWriter) {
        write(mode, &writer)
        writer.count(rules.count)
        for rule in rules { write(rule, &writer) }
        writer.count(responsePatterns.count)
        for pattern in responsePatterns {
            writer.string(pattern.name)
            write(pattern.patterns, &writer)
            write(pattern.tools, &writer)
            write(pattern.mode, &writer)
            write(pattern.reason, &writer)
        }
        writer.bool(allowedTools != nil)
        write(allowedTools ?? [], &writer)
    }

    /// Reads a policy.
    ///
    /// - Throws: `LinkViolation.badPayload`.
    public init(_ reader: inout FieldReader) throws(LinkViolation) {
        self.init()
        mode = try PolicyModel.mode(&reader)
        for _ in 0..<(try reader.count(elementBytes: 16)) { rules.append(try PolicyModel.rule(&reader)) }
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            var pattern = ResponsePattern(name: try PolicyModel.text(&reader), patterns: [])
            pattern.patterns = try PolicyModel.texts(&reader)
            pattern.tools = try PolicyModel.texts(&reader)
            pattern.mode = try PolicyModel.optionalMode(&reader)
            pattern.reason = try PolicyModel.optionalText(&reader)
            responsePatterns.append(pattern)
        }
        let isRestricted = try reader.bool()
        let tools = try PolicyModel.texts(&reader)
        guard isRestricted || tools.isEmpty else { throw .badPayload }
        allowedTools = isRestricted ? tools : nil
    }

    private func write(_ rule: Rule, _ writer: inout FieldWriter) {
        let match = rule.match
        writer.string(rule.name)
        writer.bool(rule.action == .allow)
        write(rule.mode, &writer)
        write(rule.reason, &writer)
        writer.u32(UInt32(truncatingIfNeeded: rule.position.line))
        writer.u32(UInt32(truncatingIfNeeded: rule.position.column))
        for list in [
            match.methods, match.tools, match.subjects, match.roles, match.resources, match.prompts, match.routes,
            match.tenants,
        ] {
            write(list, &writer)
        }
        for list in [match.labels, match.arguments, match.argumentPatterns] {
            writer.count(list.count)
            for argument in list {
                writer.string(argument.path)
                write(argument.patterns, &writer)
            }
        }
        writer.u8(match.decode.rawValue)
    }

    private static func rule(_ reader: inout FieldReader) throws(LinkViolation) -> Rule {
        let name = try text(&reader)
        let action = try reader.bool() ? PolicyAction.allow : .deny
        let mode = try optionalMode(&reader)
        let reason = try optionalText(&reader)
        let position = YAMLPosition(line: Int(try reader.u32()), column: Int(try reader.u32()))
        var match = Match()
        match.methods = try texts(&reader)
        match.tools = try texts(&reader)
        match.subjects = try texts(&reader)
        match.roles = try texts(&reader)
        match.resources = try texts(&reader)
        match.prompts = try texts(&reader)
        match.routes = try texts(&reader)
        match.tenants = try texts(&reader)
        match.labels = try arguments(&reader)
        match.arguments = try arguments(&reader)
        match.argumentPatterns = try arguments(&reader)
        let decodings = Decodings(rawValue: try reader.u8())
        guard decodings.isSubset(of: [.percent, .base64]) else { throw .badPayload }
        match.decode = decodings
        return Rule(name: name, match: match, action: action, mode: mode, reason: reason, position: position)
    }

    private static func arguments(_ reader: inout FieldReader) throws(LinkViolation) -> [Argument] {
        var list: [Argument] = []
        for _ in 0..<(try reader.count(elementBytes: 8)) {
            list.append(Argument(path: try text(&reader), patterns: try texts(&reader)))
        }
        return list
    }

    // MARK: - Single fields

    private func write(_ mode: PolicyMode?, _ writer: inout FieldWriter) {
        switch mode {
        case nil: writer.u8(0)
        case .enforce: writer.u8(1)
        case .audit: writer.u8(2)
        }
    }

    private static func optionalMode(_ reader: inout FieldReader) throws(LinkViolation) -> PolicyMode? {
        switch try reader.u8() {
        case 0: return nil
        case 1: return .enforce
        case 2: return .audit
        default: throw .badPayload
        }
    }

    private static func mode(_ reader: inout FieldReader) throws(LinkViolation) -> PolicyMode {
        guard let mode = try optionalMode(&reader) else { throw .badPayload }
        return mode
    }

    private func write(_ text: String?, _ writer: inout FieldWriter) {
        writer.bool(text != nil)
        writer.string(text ?? "")
    }

    private static func optionalText(_ reader: inout FieldReader) throws(LinkViolation) -> String? {
        let isThere = try reader.bool()
        let text = try text(&reader)
        return isThere ? text : nil
    }

    private func write(_ texts: [String], _ writer: inout FieldWriter) {
        writer.count(texts.count)
        for text in texts { writer.string(text) }
    }

    private static func texts(_ reader: inout FieldReader) throws(LinkViolation) -> [String] {
        var list: [String] = []
        for _ in 0..<(try reader.count(elementBytes: 4)) { list.append(try text(&reader)) }
        return list
    }

    private static func text(_ reader: inout FieldReader) throws(LinkViolation) -> String {
        try reader.string(maximum: PolicyLimits.expressionBytes)
    }
}
