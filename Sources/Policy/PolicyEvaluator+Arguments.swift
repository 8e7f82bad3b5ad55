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
        switch next.kind {
        case .name where kind == .object:
            selectMembers(next.name, node, step + 1, asked, &state, policy, tape, bytes)
        case .anyMember where kind == .object:
            for (_, value) in tape.members(of: node) { select(step + 1, value, asked, &state, policy, tape, bytes) }
        case .name where kind == .array:
            // An array in place of an object: each of its elements may be what the server takes.
            for element in tape.elements(of: node) { select(step, element, asked, &state, policy, tape, bytes) }
        case .anyMember where kind == .array, .everyElement where kind == .array:
            for element in tape.elements(of: node) { select(step + 1, element, asked, &state, policy, tape, bytes) }
        case .element where kind == .array:
            for (index, element) in tape.elements(of: node).enumerated() where index == next.element {
                select(step + 1, element, asked, &state, policy, tape, bytes)
            }
        case .everyElement, .element:
            // One value in place of an array of one.
            select(step + 1, node, asked, &state, policy, tape, bytes)
        case .name, .anyMember: break
        }
    }

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
        case .string:
            lookAtText(node, asked, &state, policy, tape, bytes)
        case .number, .true, .false, .null:
            note(matches(asked.condition, bytes.extracting(tape.range(node)), policy), asked, &state)
        }
    }

    private mutating func lookAtText(
        _ node: JSONNode, _ asked: Asked, _ state: inout ConditionState, _ policy: CompiledPolicy,
        _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        let entry = values.entry(node, tape, bytes, asked.decodings, &forms)
        for form in 0..<values.count(of: entry) where !state.isDecided {
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
