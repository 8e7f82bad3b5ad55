import MCP
import NormalForms
import StrictJSON

/// What is known of one condition while its values are looked at.
private struct ConditionState {
    /// Whether there was any value.
    var hasValue = false
    /// Whether the answer no longer depends on the rest: deny found a match, allow a value that does not match.
    var isDecided = false
}

/// A condition with the rule it belongs to.
private struct Asked {
    let condition: ArgumentCondition
    let decodings: Decodings
    let everyForm: Bool
}

extension PolicyEvaluator {
    /// Whether the arguments match every condition of a rule.
    mutating func matchesArguments(
        _ rule: CompiledRule, _ policy: CompiledPolicy, _ message: MessageSummary, _ tape: borrowing JSONTape,
        _ bytes: Span<UInt8>
    ) -> Bool {
        if rule.arguments.isEmpty { return true }
        guard let params = message.params, let arguments = tape.member("arguments", of: params, in: bytes) else {
            return false
        }
        for index in rule.arguments {
            let asked = Asked(
                condition: policy.conditions[index], decodings: rule.decodings, everyForm: rule.isAllow)
            var state = ConditionState()
            if tape.kind(arguments) == .object {
                select(asked.condition.steps.lowerBound, arguments, asked, &state, policy, tape, bytes)
                if let wholeName = asked.condition.wholeName {
                    selectMembers(wholeName, arguments, nil, asked, &state, policy, tape, bytes)
                }
            } else if tape.kind(arguments) != .null {
                // What a lenient server might make of it is not known: all of it counts for every path.
                look(at: arguments, asked, &state, policy, tape, bytes)
            }
            guard state.hasValue, state.isDecided != rule.isAllow else { return false }
        }
        return true
    }

    /// Follows a path from a step on.
    private mutating func select(
        _ step: Int, _ node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if state.isDecided { return }
        guard step < asked.condition.steps.upperBound else { return look(at: node, asked, &state, policy, tape, bytes) }
        let next = policy.steps[step]
        let kind = tape.kind(node)
        if kind == .string, next.kind != .everyElement, next.kind != .element {
            return selectInside(step, node, asked, &state, policy, tape, bytes)
        }
        switch next.kind {
        case .name where kind == .object:
            selectMembers(next.name, node, step + 1, asked, &state, policy, tape, bytes)
            selectDotted(step, node, asked, &state, policy, tape, bytes)
        case .anyMember where kind == .object:
            for (_, value) in tape.members(of: node) { select(step + 1, value, asked, &state, policy, tape, bytes) }
        case .name where kind == .array:
            // An array in place of an object: each of its elements may be what the server takes.
            for element in tape.elements(of: node) { select(step, element, asked, &state, policy, tape, bytes) }
            // Or the name is an index.
            let stepNames = policy.stepNames
            if let index = number(stepNames.span.extracting(next.name)) {
                for (place, element) in tape.elements(of: node).enumerated() where place == index {
                    select(step + 1, element, asked, &state, policy, tape, bytes)
                }
            }
        case .anyMember where kind == .array, .everyElement where kind == .array:
            for element in tape.elements(of: node) { select(step + 1, element, asked, &state, policy, tape, bytes) }
        case .element where kind == .array:
            for (index, element) in tape.elements(of: node).enumerated() where index == next.element {
                select(step + 1, element, asked, &state, policy, tape, bytes)
            }
        case .everyElement, .element:
            // One value in place of an array of one; or an object of which the server makes an array.
            select(step + 1, node, asked, &state, policy, tape, bytes)
            if kind == .object {
                for (_, value) in tape.members(of: node) { select(step + 1, value, asked, &state, policy, tape, bytes) }
            } else if kind == .string, step + 1 < asked.condition.steps.upperBound {
                selectInside(step, node, asked, &state, policy, tape, bytes)
            }
        case .name, .anyMember: break
        }
    }

    private func number(_ name: Span<UInt8>) -> Int? {
        guard name.count > 0, name.count <= 5 else { return nil }
        var value = 0
        for index in name.indices {
            guard name[index] >= 0x30, name[index] <= 0x39 else { return nil }
            value = value * 10 + Int(name[index]) - 0x30
        }
        return value
    }

