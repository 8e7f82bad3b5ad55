@testable import Link

/// A state of a stream at one end, how to reach it, and what each received frame is in it.
///
/// The stream is slot 0, generation 1; the `credit` frame of the last column gives back one byte.
struct StreamState: Sendable {
    /// What a received frame means, or which violation it is.
    enum Expected: Equatable, Sendable {
        case event(StreamEvent, answer: Bool = false)
        case violation(LinkViolation)
    }

    /// A step towards the state.
    enum Move: Sendable {
        /// A frame is received.
        case take(FrameType)
        /// The stream is opened, a frame is sent; `sendTen` is ten bytes of data.
        case open, sendHead, sendTen, sendEnd, sendReset, sendCancel
    }

    /// The received frames, in the order of `expected`.
    static let columns: [FrameType] = [.open, .head, .data, .end, .reset, .credit, .cancel]
    static let id = StreamID(slot: 0, generation: 1)

    var name: String
    /// Whether the slot may be used again.
    var isFinished: Bool
    var moves: [Move]
    var expected: [Expected]

    init(_ name: String, finished: Bool = false, _ moves: [Move], _ expected: [Expected]) {
        self.name = name
        isFinished = finished
        self.moves = moves
        self.expected = expected
    }

    /// A table in this state; nil if it refuses a step.
    func table(_ side: LinkSide) throws -> StreamTable? {
        var table = StreamTable(side: side, capacity: 4)
        for move in moves {
            let did =
                switch move {
                case .take(let type):
                    try table.receive(
                        FrameHead(type: type, length: type.payloadBounds.lowerBound, stream: Self.id)
                    ).event != .ignored
                case .open: table.open() == Self.id
                case .sendHead: table.sendHead(Self.id)
                case .sendTen: table.sendData(Self.id, count: 10)
                case .sendEnd: table.sendEnd(Self.id)
                case .sendReset: table.sendReset(Self.id)
                case .sendCancel: table.sendCancel(Self.id)
                }
            // A terminal frame that crossed with this side's own is taken and reported as nothing.
            if case .take(.end) = move { continue }
            if case .take(.reset) = move { continue }
            guard did else { return nil }
        }
        return table
    }

    static func all(_ side: LinkSide) -> [StreamState] { side == .opener ? opener : acceptor }

    private static let no = Expected.violation(.notPermitted)
    private static let unknown = Expected.violation(.unknownStream)
    private static let wrong = Expected.violation(.badStream)
    private static let over = Expected.violation(.creditExceeded)
    private static let ignored = Expected.event(.ignored)
    private static let data = Expected.event(.data)
    private static let ended = Expected.event(.ended)
    private static let reset = Expected.event(.reset)
    private static let resetNow = Expected.event(.reset, answer: true)
    private static let cancelled = Expected.event(.cancelled)
    private static let credited = Expected.event(.credit(available: StreamTable.window - 9))

    private static let acceptor: [StreamState] = [
        StreamState("never used", [], [.event(.opened)] + Array(repeating: unknown, count: 6)),
        StreamState("opened", [.take(.open)], [no, no, data, ended, resetNow, over, cancelled]),
        StreamState("request ended", [.take(.open), .take(.end)], [no, no, no, no, no, over, cancelled]),
        StreamState(
            "answering", [.take(.open), .sendHead, .sendTen], [no, no, data, ended, resetNow, credited, cancelled]),
        StreamState(
            "request ended, answering", [.take(.open), .take(.end), .sendHead, .sendTen],
            [no, no, no, no, no, credited, cancelled]),
        StreamState("cancelled", [.take(.open), .take(.cancel)], [no, no, data, ended, resetNow, over, no]),
        StreamState(
            "answered early", [.take(.open), .sendHead, .sendTen, .sendEnd],
            [no, no, ignored, ignored, ignored, ignored, ignored]),
        StreamState(
            "gave up", [.take(.open), .sendHead, .sendTen, .sendReset],
            [no, no, ignored, ignored, ignored, ignored, ignored]),
        StreamState(
            "gave up after cancel", [.take(.open), .take(.cancel), .sendReset],
            [no, no, ignored, ignored, ignored, over, no]),
        StreamState(
            "finished by its own end", finished: true, [.take(.open), .take(.end), .sendHead, .sendTen, .sendEnd],
            [wrong, unknown, unknown, unknown, unknown, ignored, ignored]),
        StreamState(
            "finished by the request's end", finished: true,
            [.take(.open), .sendHead, .sendTen, .sendEnd, .take(.end)],
            [wrong, unknown, unknown, unknown, unknown, ignored, ignored]),
        StreamState(
            "finished, cancelled, nothing spent", finished: true,
            [.take(.open), .take(.end), .take(.cancel), .sendReset],
            [wrong, unknown, unknown, unknown, unknown, over, no]),
        StreamState(
            "finished by the opener's reset", finished: true, [.take(.open), .sendHead, .sendTen, .take(.reset)],
            [wrong] + Array(repeating: unknown, count: 6)),
        StreamState(
            "finished, both gave up", finished: true,
            [.take(.open), .sendHead, .sendTen, .sendReset, .take(.reset)],
            [wrong] + Array(repeating: unknown, count: 6)),
    ]

    private static let opener: [StreamState] = [
        StreamState("never used", [], [no] + Array(repeating: unknown, count: 6)),
        StreamState("opened", [.open], [no, .event(.head), no, no, resetNow, over, no]),
        StreamState("sending", [.open, .sendTen], [no, .event(.head), no, no, resetNow, credited, no]),
        StreamState("sent", [.open, .sendTen, .sendEnd], [no, .event(.head), no, no, reset, ignored, no]),
        StreamState(
            "answered while sending", [.open, .sendTen, .take(.head)],
            [no, no, data, .event(.ended, answer: true), resetNow, credited, no]),
        StreamState(
            "sent, answered", [.open, .sendTen, .sendEnd, .take(.head)], [no, no, data, ended, reset, ignored, no]),
        StreamState(
            "sent, cancelled, answered", [.open, .sendTen, .sendEnd, .sendCancel, .take(.head)],
            [no, no, data, ended, reset, ignored, no]),
        StreamState("gave up", [.open, .sendTen, .sendReset], [no, ignored, no, no, ignored, ignored, no]),
        StreamState(
            "gave up when answered", [.open, .sendTen, .take(.head), .sendReset],
            [no, no, ignored, ignored, ignored, ignored, no]),
        StreamState(
            "finished by the answer's end", finished: true,
            [.open, .sendTen, .sendEnd, .take(.head), .take(.end)], [no] + Array(repeating: unknown, count: 6)),
        StreamState(
            "finished by an early end", finished: true, [.open, .sendTen, .take(.head), .take(.end)],
            [no] + Array(repeating: unknown, count: 6)),
        StreamState(
            "finished by reset", finished: true, [.open, .sendTen, .take(.reset)],
            [no] + Array(repeating: unknown, count: 6)),
    ]
}
