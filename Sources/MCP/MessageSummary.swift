import StrictJSON

/// What the gateway must know of a JSON-RPC message to carry it: found in the checked tape, as ranges into the bytes.
public struct MessageSummary: Equatable, Sendable {
    /// Exactly one of these is every message (JSON-RPC 2.0, 4 and 5).
    public enum Kind: Equatable, Sendable {
        /// Has a method and an id.
        case request
        /// Has a method and no id.
        case notification
        /// Has a result or an error.
        case response
    }

    /// What it is.
    public let kind: Kind
    /// Where the id stands as spelt, quotes included; nil in notifications.
    public let id: Range<Int>?
    /// The method; empty in responses.
    public let method: String
    /// Whether the message carries its protocol revision in `_meta` (2026-07-28 and later).
    public let isModern: Bool

    /// Classifies one message.
    /// - Throws: `GatewayError.notAMessage` if it is none that may pass.
    public init(_ tape: borrowing JSONTape, _ bytes: Span<UInt8>) throws(GatewayError) {
        let root = JSONNode.root
        guard tape.kind(root) == .object else {
            throw .notAMessage(tape.kind(root) == .array ? "batches are not accepted" : "a message is an object")
        }
        guard let version = tape.member("jsonrpc", of: root, in: bytes), tape.equals(version, "2.0", in: bytes) else {
            throw .notAMessage(#"member "jsonrpc" is not "2.0""#)
        }
        let idNode = tape.member("id", of: root, in: bytes)
        if let idNode {
            guard tape.kind(idNode) == .string || (tape.kind(idNode) == .number && tape.isInteger(idNode)) else {
                throw .notAMessage("an id is a string or an integer")
            }
        }
        id = idNode.map { tape.range($0) }
        let hasResult = tape.member("result", of: root, in: bytes) != nil
        let hasError = tape.member("error", of: root, in: bytes) != nil
        let hasOutcome = hasResult || hasError
        // JSON-RPC 2.0, 5: never both. Readers differ in which of the two they believe.
        guard !(hasResult && hasError) else { throw .notAMessage("an answer is a result or an error, not both") }
        if let methodNode = tape.member("method", of: root, in: bytes) {
            guard tape.kind(methodNode) == .string, let method = tape.string(methodNode, in: bytes), !hasOutcome else {
                throw .notAMessage(hasOutcome ? "a message is a call or an answer, not both" : "a method is a string")
            }
            self.method = method
            kind = id == nil ? .notification : .request
        } else {
            guard hasOutcome, id != nil || hasError else {
                throw .notAMessage("neither a call nor an answer")
            }
            method = ""
            kind = .response
        }
        isModern = MessageSummary.carriesRevision(tape, bytes)
    }

    private static func carriesRevision(_ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> Bool {
        guard let params = tape.member("params", of: .root, in: bytes), tape.kind(params) == .object,
            let meta = tape.member("_meta", of: params, in: bytes), tape.kind(meta) == .object
        else { return false }
        return tape.member("io.modelcontextprotocol/protocolVersion", of: meta, in: bytes) != nil
    }
}
