import CKernel
import Glibc
import NIOCore

/// The event loop of the workers on the message path: one thread, one epoll(7) descriptor, level-triggered.
///
/// A turn waits for readiness, tells the members of it one after the other, fires timers that are due, and then does what was put off to
/// the end of the turn. Each of these may add and close members and timers, its own included.
public final class EpollLoop {
    /// A place in the loop's table. Its generation changes with each use: what the kernel reported for an earlier one is stale.
    private struct Slot {
        var generation: UInt32
        var member: LoopMember?
    }

    /// Something put off. In a structure of its own, because an array of bare closures allocates memory for each.
    private struct Work {
        let perform: () -> Void
    }

    /// Names a registration.
    struct Registration {
        let slot: UInt32
        let generation: UInt32
    }

    /// How often work that puts off more work is followed in one turn.
    private static let maximumRounds = 16

    private let epoll: Int32
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private var timers = TimerList()
    private var deferred: [Work] = []
    private var running: [Work] = []
    private var isStopped = false
    var memory = ReadMemory()

    /// A loop that watches nothing yet; nil if there is no descriptor left for it.
    public init?() {
        epoll = ck_epoll_create()
        guard epoll >= 0 else { return nil }
    }

    deinit { if epoll >= 0 { Glibc.close(epoll) } }

    // MARK: Work

    /// Does something at the end of this turn.
    public func execute(_ work: @escaping () -> Void) { deferred.append(Work(perform: work)) }

    /// Does something once after so much time.
    @discardableResult
    public func schedule(in delay: TimeAmount, _ work: @escaping () -> Void) -> LoopTimer {
        timers.add(.now() + delay, work)
    }

    /// Forgets a timer that has not fired.
    public func cancel(_ timer: LoopTimer) { timers.remove(timer) }

    /// Makes `run` return at the end of the turn.
    public func stop() { isStopped = true }

    /// Serves until `stop`.
    public func run() {
        isStopped = false
        var ready = [ck_ready](repeating: ck_ready(), count: Int(CK_READY_MAXIMUM))
        while !isStopped { turn(&ready) }
    }

    private func turn(_ ready: inout [ck_ready]) {
        let timeout = deferred.isEmpty ? timers.milliseconds(at: .now()) : 0
        let count = unsafe ck_epoll_wait(epoll, &ready, timeout)
        precondition(count >= 0, "epoll_wait fails only for a wrong descriptor")
        for index in 0..<Int(count) {
            let item = ready[index]
            // Closed earlier in this turn, or its descriptor's number has been used again: it is not meant.
            guard slots[Int(item.slot)].generation == item.generation, let member = slots[Int(item.slot)].member else {
                continue
            }
            member.ready(item.events)
        }
        if !timers.isEmpty {
            let now = NIODeadline.now()
            while let work = timers.next(at: now) { work() }
        }
        runDeferred()
    }

    private func runDeferred() {
        var rounds = 0
        while !deferred.isEmpty, rounds < EpollLoop.maximumRounds {
            // Two lists take turns, so that neither is copied.
            swap(&deferred, &running)
            for work in running { work.perform() }
            running.removeAll(keepingCapacity: true)
            rounds += 1
        }
    }

    // MARK: Members

    /// Members registered.
    var memberCount: Int { slots.count - free.count }

    /// Registers a member's descriptor; nil if the kernel refuses.
    func add(_ member: LoopMember, _ descriptor: Int32, _ events: UInt32) -> Registration? {
        let slot: UInt32
        if let last = free.popLast() {
            slot = last
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot(generation: 0, member: nil))
        }
        let registration = Registration(slot: slot, generation: slots[Int(slot)].generation)
        guard ck_epoll_add(epoll, descriptor, events, slot, registration.generation) == 0 else {
            free.append(slot)
            return nil
        }
        slots[Int(slot)].member = member
        return registration
    }

    func change(_ registration: Registration, _ descriptor: Int32, _ events: UInt32) {
        let result = ck_epoll_change(epoll, descriptor, events, registration.slot, registration.generation)
        precondition(result == 0, "a registered descriptor is open")
    }

    /// Takes a member out. Explicitly, since a descriptor of the same socket may be open in another process, and the kernel would go on.
    func remove(_ registration: Registration, _ descriptor: Int32) {
        ck_epoll_remove(epoll, descriptor)
        slots[Int(registration.slot)].member = nil
        slots[Int(registration.slot)].generation &+= 1
        free.append(registration.slot)
    }
}
