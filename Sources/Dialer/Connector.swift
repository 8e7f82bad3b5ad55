import CKernel
import Glibc
import Link
import PollLoop

/// One attempt to reach a destination: name, then each address in turn, all within one time limit.
final class Connector {
    /// How the attempt ended.
    enum Outcome {
        /// A connected, non-blocking descriptor, the receiver's now.
        case connected(Int32)
        case failed(DialFailure, String)
    }

    private let loop: PollLoop
    private let deadline: UInt64
    private let finished: (Outcome) -> Void
    private var remaining: [Resolver.Address] = []
    private var current: (descriptor: Int32, watch: PollLoop.Watch, timer: PollLoop.Timer)?
    private var limit: PollLoop.Timer?
    private var isOver = false
    private var lastError = "no address"

    /// Begins; `finished` is called exactly once, unless `cancel` comes first.
    init(
        loop: PollLoop, resolver: Resolver, host: String, port: UInt16, timeout: UInt64,
        finished: @escaping (Outcome) -> Void
    ) {
        self.loop = loop
        self.finished = finished
        deadline = PollLoop.now() + timeout
        limit = loop.after(timeout) { [weak self] in
            self?.finish(.failed(.timedOut, "\(host): no connection in \(timeout / 1_000_000) ms"))
        }
        resolver.resolve(host, port: port) { [weak self] answer in
            guard let self, !self.isOver else { return }
            switch answer {
            case .failed(let reason): self.finish(.failed(.unknownHost, "\(host): \(reason)"))
            case .addresses(let addresses):
                self.remaining = addresses.reversed()
                self.tryNext()
            }
        }
    }

    /// Gives up without an outcome.
    func cancel() {
        isOver = true
        release()
    }

    private func finish(_ outcome: Outcome) {
        guard !isOver else { return }
        isOver = true
        release()
        finished(outcome)
    }

    private func release() {
        if let limit { loop.cancel(limit) }
        limit = nil
        if let descriptor = abandonCurrent() { close(descriptor) }
    }

    /// Stops watching the present socket and hands it back.
    private func abandonCurrent() -> Int32? {
        guard let current else { return nil }
        loop.remove(current.watch)
        loop.cancel(current.timer)
        self.current = nil
        return current.descriptor
    }

    private func tryNext() {
        while let address = remaining.popLast() {
            var value = address.value
            let descriptor = unsafe ck_connect_start(&value)
            guard descriptor >= 0 else {
                lastError = unsafe String(cString: strerror(-descriptor))
                continue
            }
            let now = PollLoop.now()
            let share = (deadline > now ? deadline - now : 0) / UInt64(remaining.count + 1)
            let watch = loop.add(descriptor, writing: true) { [weak self] readable, writable in
                if readable || writable { self?.settle() }
            }
            let timer = loop.after(share) { [weak self] in self?.giveUpAddress("no answer") }
            current = (descriptor, watch, timer)
            return
        }
        finish(.failed(.unreachable, lastError))
    }

    private func settle() {
        guard let descriptor = current?.descriptor else { return }
        let result = ck_connect_result(descriptor)
        guard result == 0 else { return giveUpAddress(unsafe String(cString: strerror(-result))) }
        _ = abandonCurrent()
        finish(.connected(descriptor))
    }

    private func giveUpAddress(_ reason: String) {
        lastError = reason
        if let descriptor = abandonCurrent() { close(descriptor) }
        tryNext()
    }
}
