import CKernel
import Glibc
import Link
import Testing

@testable import PollLoop

/// A connection with everything it reports.
private final class Watched {
    let loop = PollLoop()
    let peer: Int32
    let connection: FrameConnection
    var frames: [Received] = []
    var closings: [LinkViolation?] = []

    init(buffer: Int32 = 256 * 1024) {
        let ends = Ends.stream(buffer: buffer)
        peer = ends.peer
        connection = FrameConnection(loop: loop, descriptor: ends.ours)
        connection.onFrame = { [unowned self] head, payload in frames.append(Received(head, payload)) }
        connection.onClose = { [unowned self] in closings.append($0) }
    }

    deinit {
        connection.cancel()
        close(peer)
    }

    /// Bytes kept for sending.
    var waiting: Int { (Mirror(reflecting: connection).descendant("output") as? [UInt8])?.count ?? -1 }
}

@Suite struct FrameConnectionTests {
    private static let stream = StreamID(slot: 3, generation: 9)
    private static let sample: [Received] = [
        Received(.ping, [1, 2, 3, 4, 5, 6, 7, 8]), Received(.begin), Received(.open, stream: stream, Array(0..<33)),
        Received(.data, stream: stream, [7]), Received(.end, stream: stream),
        Received(.credit, stream: stream, [0, 0, 1, 0]),
    ]
    private static let bytes = sample.flatMap { wire($0.type, stream: $0.stream, $0.payload) }

    @Test func framesArriveHoweverTheirBytesAreSplit() {
        for split in 0...Self.bytes.count {
            let watched = Watched()
            put(watched.peer, Array(Self.bytes[..<split]))
            watched.loop.turn()
            put(watched.peer, Array(Self.bytes[split...]))
            watched.loop.turn()
            #expect(watched.frames == Self.sample, "split at \(split)")
            #expect(watched.closings.isEmpty)
        }
    }

    @Test func framesArriveByteByByteAsSoonAsTheyAreWhole() {
        let watched = Watched()
        var ends: [Int] = []
        for frame in Self.sample { ends.append((ends.last ?? 0) + FrameHead.byteCount + frame.payload.count) }
        for (index, byte) in Self.bytes.enumerated() {
            put(watched.peer, [byte])
            watched.loop.turn()
            #expect(watched.frames.count == ends.filter { $0 <= index + 1 }.count)
        }
        #expect(watched.frames == Self.sample)
    }

    @Test func whatIsSentIsWhatStandsOnTheWire() {
        let watched = Watched()
        for frame in Self.sample { watched.connection.send(frame.type, stream: frame.stream, frame.payload) }
        #expect(take(watched.peer) == Self.bytes)
    }

    @Test func aBadFrameEndsTheConnectionWithItsViolationOnce() {
        var version = wire(.begin)
        version[0] = 2
        var type = wire(.begin)
        type[1] = 0
        var reserved = wire(.begin)
        reserved[2] = 1
        var length = wire(.begin)
        length[4] = 1
        var stream = wire(.begin)
        stream[8] = 1
        let huge: [UInt8] = [1, 66, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 1, 0, 0, 0]
        let cases: [([UInt8], LinkViolation)] = [
            (version, .badVersion), (type, .unknownType), (reserved, .reservedBits), (length, .badLength),
            (stream, .badStream),
            (huge, .badLength),
        ]
        for (bad, violation) in cases {
            let watched = Watched()
            put(watched.peer, wire(.drain) + bad + wire(.drain))
            watched.loop.turn()
            #expect(watched.frames == [Received(.drain)], "what came before counts, what comes after does not")
            #expect(watched.closings == [violation])
            #expect(!watched.connection.isOpen)
            #expect(isAtEnd(watched.peer))
            #expect(watched.loop.watches == 0)
            watched.loop.turn()
            #expect(watched.closings.count == 1)
        }
    }

    @Test(arguments: LinkViolation.allCases)
    func aViolationThrownByTheReceiverEndsTheConnection(violation: LinkViolation) {
        let watched = Watched()
        var calls = 0
        watched.connection.onFrame = { (_, _) throws(LinkViolation) in
            calls += 1
            throw violation
        }
        put(watched.peer, wire(.begin) + wire(.begin))
        watched.loop.turn()
        #expect(calls == 1)
        #expect(watched.closings == [violation])
        #expect(!watched.connection.isOpen)
    }

    @Test func theEndOfFileIsReportedOnceAfterEverythingThatCameBefore() {
        let watched = Watched()
        put(watched.peer, Self.bytes + Array(wire(.begin).dropLast()))
        shutdown(watched.peer, Int32(SHUT_WR))
        for _ in 0..<4 { watched.loop.turn() }
        #expect(watched.frames == Self.sample)
        #expect(watched.closings == [nil])
        #expect(!watched.connection.isOpen)
        #expect(watched.loop.watches == 0)
    }

