import Link
import MCP
import Policy
import StrictJSON

/// What the phase `inspectReply` must know of the request that a message of the server comes back for.
final class ReplyContext: Sendable {
    /// What was asked.
    enum Asked: Sendable {
        /// A list: what the caller may not use is taken out of it.
        case list(ListedItem)
        /// The route's part of a list of tools.
        case items
        /// What the server is and can do.
        case handshake
        /// A call of a tool.
        case tool(PolicyText)
        /// Anything else.
        case other
        /// A stream taken up again: what it goes on with, nobody knows here.
        case unknown
    }

    let asked: Asked
    let policy: RoutePolicy
    let caller: PolicyCaller
    /// Whether lists of tools are read for what they say of headers.
    let learnsHeaders: Bool

    init(_ asked: Asked, _ policy: RoutePolicy, _ caller: PolicyCaller, learnsHeaders: Bool = false) {
        self.asked = asked
        self.policy = policy
        self.caller = caller
        self.learnsHeaders = learnsHeaders
    }

    fileprivate var subject: ReplySubject {
        switch asked {
        case .tool(let name): .tool(name)
        case .list, .items, .handshake, .other: .other
        case .unknown: .unknown
        }
    }
}

/// The phase `inspectReply`: what the chain says of a server's message, and what is taken out of it.
struct ReplyInspection: Sendable {
    /// Bytes of the message and what stands in their place.
    struct Replacement: Sendable {
        let range: Range<Int>
        let bytes: [UInt8]
    }

    /// What policy decided; nil where nothing was to be decided.
    private(set) var verdict: PolicyVerdict?
    /// What the caller is told if the message does not pass.
    private(set) var denial: Denial?
    /// A list without what the caller may not use, and whose cache it may be kept in.
    private(set) var replacements: [Replacement] = []
    /// Items that were taken out.
    private(set) var withheld = 0
    /// It is no list although one was asked for: nothing of it can be checked.
    private(set) var isUnreadable = false
    /// What a list holds for its reader, where that is asked for by itself.
    private(set) var items: OwnedItems?
    /// What a list of tools says of headers.
    private(set) var toolHeaders: [ToolHeaders.Tool] = []

    static let unreadableList = "it is not a list that can be checked"

    /// Inspects a message that stands in `tape`.
    init(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        let policy = context.policy
        guard message.kind == .response else {
            guard policy.isNamed else { return }
            let verdict = evaluator.decide(
                policy.compiled, message, tape, bytes, caller: context.caller, route: policy.route, from: .server)
            note(verdict, policy)
            if let params = message.params { inspectInputRequests(params, tape, bytes, context, &evaluator) }
            search(message, tape, bytes, context, &evaluator)
            return
        }
        if let result = message.result {
            if context.learnsHeaders { toolHeaders = ToolHeaders.read(result: result, tape, bytes) }
            guard policy.isNamed || policy.owners != nil else { return }
            filter(result, tape, bytes, context, &evaluator)
            if policy.isNamed { inspectInputRequests(result, tape, bytes, context, &evaluator) }
        }
        search(message, tape, bytes, context, &evaluator)
    }

    private mutating func note(_ verdict: PolicyVerdict, _ policy: RoutePolicy) {
        // A denial stays, whatever else is said; one that only counts as noted gives way to one in force.
        let isNews = verdict.action == .deny || self.verdict == nil
        if isNews, self.verdict?.passes ?? true { self.verdict = verdict }
        if !verdict.passes { denial = policy.denial(verdict) }
    }

    private mutating func search(
        _ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        let policy = context.policy
        guard denial == nil, policy.compiled.inspectsReplies else { return }
        note(evaluator.inspectReply(policy.compiled, message, tape, bytes, subject: context.subject), policy)
    }

    // MARK: Requests in answers

