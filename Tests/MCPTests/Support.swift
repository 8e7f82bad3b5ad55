import Foundation
import MCP
import StrictJSON

/// A text read strictly, with what tests ask of it.
struct Reading: ~Copyable {
    let bytes: [UInt8]
    let tape: JSONTape

    init(_ text: String, surrogates: JSONParser.Surrogates = .refuse) throws {
        try self.init(Array(text.utf8), surrogates: surrogates)
    }

    init(_ bytes: [UInt8], surrogates: JSONParser.Surrogates = .refuse) throws {
        var tape = JSONTape()
        try JSONParser(surrogates: surrogates).parse(bytes.span, into: &tape)
        self.bytes = bytes
        self.tape = tape
    }

    func summary(from sender: Peer) throws(GatewayError) -> MessageSummary {
        try MessageSummary(tape, bytes.span, from: sender)
    }

    func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: bytes[$0], as: UTF8.self) } }
    func text(_ node: JSONNode?) -> String? { node.flatMap { tape.string($0, in: bytes.span) } }
    func raw(_ node: JSONNode?) -> String? { node.flatMap { text(tape.range($0)) } }
}

/// What becomes of one text.
enum Outcome: Equatable {
    case message(Facts)
    case refused(GatewayError)
    case notJSON
}

/// A summary with texts in place of ranges and nodes.
struct Facts: Equatable {
    var kind: MessageSummary.Kind
    var id: String?
    var method = Method.other
    var methodName: String?
    var params: String?
    var version: String?
    var revision: ProtocolRevision?
    var clientCapabilities: String?
    var progressToken: String?
    var progressSubject: String?
    var cancelledRequest: String?
    var subscription: String?
    var name: String?
    var isError = false
    var errorCode: Int64?
    var result: String?
    var resultType: String?
    var initializeVersion: String?
    var capabilities: String?

    /// These facts with some changed.
    func with(_ change: (inout Facts) -> Void) -> Facts {
        var facts = self
        change(&facts)
        return facts
    }
}

/// Reads and classifies a text as the gateway does. In the text, `V,` stands for the member `jsonrpc`.
func summarise(_ text: String, from sender: Peer = .client) -> Outcome {
    let text = text.replacing("{V", with: #"{"jsonrpc":"2.0""#)
    guard let reading = try? Reading(text, surrogates: sender == .client ? .refuse : .replace) else { return .notJSON }
    do throws(GatewayError) {
        let summary = try reading.summary(from: sender)
        return .message(
            Facts(
                kind: summary.kind, id: reading.text(summary.id), method: summary.method,
                methodName: reading.text(summary.methodNode), params: reading.raw(summary.params),
                version: reading.text(summary.versionNode), revision: summary.revision,
                clientCapabilities: reading.raw(summary.clientCapabilities),
                progressToken: reading.text(summary.progressToken),
                progressSubject: reading.text(summary.progressSubject),
                cancelledRequest: reading.text(summary.cancelledRequest),
                subscription: reading.text(summary.subscription), name: reading.text(summary.nameNode),
                isError: summary.isError, errorCode: summary.errorCode, result: reading.raw(summary.result),
                resultType: reading.text(summary.resultType),
                initializeVersion: reading.text(summary.initializeVersion),
                capabilities: reading.raw(summary.capabilities)))
    } catch {
        return .refused(error)
    }
}

/// The code of the error a text is refused with; nil if it passes or is no JSON.
func refusal(_ text: String, from sender: Peer = .client) -> Int? {
    guard case .refused(let error) = summarise(text, from: sender) else { return nil }
    return error.code
}

/// The published test data beside the checkout; nil where it is absent.
func sharedData(_ path: String) -> URL? {
    var place = URL(fileURLWithPath: #filePath)
    while place.pathComponents.count > 1 {
        place.deleteLastPathComponent()
        let file = place.appendingPathComponent("shared/data/\(path)")
        if FileManager.default.fileExists(atPath: file.path) { return file }
    }
    return nil
}

/// A generator of repeatable numbers (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
