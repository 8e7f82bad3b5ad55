import CKernel
import Glibc

/// A single-threaded loop over poll(2) for the processes that serve few descriptors: supervisor, dialer, launcher, recorder.
///
/// Callbacks run one after the other on the calling thread; each may add and remove descriptors and timers, its own included.
public final class PollLoop {
    /// Names a watched descriptor.
    public struct Watch: Hashable { fileprivate let number: Int }
    /// Names a timer.
    public struct Timer: Hashable { fileprivate let number: Int }

    private struct Entry {
        var descriptor: Int32
        var writing: Bool
        var callback: (_ readable: Bool, _ writable: Bool) -> Void
    }

    private struct Alarm {
        var due: UInt64
        var callback: () -> Void
    }

    private var entries: [Int: Entry] = [:]
    private var alarms: [Int: Alarm] = [:]
    private var nextNumber = 0
    private var running = false

    /// A loop that watches nothing yet.
    public init() {}

    /// Monotonic time in nanoseconds.
    public static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Watches a descriptor for reading and, if `writing`, for writing. Hang-up and errors count as readable.
    public func add(
        _ descriptor: Int32, writing: Bool = false,
        _ callback: @escaping (_ readable: Bool, _ writable: Bool) -> Void
    ) -> Watch {
        nextNumber += 1
        entries[nextNumber] = Entry(descriptor: descriptor, writing: writing, callback: callback)
        return Watch(number: nextNumber)
    }

    /// Says whether writability is of interest.
    public func setWriting(_ watch: Watch, _ writing: Bool) {
        entries[watch.number]?.writing = writing
    }

    /// Stops watching. The descriptor stays open.
    public func remove(_ watch: Watch) { entries[watch.number] = nil }

    /// Calls back once after so many nanoseconds.
    @discardableResult
    public func after(_ nanoseconds: UInt64, _ callback: @escaping () -> Void) -> Timer {
        nextNumber += 1
        alarms[nextNumber] = Alarm(due: PollLoop.now() + nanoseconds, callback: callback)
        return Timer(number: nextNumber)
    }

    /// Forgets a timer that has not fired.
    public func cancel(_ timer: Timer) { alarms[timer.number] = nil }

    /// Makes `run` return after the present callback.
    public func stop() { running = false }

    /// Serves callbacks until `stop`.
    public func run() {
        running = true
        var watched: [pollfd] = []
        var numbers: [Int] = []
        while running {
            watched.removeAll(keepingCapacity: true)
            numbers.removeAll(keepingCapacity: true)
            for (number, entry) in entries {
                let events = Int16(POLLIN) | (entry.writing ? Int16(POLLOUT) : 0)
                watched.append(pollfd(fd: entry.descriptor, events: events, revents: 0))
                numbers.append(number)
            }
            let ready = unsafe poll(&watched, nfds_t(watched.count), timeout())
            if ready > 0 {
                for (index, item) in watched.enumerated() where item.revents != 0 && running {
                    // Gone or replaced by an earlier callback of this turn: its readiness says nothing any more.
                    guard let entry = entries[numbers[index]], entry.descriptor == item.fd else { continue }
                    let flags = Int32(item.revents)
                    entry.callback(flags & ~POLLOUT != 0, flags & (POLLOUT | POLLERR | POLLHUP) != 0 && entry.writing)
                }
            }
            fireAlarms()
        }
    }

    /// Milliseconds until the next timer, rounded up; -1 without one.
    private func timeout() -> Int32 {
        guard let due = alarms.values.map(\.due).min() else { return -1 }
        let now = PollLoop.now()
        guard due > now else { return 0 }
        return Int32(min((due - now + 999_999) / 1_000_000, UInt64(Int32.max)))
    }

    private func fireAlarms() {
        guard !alarms.isEmpty else { return }
        let now = PollLoop.now()
        // Timers due at the same nanosecond fire in the order in which they were set.
        let due = alarms.filter { $0.value.due <= now }.sorted { ($0.value.due, $0.key) < ($1.value.due, $1.key) }
        for (number, alarm) in due where running {
            guard alarms.removeValue(forKey: number) != nil else { continue }
            alarm.callback()
        }
    }
}