    /// Follows members whose own names are paths, `options.mode` or `files[0].path`: some servers take them apart.
    private mutating func selectDotted(
        _ step: Int, _ node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        for (member, value) in tape.members(of: node) where hasDots(member, tape, bytes) {
            var text: [UInt8] = []
            tape.appendString(member, in: bytes, to: &text)
            let parts = FoldedText.fold(text, &forms).split { ".[]".utf8.contains($0) }
            guard parts.count > 1 else { continue }
            var next = step
            for part in parts where next < asked.condition.steps.upperBound {
                guard isPart(part, policy.steps[next], policy) else {
                    next = -1
                    break
                }
                next += 1
            }
            if next > step { select(next, value, asked, &state, policy, tape, bytes) }
        }
    }

    private func hasDots(_ member: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> Bool {
        if tape.isEscaped(member) { return true }
        for index in tape.contentRange(member) {
            let byte = bytes[index]
            // Others may be a dot in another form.
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: "[") || byte >= 0x80 { return true }
        }
        return false
    }

    private func isPart(_ part: ArraySlice<UInt8>, _ step: FlatStep, _ policy: CompiledPolicy) -> Bool {
        switch step.kind {
        case .name: part.elementsEqual(policy.stepNames[step.name])
        case .anyMember: true
        case .everyElement: part.elementsEqual("*".utf8) || number(Array(part).span) != nil
        case .element: part.elementsEqual("*".utf8) || number(Array(part).span) == step.element
        }
    }

    // MARK: - JSON in strings

    /// Follows a path, or looks at all of it, inside a string that is JSON.
    private mutating func selectInside(
        _ step: Int, _ node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        guard EmbeddedText.mayApply(bytes.extracting(tape.contentRange(node))) else { return }
        let key = tape.range(node).lowerBound
        let text: EmbeddedText
        if depth == 0, let known = embedded[key] {
            text = known
        } else {
            var unescaped: [UInt8] = []
            tape.appendString(node, in: bytes, to: &unescaped)
            text = EmbeddedText(unescaped)
            if depth == 0 { embedded[key] = text }
        }
        guard text.isStrict || !text.strings.isEmpty else { return }
        guard depth < PolicyEvaluator.maximumDepth else {
            // Who hides what he says behind more layers of quotation than this does it on purpose: denied, and not allowed.
            return note(!asked.everyForm, asked, &state)
        }
        // The forms of the values inside are kept by their places inside.
        let outer = values
        values = ValueForms()
        depth += 1
        if text.isStrict {
            let inside = text.bytes
            select(step, .root, asked, &state, policy, text.tape, inside.span)
        } else {
            for string in text.strings where !state.isDecided { look(at: string, asked, &state, policy) }
        }
        depth -= 1
        values = outer
    }

    /// Looks at a text that stands in no tape.
    private mutating func look(
        at text: [UInt8], _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy
    ) {
        note(matches(asked.condition, text.span, policy), asked, &state)
        noteSpellings(of: text.span, isText: true, asked, &state, policy)
        var list = FormList()
        forms.append(text.span, asked.decodings, to: &list)
        for form in 0..<list.count where !(asked.everyForm && list.kind(form) == .guess) {
            if state.isDecided { return }
            note(matches(asked.condition, list[form], policy), asked, &state)
        }
    }

    // MARK: - Members and values

    /// Follows the members whose names fold to one name: on with the path, or, without a next step, to their values.
    private mutating func selectMembers(
        _ name: Range<Int>, _ node: JSONNode, _ next: Int?, _ asked: Asked, _ state: inout ConditionState,
        _ policy: CompiledPolicy, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        for (member, value) in tape.members(of: node) where isName(member, name, policy, tape, bytes) {
            if let next {
                select(next, value, asked, &state, policy, tape, bytes)
            } else {
                look(at: value, asked, &state, policy, tape, bytes)
            }
        }
        // What JavaScript hands on to an object that another is copied into.
        for (member, value) in tape.members(of: node)
        where tape.kind(value) == .object && tape.equals(member, "__proto__", in: bytes) {
            selectMembers(name, value, next, asked, &state, policy, tape, bytes)
        }
    }

    private mutating func isName(
        _ member: JSONNode, _ name: Range<Int>, _ policy: CompiledPolicy, _ tape: borrowing JSONTape,
        _ bytes: Span<UInt8>
    ) -> Bool {
        let content = bytes.extracting(tape.contentRange(member))
        let stepNames = policy.stepNames
        if let answer = FoldedText.isPlainly(content, stepNames.span.extracting(name)) { return answer }
        var text: [UInt8] = []
        tape.appendString(member, in: bytes, to: &text)
        let folded = stepNames[name]
        if FoldedText.fold(text, &forms).elementsEqual(folded) { return true }
        // Where a reader in C stops.
        guard let end = text.firstIndex(of: 0) else { return false }
        return FoldedText.fold(Array(text[..<end]), &forms).elementsEqual(folded)
    }

