import MCP
import NormalForms
import StrictJSON

@testable import Policy

/// What DESIGN 5 and 8 say, one sentence after the other, without index, tape or reuse.
struct ReferenceEvaluator {
    let model: PolicyModel

    func decide(_ call: Call) -> PolicyVerdict {
        var noted: PolicyCause?
        if call.method == "tools/call", call.sender == .client, let allowed = model.allowedTools {
            let names = toolNames(call, forAllow: true)
            if names.isEmpty || !names.allSatisfy({ every($0, allowed, [], isPath: false) }) {
                if model.mode == .enforce { return PolicyVerdict(.deny, .enforce, .allowedTools) }
                noted = .allowedTools
            }
        }
        for (index, rule) in model.rules.enumerated() where matches(rule, call) {
            let mode = rule.mode ?? model.mode
            if rule.action == .allow, rule.mode != .audit { return result(.allow, mode, .rule(index), noted) }
            if rule.action == .deny, mode == .enforce { return result(.deny, mode, .rule(index), noted) }
            noted = noted ?? .rule(index)
        }
        if call.sender == .server { return result(.allow, .enforce, .serverMessage, noted) }
        if ["initialize", "server/discover", "ping"].contains(call.method)
            || call.method.hasPrefix("notifications/") && !call.isRequest
        {
            return result(.allow, .enforce, .handshake, noted)
        }
        return result(.deny, model.mode, .noRule, noted)
    }

    private func result(
        _ action: PolicyAction, _ mode: PolicyMode, _ cause: PolicyCause, _ noted: PolicyCause?
    ) -> PolicyVerdict {
        guard let noted else { return PolicyVerdict(action, mode, cause) }
        var isDenial = true
        if case .rule(let index) = noted { isDenial = model.rules[index].action == .deny }
        if isDenial, action == .allow || mode == .audit { return PolicyVerdict(.deny, .audit, noted) }
        return PolicyVerdict(action, mode, cause, noted: noted)
    }

    private func matches(_ rule: PolicyModel.Rule, _ call: Call) -> Bool {
        let match = rule.match
        let isAllow = rule.action == .allow
        func has(_ globs: [String], _ values: [String], isPath: Bool = false, _ decodings: Decodings = []) -> Bool {
            if globs.isEmpty { return true }
            if values.isEmpty { return false }
            return isAllow
                ? values.allSatisfy { every($0, globs, decodings, isPath: isPath) }
                : values.contains { any($0, globs, decodings, isPath: isPath) }
        }
        if !match.methods.isEmpty, !has(match.methods, [call.method]) { return false }
        if !match.tools.isEmpty, call.method != "tools/call" { return false }
        if !has(match.tools, toolNames(call, forAllow: isAllow)) { return false }
        if !match.resources.isEmpty, call.method != "resources/read" { return false }
        if !has(match.resources, strings(call, "uri"), isPath: true, [.percent]) { return false }
        if !match.prompts.isEmpty, call.method != "prompts/get" { return false }
        if !has(match.prompts, strings(call, "name")) { return false }
        if !has(match.subjects, call.subject.map { [$0] } ?? []) { return false }
        if !has(match.tenants, call.tenant.map { [$0] } ?? []) { return false }
        if !has(match.routes, [call.route]) { return false }
        if !match.roles.isEmpty, !call.roles.contains(where: { has(match.roles, [$0]) }) { return false }
        for label in match.labels {
            let values = call.labels.filter { $0.name == label.path && !(isAllow && $0.isRacy) }.map(\.value)
            if !values.contains(where: { has(label.patterns, [$0]) }) { return false }
        }
        if !match.namesArguments { return true }
        guard call.method == "tools/call" || call.method == "prompts/get",
            let arguments = call.params.first(where: { $0.name == "arguments" })?.value
        else { return false }
        for argument in match.arguments {
            let values = selected(argument.path, arguments)
            if !has(argument.patterns, values, isPath: true, match.decode) { return false }
        }
        for argument in match.argumentPatterns {
            let values = selected(argument.path, arguments)
            let decodings = match.decode.union(.paths)
            let isMatch =
                isAllow
                ? !values.isEmpty
                    && values.allSatisfy {
                        formsOf($0, decodings, withGuesses: false).allSatisfy { occurs(argument.patterns, $0) }
                    }
                : values.contains {
                    formsOf($0, decodings, withGuesses: true).contains { occurs(argument.patterns, $0) }
                }
            if !isMatch { return false }
        }
        return true
    }

    private func toolNames(_ call: Call, forAllow: Bool) -> [String] {
        let inMessage = strings(call, "name")
        guard let upstream = call.upstreamName else { return inMessage }
        return forAllow ? [upstream] : [upstream] + inMessage
    }

    private func strings(_ call: Call, _ name: String) -> [String] {
        call.params.compactMap { member in
            if member.name == name, case .text(let text) = member.value { return text }
            return nil
        }
    }

    private func occurs(_ expressions: [String], _ form: [UInt8]) -> Bool {
        let text = String(decoding: form, as: UTF8.self)
        return expressions.contains { expression in
            guard let regex = try? Regex(expression).matchingSemantics(.unicodeScalar) else { return false }
            return text.firstMatch(of: regex) != nil
        }
    }

    // MARK: - Values

