import HTTP1
import Link
import MCP
import NIOCore

/// Heads of answers to clients. Everything variable in them is checked before it is written, so that no value can split a head.
extension ByteBuffer {
    mutating func writeReplyHead(_ head: ReplyHead, session: [UInt8]?, closes: Bool) {
        // Nearly all answers: three writes instead of ten, because each is checked for room and ownership.
        if head.status == 200, head.kind == .json, session == nil, !closes, head.challenge.isEmpty, head.retryAfter == 0
        {
            writeStaticString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ")
            writeDecimal(head.bodyLength)
            writeStaticString("\r\n\r\n")
            return
        }
        writeStatusLine(Int(head.status))
        switch head.kind {
        case .empty:
            if head.status != 204 { writeStaticString("Content-Length: 0\r\n") }
        case .json:
            writeStaticString("Content-Type: application/json\r\nContent-Length: ")
            writeDecimal(head.bodyLength)
            writeStaticString("\r\n")
        case .events:
            writeStaticString(
                "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n"
            )
        }
        if head.status == 405 { writeStaticString("Allow: POST\r\n") }
        if let session {
            writeStaticString("Mcp-Session-Id: ")
            writeBytes(session)
            writeStaticString("\r\n")
        }
        if !head.challenge.isEmpty { writeField("WWW-Authenticate", head.challenge) }
        if head.retryAfter > 0 { writeField("Retry-After", String(head.retryAfter)) }
        if closes { writeStaticString("Connection: close\r\n") }
        writeStaticString("\r\n")
    }

    mutating func writeRefusal(_ refusal: Refusal, requestID: UInt64) {
        let body = refusal.error.body(id: nil, requestID: requestID)
        writeStatusLine(refusal.status)
        writeStaticString("Content-Type: application/json\r\nContent-Length: ")
        writeDecimal(UInt64(body.count))
        writeStaticString("\r\n")
        if let field = refusal.field {
            writeString(field)
            writeStaticString("\r\n")
        }
        writeStaticString("Connection: close\r\n\r\n")
        writeBytes(body)
    }

    mutating func writeChunkHead(_ count: Int) {
        let digits = ASCIINumber(hexadecimal: UInt64(count))
        // Safe: the raw view lives no longer than the digits.
        unsafe writeBytes(digits.span.bytes)
        writeStaticString("\r\n")
    }

    private mutating func writeDecimal(_ value: UInt64) {
        let digits = ASCIINumber(decimal: value)
        // Safe: the raw view lives no longer than the digits.
        unsafe writeBytes(digits.span.bytes)
    }

    /// A field from another process: written only if it is one token and one field value.
    private mutating func writeField(_ name: String, _ value: String) {
        guard HTTP1Encoding.isToken(name), HTTP1Encoding.isFieldValue(value) else { return }
        writeString(name)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }

    private mutating func writeStatusLine(_ status: Int) {
        switch status {
        case 200: writeStaticString("HTTP/1.1 200 OK\r\n")
        case 202: writeStaticString("HTTP/1.1 202 Accepted\r\n")
        default: writeString("HTTP/1.1 \(status) \(HTTPStatus.reason(status))\r\n")
        }
    }
}
