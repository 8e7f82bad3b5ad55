import NIOCore

/// Names a timer of a loop.
public struct LoopTimer: Hashable, Sendable { fileprivate let number: UInt64 }

/// Timers in the order in which they fire. They are few (what is looked at regularly shares one), so that a sorted array is enough.
struct TimerList {
    private struct Entry {
        let due: NIODeadline
        let number: UInt64
        let work: () -> Void
    }

    /// The next one is the last; of two due at the same time the earlier made fires first.
    private var entries: [Entry] = []
    private var lastNumber: UInt64 = 0

    var isEmpty: Bool { entries.isEmpty }

    mutating func add(_ due: NIODeadline, _ work: @escaping () -> Void) -> LoopTimer {
        lastNumber += 1
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].due > due { low = middle + 1 } else { high = middle }
        }
        entries.insert(Entry(due: due, number: lastNumber, work: work), at: low)
        return LoopTimer(number: lastNumber)
    }

    mutating func remove(_ timer: LoopTimer) {
        if let index = entries.lastIndex(where: { $0.number == timer.number }) { entries.remove(at: index) }
    }

    /// Takes out what is due.
    mutating func next(at now: NIODeadline) -> (() -> Void)? {
        guard let last = entries.last, last.due <= now else { return nil }
        entries.removeLast()
        return last.work
    }

    /// Milliseconds until the next one, rounded up; -1 without one.
    func milliseconds(at now: NIODeadline) -> Int32 {
        guard let last = entries.last else { return -1 }
        guard last.due > now else { return 0 }
        return Int32(clamping: ((last.due - now).nanoseconds + 999_999) / 1_000_000)
    }
}