    /// What a server asks of the client in an answer or a notification, it asks like any other message of its own (MCP 2026-07-28, Multi Round-Trip
    /// Requests; Tasks, whose results may be such answers in turn).
    private mutating func inspectInputRequests(
        _ node: JSONNode, isOuter: Bool = true, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        guard tape.kind(node) == .object else { return }
        switch tape.search("inputRequests", of: node, in: bytes) {
        case .absent: break
        case .found(let map): inspectRequests(map, tape, bytes, context, &evaluator)
        case .ambiguous: note(.unreadable, context.policy)
        }
        guard isOuter else { return }
        switch tape.search("result", of: node, in: bytes) {
        case .absent: break
        case .found(let result): inspectInputRequests(result, isOuter: false, tape, bytes, context, &evaluator)
        case .ambiguous: note(.unreadable, context.policy)
        }
    }

    private mutating func inspectRequests(
        _ map: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        let policy = context.policy
        guard tape.kind(map) != .null else { return }
        guard tape.kind(map) == .object else { return note(.unreadable, policy) }
        for (_, request) in tape.members(of: map) {
            guard denial == nil else { return }
            guard let message = try? MessageSummary(inputRequest: request, tape, bytes) else {
                return note(.unreadable, policy)
            }
            let verdict = evaluator.decide(
                policy.compiled, message, tape, bytes, caller: context.caller, route: policy.route, from: .server)
            // That it may be asked is no word about the answer it stands in.
            if verdict.action == .deny || verdict.noted != nil { note(verdict, policy) }
        }
    }

    // MARK: Lists

    private mutating func filter(
        _ result: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        switch context.asked {
        case .list(let item): filter(result, .all(of: item), isAsked: true, tape, bytes, context, &evaluator)
        case .unknown: filter(result, ListMember.all, isAsked: false, tape, bytes, context, &evaluator)
        case .items: collect(result, tape, bytes, context, &evaluator)
        case .handshake: declareTools(result, tape, bytes, context.policy)
        case .tool, .other: return
        }
    }

