import CKernel
import Glibc
import NIOCore
import Testing

@testable import EpollLoop

@Suite(.timeLimit(.minutes(2))) struct EpollLoopTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func timersFireOnceInTheOrderOfTheirTimesAndNeverEarly(seed: UInt64) {
        var state = seed
        func random(below bound: Int64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(state >> 33) % bound
        }
        let loop = makeLoop()
        var earliest: [NIODeadline] = []
        var latest: [NIODeadline] = []
        var fired: [Int] = []
        for index in 0..<60 {
            let wait = TimeAmount.nanoseconds(random(below: 20_000_000))
            earliest.append(.now() + wait)
            loop.schedule(in: wait) {
                #expect(NIODeadline.now() >= earliest[index], "seed \(seed)")
                fired.append(index)
                if fired.count == 60 { loop.stop() }
            }
            latest.append(.now() + wait)
        }
        loop.run()
        #expect(Set(fired) == Set(0..<60))
        for (first, second) in zip(fired, fired.dropFirst()) {
            #expect(earliest[first] <= latest[second], "seed \(seed)")
        }
        loop.serveOnce()
        #expect(fired.count == 60)
    }

    @Test func timersOfTheSameTimeKeepTheirOrder() {
        var list = TimerList()
        var fired: [Int] = []
        let due = NIODeadline.now()
        for index in 0..<100 { _ = list.add(due, { fired.append(index) }) }
        while let work = list.next(at: due) { work() }
        #expect(fired == Array(0..<100))
    }

    @Test func aCancelledTimerNeverFiresNotEvenFromOneThatIsDueAtTheSameTime() {
        let loop = makeLoop()
        var fired: [Int] = []
        var later: LoopTimer?
        loop.schedule(in: .zero) {
            fired.append(1)
            if let later { loop.cancel(later) }
        }
        later = loop.schedule(in: .zero) { fired.append(2) }
        let never = loop.schedule(in: .milliseconds(1)) { fired.append(3) }
        loop.schedule(in: .milliseconds(5)) {
            fired.append(4)
            loop.stop()
        }
        loop.cancel(never)
        loop.run()
        loop.cancel(never)
        #expect(fired == [1, 4])
    }

    @Test func waitsAreRoundedUpSoThatTheLoopDoesNotSpinBeforeATimer() {
        var list = TimerList()
        let now = NIODeadline.now()
        #expect(list.milliseconds(at: now) == -1)
        _ = list.add(now + .nanoseconds(1_000_001), {})
        #expect(list.milliseconds(at: now) == 2)
        #expect(list.milliseconds(at: now + .nanoseconds(1)) == 1)
        #expect(list.milliseconds(at: now + .hours(1)) == 0)
        #expect(list.next(at: now + .nanoseconds(1_000_000)) == nil)
    }

    @Test func workIsDoneAtTheEndOfTheTurnInTheOrderInWhichItWasPutOff() {
        let loop = makeLoop()
        let ends = [Ends(), Ends()]
        var log: [String] = []
        var sockets: [StreamSocket] = []
        for end in ends {
            let notes = Notes()
            notes.onReceived = { _ in
                log.append("event")
                loop.execute {
                    log.append("work")
                    loop.execute { log.append("more") }
                }
            }
            sockets.append(notes.serve(end.ours, loop))
            put(end.peer, [1])
        }
        loop.serveOnce()
        #expect(log == ["event", "event", "work", "work", "more", "more"])
        for socket in sockets { socket.close() }
        for end in ends { close(end.peer) }
    }

    @Test func workThatPutsOffMoreForEverDoesNotHoldUpTheSockets() {
        let loop = makeLoop()
        let ends = Ends()
        let notes = Notes()
        var isOver = false
        var rounds = 0
        notes.onReceived = { _ in isOver = true }
        let socket = notes.serve(ends.ours, loop)
        func again() {
            rounds += 1
            if rounds == 100 { put(ends.peer, [1]) }
            if !isOver { loop.execute { again() } }
        }
        again()
        loop.serve { isOver }
        #expect(rounds < 1000)
        socket.close()
        close(ends.peer)
    }

    @Test func aBellWakesTheLoopFromAnotherThread() throws {
        let loop = makeLoop()
        let bell = try #require(Bell())
        var heard = 0
        #expect(
            loop.listen(to: bell) {
                heard += 1
                if heard == 3 { loop.stop() } else { ringElsewhere(bell) }
            })
        ringElsewhere(bell)
        // No timer is set: only the bell can end the wait.
        loop.run()
        #expect(heard == 3)
    }

    @Test func severalRingsMayBeHeardAsOne() throws {
        let loop = makeLoop()
        let bell = try #require(Bell())
        var heard = 0
        #expect(loop.listen(to: bell) { heard += 1 })
        for _ in 0..<1000 { bell.ring() }
        loop.serveOnce()
        loop.serveOnce()
        #expect(heard == 1)
    }

    @Test func aDescriptorThatCannotBeWatchedIsRefusedAndClosed() {
        let loop = makeLoop()
        let notes = Notes()
        // A file: epoll takes none.
        let file = unsafe open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        #expect(file >= 0)
        #expect(
            StreamSocket.serve(file, loop: loop, limits: SocketLimits(reads: 2048...65536), delegate: notes) == nil)
        #expect(loop.memberCount == 0)
        #expect(notes.closings == 0)
    }
}

/// Rings a bell on a thread of its own.
private func ringElsewhere(_ bell: Bell) {
    var thread = pthread_t()
    let result = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            unsafe Unmanaged<Bell>.fromOpaque(argument).takeRetainedValue().ring()
            return nil
        }, Unmanaged.passRetained(bell).toOpaque())
    precondition(result == 0)
    pthread_detach(thread)
}
