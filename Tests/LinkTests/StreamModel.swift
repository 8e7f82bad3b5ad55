@testable import Link

/// One end of a link as its own side sees it: the table under test beside an independent model of the rules.
struct ModelEnd {
    /// What this side knows of one stream.
    struct Stream {
        var isHeadDone = false
        var isLocalDone = false
        var isLocalReset = false
        var isCancelled = false
        /// The peer has ended its half: nothing more will be read.
        var isRemoteDone = false
        /// Nothing more may be reported to the layer above.
        var isFinished = false
        var sendWindow = StreamTable.window
        /// Bytes reported and not yet acknowledged.
        var unread = 0
        /// Bytes acknowledged and not yet given back.
        var owed = 0
    }

    /// A frame on its way.
    struct Frame {
        var type: FrameType
        var id: StreamID
        var length = 0
        var credit = 0
    }

    let side: LinkSide
    let capacity: Int
    let firstGeneration: UInt32
    var table: StreamTable
    /// Streams not released, in the model's opinion.
    var live: [StreamID: Stream] = [:]
    /// The ids of `live` in a fixed order, so that a seed repeats a run.
    var order: [StreamID] = []
    /// The last generation of each slot.
    var generations: [UInt32: UInt32] = [:]
    /// Frames sent and not yet received by the peer.
    var sent: [Frame] = []
    var eventCount = 0
    var releasedCount = 0

    init(side: LinkSide, capacity: Int, firstGeneration: UInt32) {
        self.side = side
        self.capacity = capacity
        self.firstGeneration = firstGeneration
        table = StreamTable(side: side, capacity: capacity, firstGeneration: firstGeneration)
    }

    /// A live stream at random.
    func any(_ random: inout SeededRandom) -> StreamID? { order.isEmpty ? nil : order[random.below(order.count)] }

    // MARK: Actions: each tries the table, whether legal or not, and the model must agree.

    mutating func open() throws {
        let isRoom = live.count < capacity
        guard let id = table.open() else {
            guard !isRoom || side == .acceptor else { throw Fault("refuses to open with \(live.count) of \(capacity)") }
            return
        }
        guard side == .opener, isRoom else { throw Fault("opened beyond capacity or as acceptor") }
        try start(id)
        sent.append(Frame(type: .open, id: id, length: 1))
    }

    mutating func sendHead(_ id: StreamID) throws {
        let s = live[id]
        try agree(
            table.sendHead(id), s.map { side == .acceptor && !$0.isLocalDone && !$0.isHeadDone } ?? false, "head", id
        ) {
            $0.isHeadDone = true; return Frame(type: .head, id: id, length: 1)
        }
    }

    mutating func sendData(_ id: StreamID, _ count: Int) throws {
        let s = live[id]
        let may =
            s.map { !$0.isLocalDone && (side == .opener || $0.isHeadDone) && count > 0 && count <= $0.sendWindow }
            ?? false
        try agree(table.sendData(id, count: count), may, "data", id) {
            $0.sendWindow -= count; return Frame(type: .data, id: id, length: count)
        }
    }

    mutating func sendEnd(_ id: StreamID) throws {
        let s = live[id]
        let isAcceptor = side == .acceptor
        try agree(table.sendEnd(id), s.map { !$0.isLocalDone && (!isAcceptor || $0.isHeadDone) } ?? false, "end", id) {
            $0.isLocalDone = true
            $0.isFinished = $0.isFinished || isAcceptor
            return Frame(type: .end, id: id)
        }
        releaseIfDone(id)
    }

    /// Data and the end behind it in one frame.
    mutating func sendLastData(_ id: StreamID, _ count: Int) throws {
        let frames = sent.count
        try sendData(id, count)
        guard sent.count > frames else { return }
        try sendEnd(id)
        sent.removeLast(2)
        sent.append(Frame(type: .lastData, id: id, length: count))
    }

    mutating func sendReset(_ id: StreamID) throws {
        let s = live[id]
        try agree(table.sendReset(id), s.map { !$0.isLocalDone } ?? false, "reset", id) {
            $0.isLocalDone = true
            $0.isLocalReset = true
            $0.isFinished = true
            return Frame(type: .reset, id: id, length: 1)
        }
        releaseIfDone(id)
    }

    mutating func sendCancel(_ id: StreamID) throws {
        let s = live[id]
        try agree(
            table.sendCancel(id), s.map { side == .opener && !$0.isCancelled && !$0.isLocalReset } ?? false, "cancel",
            id
        ) {
            $0.isCancelled = true; return Frame(type: .cancel, id: id, length: 1)
        }
    }

    /// Acknowledges `count` of the bytes reported.
    mutating func consume(_ id: StreamID, _ count: Int) throws {
        let credit = table.consumed(id, count: count)
        guard var stream = live[id] else {
            guard credit == nil else { throw Fault("credit for a stream that is over") }
            return
        }
        stream.unread -= count
        stream.owed += count
        let wantsMore = !stream.isRemoteDone && !(stream.isLocalDone && (side == .acceptor || stream.isLocalReset))
        let expected = wantsMore && stream.owed >= StreamTable.creditPortion ? stream.owed : nil
        guard credit == expected else { throw Fault("credit \(credit ?? 0) instead of \(expected ?? 0)") }
        if let credit {
            stream.owed = 0
            sent.append(Frame(type: .credit, id: id, length: 4, credit: credit))
        }
        live[id] = stream
    }

