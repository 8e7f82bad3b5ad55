import MCP
import NIOCore
import Policy
import StrictJSON

/// One message of the server, read: the phase `readReply`.
struct ReadReply: Sendable {
    let message: MessageSummary
    /// Where the error's object stands, in an answer that is one.
    let error: Range<Int>?
    /// The revision that the answer to an `initialize` agrees to.
    let revision: ProtocolRevision?
    /// The name of a method that the gateway does not know, as it stands in the message.
    let methodName: [UInt8]?
    /// What the chain says of it; nil where nothing had to be inspected.
    let inspection: ReplyInspection?
    /// The text with lone surrogates mended; nil if it had none and stands as it came.
    let text: ByteBuffer?

    /// The phases `readReply` and `inspectReply`. Reads a message strictly, but for lone surrogates of sloppy servers, which become U+FFFD (DESIGN 5). Nil: it is none.
    init?(
        _ bytes: Span<UInt8>, _ parser: JSONParser, _ tape: inout JSONTape, _ context: ReplyContext?,
        _ evaluator: inout PolicyEvaluator
    ) {
        do throws(JSONError) {
            try parser.parse(bytes, into: &tape)
        } catch {
            return nil
        }
        guard tape.loneSurrogateStrings > 0 else {
            self.init(parsed: bytes, tape, text: nil, context, &evaluator)
            return
        }
        var mended: [UInt8] = []
        var rewriter = JSONRewriter()
        rewriter.append(bytes, tape, to: &mended)
        do throws(JSONError) {
            try parser.parse(mended.span, into: &tape)
        } catch {
            return nil
        }
        self.init(parsed: mended.span, tape, text: ByteBuffer(bytes: mended), context, &evaluator)
    }

    private init?(
        parsed bytes: Span<UInt8>, _ tape: borrowing JSONTape, text: ByteBuffer?, _ context: ReplyContext?,
        _ evaluator: inout PolicyEvaluator
    ) {
        let message: MessageSummary
        do throws(GatewayError) {
            message = try MessageSummary(tape, bytes, from: .server)
        } catch {
            return nil
        }
        self.message = message
        methodName = message.method == .other ? message.methodNode.map { bytes.extracting(tape.range($0)).copy } : nil
        if let context {
            inspection = ReplyInspection(message, tape, bytes, context, &evaluator)
        } else {
            inspection = nil
        }
        self.text = text
        error = message.isError ? tape.member("error", of: .root, in: bytes).map { tape.range($0) } : nil
        revision = message.initializeVersion.flatMap { node in
            tape.isEscaped(node) ? nil : ProtocolRevision(bytes.extracting(tape.contentRange(node)))
        }
    }
}
