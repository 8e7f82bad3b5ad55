import MCP
import Records
import StrictJSON

/// What a message is about, for records: where it stands in the body, as spelt.
struct NamedParts: Sendable {
    private(set) var tool: Range<Int>?
    private(set) var prompt: Range<Int>?
    /// The URI of a resource, or a list of them; the id of a task.
    private(set) var resource: Range<Int>?

    init(_ message: MessageSummary, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>) {
        func member(_ name: StaticString) -> JSONNode? {
            message.params.flatMap { tape.member(name, of: $0, in: bytes) }
        }
        let name = message.nameNode.map { tape.range($0) }
        switch message.method {
        case .toolsCall: tool = name
        case .promptsGet: prompt = name
        case .resourcesSubscribe, .resourcesUnsubscribe:
            resource = member("uri").map { tape.range($0) }
        case .completionComplete:
            guard let reference = member("ref"), tape.kind(reference) == .object else { return }
            resource = tape.member("uri", of: reference, in: bytes).map { tape.range($0) }
            prompt = tape.member("name", of: reference, in: bytes).map { tape.range($0) }
        case .subscriptionsListen:
            guard let filter = member("notifications"), tape.kind(filter) == .object else { return }
            resource = tape.member("resourceSubscriptions", of: filter, in: bytes).map { tape.range($0) }
        default: resource = name
        }
    }
}

/// What the record of an answer repeats of its request, kept without memory of its own where it is short: the request's bytes may be gone by then.
struct AnswerName {
    /// Bytes kept within.
    private static let inlineLimit = 64
    /// Of what is longer than this, the answer's record says nothing; the request's has it, under the same `request_id`.
    private static let limit = 4096

    private(set) var field = RecordField.toolName
    private var short = InlineArray<64, UInt8>(repeating: 0)
    private var count = 0
    private var long: [UInt8] = []

    /// Keeps a value as spelt.
    mutating func keep(_ field: RecordField, _ value: Span<UInt8>) {
        guard value.count > 0, value.count <= AnswerName.limit else { return }
        self.field = field
        guard value.count > AnswerName.inlineLimit else {
            count = value.count
            for index in value.indices { short[index] = value[index] }
            return
        }
        long = value.copy
    }

    /// Writes it.
    func write(_ record: RecordBuilder) {
        if !long.isEmpty {
            record.json(field, long.span)
        } else if count > 0 {
            record.json(field, short.span.extracting(0..<count))
        }
    }
}
