import Configuration
import HTTP1
import Link
import MCP
import NIOCore

/// The heads of requests to the upstream. What is the same in all of them is written once.
final class UpstreamHead {
    private let get: [UInt8]
    private let delete: [UInt8]
    private let postAny: [UInt8]
    private let postJSON: [UInt8]
    private let postEvents: [UInt8]

    init(_ generation: RouteGeneration) {
        let rest = " \(generation.target) HTTP/1.1\r\nHost: \(generation.authority)\r\nUser-Agent: mcpgw\r\n"
        let post = "POST" + rest + "Content-Type: application/json\r\nAccept: "
        let length = "\r\nContent-Length: "
        get = Array(("GET" + rest + "Accept: text/event-stream\r\n").utf8)
        delete = Array(("DELETE" + rest).utf8)
        postAny = Array((post + "application/json, text/event-stream" + length).utf8)
        postJSON = Array((post + "application/json" + length).utf8)
        postEvents = Array((post + "text/event-stream" + length).utf8)
    }

    /// Appends everything up to the fields that differ. `bodyLength` counts for POST alone, the others have no body.
    func write(
        _ method: ExchangeMethod, acceptsJSON: Bool, acceptsEvents: Bool, bodyLength: Int, to buffer: inout ByteBuffer
    ) {
        switch method {
        case .get: buffer.writeBytes(get)
        case .delete: buffer.writeBytes(delete)
        case .post where acceptsJSON && acceptsEvents: buffer.writeBytes(postAny)
        case .post: buffer.writeBytes(acceptsJSON ? postJSON : postEvents)
        }
        guard method == .post else { return }
        let digits = ASCIINumber(decimal: UInt64(bodyLength))
        buffer.writeSpan(digits.span)
        buffer.writeStaticString("\r\n")
    }
}

extension ByteBuffer {
    /// A field line whose value is known to be one.
    mutating func writeField(_ name: StaticString, _ value: Span<UInt8>) {
        writeStaticString(name)
        writeStaticString(": ")
        writeSpan(value)
        writeStaticString("\r\n")
    }

    mutating func writeField(_ name: StaticString, _ value: StaticString) {
        writeStaticString(name)
        writeStaticString(": ")
        writeStaticString(value)
        writeStaticString("\r\n")
    }

    /// The same bytes in memory of their own.
    init(copying other: ByteBuffer) {
        self.init()
        writeSpan(other.readableBytesUInt8Span)
    }

    mutating func writeSpan(_ span: Span<UInt8>) {
        // Safe: the buffer copies the bytes while the span lives.
        unsafe writeBytes(span.bytes)
    }

    /// Appends a text with its edits.
    mutating func writeEdited(_ original: ByteBuffer, _ edit: MessageEdit) {
        let text = original.readableBytesUInt8Span
        var pieces = edit.pieces(of: text.count)
        while let piece = pieces.next(edit) {
            switch piece {
            case .original(let range): writeSpan(text.extracting(range))
            case .digits(let digits): writeSpan(digits.span)
            case .bytes(let bytes): writeBytes(bytes)
            }
        }
    }
}
