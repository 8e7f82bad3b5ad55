/// Which end of a link a table belongs to. Only one end opens streams, so slots need no agreement.
public enum LinkSide: UInt8, Sendable {
    /// Opens streams and sends requests.
    case opener = 0
    /// Accepts streams and answers.
    case acceptor = 1
}

/// What a received stream frame means for the layer above.
public enum StreamEvent: Equatable, Sendable {
    /// A new stream; the payload is the request's head.
    case opened
    /// The answer's head.
    case head
    /// Body bytes; acknowledge them with `consumed` when they are used.
    case data
    /// The other side has sent everything. At the opener this finishes the stream.
    case ended
    /// The other side may take more: the send window is now this large.
    case credit(available: Int)
    /// The opener no longer wants the answer.
    case cancelled
    /// The other side gave the stream up; this finishes it.
    case reset
    /// A frame that crossed with the end of its stream: nothing to do, except that the descriptor which a `head` on
    /// a dial link announces must still be taken from the companion socket and closed.
    case ignored
}

/// The outcome of a received frame.
public struct StreamOutcome: Equatable, Sendable {
    /// What to tell the layer above.
    public var event: StreamEvent
    /// The rules want this side's terminal frame now: send `reset` on the stream. The table has already noted it.
    public var answerWithReset = false
}

/// The streams of one end of a link: which frames may be sent and received when, and how much credit there is.
///
/// A pure value; the caller does the I/O. The rules, the same at both ends:
/// - Each side ends a stream with exactly one terminal frame, `end` or `reset`. A slot is free again when both have been seen.
/// - The acceptor sends one `head` before data or `end`, and nothing after its terminal frame.
/// - The opener may send `credit` and one `cancel` after its own terminal frame, until it sees the acceptor's.
/// - Who receives the other side's terminal `reset`, or as opener any terminal frame, answers with its own at once if it has not sent one.
/// - `data` spends credit, of which each direction of each stream has at most `window` bytes.
public struct StreamTable: Sendable {
    /// The credit of each direction of each stream, in bytes.
    public static let window = 256 * 1024
    /// Consumed bytes are given back in portions of at least this many.
    public static let creditPortion = window / 4

    private struct Slot {
        var generation: UInt32 = 0
        var active = false
        var localDone = false
        var remoteDone = false
        var localReset = false
        var remoteReset = false
        var headDone = false
        var cancelled = false
        var sendWindow = 0
        var receiveWindow = 0
        var owedCredit = 0
    }

    private let side: LinkSide
    private let capacity: Int
    private let firstGeneration: UInt32
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    /// Streams not finished yet.
    public private(set) var activeCount = 0

    /// A table for at most `capacity` streams at once.
    public init(side: LinkSide, capacity: Int) {
        self.init(side: side, capacity: capacity, firstGeneration: 1)
    }

    /// A table whose slots start at another generation, so that a test can reach the wrap.
    init(side: LinkSide, capacity: Int, firstGeneration: UInt32) {
        self.side = side
        self.capacity = capacity
        self.firstGeneration = firstGeneration
    }

    // MARK: Sending

