import MCP
import NormalForms
import StrictJSON

/// The names that one message gives for one thing, with their forms. Its memory is reused.
struct NameForms: Sendable {
    private struct Name: Sendable {
        var bytes: Range<Int>
        var forms: Range<Int>
        /// Whether only deny rules look at it.
        var isAlias: Bool
    }

    private var bytes: [UInt8] = []
    private var list = FormList()
    private var names: [Name] = []

    var isEmpty: Bool { names.isEmpty }

    /// The first name as it was given; nothing when there is none.
    var firstName: [UInt8] { names.first.map { Array(bytes[$0.bytes]) } ?? [] }

    mutating func removeAll() {
        guard !names.isEmpty else { return }
        bytes.removeAll(keepingCapacity: bytes.count <= 4096)
        list.removeAll()
        names.removeAll(keepingCapacity: true)
    }

    /// Adds a name.
    mutating func add(_ name: Span<UInt8>, _ decodings: Decodings, isAlias: Bool = false, _ forms: inout NormalForms) {
        let start = bytes.count
        let firstForm = list.count
        forms.append(name, decodings, to: &list)
        for index in name.indices { bytes.append(name[index]) }
        names.append(Name(bytes: start..<bytes.count, forms: firstForm..<list.count, isAlias: isAlias))
    }

    /// Adds a string of a message.
    mutating func add(
        _ node: JSONNode, _ tape: borrowing JSONTape, _ text: Span<UInt8>, _ decodings: Decodings,
        isAlias: Bool = false,
        _ forms: inout NormalForms
    ) {
        guard tape.kind(node) == .string else { return }
        guard tape.isEscaped(node) else {
            return add(text.extracting(tape.contentRange(node)), decodings, isAlias: isAlias, &forms)
        }
        var name: [UInt8] = []
        tape.appendString(node, in: text, to: &name)
        add(name.span, decodings, isAlias: isAlias, &forms)
    }

    /// Whether globs match any form of any name, or every form of every name that is no alias. No name: no match.
    func matches(_ globs: GlobList, _ table: GlobTable, everyForm: Bool) -> Bool {
        var isFound = false
        for name in names {
            if everyForm, name.isAlias { continue }
            isFound = true
            if table.matches(globs, bytes.span.extracting(name.bytes)) != everyForm { return !everyForm }
            for index in name.forms where table.matches(globs, list[index]) != everyForm {
                if everyForm, list.kind(index) == .guess { continue }
                return !everyForm
            }
        }
        return isFound && everyForm
    }

    /// Finds the rules that have any form of any name.
    func find(in index: NameIndex, _ cursors: inout [RuleCursor]) {
        for name in names {
            index.find(bytes.span.extracting(name.bytes), into: &cursors)
            for form in name.forms { index.find(list[form], into: &cursors) }
        }
    }

    /// Whether the first name begins with a literal.
    func hasPrefix(_ prefix: StaticString) -> Bool {
        guard let name = names.first else { return false }
        return bytes[name.bytes].starts(with: prefix.description.utf8)
    }
}

extension PolicyEvaluator {
    /// Reads the names a message gives for what rules are about.
    mutating func prepare(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ upstreamName: [UInt8]?
    ) {
        toolNames.removeAll()
        subjectNames.removeAll()
        methodNames.removeAll()
        values.removeAll()
        isAmbiguous = false
        if !embedded.isEmpty { embedded.removeAll() }
        if message.method == .other, let node = message.methodNode {
            methodNames.add(node, tape, bytes, [], &forms)
        }
        switch message.method {
        case .toolsCall:
            if let upstreamName { toolNames.add(upstreamName.span, [], &forms) }
            if let node = message.nameNode {
                toolNames.add(node, tape, bytes, [], isAlias: upstreamName != nil, &forms)
            }
        case .promptsGet:
            if let node = message.nameNode { subjectNames.add(node, tape, bytes, [], &forms) }
        case .resourcesRead, .resourcesSubscribe, .resourcesUnsubscribe, .resourceUpdated:
            if let node = member("uri", message, tape, bytes) { addURIs(node, tape, bytes) }
        case .completionComplete:
            guard let reference = member("ref", message, tape, bytes), tape.kind(reference) == .object else { return }
            // Both, if there are both: which of them the server takes is not known.
            if let uri = only("uri", of: reference, tape, bytes) { addURIs(uri, tape, bytes) }
            if let name = only("name", of: reference, tape, bytes) {
                subjectNames.add(name, tape, bytes, [], &forms)
            }
        case .subscriptionsListen:
            guard let filter = member("notifications", message, tape, bytes), tape.kind(filter) == .object,
                let list = only("resourceSubscriptions", of: filter, tape, bytes)
            else { return }
            addURIs(list, tape, bytes)
        default: break
        }
    }

    /// Adds a URI, or those in a list.
    private mutating func addURIs(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) {
        switch tape.kind(node) {
        case .array: for element in tape.elements(of: node) { addURIs(element, tape, bytes) }
        case .object: for (_, value) in tape.members(of: node) { addURIs(value, tape, bytes) }
        default: subjectNames.add(node, tape, bytes, [.paths, .percent], &forms)
        }
    }

    /// A member that no reader finds under another spelling of its name.
    private mutating func only(
        _ name: StaticString, of node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> JSONNode? {
        switch tape.search(name, of: node, in: bytes) {
        case .absent: return nil
        case .found(let value): return value
        case .ambiguous:
            isAmbiguous = true
            return nil
        }
    }

    private func member(
        _ name: StaticString, _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) -> JSONNode? {
        guard let params = message.params else { return nil }
        return tape.member(name, of: params, in: bytes)
    }
}
