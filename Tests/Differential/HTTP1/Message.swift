import HTTP1

/// One message as a reader took it from a stream of bytes.
struct Message: Equatable, CustomStringConvertible {
    /// The method and target of a request, the status of a response.
    var start: String
    /// Name and value of every field, in order.
    var fields: [[String]]
    var body: [UInt8] = []
    /// How many bytes of the stream were read when the message was complete.
    var end = 0

    var description: String {
        let lines = fields.map { "\($0[0]): \($0[1])" }
        return "\(start) | \(lines.joined(separator: " | ")) | \(body.count) bytes of body | end at \(end)"
    }
}

/// What a reader made of a stream of bytes.
struct Reading {
    /// The messages it accepted, in order.
    var messages: [Message] = []
    /// Why it refused what follows them; nil if it did not.
    var refusal: String?
    /// Whether bytes are left over that may become a message.
    var isIncomplete = false
}

/// What the gateway's codec makes of a stream, and why it refused what it refused.
struct OwnReading {
    var reading = Reading()
    var error: HTTP1Error?
    /// The position of the first message after which another reader may leave HTTP: CONNECT, or an offer to upgrade.
    /// The gateway takes neither up, as RFC 9110, 7.8 and 9.3.6 allow; readers of NIOHTTP1's kind stop there.
    var firstUpgrade: Int?
    /// Whether that one is a CONNECT: readers differ on whether it has a body, so the codec ends the connection with it.
    var isConnect = false
    /// Whether a message has a method that is not told apart. The ingress answers it 405.
    var hasOtherMethod = false
}

private func text(_ bytes: [UInt8], _ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
}

/// Reads one body, from `start` on; nil while it is not complete.
private func readBody(
    _ bytes: [UInt8], from start: Int, _ framing: BodyFraming
) throws(HTTP1Error) -> (body: [UInt8], end: Int)? {
    switch framing {
    case .none: return ([], start)
    case .untilClose: return (Array(bytes[start...]), bytes.count)
    case .length(let length):
        guard UInt64(bytes.count - start) >= length else { return nil }
        let end = start + Int(length)
        return (Array(bytes[start..<end]), end)
    case .chunked:
        var decoder = ChunkedDecoder(maxBody: 1 << 30)
        var position = start
        var body: [UInt8] = []
        while true {
            switch try decoder.next(bytes.span.extracting(position...)) {
            case .needMore: return nil
            case .data(let range):
                body += bytes[position + range.lowerBound..<position + range.upperBound]
                position += range.upperBound
            case .end(let consumed): return (body, position + consumed)
            }
        }
    }
}

private func fields(_ list: borrowing FieldList, _ bytes: [UInt8]) -> [[String]] {
    list.indices.map { [text(bytes, list[$0].name), text(bytes, list[$0].value)] }
}

/// The requests of a stream as the gateway's codec reads them.
func readRequests(_ stream: [UInt8]) -> OwnReading {
    var result = OwnReading()
    var parser = RequestParser()
    var position = 0
    do throws(HTTP1Error) {
        while position < stream.count {
            let rest = Array(stream[position...])
            guard try parser.parseHead(rest.span),
                let (body, end) = try readBody(rest, from: parser.head.length, parser.head.framing)
            else {
                result.reading.isIncomplete = true
                return result
            }
            let upgrades = parser.head.fields.contains(.upgrade) && parser.head.fields.contains(.connection)
            if parser.head.method == .connect || upgrades, result.firstUpgrade == nil {
                result.firstUpgrade = result.reading.messages.count
                result.isConnect = parser.head.method == .connect
            }
            if parser.head.method == .other { result.hasOtherMethod = true }
            position += end
            result.reading.messages.append(
                Message(
                    start: text(rest, parser.head.methodRange) + " " + text(rest, parser.head.target),
                    fields: fields(parser.head.fields, rest), body: body, end: position))
        }
    } catch {
        result.error = error
        result.reading.refusal = "\(error)"
    }
    return result
}

/// The responses to these requests as the gateway's codec reads them until the peer closes, interim ones left out.
func readResponses(_ stream: [UInt8], to methods: [HTTPMethod]) -> OwnReading {
    var result = OwnReading()
    var parser = ResponseParser()
    var position = 0
    do throws(HTTP1Error) {
        while position < stream.count {
            guard result.reading.messages.count < methods.count else {
                result.reading.refusal = "more responses than requests"
                return result
            }
            let rest = Array(stream[position...])
            guard try parser.parseHead(rest.span, requestMethod: methods[result.reading.messages.count]),
                let (body, end) = try readBody(rest, from: parser.head.length, parser.head.framing)
            else {
                result.reading.isIncomplete = true
                return result
            }
            position += end
            if parser.head.isInterim { continue }
            result.reading.messages.append(
                Message(
                    start: "\(parser.head.status)", fields: fields(parser.head.fields, rest), body: body, end: position)
            )
        }
    } catch {
        result.error = error
        result.reading.refusal = "\(error)"
    }
    return result
}
