import Testing

@testable import Link

/// Two honest ends, joined by two queues with arbitrary delays, doing whatever the tables allow.
@Suite struct StreamPairTests {
    private struct Pair {
        var opener: ModelEnd
        var acceptor: ModelEnd
        var random: SeededRandom

        init(seed: UInt64, capacity: Int, firstGeneration: UInt32) {
            opener = ModelEnd(side: .opener, capacity: capacity, firstGeneration: firstGeneration)
            acceptor = ModelEnd(side: .acceptor, capacity: capacity, firstGeneration: firstGeneration)
            random = SeededRandom(seed: seed)
        }

        /// One action somewhere, or the arrival of some frames.
        mutating func step() throws {
            switch random.below(4) {
            case 0: try Pair.act(&opener, peer: acceptor, &random)
            case 1: try Pair.act(&acceptor, peer: opener, &random)
            case 2: try Pair.deliver(from: &opener, to: &acceptor, count: random.below(4))
            default: try Pair.deliver(from: &acceptor, to: &opener, count: random.below(4))
            }
        }

        private static func act(_ end: inout ModelEnd, peer: ModelEnd, _ random: inout SeededRandom) throws {
            // Now and then a stream that only the other side still knows, or one that never was.
            let known = random.oneIn(10) ? peer.any(&random) : end.any(&random)
            let id = known ?? StreamID(slot: 0, generation: 77)
            switch random.below(20) {
            case 0..<3: try end.open()
            case 3..<5: try end.sendHead(id)
            case 5..<10: try end.sendData(id, size(end, id, &random))
            case 10..<15:
                let unread = end.live[id]?.unread ?? 0
                if unread > 0 { try end.consume(id, random.oneIn(2) ? unread : 1 + random.below(unread)) }
            case 15: try end.sendEnd(id)
            case 16: try end.sendLastData(id, size(end, id, &random))
            case 17: if random.oneIn(3) { try end.sendReset(id) }
            default: if random.oneIn(2) { try end.sendCancel(id) }
            }
        }

        /// Bytes of a piece: few, as many as may be, or more than there is credit for.
        private static func size(_ end: ModelEnd, _ id: StreamID, _ random: inout SeededRandom) -> Int {
            let sizes = [1, 1000, FrameHead.maximumData, end.table.sendable(id), end.table.sendable(id) + 1]
            return min(FrameHead.maximumData, sizes[random.below(sizes.count)])
        }

        private static func deliver(from: inout ModelEnd, to: inout ModelEnd, count: Int) throws {
            let arriving = from.sent.prefix(count)
            from.sent.removeFirst(arriving.count)
            for frame in arriving { try to.receive(frame) }
        }

        mutating func check() throws {
            try opener.check()
            try acceptor.check()
        }

        /// Everything arrives and is used, until nothing moves.
        mutating func settle() throws {
            repeat {
                try Pair.deliver(from: &opener, to: &acceptor, count: .max)
                try Pair.deliver(from: &acceptor, to: &opener, count: .max)
                for id in opener.order { if let n = opener.live[id]?.unread, n > 0 { try opener.consume(id, n) } }
                for id in acceptor.order { if let n = acceptor.live[id]?.unread, n > 0 { try acceptor.consume(id, n) } }
            } while !opener.sent.isEmpty || !acceptor.sent.isEmpty
        }

        /// After `settle`: both ends know the same streams, and no credit has been lost on the way.
        func checkSettled() throws {
            guard opener.order.count == acceptor.order.count, opener.order.allSatisfy({ acceptor.live[$0] != nil })
            else {
                throw ModelEnd.Fault("the ends know different streams")
            }
            for (end, peer) in [(opener, acceptor), (acceptor, opener)] {
                for (id, stream) in end.live where !stream.isLocalDone {
                    let left = StreamTable.window - end.table.sendable(id)
                    guard left < StreamTable.creditPortion, left == peer.live[id]?.owed else {
                        throw ModelEnd.Fault("\(left) bytes of credit are missing on \(id)")
                    }
                }
            }
        }

        /// Both sides end whatever is left, each as it likes.
        mutating func finishAll() throws {
            for id in opener.order {
                if random.oneIn(3) { try opener.sendReset(id) } else { try opener.sendEnd(id) }
            }
            try settle()
            for id in acceptor.order {
                if random.oneIn(3) {
                    try acceptor.sendReset(id)
                } else {
                    try acceptor.sendHead(id)
                    try acceptor.sendEnd(id)
                }
            }
            try settle()
            guard opener.table.activeCount == 0, acceptor.table.activeCount == 0 else {
                throw ModelEnd.Fault("\(opener.table.activeCount) and \(acceptor.table.activeCount) streams never end")
            }
        }
    }