    /// Looks at a value: a scalar, each leaf of an array or object, and an array of scalars as one text, too.
    private mutating func look(
        at node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if state.isDecided { return }
        switch tape.kind(node) {
        case .object:
            for (_, value) in tape.members(of: node) { look(at: value, asked, &state, policy, tape, bytes) }
        case .array:
            var isFlat = tape.childCount(node) > 1
            for element in tape.elements(of: node) {
                let kind = tape.kind(element)
                if kind == .object || kind == .array { isFlat = false }
                look(at: element, asked, &state, policy, tape, bytes)
            }
            if isFlat, !state.isDecided { lookAtText(node, asked, &state, policy, tape, bytes) }
        case .string where !tape.isEscaped(node):
            let text = bytes.extracting(tape.contentRange(node))
            if NormalForms.isPlain(text, asked.decodings) {
                note(matches(asked.condition, text, policy), asked, &state)
            } else {
                lookAtText(node, asked, &state, policy, tape, bytes)
            }
            noteSpellings(of: text, isText: true, asked, &state, policy)
            if !state.isDecided {
                selectInside(asked.condition.steps.upperBound, node, asked, &state, policy, tape, bytes)
            }
        case .string:
            lookAtText(node, asked, &state, policy, tape, bytes)
            if !state.isDecided {
                selectInside(asked.condition.steps.upperBound, node, asked, &state, policy, tape, bytes)
            }
        case .number, .true, .false, .null:
            let text = bytes.extracting(tape.range(node))
            note(matches(asked.condition, text, policy), asked, &state)
            noteSpellings(of: text, isText: false, asked, &state, policy)
        }
    }

    /// Looks at the other spellings of a number or truth value. Those that take a text for one are guesses, and so are
    /// truth values, which only globs are asked about.
    @inline(__always)
    private func noteSpellings(
        of text: Span<UInt8>, isText: Bool, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy
    ) {
        // A number of any length is one.
        if state.isDecided || isText && (asked.everyForm || !ScalarForms.mayApply(text)) { return }
        noteOtherSpellings(of: text, asked, &state, policy)
    }

    @inline(never)
    private func noteOtherSpellings(
        of text: Span<UInt8>, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy
    ) {
        let decimal = ScalarForms.decimal(text)
        if let decimal, !decimal.span.isEqual(to: text) {
            note(matches(asked.condition, decimal.span, policy), asked, &state)
        }
        if state.isDecided { return }
        if asked.everyForm {
            // What has no plain spelling is nothing that a rule could have named.
            if decimal == nil, text[0] < 0x40 { note(false, asked, &state) }
            return
        }
        let rounded = ScalarForms.rounded(text)
        if let rounded, rounded != decimal { note(matches(asked.condition, rounded.span, policy), asked, &state) }
        for spelt in [decimal, rounded] where !state.isDecided {
            guard let truth = spelt.map({ ScalarForms.truth($0.span) }) ?? ScalarForms.truth(text) else { continue }
            let word = Array(truth.description.utf8)
            note(policy.globs.matches(asked.condition.globs, word.span), asked, &state)
        }
    }

    private mutating func lookAtText(
        _ node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        let entry = values.entry(node, tape, bytes, asked.decodings, &forms)
        for form in 0..<values.count(of: entry) where !state.isDecided {
            if asked.everyForm, values.isGuess(form, of: entry) { continue }
            note(matches(asked.condition, values.form(form, of: entry), policy), asked, &state)
        }
    }

    @inline(__always)
    private func note(_ isMatch: Bool, _ asked: Asked, _ state: inout ConditionState) {
        state.hasValue = true
        if isMatch != asked.everyForm { state.isDecided = true }
    }

    private func matches(_ condition: ArgumentCondition, _ text: Span<UInt8>, _ policy: CompiledPolicy) -> Bool {
        if policy.globs.matches(condition.globs, text) { return true }
        for index in condition.expressions where policy.expressions[index].occurs(in: text) { return true }
        return false
    }
}
