import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Collects the parts that NIOHTTP1 makes of a stream.
private struct Collector {
    var reading = Reading()
    private var current: Message?

    mutating func head(_ start: String, _ headers: HTTPHeaders) {
        // NIOHTTP1 leaves a tab at the end of a value to its caller; RFC 9110, 5.5 has it excluded.
        current = Message(start: start, fields: headers.map { [$0.name, trimmed($0.value)] })
    }

    mutating func body(_ buffer: ByteBuffer) {
        current?.body += buffer.readableBytesView
    }

    mutating func end(at position: Int) {
        guard var message = current else { return }
        message.end = position
        reading.messages.append(message)
        current = nil
    }
}

private func trimmed(_ value: String) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(value.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
}

/// Gives a channel the stream in pieces that end at `cuts`, and takes what comes out after each of them.
private func feed(
    _ channel: EmbeddedChannel, _ stream: [UInt8], cuts: [Int], _ collector: inout Collector,
    drain: (inout Collector, Int) throws -> Void
) {
    var position = 0
    do {
        for cut in cuts + [stream.count] where cut > position {
            let piece = ByteBuffer(bytes: stream[position..<cut])
            position = cut
            var problem: (any Error)?
            do { try channel.writeInbound(piece) } catch { problem = error }
            // What was read before the error came out before it.
            try drain(&collector, position)
            if let problem { throw problem }
        }
        var problem: (any Error)?
        do { _ = try channel.finish(acceptAlreadyClosed: true) } catch { problem = error }
        try drain(&collector, position)
        if let problem { throw problem }
    } catch {
        collector.reading.refusal = "\(error)"
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }
}

/// The requests of a stream as NIOHTTP1 reads them when it comes in pieces that end at `cuts`.
func readRequestsByNIO(_ stream: [UInt8], cuts: [Int] = []) throws -> Reading {
    let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
    var collector = Collector()
    feed(channel, stream, cuts: cuts, &collector) { collector, position in
        while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head): collector.head("\(head.method.rawValue) \(head.uri)", head.headers)
            case .body(let buffer): collector.body(buffer)
            case .end: collector.end(at: position)
            }
        }
    }
    return collector.reading
}

/// The responses to requests of these methods as NIOHTTP1 reads them until the peer closes.
func readResponsesByNIO(_ stream: [UInt8], to methods: [String], cuts: [Int] = []) throws -> Reading {
    let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop)
    let channel = EmbeddedChannel(handler: ByteToMessageHandler(decoder))
    for method in methods {
        let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: "/")
        try channel.writeOutbound(HTTPClientRequestPart.head(head))
    }
    var collector = Collector()
    feed(channel, stream, cuts: cuts, &collector) { collector, position in
        while let part = try channel.readInbound(as: HTTPClientResponsePart.self) {
            switch part {
            case .head(let head): collector.head("\(head.status.code)", head.headers)
            case .body(let buffer): collector.body(buffer)
            case .end: collector.end(at: position)
            }
        }
    }
    return collector.reading
}
