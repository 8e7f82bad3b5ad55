import MCP
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
    /// Looks for the policy's response patterns in a message of the server: in every string, number and member name, in all their forms. What the gateway
    /// has read itself, the names of JSON-RPC's own members and of methods that it knows, is passed over.
    ///
    /// - Parameters:
    ///   - message: the message, which is the whole text.
    ///   - subject: what was asked.
    public mutating func inspectReply(
        _ policy: CompiledPolicy, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
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
        for (name, value) in tape.members(of: .root) {
            if tape.equals(name, "jsonrpc", in: bytes) { continue }
            if tape.equals(name, "method", in: bytes), message.method != .other { continue }
            if tape.equals(name, "id", in: bytes), tape.kind(value) == .number { continue }
            if !ReplySearch.envelope.contains(where: { tape.equals(name, $0, in: bytes) }) {
                readString(name, &search, tape, bytes)
            }
            read(value, &search, tape, bytes, of: name)
        }
        return search.verdict
    }

    /// Looks for the patterns in a text that stands beside the messages, such as the name of an event.
    public mutating func inspectReply(_ policy: CompiledPolicy, text: Span<UInt8>) -> PolicyVerdict {
        guard let patterns = policy.responses else { return PolicyVerdict(.allow, .enforce, .answer) }
        var search = ReplySearch(patterns, policy, memory: &replyMemory)
        defer { replyMemory = search.memory }
        search.concernsAll()
        readText(text, &search)
        return search.verdict
    }

    /// - Parameter name: the name of the member whose value `node` is; nil for an element.
    private mutating func read(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        of name: JSONNode? = nil
    ) {
        if search.isDecided { return }
        switch tape.kind(node) {
        case .object:
            for (name, value) in tape.members(of: node) {
                readString(name, &search, tape, bytes)
                read(value, &search, tape, bytes, of: name)
            }
        case .array:
            for element in tape.elements(of: node) { read(element, &search, tape, bytes) }
            if let name, tape.equals(name, "content", in: bytes) { readBlocks(node, &search, tape, bytes) }
        case .string:
            readString(node, &search, tape, bytes)
            if let name, ReplySearch.binary.contains(where: { tape.equals(name, $0, in: bytes) }) {
                readBinary(node, &search, tape, bytes)
            }
        case .number: search.read(bytes.extracting(tape.range(node)))
        case .true, .false, .null: break
        }
    }

    private mutating func readString(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if search.isDecided { return }
        let content = bytes.extracting(tape.contentRange(node))
        guard tape.isEscaped(node) || EmbeddedText.mayApply(content) else { return readText(content, &search) }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        readText(text.span, &search)
        if EmbeddedText.mayApply(text.span) { readEmbedded(text, &search) }
    }

    private mutating func readText(_ text: Span<UInt8>, _ search: inout ReplySearch) {
        search.read(text)
        if search.isDecided || NormalForms.isPlain(text, []) { return }
        readForms(text, [], &search)
    }

    private mutating func readForms(_ text: Span<UInt8>, _ decodings: Decodings, _ search: inout ReplySearch) {
        search.memory.forms.removeAll()
        forms.append(text, decodings, to: &search.memory.forms)
        for form in 0..<search.memory.forms.count { search.readForm(form) }
    }

    /// A text that is JSON itself, as servers send what their tools return: its values are read like those of the message.
    private mutating func readEmbedded(_ text: [UInt8], _ search: inout ReplySearch) {
        if search.isDecided { return }
        let embedded = EmbeddedText(text)
        guard embedded.isStrict else {
            for string in embedded.strings {
                let string = string
                readText(string.span, &search)
            }
            return
        }
        // Whoever hides what he says behind more layers of quotation than this does it on purpose.
        guard search.depth < ReplySearch.maximumDepth else { return search.giveUp() }
        search.depth += 1
        let bytes = embedded.bytes
        read(.root, &search, embedded.tape, bytes.span)
        search.depth -= 1
    }

    /// Base64: what an embedded resource or an image holds, if that is text.
    private mutating func readBinary(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        if search.isDecided { return }
        var text: [UInt8] = []
        tape.appendString(node, in: bytes, to: &text)
        readForms(text.span, .base64, &search)
    }

    /// The texts of neighbouring blocks as one: whoever shows them puts them one after the other.
    private mutating func readBlocks(
        _ node: JSONNode, _ search: inout ReplySearch, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        guard tape.childCount(node) > 1, !search.isDecided else { return }
        for separator: StaticString in ["", "\n"] {
            var text: [UInt8] = []
            var count = 0
            for element in tape.elements(of: node) {
                guard tape.kind(element) == .object, let part = tape.member("text", of: element, in: bytes),
                    tape.kind(part) == .string
                else { continue }
                if count > 0 { text.append(copying: separator.span) }
                tape.appendString(part, in: bytes, to: &text)
                count += 1
            }
            if count > 1 { readText(text.span, &search) }
        }
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
    /// How many texts that are JSON are being read inside each other.
    var depth = 0
    static let maximumDepth = 4

    /// The members of a message whose names are no text of the server's.
    static let envelope: [StaticString] = ["result", "error", "params", "id", "method"]
    /// Members that hold base64 (MCP 2026-07-28, Tool Result; Resources).
    static let binary: [StaticString] = ["blob", "data"]

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

    /// What cannot be read is not passed on.
    mutating func giveUp() { enforced = .unsearchable }

    /// What was found.
    var verdict: PolicyVerdict {
        if let enforced { return PolicyVerdict(.deny, .enforce, enforced, noted: noted) }
        if let noted { return PolicyVerdict(.deny, .audit, noted) }
        return PolicyVerdict(.allow, .enforce, .answer)
    }

    mutating func readForm(_ index: Int) {
        let forms = memory.forms
        read(forms[index])
    }

    /// Searches one text; the first pattern of the policy that occurs and is enforced decides.
    mutating func read(_ text: Span<UInt8>) {
        if isDecided { return }
        guard let count = patterns.set.search(text, into: &memory.found) else {
            giveUp()
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
