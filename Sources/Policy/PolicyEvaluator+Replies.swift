import NormalForms
import StrictJSON

/// What an answer is an answer to, as far as patterns for tools are concerned.
public enum ReplySubject: Sendable {
    /// A call of this tool.
    case tool(PolicyText)
    /// Anything else.
    case other
    /// Nobody knows any more: every pattern is for it.
    case unknown
}

extension PolicyEvaluator {
    /// Looks for the policy's response patterns in an answer: in every string, number and member name, in all its forms.
    ///
    /// - Parameters:
    ///   - node: the result or error, or a server's message as a whole.
    ///   - subject: what was asked.
    public mutating func inspectReply(
        _ policy: CompiledPolicy, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, at node: JSONNode,
        subject: ReplySubject
    ) -> PolicyVerdict {
        guard let patterns = policy.responses else { return PolicyVerdict(.allow, .enforce, .answer) }
        var search = ReplySearch(patterns, policy)
        switch subject {
        case .other: break
        case .unknown: search.concerns = [Bool](repeating: true, count: patterns.tools.count)
        case .tool(let tool):
            for (index, globs) in patterns.tools.enumerated() where !globs.isEmpty {
                search.concerns[index] = tool.matches(globs, policy.globs, false)
            }
        }
        read(node, &search, tape, bytes)
        if let found = search.enforced { return PolicyVerdict(.deny, .enforce, found, noted: search.noted) }
        if let noted = search.noted { return PolicyVerdict(.deny, .audit, noted) }
        return PolicyVerdict(.allow, .enforce, .answer)
    }

    private mutating func read(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if search.isDecided { return }
        switch tape.kind(node) {
        case .object:
            for (name, value) in tape.members(of: node) {
                readString(name, &search, tape, bytes)
                read(value, &search, tape, bytes)
            }
        case .array:
            for element in tape.elements(of: node) { read(element, &search, tape, bytes) }
        case .string: readString(node, &search, tape, bytes)
        case .number: search.read(bytes.extracting(tape.range(node)))
        case .true, .false, .null: break
        }
    }

    private mutating func readString(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if search.isDecided { return }
        guard tape.isEscaped(node) else { return readText(bytes.extracting(tape.contentRange(node)), &search) }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        readText(text.span, &search)
    }

    private mutating func readText(_ text: Span<UInt8>, _ search: inout ReplySearch) {
        search.read(text)
        if search.isDecided || NormalForms.isPlain(text, []) { return }
        search.forms.removeAll()
        forms.append(text, [], to: &search.forms)
        for form in 0..<search.forms.count { search.readForm(form) }
    }
}

/// What was found in one answer so far.
private struct ReplySearch {
    private let patterns: ResponsePatterns
    private let model: PolicyModel
    /// Whether a pattern is for this answer.
    var concerns: [Bool]
    private(set) var enforced: PolicyCause?
    private(set) var noted: PolicyCause?
    var forms = FormList()
    private var found: [Int32]

    init(_ patterns: ResponsePatterns, _ policy: CompiledPolicy) {
        self.patterns = patterns
        model = policy.model
        concerns = patterns.tools.map(\.isEmpty)
        found = [Int32](repeating: 0, count: patterns.owners.count)
    }

    var isDecided: Bool { enforced != nil }

    mutating func readForm(_ index: Int) {
        let forms = forms
        read(forms[index])
    }

    /// Searches one text; the first pattern of the policy that occurs and is enforced decides.
    mutating func read(_ text: Span<UInt8>) {
        if isDecided { return }
        guard let count = patterns.set.search(text, into: &found) else {
            // What cannot be read is not passed on.
            enforced = .unsearchable
            return
        }
        for index in 0..<min(count, found.count) {
            let owner = patterns.owners[Int(found[index])]
            guard concerns[owner] else { continue }
            if (model.responsePatterns[owner].mode ?? model.mode) == .enforce {
                enforced = .responsePattern(owner)
                return
            }
            noted = noted ?? .responsePattern(owner)
        }
    }
}
