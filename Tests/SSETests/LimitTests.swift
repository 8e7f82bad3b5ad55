import SSE
import Testing

@Suite struct LimitTests {
    @Test func anEventOfExactlyTheLimitIsReadAndOneByteMoreIsNot() {
        var limits = EventLimits()
        limits.eventBytes = 100
        let text = String(repeating: "x", count: 100)
        #expect(read("data: \(text)\n\n", limits: limits).items == [.event(text)])
        #expect(read("data: \(text)x\n\n", limits: limits) == Reading(error: .eventTooLarge))
        let half = String(repeating: "x", count: 49)
        #expect(read("data: \(half)\ndata: x\(half)\n\n", limits: limits).items == [.event(half + "\nx" + half)])
        #expect(read("data: \(half)x\ndata: x\(half)\n\n", limits: limits).error == .eventTooLarge)
        // It is the limit of one event, not of the stream, and what is skipped counts as well.
        let stream = String(repeating: "data: \(text)\n\n", count: 5)
        #expect(read(stream, limits: limits).items.count == 5)
        #expect(read("data: x\n" + String(repeating: "y\n", count: 60), limits: limits).error == .eventTooLarge)
        #expect(read("data: x\n\(text)", limits: limits).error == .eventTooLarge)
        #expect(read("data: \(half)\nid: \(half)\n\n", limits: limits).error == .eventTooLarge)
        #expect(read(String(repeating: "data\n", count: 102), limits: limits).error == .eventTooLarge)
        #expect(read(String(repeating: "id\n", count: 60), limits: limits).error == .eventTooLarge)
    }

    @Test(arguments: ["id: ", "event: ", "retry: "])
    func namesAndIDsHaveALimitOfTheirOwn(field: String) {
        var limits = EventLimits()
        limits.fieldBytes = 10
        let line = field + "0123456789"
        #expect(read("\(line)\n\n", limits: limits).items.count == 1)
        #expect(read("\(line)0\n\n", limits: limits) == Reading(error: .fieldTooLarge))
    }

    @Test func longCommentsAreCutAtACharacter() {
        for shift in 0..<4 {
            let text = String(repeating: "x", count: 1020 + shift) + "é日😀é日😀"
            var kept = text
            while kept.utf8.count > 1024 { kept.unicodeScalars.removeLast() }
            let bytes = Array(": \(text)\ndata: a\n\n".utf8)
            #expect(read(bytes).items == [.comment(kept), .event("a")])
            for cut in 1010..<1040 { #expect(read(bytes, cuts: [cut]).items == [.comment(kept), .event("a")]) }
        }
    }

    @Test func aHundredMegabytesInOneEventAreRefusedAtTheLimit() {
        let limits = EventLimits()
        let reader = Reader(limits: limits)
        // No divisor of the limit: doubling what is held would overshoot it.
        let piece = [UInt8](repeating: 0x61, count: 60_000)
        reader.read("data: ".utf8.span)
        var fed = 0
        var largest = 0
        while fed < 100_000_000, reader.reading.error == nil {
            reader.read(piece.span)
            fed += piece.count
            largest = max(largest, reader.bufferedCapacity)
        }
        #expect(reader.reading == Reading(error: .eventTooLarge))
        #expect(fed > limits.eventBytes && fed <= limits.eventBytes + piece.count)
        #expect(largest <= limits.eventBytes + 64 * 1024)
        // Nothing is held for a stream that has ended.
        #expect(reader.bufferedCapacity <= 64 * 1024)
    }

    @Test func largeBuffersAreGivenBackAfterTheirEvent() {
        let reader = Reader()
        let large = Array("data: \(String(repeating: "x", count: 1 << 20))".utf8)
        let end = Array("\n\n".utf8)
        reader.read(large.span)
        #expect(reader.bufferedCapacity >= 1 << 20)
        reader.read(end.span)
        #expect(reader.reading.items.count == 1)
        #expect(reader.bufferedCapacity <= 64 * 1024)
        // Ordinary ones are kept for the next event.
        let small = Array("data: {}\ndata: 1\n\n".utf8)
        reader.read(small.span)
        let kept = reader.bufferedCapacity
        #expect(kept > 0)
        for _ in 0..<100 { reader.read(small.span) }
        #expect(reader.bufferedCapacity == kept && reader.reading.items.count == 102)
    }

    @Test func aMillionCommentsLeaveNothingBehind() {
        let reader = Reader()
        reader.keepsItems = false
        let comments = Array(String(repeating: ": keep-alive\n\n", count: 1000).utf8)
        // Pieces that end within comments, so that they are copied.
        reader.read("data: a\n: \(String(repeating: "x", count: 2000))".utf8.span)
        reader.read("x\n".utf8.span)
        for _ in 0..<1000 {
            reader.read(comments.span.extracting(0..<comments.count - 30))
            reader.read(comments.span.extracting((comments.count - 30)...))
        }
        #expect(reader.reading.error == nil && reader.steps > 1_000_000)
        #expect(reader.bufferedCapacity < 4096)
        let endless = Array(": \(String(repeating: "x", count: 10_000_000))".utf8)
        reader.read(endless.span)
        #expect(reader.reading.error == nil && reader.bufferedCapacity < 4096)
    }

    /// Every byte is shown to the parser once, in at most one step for each and one for each piece, and a value that grows
    /// by single bytes is moved a few times only: hostile streams cost what they weigh.
    @Test(arguments: ["data\n", ":\n", "\n", "\r", "id:1\n", "x\n", "data:é", "data:1\n\n", ": \u{0}", "retry:9\r\n"])
    func theCostOfHostileStreamsIsLinear(unit: String) {
        for isDripping in [false, true] {
            let reader = Reader()
            reader.keepsItems = false
            let count = 100_000
            let bytes = Array(String(repeating: unit, count: count / unit.utf8.count).utf8)
            var moves = 0
            var capacity = 0
            let size = isDripping ? 1 : 4096
            for start in stride(from: 0, to: bytes.count, by: size) {
                reader.read(bytes.span.extracting(start..<min(start + size, bytes.count)))
                if reader.bufferedCapacity > capacity {
                    moves += 1
                    capacity = reader.bufferedCapacity
                }
            }
            #expect(reader.reading.error == nil && reader.shown == bytes.count)
            #expect(reader.steps <= bytes.count + bytes.count / size + 1)
            #expect(moves < 20)
        }
    }
}