    @Test(arguments: Array(UInt64(1)...24))
    func honestEndsNeverViolateAndEveryStreamIsReleased(seed: UInt64) throws {
        let capacity = [1, 2, 5, 16][Int(seed % 4)]
        let firstGeneration = seed % 3 == 0 ? UInt32.max - 3 : 1
        var pair = Pair(seed: seed, capacity: capacity, firstGeneration: firstGeneration)
        var round = 0
        do {
            while round < 15_000 {
                round += 1
                try pair.step()
                try pair.check()
                if round % 500 == 0 {
                    try pair.settle()
                    try pair.check()
                    try pair.checkSettled()
                    if round % 1500 == 0 {
                        try pair.finishAll()
                        try pair.check()
                    }
                }
            }
        } catch {
            throw Broken("round \(round): \(error)", seed: seed)
        }
        // The run was worth something: streams came and went, at both ends alike.
        #expect(pair.opener.releasedCount > 100)
        #expect(pair.opener.releasedCount == pair.acceptor.releasedCount)
        #expect(pair.opener.eventCount > 300 && pair.acceptor.eventCount > 300)
        if firstGeneration != 1 {
            let wrapped = pair.opener.generations.values.filter { $0 < firstGeneration }
            #expect(!wrapped.isEmpty, "no slot reached the wrap")
        }
    }

    @Test func generationsSkipZeroWhenTheyWrap() throws {
        var opener = StreamTable(side: .opener, capacity: 1, firstGeneration: .max - 1)
        var acceptor = StreamTable(side: .acceptor, capacity: 1, firstGeneration: .max - 1)
        for expected in [UInt32.max - 1, .max, 1, 2] {
            let opened = opener.open()
            let id = try #require(opened)
            #expect(id == StreamID(slot: 0, generation: expected))
            #expect(try acceptor.receive(FrameHead(type: .open, length: 1, stream: id)).event == .opened)
            let reset = FrameHead(type: .reset, length: 1, stream: id)
            let did = opener.sendReset(id)
            #expect(did)
            #expect(try acceptor.receive(reset) == StreamOutcome(event: .reset, answerWithReset: true))
            #expect(try opener.receive(reset).event == .ignored)
        }
    }

    /// Streams whose reader never reads use up their own credit and nobody else's.
    @Test(arguments: [61, 62, 63] as [UInt64])
    func slowStreamsNeverAffectTheCreditOfOthers(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var opener = ModelEnd(side: .opener, capacity: 12, firstGeneration: 1)
        var acceptor = ModelEnd(side: .acceptor, capacity: 12, firstGeneration: 1)
        for _ in 0..<12 { try opener.open() }
        let slow = Set(opener.order.prefix(8))
        let fast = opener.order.filter { !slow.contains($0) }
        for frame in opener.sent { try acceptor.receive(frame) }
        opener.sent = []
        for id in acceptor.order { try acceptor.sendHead(id) }
        var received: [StreamID: Int] = [:]
        for _ in 0..<400 {
            for id in acceptor.order {
                let count = min(FrameHead.maximumData, acceptor.table.sendable(id), 1 + random.below(200_000))
                if count > 0 { try acceptor.sendData(id, count) }
            }
            for frame in acceptor.sent {
                try opener.receive(frame)
                if frame.type == .data { received[frame.id, default: 0] += frame.length }
            }
            acceptor.sent = []
            for id in fast {
                if let count = opener.live[id]?.unread, count > 0 { try opener.consume(id, count) }
            }
            for frame in opener.sent { try acceptor.receive(frame) }
            opener.sent = []
            for id in fast {
                guard acceptor.table.sendable(id) > StreamTable.window - StreamTable.creditPortion else {
                    throw Broken("a fast stream has lost credit", seed: seed)
                }
            }
        }
        for id in slow {
            #expect(received[id] == StreamTable.window)
            #expect(acceptor.table.sendable(id) == 0)
        }
        for id in fast { #expect(received[id, default: 0] > 50 * StreamTable.window) }
    }

    @Test func acknowledgingMoreThanWasReceivedGivesNoMoreCreditThanTheWindow() throws {
        var table = StreamTable(side: .acceptor, capacity: 1)
        let id = StreamID(slot: 0, generation: 1)
        _ = try table.receive(FrameHead(type: .open, length: 1, stream: id))
        #expect(table.consumed(id, count: .max) == nil)
        #expect(table.consumed(id, count: -5) == nil)
        for _ in 0..<2 { _ = try table.receive(FrameHead(type: .data, length: FrameHead.maximumData, stream: id)) }
        #expect(table.consumed(id, count: .max) == StreamTable.window)
        #expect(table.consumed(id, count: .max) == nil)
    }
}
