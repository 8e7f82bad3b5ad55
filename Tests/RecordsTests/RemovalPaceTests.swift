import AuditLog
import Testing

@Suite struct RemovalPaceTests {
    private static let hour: UInt64 = 3_600_000_000_000

    /// A recorder's life: the files that are left after so many hours in which a wrong clock calls all of them old.
    private func left(of files: Int, after hours: UInt64, _ pace: inout RemovalPace, from start: UInt64) -> Int {
        var left = files
        for hour in 0...hours {
            // Looked at more often than granted: that changes nothing.
            for minute in 0..<3 {
                let now = start + hour * RemovalPaceTests.hour + UInt64(minute) * 60_000_000_000
                let count = pace.allowance(due: left, now: now)
                for _ in 0..<count { pace.fileIsRemoved() }
                left -= count
            }
        }
        return left
    }

    @Test(arguments: [1, 30, 1000])
    func aClockThatJumpsForwardTakesNoFileAtOnceAndLeavesAThirdAfterADay(files: Int) {
        var pace = RemovalPace(now: 5)
        #expect(pace.allowance(due: files, now: 5) == 0)
        #expect(pace.allowance(due: files, now: 5 + RemovalPaceTests.hour - 1) == 0)
        let rest = left(of: files, after: 24, &pace, from: 5)
        #expect(rest >= min(files, files - 24) / 3 && rest < files)
    }

    @Test func aRecorderThatIsRestartedAgainAndAgainGrantsNothing() {
        for start in 0..<100 as Range<UInt64> {
            var pace = RemovalPace(now: start)
            #expect(pace.allowance(due: 50, now: start + RemovalPaceTests.hour / 2) == 0)
        }
    }

    @Test func aLogThatGrowsLosesAsManyFilesAsItGains() {
        var pace = RemovalPace(now: 0)
        var due = 0
        // Not saved up while nothing is old.
        for now in 0..<100 as Range<UInt64> {
            pace.fileWasClosed()
            #expect(pace.allowance(due: 0, now: now) == 0)
        }
        for now in 100..<200 as Range<UInt64> {
            pace.fileWasClosed()
            due += 1
            let count = pace.allowance(due: due, now: now)
            #expect(count == 1)
            for _ in 0..<count { pace.fileIsRemoved() }
            due -= count
        }
    }

    @Test func aTimeSaidAnewLetsAllGoOnce() {
        var pace = RemovalPace(now: 0)
        pace.wasSetAnew()
        #expect(pace.allowance(due: 40, now: 1) == 40)
        for _ in 0..<40 { pace.fileIsRemoved() }
        #expect(pace.allowance(due: 40, now: 2) == 0)
    }

    @Test func aFileThatCannotBeRemovedDoesNotGrantAnother() {
        var pace = RemovalPace(now: 0)
        pace.fileWasClosed()
        #expect(pace.allowance(due: 3, now: 1) == 1)
        pace.fileIsRemoved()
        #expect(pace.allowance(due: 3, now: 2) == 0)
    }
}
