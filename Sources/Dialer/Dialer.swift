import Configuration
import Glibc
import Link
import PollLoop
import Telemetry
import Worker

/// The only worker that can resolve names and open outgoing connections, and only to what its generation names for the asking route.
///
/// It never sees a message: connected descriptors go to the routes, which speak on them.
public final class Dialer: WorkerRole {
    private let context: WorkerContext
    private let loop: PollLoop
    private let supervision: Supervision
    private var generation: DialerGeneration
    private let resolver: Resolver
    private var links: [UInt32: DialLink] = [:]

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        PollWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Dialer(context, loop: loop, supervision: supervision)
        }
    }

    private init(_ context: WorkerContext, loop: PollLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        generation = try context.decode(DialerGeneration.self)
        guard let resolver = Resolver(loop: loop) else {
            context.log.error("no descriptor left for the resolver; exiting")
            exit(71)
        }
        self.resolver = resolver
        watchResolver()
    }

    /// A route's link.
    public func attach(_ link: AttachMessage, descriptors: [Int32]) {
        links[link.link] = DialLink(link, descriptors: descriptors, loop: loop, dialer: self)
    }

    /// Attempts in progress keep the time that they began with.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        let next = try GenerationRefusal.decoding(DialerGeneration.self, bytes)
        return { [unowned self] in generation = next }
    }

    /// Dials in progress are of no use once the routes stop.
    public func drain() { supervision.finish() }

    /// The destination a route may reach under this number.
    func destination(_ id: UInt32, for link: AttachMessage) -> DialerGeneration.Destination? {
        generation.destinations.first { $0.id == id && $0.route == link.peerIndex }
    }

    /// Begins an attempt.
    func connect(
        to destination: DialerGeneration.Destination, _ finished: @escaping (Connector.Outcome) -> Void
    ) -> Connector {
        context.counters.add(.dials)
        return Connector(
            loop: loop, resolver: resolver, host: destination.host, port: destination.port,
            timeout: generation.connectTimeout
        ) { [unowned self] outcome in
            if case .failed = outcome { context.counters.add(.dialFailures) }
            finished(outcome)
        }
    }

    /// A route's link is gone, or the route broke the protocol.
    func linkClosed(_ link: DialLink, _ violation: LinkViolation?) {
        links[link.attachment.link] = nil
        guard let violation else { return }
        context.counters.add(.condemnations)
        supervision.condemn(link: link.attachment.link, violation)
    }

    /// getaddrinfo cannot be cancelled: when every thread hangs, only a new process helps.
    private func watchResolver() {
        loop.after(generation.connectTimeout) { [unowned self] in
            if resolver.hanging(longerThan: 2 * generation.connectTimeout) >= Resolver.threadCount {
                context.log.error("all resolver threads hang; exiting to be restarted")
                exit(75)
            }
            watchResolver()
        }
    }
}