    // MARK: Receiving

    /// Takes a frame of an honest peer and obeys the outcome.
    mutating func receive(_ frame: Frame) throws {
        let words = FrameHead(type: frame.type, length: frame.length, stream: frame.id).words
        let outcome = try table.receive(try FrameHead(first: words.0, second: words.1), credit: frame.credit)
        guard frame.type == .lastData else { return try obey(outcome, to: frame) }
        try obey(outcome, to: Frame(type: .data, id: frame.id, length: frame.length))
        try obey(try table.endOfLastData(frame.id), to: Frame(type: .end, id: frame.id))
    }

    private mutating func obey(_ outcome: StreamOutcome, to frame: Frame) throws {
        if frame.type == .open {
            guard side == .acceptor, outcome == StreamOutcome(event: .opened) else { throw Fault("open: \(outcome)") }
            return try start(frame.id)
        }
        let before = live[frame.id]
        if before?.isFinished ?? true, outcome.event != .ignored {
            throw Fault("\(outcome.event) after the stream finished")
        }
        eventCount += outcome.event == .ignored ? 0 : 1
        guard var stream = before else { return }
        switch frame.type {
        case .head: stream.isHeadDone = true
        case .data: if outcome.event == .data { stream.unread += frame.length }
        case .credit: stream.sendWindow += frame.credit
        case .end, .reset:
            guard !stream.isRemoteDone else { throw Fault("two terminal frames") }
            stream.isRemoteDone = true
            if side == .opener || frame.type == .reset { stream.isFinished = true }
        default: break
        }
        let isTerminal = frame.type == .end || frame.type == .reset
        let mustAnswer = isTerminal && !stream.isLocalDone && (side == .opener || frame.type == .reset)
        guard outcome.answerWithReset == mustAnswer else {
            throw Fault("answer \(outcome.answerWithReset) to \(frame.type)")
        }
        if mustAnswer {
            stream.isLocalDone = true
            sent.append(Frame(type: .reset, id: frame.id, length: 1))
        }
        if before?.isFinished == false { try checkEvent(outcome.event, of: frame.type) }
        live[frame.id] = stream
        releaseIfDone(frame.id)
    }

    /// A wanted frame is reported as what it is.
    private func checkEvent(_ event: StreamEvent, of type: FrameType) throws {
        switch (type, event) {
        case (.head, .head), (.data, .data), (.end, .ended), (.reset, .reset), (.cancel, .cancelled),
            (.credit, .credit):
            break
        // Credit for a half that is over crossed with its end.
        case (.credit, .ignored): break
        default: throw Fault("\(type) reported as \(event)")
        }
    }

    /// The table and the model agree about everything that can be asked.
    func check() throws {
        guard table.activeCount == live.count else {
            throw Fault("\(table.activeCount) active, \(live.count) expected")
        }
        for (id, stream) in live {
            guard table.isActive(id) else { throw Fault("\(id) not active") }
            guard table.isWritable(id) == !stream.isLocalDone else { throw Fault("\(id) writable") }
            guard table.sendable(id) == (stream.isLocalDone ? 0 : stream.sendWindow) else {
                throw Fault("\(id) sendable")
            }
            guard (0...StreamTable.window).contains(stream.sendWindow) else {
                throw Fault("window \(stream.sendWindow)")
            }
            guard (0...StreamTable.window).contains(stream.unread + stream.owed) else { throw Fault("too much unread") }
        }
    }

    // MARK: Bookkeeping

    private mutating func start(_ id: StreamID) throws {
        let last = generations[id.slot]
        let expected = last.map { $0 == .max ? 1 : $0 + 1 } ?? firstGeneration
        guard id.generation == expected, live[id] == nil else { throw Fault("\(id) after generation \(last ?? 0)") }
        guard id.slot < capacity else { throw Fault("slot \(id.slot)") }
        generations[id.slot] = id.generation
        live[id] = Stream()
        order.append(id)
    }

    private mutating func releaseIfDone(_ id: StreamID) {
        guard let stream = live[id], stream.isLocalDone, stream.isRemoteDone else { return }
        live[id] = nil
        order.removeAll { $0 == id }
        releasedCount += 1
    }

    private mutating func agree(
        _ did: Bool, _ may: Bool, _ what: String, _ id: StreamID, _ apply: (inout Stream) -> Frame
    ) throws {
        guard did == may else { throw Fault("\(what) on \(id): table \(did), rules \(may)") }
        guard did, var stream = live[id] else { return }
        sent.append(apply(&stream))
        live[id] = stream
    }

    /// A disagreement; the test adds seed and round.
    struct Fault: Error, CustomStringConvertible {
        var description: String
        init(_ text: String) { description = text }
    }
}
