import Testing

@testable import HTTP1

/// What must hold for any bytes, however they arrive.
@Suite struct PropertyTests {
    static let seeds = [
        RequestTests.ordinary,
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "DELETE /mcp HTTP/1.1\r\nHost: a\r\nMcp-Session-Id: 1\r\nX:\t\t\r\nY: \u{e9}\r\n\r\n",
    ].map { Array($0.utf8) }

    static let responses = [
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 202 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ].map { Array($0.utf8) }

    static let bodies = [
        "4\r\nWiki\r\nA\r\n0123456789\r\n0\r\n\r\nnext", "00\r\n\r\n", "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
    ].map { Array($0.utf8) }

    @Test func anySplitOfAGoodMessageReadsLikeTheWhole() {
        var random = SeededGenerator(state: 10)
        for bytes in Self.seeds {
            let whole = readRequest(bytes)
            #expect(whole.head != nil)
            for count in 0..<bytes.count { #expect(readRequest(Array(bytes[..<count])) == .needMore) }
            for cut in 0..<bytes.count { #expect(readRequest(bytes, cuts: [cut]) == whole) }
            for _ in 0..<100 { #expect(readRequest(bytes, cuts: randomCuts(bytes.count, &random)) == whole) }
        }
        for bytes in Self.responses {
            let whole = readResponse(bytes)
            #expect(whole.head != nil)
            for cut in 0..<bytes.count { #expect(readResponse(bytes, cuts: [cut]) == whole) }
        }
        for bytes in Self.bodies {
            let whole = decode(bytes)
            #expect(whole.end != nil)
            for cut in 0..<bytes.count { #expect(decode(bytes, cuts: [cut]) == whole) }
        }
    }

    /// What was scanned is not scanned again, so that a head that drips in costs what one costs that comes whole.
    @Test func aDrippingHeadIsScannedOnce() throws {
        let bytes = Self.ordinaryLines
        var reader = LineReader()
        var lines = 0
        for count in 0...bytes.count {
            let before = reader.scanned
            while try reader.next(bytes.span, to: count) != nil { lines += 1 }
            #expect(reader.scanned >= before && reader.scanned >= count - 1)
        }
        #expect(lines == 3 && reader.lineStart == bytes.count)
    }

    static let ordinaryLines = Array("GET / HTTP/1.1\r\nX: a\tvalue long enough for words\r\n\r\n".utf8)

    @Test func mutationsNeverCrashAndReadTheSameInDrips() {
        var random = SeededGenerator(state: 11)
        var accepted = 0
        var refused: Set<HTTP1Error> = []
        for _ in 0..<4000 {
            let request = mutated(Self.seeds.randomElement(using: &random) ?? [], &random)
            let whole = readRequest(request)
            #expect(readRequest(request, cuts: randomCuts(request.count, &random)) == whole)
            if whole.head != nil { accepted += 1 }
            if let error = whole.error { refused.insert(error) }

            let response = mutated(Self.responses.randomElement(using: &random) ?? [], &random)
            #expect(readResponse(response, cuts: randomCuts(response.count, &random)) == readResponse(response))

            let body = mutated(Self.bodies.randomElement(using: &random) ?? [], &random)
            #expect(decode(body, cuts: randomCuts(body.count, &random)) == decode(body))
        }
        // The mutations reach both sides, else they would show nothing.
        #expect(accepted > 200 && refused.count > 10)
    }

    @Test func anAcceptedHeadWrittenAgainReadsTheSame() throws {
        var random = SeededGenerator(state: 12)
        for _ in 0..<2000 {
            guard let head = readRequest(mutated(Self.seeds.randomElement(using: &random) ?? [], &random)).head else {
                continue
            }
            var again = "\(head.methodText) \(head.target) HTTP/1.1\r\n"
            for field in head.fields { again += "\(field[0]): \(field[1])\r\n" }
            let second = try #require(readRequest(again + "\r\n").head)
            #expect(
                second.fields == head.fields && second.framing == head.framing && second.keepAlive == head.keepAlive)
        }
    }
}
