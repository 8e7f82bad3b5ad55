import CKernel
import Glibc
import Testing

@testable import PollLoop

@Suite struct PollLoopTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func timersFireOnceInTheOrderOfTheirTimesAndNeverEarly(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let loop = PollLoop()
        // The loop reads the clock itself, so each time is known between two readings of ours.
        var earliest: [UInt64] = []
        var latest: [UInt64] = []
        var fired: [Int] = []
        for index in 0..<60 {
            let wait = UInt64.random(in: 0..<20_000_000, using: &random)
            earliest.append(PollLoop.now() + wait)
            loop.after(wait) {
                #expect(PollLoop.now() >= earliest[index], "seed \(seed)")
                fired.append(index)
                if fired.count == 60 { loop.stop() }
            }
            latest.append(PollLoop.now() + wait)
        }
        loop.run()
        #expect(Set(fired) == Set(0..<60))
        for (first, second) in zip(fired, fired.dropFirst()) {
            #expect(earliest[first] <= latest[second], "seed \(seed)")
        }
        loop.turn()
        #expect(fired.count == 60)
    }

    @Test func timersSetOneAfterTheOtherWithTheSameWaitKeepTheirOrder() {
        let loop = PollLoop()
        var fired: [Int] = []
        for index in 0..<500 { loop.after(0) { fired.append(index) } }
        loop.turn()
        #expect(fired == Array(0..<500))
    }

    @Test func aTimerCanCancelAnotherThatIsDueInTheSameTurn() {
        let loop = PollLoop()
        var fired: [String] = []
        var victim: PollLoop.Timer?
        loop.after(0) {
            fired.append("first")
            if let victim { loop.cancel(victim) }
        }
        victim = loop.after(0) { fired.append("cancelled") }
        loop.after(0) { fired.append("last") }
        loop.turn()
        loop.turn()
        #expect(fired == ["first", "last"])
    }

    @Test func aTimerCanCancelItselfAndSetOthers() {
        let loop = PollLoop()
        var fired = 0
        var own: PollLoop.Timer?
        own = loop.after(0) {
            fired += 1
            if let own { loop.cancel(own) }
            loop.after(0) {
                fired += 1
                loop.stop()
            }
        }
        loop.run()
        #expect(fired == 2)
    }

    @Test func stopLeavesTheOtherTimersForTheNextRun() {
        let loop = PollLoop()
        var fired: [Int] = []
        for index in 0..<3 {
            loop.after(0) {
                fired.append(index)
                loop.stop()
            }
        }
        for count in 1...3 {
            loop.run()
            #expect(fired == Array(0..<count))
        }
    }

    @Test func onlyWhatIsReadyIsCalled() {
        let loop = PollLoop()
        let quiet = Ends.stream()
        let busy = Ends.stream()
        var called: [String] = []
        _ = loop.add(quiet.ours) { _, _ in called.append("quiet") }
        _ = loop.add(busy.ours) { readable, writable in
            called.append("busy")
            #expect(readable)
            #expect(!writable, "nobody asked for writability")
        }
        loop.turn()
        #expect(called.isEmpty)
        put(busy.peer, [1])
        loop.turn()
        #expect(called == ["busy"])
        for descriptor in [quiet.ours, quiet.peer, busy.ours, busy.peer] { close(descriptor) }
    }

    @Test func writabilityIsReportedOnlyWhileItIsWanted() {
        let loop = PollLoop()
        let ends = Ends.stream()
        var called: [(readable: Bool, writable: Bool)] = []
        let watch = loop.add(ends.ours, writing: true) { called.append(($0, $1)) }
        loop.turn()
        loop.setWriting(watch, false)
        loop.turn()
        #expect(called.count == 1)
        #expect(called.first?.readable == false)
        #expect(called.first?.writable == true)
        loop.setWriting(watch, true)
        loop.turn()
        #expect(called.count == 2)
        close(ends.ours)
        close(ends.peer)
    }

    @Test func aHangUpAndAClosedDescriptorCountAsReadable() {
        let loop = PollLoop()
        let ends = Ends.stream()
        close(ends.peer)
        var readable = 0
        let watch = loop.add(ends.ours) { isReadable, _ in if isReadable { readable += 1 } }
        loop.turn()
        #expect(readable == 1)
        loop.remove(watch)
        loop.turn()
        #expect(readable == 1)
        close(ends.ours)
    }

    @Test func aDescriptorRemovedByAnotherCallbackOfTheSameTurnIsNotCalled() {
        for _ in 0..<20 {
            let loop = PollLoop()
            let ends = (0..<6).map { _ in Ends.stream() }
            var watches: [PollLoop.Watch] = []
            var called: [Int] = []
            for (index, pair) in ends.enumerated() {
                put(pair.peer, [1])
                watches.append(
                    loop.add(pair.ours) { _, _ in
                        called.append(index)
                        for other in watches.indices where other != index { loop.remove(watches[other]) }
                    })
            }
            loop.turn()
            #expect(called.count == 1)
            loop.turn()
            // The one that is left is still served.
            #expect(called.count == 2)
            #expect(Set(called).count == 1)
            for pair in ends {
                close(pair.ours)
                close(pair.peer)
            }
        }
    }

    @Test func aDescriptorAddedByACallbackIsServedInTheNextTurn() {
        let loop = PollLoop()
        let first = Ends.stream()
        let second = Ends.stream()
        put(first.peer, [1])
        put(second.peer, [1])
        var called: [String] = []
        var watch: PollLoop.Watch?
        watch = loop.add(first.ours) { _, _ in
            called.append("first")
            if let watch { loop.remove(watch) }
            _ = loop.add(second.ours) { _, _ in
                called.append("second")
                loop.stop()
            }
        }
        loop.run()
        #expect(called == ["first", "second"])
        for descriptor in [first.ours, first.peer, second.ours, second.peer] { close(descriptor) }
    }

    /// A number may be reused within a turn; the new descriptor must not be called for the old one's readiness.
    @Test func aReusedDescriptorNumberIsNotCalledForItsPredecessor() async {
        // In a process of its own: nothing else may take the number that is closed here.
        await #expect(processExitsWith: .success) {
            for _ in 0..<20 {
                let loop = PollLoop()
                let ends = [Ends.stream(), Ends.stream()]
                let quiet = Ends.stream()
                var watches: [PollLoop.Watch] = []
                var newcomerCalled = false
                for index in 0..<2 {
                    put(ends[index].peer, [1])
                    watches.append(
                        loop.add(ends[index].ours) { _, _ in
                            let other = ends[1 - index]
                            loop.remove(watches[index])
                            loop.remove(watches[1 - index])
                            precondition(dup2(quiet.ours, other.ours) == other.ours)
                            _ = loop.add(other.ours) { _, _ in newcomerCalled = true }
                        })
                }
                loop.turn()
                loop.turn()
                #expect(!newcomerCalled)
                put(quiet.peer, [1])
                loop.turn()
                #expect(newcomerCalled)
                for descriptor in [ends[0].ours, ends[0].peer, ends[1].ours, ends[1].peer, quiet.ours, quiet.peer] {
                    close(descriptor)
                }
            }
        }
    }
}