    private mutating func filter(
        _ result: JSONNode, _ lists: [ListMember], isAsked: Bool, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ context: ReplyContext, _ evaluator: inout PolicyEvaluator
    ) {
        guard tape.kind(result) == .object else { return isUnreadable = isAsked }
        var isFound = false
        for list in lists {
            switch tape.search(list.name, of: result, in: bytes) {
            case .absent: continue
            case .found(let node) where tape.kind(node) == .array:
                isFound = true
                filter(node, list, tape, bytes, context, &evaluator)
            case .found, .ambiguous:
                // Not a list of ours if nobody asked for one.
                if isAsked { isUnreadable = true }
            }
        }
        // Whoever asks on is told so, not that there is nothing (MRTR has results of other types).
        guard isFound else { return }
        // What one caller may see, another may not (MCP 2026-07-28, Caching).
        if let scope = tape.member("cacheScope", of: result, in: bytes), !tape.equals(scope, "private", in: bytes) {
            replacements.append(Replacement(range: tape.range(scope), bytes: Array(#""private""#.utf8)))
        }
        // More than one list and its scope no answer has, and `MessageEdit` has no room for.
        if replacements.count > 2 { isUnreadable = true }
    }

    private mutating func filter(
        _ node: JSONNode, _ list: ListMember, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ context: ReplyContext, _ evaluator: inout PolicyEvaluator
    ) {
        var kept: [Range<Int>] = []
        var removed = 0
        for element in tape.elements(of: node) {
            if mayList(element, list, tape, bytes, context, &evaluator) {
                kept.append(tape.range(element))
            } else {
                removed += 1
            }
        }
        guard removed > 0 else { return }
        withheld += removed
        var text: [UInt8] = [0x5B]
        for range in kept {
            if text.count > 1 { text.append(0x2C) }
            text += bytes.extracting(range).copy
        }
        text.append(0x5D)
        replacements.append(Replacement(range: tape.range(node), bytes: text))
    }

    private func mayList(
        _ element: JSONNode, _ list: ListMember, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ context: ReplyContext, _ evaluator: inout PolicyEvaluator
    ) -> Bool { listedName(element, list, tape, bytes, context, &evaluator) != nil }

    /// The name of a listed item; nil if its reader may not use it here.
    private func listedName(
        _ element: JSONNode, _ list: ListMember, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
        _ context: ReplyContext, _ evaluator: inout PolicyEvaluator
    ) -> [UInt8]? {
        // What has no name cannot be used, and not be checked.
        guard tape.kind(element) == .object, case .found(let name) = tape.search(list.key, of: element, in: bytes),
            tape.kind(name) == .string
        else { return nil }
        var text: [UInt8] = []
        tape.appendString(name, in: bytes, to: &text)
        let policy = context.policy
        // What is another's to be called is not listed either.
        if list.item == .tool, let owners = policy.owners, owners.owner(of: text.span) != policy.index { return nil }
        let isListed =
            !policy.isNamed
            || evaluator.mayList(policy.compiled, list.item, text.span, caller: context.caller, route: policy.route)
        return isListed ? text : nil
    }
}

/// Where a result holds a list, and what names its items.
private struct ListMember: Sendable {
    let name: StaticString
    let key: StaticString
    let item: ListedItem

    static let all = [
        ListMember(name: "tools", key: "name", item: .tool),
        ListMember(name: "prompts", key: "name", item: .prompt),
        ListMember(name: "resources", key: "uri", item: .resource),
        ListMember(name: "resourceTemplates", key: "uriTemplate", item: .resource),
    ]
}

extension [ListMember] {
    fileprivate static func all(of item: ListedItem) -> [ListMember] { ListMember.all.filter { $0.item == item } }
}

extension MessageEdit {
    /// Puts in what an inspection replaces.
    mutating func apply(_ inspection: ReplyInspection) {
        for replacement in inspection.replacements { replace(replacement.range, with: replacement.bytes) }
    }
}

// MARK: Several routes (DESIGN 7)

/// What one page of a server's tools holds for its reader.
struct OwnedItems: Sendable {
    /// One tool.
    struct Item: Sendable {
        let name: [UInt8]
        /// Its object as it stands.
        let text: [UInt8]
    }

    var items: [Item] = []
    /// The string that asks for the next page, as it stands.
    var nextCursor: [UInt8]?
}

extension ReplyInspection {
    /// Takes the tools out that the caller may use here.
    private mutating func collect(
        _ result: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ context: ReplyContext,
        _ evaluator: inout PolicyEvaluator
    ) {
        guard tape.kind(result) == .object, case .found(let list) = tape.search("tools", of: result, in: bytes),
            tape.kind(list) == .array
        else { return isUnreadable = true }
        var found = OwnedItems()
        switch tape.search("nextCursor", of: result, in: bytes) {
        case .absent: break
        case .found(let cursor) where tape.kind(cursor) == .null: break
        case .found(let cursor) where tape.kind(cursor) == .string:
            found.nextCursor = bytes.extracting(tape.range(cursor)).copy
        case .found, .ambiguous: return isUnreadable = true
        }
        let tools = ListMember.all[0]
        for element in tape.elements(of: list) {
            guard let name = listedName(element, tools, tape, bytes, context, &evaluator) else {
                withheld += 1
                continue
            }
            found.items.append(OwnedItems.Item(name: name, text: bytes.extracting(tape.range(element)).copy))
        }
        items = found
    }

    /// Lets the server say that there are tools and that their list may change: it speaks for all routes.
    private mutating func declareTools(
        _ result: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ policy: RoutePolicy
    ) {
        guard policy.owners != nil, tape.kind(result) == .object,
            let capabilities = tape.member("capabilities", of: result, in: bytes), tape.kind(capabilities) == .object
        else { return }
        guard let tools = tape.member("tools", of: capabilities, in: bytes) else {
            return insert(#""tools":{"listChanged":true}"#, into: capabilities, tape, bytes)
        }
        guard tape.kind(tools) == .object else {
            return replacements.append(
                Replacement(range: tape.range(tools), bytes: Array(#"{"listChanged":true}"#.utf8)))
        }
        guard let changes = tape.member("listChanged", of: tools, in: bytes) else {
            return insert(#""listChanged":true"#, into: tools, tape, bytes)
        }
        guard tape.boolean(changes) != true else { return }
        replacements.append(Replacement(range: tape.range(changes), bytes: Array("true".utf8)))
    }

    /// Puts a member before the others of an object.
    private mutating func insert(
        _ member: String, into object: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) {
        let start = tape.range(object).lowerBound
        let separator = tape.childCount(object) > 0 ? "," : ""
        replacements.append(Replacement(range: start..<start + 1, bytes: Array("{\(member)\(separator)".utf8)))
    }
}