    private func selected(_ path: String, _ arguments: Value) -> [String] {
        guard case .object(let members) = arguments else {
            if case .scalar("null") = arguments { return [] }
            return leaves(arguments)
        }
        var forms = NormalForms(library)
        guard let steps = try? ArgumentPath(path, &forms).steps else { return [] }
        var found = follow(steps[...], arguments).flatMap(leaves)
        let whole = FoldedText.fold(Array(path.utf8), &forms)
        if steps.count > 1 {
            for member in members where FoldedText.fold(Array(member.name.utf8), &forms) == whole {
                found += leaves(member.value)
            }
        }
        return found
    }

    private func follow(_ steps: ArraySlice<PathStep>, _ value: Value) -> [Value] {
        guard let step = steps.first else { return [value] }
        let rest = steps.dropFirst()
        switch (step, value) {
        case (.name(let name), .object(let members)):
            return members.filter { member in
                var forms = NormalForms(library)
                let whole = Array(member.name.utf8)
                let cut = Array(whole.prefix { $0 != 0 })
                return FoldedText.fold(whole, &forms) == name
                    || cut.count < whole.count && FoldedText.fold(cut, &forms) == name
            }.flatMap { follow(rest, $0.value) }
                + members.flatMap { follow(dotted: $0, steps) }
        case (.name, .array(let elements)): return elements.flatMap { follow(steps, $0) }
        case (.anyMember, .object(let members)): return members.flatMap { follow(rest, $0.value) }
        case (.anyMember, .array(let elements)), (.everyElement, .array(let elements)):
            return elements.flatMap { follow(rest, $0) }
        case (.element(let index), .array(let elements)):
            return elements.indices.contains(index) ? follow(rest, elements[index]) : []
        case (.everyElement, .object(let members)), (.element, .object(let members)):
            return follow(rest, value) + members.flatMap { follow(rest, $0.value) }
        case (.everyElement, _), (.element, _): return follow(rest, value)
        default: return []
        }
    }

    /// A member whose name is a path itself.
    private func follow(dotted member: Member, _ steps: ArraySlice<PathStep>) -> [Value] {
        var forms = NormalForms(library)
        let parts = FoldedText.fold(Array(member.name.utf8), &forms).split(separator: UInt8(ascii: "."))
        guard parts.count > 1 else { return [] }
        for (part, step) in zip(parts, steps) {
            switch step {
            case .name(let name) where name == Array(part): continue
            case .anyMember: continue
            default: return []
            }
        }
        return follow(steps.dropFirst(parts.count), member.value)
    }

    private func leaves(_ value: Value) -> [String] {
        switch value {
        case .text(let text), .scalar(let text): return [text]
        case .object(let members): return members.flatMap { leaves($0.value) }
        case .array(let elements):
            var result = elements.flatMap(leaves)
            let areScalars = elements.allSatisfy { element in
                switch element {
                case .text, .scalar: true
                default: false
                }
            }
            if elements.count > 1, areScalars { result.append(elements.flatMap(leaves).joined(separator: " ")) }
            return result
        }
    }

    // MARK: - Forms and globs

    private func formsOf(_ text: String, _ decodings: Decodings, withGuesses: Bool) -> [[UInt8]] {
        var forms = NormalForms(library)
        var list = FormList()
        let bytes = Array(text.utf8)
        forms.append(bytes.span, decodings, to: &list)
        return [bytes]
            + (0..<list.count).filter { withGuesses || list.kind($0) != .guess }.map { index in
                var form: [UInt8] = []
                let span = list[index]
                for place in span.indices { form.append(span[place]) }
                return form
            }
    }

    private func any(_ text: String, _ globs: [String], _ decodings: Decodings, isPath: Bool) -> Bool {
        formsOf(text, isPath ? decodings.union(.paths) : decodings, withGuesses: true)
            .contains { matches($0, globs, isPath) }
    }

    private func every(_ text: String, _ globs: [String], _ decodings: Decodings, isPath: Bool) -> Bool {
        formsOf(text, isPath ? decodings.union(.paths) : decodings, withGuesses: false)
            .allSatisfy { matches($0, globs, isPath) }
    }

    /// Whether a glob matches a form, in its own spelling, normalised or as it reads as a path.
    private func matches(_ form: [UInt8], _ globs: [String], _ isPath: Bool) -> Bool {
        let text = Array(String(decoding: form, as: UTF8.self).unicodeScalars)
        return globs.contains { glob in
            var spellings = [Array(glob.utf8)]
            var forms = NormalForms(library)
            var normal: [UInt8] = []
            let written = spellings[0]
            forms.appendNormal(written.span, to: &normal)
            if GlobVariant.isFaithful(normal, to: spellings[0]) { spellings.append(normal) }
            if isPath { spellings += spellings.flatMap(GlobVariant.paths) }
            return spellings.contains { slowMatch(Array(String(decoding: $0, as: UTF8.self).unicodeScalars), text) }
        }
    }
}

/// A glob against a text, place by place: `table[i]` says whether the glob so far matches the first `i` characters.
func slowMatch(_ glob: [Unicode.Scalar], _ text: [Unicode.Scalar]) -> Bool {
    var table = [Bool](repeating: false, count: text.count + 1)
    table[0] = true
    for character in glob {
        var next = [Bool](repeating: false, count: text.count + 1)
        if character == "*" {
            var isReached = false
            for index in 0...text.count {
                isReached = isReached || table[index]
                next[index] = isReached
            }
        } else {
            for index in text.indices where table[index] {
                next[index + 1] = character == "?" || character == text[index]
            }
        }
        table = next
    }
    return table[text.count]
}
