import CKernel
import Glibc
import NIOCore
import Testing

@testable import EpollLoop

@Suite(.timeLimit(.minutes(2))) struct StreamSocketTests {
    // MARK: Reading

    @Test func whatThePeerSendsArrivesInOrder() {
        let loop = makeLoop()
        let ends = Ends()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        let sent = pattern(200_000)
        put(ends.peer, Array(sent[..<100_000]))
        loop.serveOnce()
        put(ends.peer, Array(sent[100_000...]))
        loop.serve { notes.text.count >= sent.count }
        #expect(notes.text == sent)
        #expect(notes.sizes.first == 2048)
        #expect(notes.sizes.max() == 65536)
        socket.close()
        close(ends.peer)
    }

    @Test func aFloodedSocketReadsOnceATurnAndHoldsUpNobody() {
        let loop = makeLoop()
        let flooded = Ends()
        let quiet = Ends()
        let floodedNotes = Notes()
        let quietNotes = Notes()
        let sockets = [floodedNotes.serve(flooded.ours, loop), quietNotes.serve(quiet.ours, loop)]
        for turn in 1...20 {
            put(flooded.peer, pattern(8000))
            put(quiet.peer, [1])
            loop.serveOnce()
            #expect(floodedNotes.sizes.count == turn)
            #expect(quietNotes.sizes.count == turn)
        }
        for socket in sockets { socket.close() }
        close(flooded.peer)
        close(quiet.peer)
    }

    @Test func whatIsHeldIsNotOverwrittenByLaterReads() {
        let loop = makeLoop()
        let ends = (0..<40).map { _ in Ends() }
        var held: [(seed: Int, bytes: ByteBuffer)] = []
        var sockets: [StreamSocket] = []
        for (index, end) in ends.enumerated() {
            let notes = Notes()
            var round = 0
            notes.onReceived = { bytes in
                held.append((index * 100 + round, bytes))
                round += 1
            }
            sockets.append(notes.serve(end.ours, loop))
        }
        for round in 0..<5 {
            for (index, end) in ends.enumerated() { put(end.peer, pattern(1500, seed: index * 100 + round)) }
            loop.serveOnce()
        }
        #expect(held.count == 200)
        for (seed, bytes) in held { #expect(Array(bytes.readableBytesView) == pattern(1500, seed: seed)) }
        for socket in sockets { socket.close() }
        for end in ends { close(end.peer) }
    }

    @Test func aPausedSocketDeliversNothingUntilItReadsAgain() {
        let loop = makeLoop()
        let ends = Ends()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        socket.setReading(false)
        put(ends.peer, [1, 2, 3])
        for _ in 0..<3 { loop.serveOnce() }
        #expect(notes.text.isEmpty)
        socket.setReading(true)
        loop.serveOnce()
        #expect(notes.text == [1, 2, 3])
        // Told twice without anything coming in between.
        socket.setReading(false)
        socket.setReading(true)
        put(ends.peer, [4])
        loop.serveOnce()
        #expect(notes.text == [1, 2, 3, 4])
        socket.close()
        close(ends.peer)
    }

    @Test func aPausedSocketWithInputLetsTheLoopSleep() {
        let loop = makeLoop()
        let ends = Ends()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        socket.setReading(false)
        put(ends.peer, [1])
        // The first turn learns of it; then nothing is ready, and the loop waits for its timer.
        loop.serveOnce()
        loop.schedule(in: .milliseconds(200)) { loop.stop() }
        let before = threadTime()
        loop.run()
        #expect(threadTime() - before < 10_000, "it span")
        socket.close()
        close(ends.peer)
    }

    @Test func aClosedSocketWhoseDescriptorLivesOnElsewhereWakesNobody() {
        let loop = makeLoop()
        let ends = Ends()
        let elsewhere = ck_duplicate(ends.ours)
        let socket = Notes().serve(ends.ours, loop)
        socket.close()
        put(ends.peer, [1])
        loop.schedule(in: .milliseconds(200)) { loop.stop() }
        let before = threadTime()
        loop.run()
        #expect(threadTime() - before < 10_000, "it span")
        close(elsewhere)
        close(ends.peer)
    }

    /// Microseconds of CPU that this thread has used.
    private func threadTime() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    // MARK: Ending

    @Test(arguments: [true, false])
    func whatThePeerSentBeforeItsEndIsDeliveredWhetherOrNotReadingIsPaused(isReading: Bool) {
        let loop = makeLoop()
        let ends = Ends(buffer: 1 << 20)
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        socket.setReading(isReading)
        let sent = pattern(150_000)
        put(ends.peer, sent)
        if !isReading { loop.serveOnce() }
        #expect(notes.text.isEmpty)
        shutdown(ends.peer, Int32(SHUT_WR))
        loop.serveOnce()
        #expect(notes.text == sent)
        #expect(notes.closings == 1)
        #expect(!socket.isOpen)
        #expect(isAtEnd(ends.peer))
        close(ends.peer)
    }

    @Test func aSocketMayCloseItselfAndOthersWhileItIsToldSomething() {
        let loop = makeLoop()
        let pairs = [Ends(), Ends(), Ends()]
        let notes = [Notes(), Notes(), Notes()]
        let sockets = zip(notes, pairs).map { $0.serve($1.ours, loop) }
        for each in notes {
            each.onReceived = { _ in for socket in sockets { socket.close() } }
        }
        for pair in pairs { put(pair.peer, [1]) }
        loop.serveOnce()
        #expect(notes.map(\.sizes.count).reduce(0, +) == 1)
        #expect(notes.map(\.closings) == [1, 1, 1])
        #expect(loop.memberCount == 0)
        for socket in sockets { socket.close() }
        #expect(notes.map(\.closings) == [1, 1, 1])
        for pair in pairs { close(pair.peer) }
    }

    /// The first of two sockets that are ready closes the other, and a new one gets its number and its place in the loop's table. What
    /// the kernel reported of the closed one must not reach the new one: it would see its peer's end.
    @Test func anEventOfAClosedSocketDoesNotReachTheNextOwnerOfItsNumber() async {
        await #expect(processExitsWith: .success) {
            let loop = makeLoop()
            let first = Ends()
            let second = Ends()
            let notes = [Notes(), Notes()]
            let sockets = [notes[0].serve(first.ours, loop), notes[1].serve(second.ours, loop)]
            let newNotes = Notes()
            var new: StreamSocket?
            var newPeer: Int32 = -1
            for index in 0..<2 {
                notes[index].onReceived = { _ in
                    guard new == nil else { return }
                    let number = sockets[1 - index].descriptor
                    sockets[1 - index].close()
                    let ends = Ends()
                    #expect(ends.ours == number)
                    newPeer = ends.peer
                    new = newNotes.serve(ends.ours, loop)
                }
            }
            for ends in [first, second] {
                put(ends.peer, [1])
                // Not closed: its own number would be the next to be given out.
                shutdown(ends.peer, Int32(SHUT_WR))
            }
            loop.serveOnce()
            #expect(notes.map(\.sizes.count).reduce(0, +) == 1)
            #expect(new?.isOpen == true)
            #expect(newNotes.closings == 0)
            put(newPeer, [7])
            loop.serveOnce()
            #expect(newNotes.text == [7])
        }
    }

    @Test func aResetClosesTheSocketOnce() throws {
        let loop = makeLoop()
        let ends = TCPEnds()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(ends.peer, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close(ends.peer)
        loop.serve { notes.closings > 0 }
        #expect(notes.closings == 1)
        #expect(!socket.isOpen)
        #expect(notes.text.isEmpty)
    }

    // MARK: Writing

    @Test func aSlowPeerGetsEverythingInOrderHoweverItIsCut() {
        let loop = makeLoop()
        let ends = Ends(buffer: 16 * 1024)
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        let sent = pattern(3_000_000)
        var position = 0
        var size = 1
        // Many pieces, small and large, more than one call takes.
        while position < sent.count {
            let end = min(sent.count, position + size)
            socket.write(ByteBuffer(bytes: sent[position..<end]))
            position = end
            size = size * 7 % 40_009 + 1
            if size % 5 == 0 { socket.flush() }
        }
        socket.flush()
        #expect(socket.bufferedBytes > 2_000_000)
        var received: [UInt8] = []
        while received.count < sent.count {
            received += take(ends.peer, maximum: 50_001)
            loop.serveOnce()
        }
        #expect(received == sent)
        #expect(socket.bufferedBytes == 0)
        socket.close()
        close(ends.peer)
    }

    @Test func theMarksAreToldOnceEachWay() {
        let loop = makeLoop()
        let ends = Ends(buffer: 16 * 1024)
        let notes = Notes()
        let limits = SocketLimits(reads: 2048...65536, lowWater: 100_000, highWater: 400_000)
        let socket = notes.serve(ends.ours, loop, limits: limits)
        socket.write(ByteBuffer(repeating: 1, count: 400_000))
        #expect(notes.writability.isEmpty && socket.isWritable)
        socket.write(ByteBuffer(repeating: 1, count: 1))
        #expect(notes.writability == [false] && !socket.isWritable)
        socket.write(ByteBuffer(repeating: 1, count: 1000))
        socket.flush()
        while notes.writability.count < 2 {
            #expect(socket.bufferedBytes > 100_000)
            _ = take(ends.peer, maximum: 10_000)
            loop.serveOnce()
        }
        #expect(notes.writability == [false, true] && socket.isWritable)
        #expect(socket.bufferedBytes <= 100_000)
        socket.close()
        close(ends.peer)
    }

    @Test func aPeerThatTakesEverythingNeedsNoSecondTurn() {
        let loop = makeLoop()
        let ends = Ends()
        let socket = Notes().serve(ends.ours, loop)
        socket.writeAndFlush(ByteBuffer(bytes: [1, 2]))
        socket.write(ByteBuffer(bytes: [3]))
        socket.write(ByteBuffer(bytes: [4]))
        socket.writeAndFlush(ByteBuffer(bytes: [5]))
        #expect(take(ends.peer) == [1, 2, 3, 4, 5])
        socket.write(ByteBuffer(bytes: [6]))
        #expect(take(ends.peer) == [])
        socket.flush()
        #expect(take(ends.peer) == [6])
        socket.close()
        close(ends.peer)
    }

    @Test func whoIsToldThatThePeerTakesMoreMayWriteOrClose() {
        for closes in [false, true] {
            let loop = makeLoop()
            let ends = Ends(buffer: 16 * 1024)
            let notes = Notes()
            let limits = SocketLimits(reads: 2048...65536, lowWater: 10_000, highWater: 20_000)
            let socket = notes.serve(ends.ours, loop, limits: limits)
            var more = 3
            notes.onWritability = { isWritable in
                guard isWritable, more > 0 else { return }
                if closes { return socket.close() }
                more -= 1
                socket.writeAndFlush(ByteBuffer(repeating: 2, count: 200_000))
            }
            socket.writeAndFlush(ByteBuffer(repeating: 2, count: 200_000))
            var count = 0
            while closes ? socket.isOpen : count < 800_000 {
                count += take(ends.peer).count
                loop.serveOnce()
            }
            #expect(closes ? notes.closings == 1 : count == 800_000)
            socket.close()
            close(ends.peer)
        }
    }

    @Test func theEndOfOutputComesBehindEverythingWritten() {
        let loop = makeLoop()
        let ends = Ends(buffer: 16 * 1024)
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        let sent = pattern(500_000)
        socket.write(ByteBuffer(bytes: sent))
        socket.closeOutput()
        socket.writeAndFlush(ByteBuffer(bytes: [9]))
        var received: [UInt8] = []
        while received.count < sent.count {
            received += take(ends.peer)
            loop.serveOnce()
        }
        #expect(received == sent)
        #expect(isAtEnd(ends.peer))
        // The other direction still works.
        put(ends.peer, [5])
        loop.serveOnce()
        #expect(notes.text == [5])
        close(ends.peer)
        loop.serveOnce()
        #expect(notes.closings == 1)
    }

    @Test func theEndOfOutputWithNothingWrittenIsSentAtOnce() {
        let loop = makeLoop()
        let ends = Ends()
        let socket = Notes().serve(ends.ours, loop)
        socket.closeOutput()
        #expect(isAtEnd(ends.peer))
        socket.close()
        close(ends.peer)
    }

    @Test func whatAPeerSaidBeforeItWentAwayIsReadThoughWritingFails() {
        let loop = makeLoop()
        let ends = Ends()
        let trigger = Ends()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        let triggerNotes = Notes()
        let triggerSocket = triggerNotes.serve(trigger.ours, loop)
        // The peer goes while the turn runs: that writing fails is the first that is known of it.
        triggerNotes.onReceived = { _ in
            put(ends.peer, [4, 1, 3])
            close(ends.peer)
            socket.writeAndFlush(ByteBuffer(bytes: [1]))
            #expect(notes.closings == 0 && notes.text.isEmpty, "not while somebody writes")
        }
        put(trigger.peer, [1])
        loop.serveOnce()
        #expect(notes.text == [4, 1, 3])
        #expect(notes.closings == 1)
        triggerSocket.close()
        close(trigger.peer)
    }

    @Test func closingTellsTheOwnerAtOnceAndDropsWhatWaits() {
        let loop = makeLoop()
        let ends = Ends()
        let notes = Notes()
        let socket = notes.serve(ends.ours, loop)
        socket.write(ByteBuffer(bytes: [1]))
        socket.close()
        #expect(notes.closings == 1)
        #expect(take(ends.peer).isEmpty)
        #expect(isAtEnd(ends.peer))
        socket.write(ByteBuffer(bytes: [1]))
        socket.writeAndFlush(ByteBuffer(bytes: [1]))
        socket.flush()
        socket.closeOutput()
        socket.setReading(true)
        loop.serveOnce()
        #expect(notes.closings == 1)
        close(ends.peer)
    }
}
