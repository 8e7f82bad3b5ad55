import Testing

@testable import MCP

@Suite struct EventIDTests {
    private func read(_ text: [UInt8]) -> EventID? { EventID(text.span) }

    private func write(
        route: UInt32 = 3, request: UInt64 = 12, id: String = "1", token: String = "", upstream: String = "e"
    ) -> [UInt8]? {
        var output = Array("id: ".utf8)
        let isWritten = EventID.append(
            route: route, request: request, id: Array(id.utf8).span, progressToken: Array(token.utf8).span,
            upstream: Array(upstream.utf8).span, to: &output)
        guard isWritten else {
            #expect(output == Array("id: ".utf8), "nothing is written in vain")
            return nil
        }
        return Array(output.dropFirst(4))
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let upstreams = [
            "", "e", "0", "a.b.c", "-_=+/", "é漢🔥", "a b", "{\"x\":1}", String(repeating: "u", count: 1024),
        ]
        for id in [""] + MessageSummaryTests.identifiers {
            for (index, upstream) in upstreams.enumerated() {
                let token = MessageSummaryTests.identifiers[index]
                for (route, request) in [(0, 0), (1, 17), (UInt32.max, UInt64.max)] as [(UInt32, UInt64)] {
                    let text = try #require(
                        write(route: route, request: request, id: id, token: token, upstream: upstream))
                    #expect(text.allSatisfy { 0x2D...0x7A ~= $0 }, "fit for a line of SSE and a header")
                    #expect(text.count <= EventID.maxLength)
                    let back = try #require(read(text))
                    #expect(back.route == route)
                    #expect(back.request == request)
                    #expect(back.id == Array(id.utf8))
                    #expect(back.progressToken == Array(token.utf8))
                    #expect(back.upstream == Array(upstream.utf8))
                }
            }
        }
    }

    @Test func whatCouldNotBeGivenBackIsNotWritten() {
        for upstream in ["a\nb", "a\rb", "a\0", "\u{7F}", "\t", " a", "a ", String(repeating: "u", count: 1025)] {
            #expect(write(upstream: upstream) == nil)
        }
        #expect(write(id: String(repeating: "1", count: 1025)) == nil)
        #expect(write(token: String(repeating: "1", count: 1025)) == nil)
    }

    @Test(arguments: [
        "", ".", "....", "3.12.MQ.", "3.12.MQ", "3.12", "3", "3.12.MQ..ZQ.", "3.12.MQ..ZQ.x", " 3.12.MQ..ZQ",
        "3.12.MQ..ZQ ",
        "03.12.MQ..ZQ", "3.012.MQ..ZQ", "+3.12.MQ..ZQ", "-3.12.MQ..ZQ", ".12.MQ..ZQ", "3..MQ..ZQ",
        "4294967296.12.MQ..ZQ",
        "3.18446744073709551616.MQ..ZQ", "3.12.MR..ZQ", "3.12.M..ZQ", "3.12.MQ==..ZQ", "3.12.M Q..ZQ", "3.12.MQ..Z+",
        "3.12.MQ..Z/",
        // Texts that are no ids: x, "a", [], true, 1.0, two ids, a space before one, an open string, a control
        // character.
        "3.12.eA..ZQ", "3.12.W10..ZQ", "3.12.dHJ1ZQ..ZQ", "3.12.MS4w..ZQ", "3.12.MSwx..ZQ", "3.12.IDE..ZQ",
        "3.12.MSA..ZQ",
        "3.12.Ig..ZQ", "3.12.IgEi..ZQ", "3.12.MQ.eA.ZQ",
        // An event id with a line feed, with NUL.
        "3.12.MQ..YQpi", "3.12.MQ..AA", "1234", "550e8400-e29b-41d4-a716-446655440000_1", "é",
    ])
    func whatIsNotOursIsAbsent(text: String) {
        #expect(read(Array(text.utf8)) == nil)
    }

    /// One text for one id: whatever is read is what would be written for it.
    @Test func everyTextThatIsReadIsCanonical() throws {
        var random = Seeded(state: 99)
        let good = try #require(write(id: #""ab""#, token: "7", upstream: "event/1"))
        let characters = Array("0123456789abcXYZ-_.=+/ ".utf8)
        var accepted = 0
        for _ in 0..<20000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = characters[Int.random(in: 0..<characters.count, using: &random)]
                case 1: bytes.insert(characters[Int.random(in: 0..<characters.count, using: &random)], at: place)
                default: bytes.remove(at: place)
                }
            }
            guard let back = read(bytes) else { continue }
            accepted += 1
            var again: [UInt8] = []
            let isWritten = EventID.append(
                route: back.route, request: back.request, id: back.id.span, progressToken: back.progressToken.span,
                upstream: back.upstream.span, to: &again)
            #expect(isWritten && again == bytes)
        }
        #expect(accepted > 100, "the test has something to look at")
    }

    @Test func longTextsAreRefusedUnread() {
        #expect(read([UInt8](repeating: 0x41, count: 100_000)) == nil)
        let long = "3.12.MQ.." + String(repeating: "A", count: 1368)
        #expect(read(Array(long.utf8)) == nil)
    }
}

@Suite struct Base64Tests {
    @Test func everyLengthIsReadBackInBothForms() throws {
        var random = Seeded(state: 3)
        for length in 0..<200 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            for form in [Base64Form.standard, .url] {
                var text: [UInt8] = []
                form.append(bytes.span, to: &text)
                #expect(form != .standard || text.count % 4 == 0)
                guard var reader = Base64Reader(text.span, form) else {
                    Issue.record("refused our own")
                    continue
                }
                #expect(reader.count == length)
                var back: [UInt8] = []
                reader.appendRest(to: &back)
                #expect(back == bytes)
            }
        }
    }
}
