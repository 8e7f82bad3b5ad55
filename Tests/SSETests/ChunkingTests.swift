import SSE
import Testing

/// What must hold for any bytes, however they arrive.
@Suite struct ChunkingTests {
    static let seeds = [
        "\u{FEFF}: hi\r\nid: 1\r\ndata:\r\n\r\nevent: message\r\ndata: {\"a\":\"é日😀\u{2028}\"}\r\n\r\n",
        "data: one\ndata: two\ndata\ndata:\ndata:  three\n\n:keep-alive\n\nretry: 100\n\nid: x\ndata: {}",
        "event: endpoint\rdata: /messages?id=1\r\rid: 7\u{0}\rid: é\rretry: 1x\rdata: y\r\r",
        "foo: bar\nunknown line that is longer than a word: yes\ndata: x\nevent: abc\nevent:\nid\n\n\n\n",
        "\u{FEFE}\nid: 5\n: \u{0}\u{B}\nevent: näme\n\ndata:a very long line that takes several words to read\n\n",
    ].map { Array($0.utf8) }

    @Test func anySplitReadsLikeTheWhole() {
        var random = SeededGenerator(state: 20)
        for bytes in Self.seeds {
            let whole = read(bytes)
            #expect(whole == referenceReading(bytes) && !whole.items.isEmpty)
            #expect(read(bytes, cuts: Array(0...bytes.count)) == whole)
            for first in 0...bytes.count {
                #expect(read(bytes, cuts: [first]) == whole)
                for second in first...bytes.count where second - first < 4 {
                    #expect(read(bytes, cuts: [first, second]) == whole)
                }
            }
            for _ in 0..<100 { #expect(read(bytes, cuts: randomCuts(bytes.count, &random)) == whole) }
        }
    }

    @Test func anyPrefixReadsAsTheReferenceReadsIt() {
        for bytes in Self.seeds {
            for count in 0...bytes.count {
                let prefix = Array(bytes[..<count])
                #expect(read(prefix) == referenceReading(prefix))
            }
        }
    }

    @Test func mutationsReadAsTheReferenceReadsThemInAnyPieces() {
        var random = SeededGenerator(state: 21)
        var refused = 0
        var events = 0
        for _ in 0..<6000 {
            let bytes = mutated(Self.seeds.randomElement(using: &random) ?? [], &random)
            let whole = read(bytes)
            #expect(whole == referenceReading(bytes), "\(bytes)")
            #expect(read(bytes, cuts: randomCuts(bytes.count, &random)) == whole, "\(bytes)")
            if whole.error != nil { refused += 1 }
            events += whole.items.count
        }
        // The mutations reach both sides, else they would show nothing.
        #expect(refused > 500 && events > 10_000)
    }

    @Test func smallLimitsRefuseTheSameInAnyPieces() {
        var random = SeededGenerator(state: 22)
        var reasons: Set<SSEError> = []
        for _ in 0..<4000 {
            var limits = EventLimits()
            limits.eventBytes = Int.random(in: 0...40, using: &random)
            limits.fieldBytes = Int.random(in: 0...8, using: &random)
            limits.commentBytes = Int.random(in: 0...8, using: &random)
            limits.keptCapacity = Int.random(in: 0...16, using: &random)
            let bytes = mutated(Self.seeds.randomElement(using: &random) ?? [], &random)
            let whole = read(bytes, limits: limits)
            #expect(read(bytes, cuts: randomCuts(bytes.count, &random), limits: limits) == whole, "\(bytes) \(limits)")
            if let error = whole.error { reasons.insert(error) }
        }
        #expect(reasons == Set(SSEError.allCases))
    }
}