    @Test func whatADeadPeerStillSentIsReadThoughSendingFails() {
        let ends = Ends.stream()
        let loop = PollLoop()
        let connection = FrameConnection(loop: loop, descriptor: ends.ours)
        var frames: [Received] = []
        var closings: [LinkViolation?] = []
        connection.onFrame = { frames.append(Received($0, $1)) }
        connection.onClose = { closings.append($0) }
        put(ends.peer, Self.bytes)
        close(ends.peer)
        connection.send(.ping, [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(connection.isOpen)
        for _ in 0..<3 { loop.turn() }
        #expect(frames == Self.sample)
        #expect(closings == [nil])
    }

    @Test func aPeerThatNeverReadsIsClosedAndCostsNoMoreThanTheBacklog() {
        let watched = Watched()
        let payload = [UInt8](repeating: 0xAB, count: FrameHead.maximumData)
        let frame = FrameHead.byteCount + payload.count
        let limit = 4 << 20
        var sent = 0
        var most = 0
        while watched.connection.isOpen, sent < 1 << 30 {
            watched.connection.send(.data, stream: Self.stream, payload)
            sent += frame
            most = max(most, watched.waiting)
        }
        #expect(watched.closings == [.silent])
        // What the socket took and what was kept is all there is.
        let taken = take(watched.peer).count
        #expect(taken > 0)
        #expect((limit + 1...limit + frame).contains(sent - taken))
        // What the socket took in part may stand before the rest for a while.
        #expect(most <= limit + frame + 64 * 1024)
        watched.connection.send(.data, stream: Self.stream, payload)
        #expect(watched.waiting <= most)
        #expect(watched.closings.count == 1)
    }

    @Test(arguments: [1, 2] as [UInt64])
    func aSlowReaderGetsEveryFrameWholeAndInOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let watched = Watched(buffer: 4096)
        var expected: [UInt8] = []
        var arrived: [UInt8] = []
        for _ in 0..<300 {
            let payload = (0..<Int.random(in: 1...9000, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
            watched.connection.send(.data, stream: Self.stream, payload)
            expected += wire(.data, stream: Self.stream, payload)
            arrived += take(watched.peer, maximum: Int.random(in: 1...9000, using: &random))
            if Bool.random(using: &random) { watched.loop.turn() }
        }
        while arrived.count < expected.count {
            let more = take(watched.peer)
            arrived += more
            watched.loop.turn()
            guard watched.connection.isOpen else { break }
        }
        #expect(arrived == expected, "seed \(seed)")
        #expect(watched.loop.writingWatches == 0, "nothing is left to write")
        #expect(watched.closings.isEmpty)
    }

    /// A hostile peer may close only the half it reads from: the socket is then writable for ever, and every send fails.
    @Test func aPeerThatClosedItsReadingHalfCostsNeitherMemoryNorTurns() throws {
        let watched = Watched()
        shutdown(watched.peer, Int32(SHUT_RD))
        for _ in 0..<100 { watched.connection.send(.data, stream: Self.stream, [UInt8](repeating: 0, count: 100_000)) }
        #expect(watched.waiting == 0)
        #expect(watched.loop.writingWatches == 0)
        try #require(watched.connection.isOpen)
        put(watched.peer, Self.bytes)
        watched.loop.turn()
        #expect(watched.frames == Self.sample)
        #expect(watched.closings.isEmpty)
    }

    @Test func endingTheConnectionInsideOnFrameIsSafe() {
        let watched = Watched()
        watched.connection.onFrame = { [unowned watched] head, payload in
            watched.frames.append(Received(head, payload))
            watched.connection.send(.begin)
            watched.connection.cancel()
            watched.connection.send(.begin)
            watched.connection.cancel()
        }
        put(watched.peer, wire(.drain) + wire(.drain) + wire(.drain))
        watched.loop.turn()
        watched.loop.turn()
        #expect(watched.frames == [Received(.drain)])
        #expect(watched.closings.isEmpty, "the one who ends it is not told")
        #expect(take(watched.peer) == wire(.begin))
        #expect(isAtEnd(watched.peer))
    }

    @Test func droppingTheLastOwnerInsideItsCallbacksIsSafe() {
        let loop = PollLoop()
        for inClose in [false, true] {
            let ends = Ends.stream()
            var connection: FrameConnection? = FrameConnection(loop: loop, descriptor: ends.ours)
            weak let seen = connection
            var calls = 0
            connection?.onFrame = { _, _ in
                calls += 1
                guard !inClose else { return }
                connection?.cancel()
                connection = nil
            }
            connection?.onClose = { _ in
                calls += 1
                connection = nil
            }
            put(ends.peer, wire(.drain))
            close(ends.peer)
            for _ in 0..<3 { loop.turn() }
            #expect(calls == (inClose ? 2 : 1))
            #expect(seen == nil)
            #expect(loop.watches == 0)
        }
    }

    @Test func aReplySentInsideOnFrameArrives() {
        let watched = Watched()
        watched.connection.onFrame = { [unowned watched] head, payload in
            watched.connection.send(.pong, Received(head, payload).payload)
        }
        put(watched.peer, wire(.ping, [1, 2, 3, 4, 5, 6, 7, 8]) + wire(.ping, [8, 7, 6, 5, 4, 3, 2, 1]))
        watched.loop.turn()
        #expect(take(watched.peer) == wire(.pong, [1, 2, 3, 4, 5, 6, 7, 8]) + wire(.pong, [8, 7, 6, 5, 4, 3, 2, 1]))
    }

    @Test func anEndedConnectionGivesItsDescriptorBack() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            for ending in 0..<4 {
                let watched = Watched()
                switch ending {
                case 0: watched.connection.cancel()
                case 1: shutdown(watched.peer, Int32(SHUT_WR))
                case 2: put(watched.peer, [UInt8](repeating: 0xFF, count: 16))
                default:
                    while watched.connection.isOpen {
                        watched.connection.send(.data, stream: Self.stream, [UInt8](repeating: 0, count: 100_000))
                    }
                }
                watched.loop.turn()
                #expect(openDescriptors().subtracting(before).count == 1, "only the peer's end is open")
            }
            #expect(openDescriptors() == before)
        }
    }
}
