import Link
import NIOCore
import Testing

@testable import Route
@testable import Worker

@Suite struct RequestBodyTests {
    /// The route answers while the body is still coming, and cannot send its answer because the link is full. What comes of the body
    /// meanwhile is what an honest ingress sends: it cannot know of the answer.
    @Test func whatComesBehindAnAnswerThatWaitsCondemnsNobody() throws {
        let route = try LoneRoute()
        let others = UInt32(24)
        for number in 0..<others { route.send(post(.number(number), bodyLength: 1)) }
        #expect(try route.eventually { $0.exchanges.count == Int(others) })
        let isFull = try route.look { route in
            for exchange in route.exchanges {
                exchange.sendEventsHead(sessionRevision: 0)
                var bytes = ByteBuffer(repeating: 0x20, count: StreamTable.window)
                exchange.link?.sendData(exchange.stream, &bytes)
                if bytes.readableBytes > 0 { return true }
            }
            return false
        }
        #expect(isFull)
        // No room for a byte of a body.
        #expect(try route.look { $0.reserve(256 << 20) })
        let stream = StreamID.number(others)
        route.send(post(stream, bodyLength: 20), wire(.data, stream, Array(repeating: 0x20, count: 10)))
        #expect(
            try route.eventually { route in route.exchanges.contains { $0.stream == stream && $0.sentStatus != nil } })
        #expect(try route.look { route in route.exchanges.contains { $0.unsent.readableBytes > 0 } })
        // There would be room again, and all of the body comes.
        try route.look { $0.giveBack(1 << 20) }
        route.send(wire(.lastData, stream, Array(repeating: 0x20, count: 10)))
        let next = StreamID.number(others + 1)
        route.send(post(next, bodyLength: 1))
        // Frames are read in order.
        #expect(
            try route.eventually { route in route.exchanges.isEmpty || route.exchanges.contains { $0.stream == next } })
        #expect(route.accusations() == [])
        // It is read for nobody, and kept for nobody.
        #expect(
            try route.look { route in route.exchanges.contains { $0.stream == stream && $0.body.readableBytes == 0 } })
        let answer = try route.answer(on: stream)
        #expect(answer.first?.type == .head && [.lastData, .end].contains(answer.last?.type))
        let text = String(decoding: answer.dropFirst().flatMap(\.payload), as: UTF8.self)
        #expect(text.contains("-31016"))
    }

    /// A body is a slice of a large read buffer: kept as it is, it would hold many times the memory it was charged for.
    @Test(arguments: [1_000, 20_000, 60_000])
    func aBodyThatWaitsHoldsNotMuchMoreThanItWasChargedFor(length: Int) throws {
        let route = try LoneRoute()
        let start = Array(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"t":""#.utf8)
        let end = Array(#""}}}"#.utf8)
        let body = start + Array(repeating: UInt8(ascii: "t"), count: length - start.count - end.count) + end
        // One waits for a connection, the other for the rest of its body.
        route.send(post(.number(0), bodyLength: length), wire(.lastData, .number(0), body))
        route.send(post(.number(1), bodyLength: length), wire(.data, .number(1), Array(body.dropLast())))
        route.send(post(.number(2), bodyLength: 1))
        #expect(try route.eventually { $0.exchanges.count == 3 })
        let held = try route.look { route in
            route.exchanges.sorted { $0.stream.slot < $1.stream.slot }.prefix(2)
                .map { (bytes: $0.body.readableBytes, memory: $0.body.storageCapacity) }
        }
        #expect(held.map(\.bytes) == [length, length - 1])
        for one in held { #expect(one.memory <= 2 * length, "\(one.memory) bytes for \(one.bytes)") }
    }
}
