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
        var search = ReplySearch(patterns, policy, memory: &replyMemory)
        defer { replyMemory = search.memory }
        switch subject {
        case .other: break
        case .unknown: search.concernsAll()
        case .tool(let tool):
            for (index, globs) in patterns.tools.enumerated() where !globs.isEmpty {
                search.memory.concerns[index] = tool.matches(globs, policy.globs, false)
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
        search.memory.forms.removeAll()
        forms.append(text, [], to: &search.memory.forms)
        for form in 0..<search.memory.forms.count { search.readForm(form) }
    }
}

/// Memory that searches of answers use one after the other.
struct ReplySearchMemory: Sendable {
    /// Whether a pattern is for this answer.
    fileprivate var concerns: [Bool] = []
    fileprivate var found: [Int32] = []
    fileprivate var forms = FormList()
}

/// What was found in one answer so far.
private struct ReplySearch {
    private let patterns: ResponsePatterns
    private let policy: CompiledPolicy
    var memory: ReplySearchMemory
    private(set) var enforced: PolicyCause?
    private(set) var noted: PolicyCause?

    /// Takes `memory` for as long as it searches.
    init(_ patterns: ResponsePatterns, _ policy: CompiledPolicy, memory: inout ReplySearchMemory) {
        self.patterns = patterns
        self.policy = policy
        self.memory = memory
        memory = ReplySearchMemory()
        self.memory.concerns.removeAll(keepingCapacity: true)
        for globs in patterns.tools { self.memory.concerns.append(globs.isEmpty) }
        let missing = patterns.owners.count - self.memory.found.count
        if missing > 0 { self.memory.found.append(contentsOf: repeatElement(0, count: missing)) }
    }

    /// Nobody knows which tool answers.
    mutating func concernsAll() {
        for index in memory.concerns.indices { memory.concerns[index] = true }
    }

    var isDecided: Bool { enforced != nil }

    mutating func readForm(_ index: Int) {
        let forms = memory.forms
        read(forms[index])
    }

    /// Searches one text; the first pattern of the policy that occurs and is enforced decides.
    mutating func read(_ text: Span<UInt8>) {
        if isDecided { return }
        guard let count = patterns.set.search(text, into: &memory.found) else {
            // What cannot be read is not passed on.
            enforced = .unsearchable
            return
        }
        for index in 0..<min(count, memory.found.count) {
            let owner = patterns.owners[Int(memory.found[index])]
            guard memory.concerns[owner] else { continue }
            if (policy.model.responsePatterns[owner].mode ?? policy.model.mode) == .enforce {
                enforced = .responsePattern(owner)
                return
            }
            noted = noted ?? .responsePattern(owner)
        }
    }
}