    /// Opens a stream and returns its id; nil if `capacity` streams are in use. Opener only.
    public mutating func open() -> StreamID? {
        guard side == .opener else { return nil }
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            guard slots.count < capacity else { return nil }
            index = UInt32(slots.count)
        }
        let generation = nextGeneration(of: Int(index))
        activate(Int(index), generation)
        return StreamID(slot: index, generation: generation)
    }

    /// Bytes of data that may be sent on the stream now; 0 once this side has ended it.
    public func sendable(_ id: StreamID) -> Int {
        guard let index = index(of: id), !slots[index].localDone else { return 0 }
        return slots[index].sendWindow
    }

    /// Whether the stream is still known, that is, not finished on both sides.
    public func isActive(_ id: StreamID) -> Bool { index(of: id) != nil }

    /// Whether this side may still send head, data and its terminal frame.
    public func isWritable(_ id: StreamID) -> Bool {
        guard let index = index(of: id) else { return false }
        return !slots[index].localDone
    }

    /// Notes that the head is sent. False: not permitted now, send nothing.
    public mutating func sendHead(_ id: StreamID) -> Bool {
        guard side == .acceptor, let index = index(of: id) else { return false }
        guard !slots[index].localDone, !slots[index].headDone else { return false }
        slots[index].headDone = true
        return true
    }

    /// Notes that `count` bytes are sent. False: no credit or not permitted now, send nothing.
    public mutating func sendData(_ id: StreamID, count: Int) -> Bool {
        guard count > 0, let index = index(of: id), !slots[index].localDone else { return false }
        guard side == .opener || slots[index].headDone, count <= slots[index].sendWindow else { return false }
        slots[index].sendWindow -= count
        return true
    }

    /// Notes that `end` is sent. False: not permitted now, send nothing.
    public mutating func sendEnd(_ id: StreamID) -> Bool {
        guard let index = index(of: id), !slots[index].localDone else { return false }
        guard side == .opener || slots[index].headDone else { return false }
        finishLocal(index)
        return true
    }

    /// Notes that `reset` is sent. False: this side has already ended the stream, send nothing.
    public mutating func sendReset(_ id: StreamID) -> Bool {
        guard let index = index(of: id), !slots[index].localDone else { return false }
        slots[index].localReset = true
        finishLocal(index)
        return true
    }

    /// Notes that `cancel` is sent. False: not permitted now, send nothing. Opener only.
    public mutating func sendCancel(_ id: StreamID) -> Bool {
        guard side == .opener, let index = index(of: id) else { return false }
        guard !slots[index].cancelled, !slots[index].remoteDone, !slots[index].localReset else { return false }
        slots[index].cancelled = true
        return true
    }

    /// Notes that `count` received bytes are used. Returns the credit to send now, if it is worth a frame.
    ///
    /// A count beyond what was received counts only that far: more credit than the window would condemn this side.
    public mutating func consumed(_ id: StreamID, count: Int) -> Int? {
        guard count > 0, let index = index(of: id) else { return nil }
        let unused = StreamTable.window - slots[index].receiveWindow - slots[index].owedCredit
        slots[index].owedCredit += min(count, unused)
        guard !slots[index].remoteDone, slots[index].owedCredit >= StreamTable.creditPortion else { return nil }
        // An acceptor is silent after its terminal frame; an opener that reset wants nothing more.
        guard !(slots[index].localDone && (side == .acceptor || slots[index].localReset)) else { return nil }
        let credit = slots[index].owedCredit
        slots[index].owedCredit = 0
        slots[index].receiveWindow += credit
        return credit
    }

    // MARK: Receiving

    /// Takes a received stream frame; `credit` is the payload of a `credit` frame.
    ///
    /// Of `lastData` this is the data; the caller then hands in the `end` that it stands for, with `endOfLastData`.
    /// - Throws: `LinkViolation` for a frame that an honest peer cannot have sent now.
    public mutating func receive(_ head: FrameHead, credit: Int = 0) throws(LinkViolation) -> StreamOutcome {
        let id = head.stream
        if head.type == .open { return try receiveOpen(id) }
        let position = Int(id.slot)
        guard position < slots.count, slots[position].generation == id.generation else { throw .unknownStream }
        guard slots[position].active else {
            // The opener's credit and cancel may cross with the acceptor's end, unless it has reset. Nothing else can.
            guard side == .acceptor, !slots[position].remoteReset else { throw .unknownStream }
            switch head.type {
            case .credit: return try receiveCredit(position, credit)
            case .cancel: return try receiveCancel(position)
            default: throw .unknownStream
            }
        }
        switch head.type {
        case .head: return try receiveHead(position)
        case .data, .lastData: return try receiveData(position, head.length)
        case .end: return try receiveTerminal(position, reset: false)
        case .reset: return try receiveTerminal(position, reset: true)
        case .credit: return try receiveCredit(position, credit)
        case .cancel: return try receiveCancel(position)
        default: throw .notPermitted
        }
    }

    /// Takes the `end` that a received `lastData` frame carries besides its data.
    /// - Throws: `LinkViolation`, as for a frame `end`.
    public mutating func endOfLastData(_ id: StreamID) throws(LinkViolation) -> StreamOutcome {
        try receive(FrameHead(type: .end, length: 0, stream: id))
    }

    private mutating func receiveOpen(_ id: StreamID) throws(LinkViolation) -> StreamOutcome {
        guard side == .acceptor else { throw .notPermitted }
        let position = Int(id.slot)
        guard position <= slots.count, position < capacity else { throw .badStream }
        guard position == slots.count || !slots[position].active else { throw .notPermitted }
        guard id.generation == nextGeneration(of: position) else { throw .badStream }
        activate(position, id.generation)
        return StreamOutcome(event: .opened)
    }

    private mutating func receiveHead(_ index: Int) throws(LinkViolation) -> StreamOutcome {
        guard side == .opener, !slots[index].remoteDone, !slots[index].headDone else { throw .notPermitted }
        slots[index].headDone = true
        return StreamOutcome(event: slots[index].localReset ? .ignored : .head)
    }

    private mutating func receiveData(_ index: Int, _ count: Int) throws(LinkViolation) -> StreamOutcome {
        guard !slots[index].remoteDone, side == .acceptor || slots[index].headDone else { throw .notPermitted }
        guard count <= slots[index].receiveWindow else { throw .creditExceeded }
        slots[index].receiveWindow -= count
        // What still comes after this side gave up is in flight, not wrong.
        let unwanted = side == .acceptor ? slots[index].localDone : slots[index].localReset
        return StreamOutcome(event: unwanted ? .ignored : .data)
    }

    private mutating func receiveTerminal(_ index: Int, reset: Bool) throws(LinkViolation) -> StreamOutcome {
        guard !slots[index].remoteDone else { throw .notPermitted }
        guard reset || side == .acceptor || slots[index].headDone else { throw .notPermitted }
        slots[index].remoteDone = true
        slots[index].remoteReset = reset
        let gaveUp = slots[index].localReset || (side == .acceptor && slots[index].localDone)
        if slots[index].localDone {
            release(index)
        } else if reset || side == .opener {
            slots[index].localReset = true
            finishLocal(index)
            return StreamOutcome(event: reset ? .reset : .ended, answerWithReset: true)
        }
        return StreamOutcome(event: gaveUp ? .ignored : (reset ? .reset : .ended))
    }

    private mutating func receiveCredit(_ index: Int, _ credit: Int) throws(LinkViolation) -> StreamOutcome {
        // The acceptor is silent after its terminal frame.
        guard credit > 0, side == .acceptor || !slots[index].remoteDone else { throw .notPermitted }
        guard credit <= StreamTable.window - slots[index].sendWindow else { throw .creditExceeded }
        slots[index].sendWindow += credit
        guard !slots[index].localDone else { return StreamOutcome(event: .ignored) }
        return StreamOutcome(event: .credit(available: slots[index].sendWindow))
    }

    private mutating func receiveCancel(_ index: Int) throws(LinkViolation) -> StreamOutcome {
        guard side == .acceptor, !slots[index].cancelled else { throw .notPermitted }
        slots[index].cancelled = true
        return StreamOutcome(event: slots[index].localDone ? .ignored : .cancelled)
    }

    // MARK: Slots

    private func index(of id: StreamID) -> Int? {
        let position = Int(id.slot)
        guard position < slots.count, slots[position].generation == id.generation, slots[position].active else {
            return nil
        }
        return position
    }

    private mutating func activate(_ index: Int, _ generation: UInt32) {
        let slot = Slot(
            generation: generation, active: true, sendWindow: StreamTable.window, receiveWindow: StreamTable.window)
        if index == slots.count { slots.append(slot) } else { slots[index] = slot }
        activeCount += 1
    }

    private mutating func finishLocal(_ index: Int) {
        slots[index].localDone = true
        if slots[index].remoteDone { release(index) }
    }

    private mutating func release(_ index: Int) {
        slots[index].active = false
        activeCount -= 1
        if side == .opener { free.append(UInt32(index)) }
    }

    /// The generation of the next use of a slot, which may be the first one not used yet.
    private func nextGeneration(of index: Int) -> UInt32 {
        guard index < slots.count else { return firstGeneration }
        let generation = slots[index].generation
        return generation == .max ? 1 : generation + 1
    }
}
