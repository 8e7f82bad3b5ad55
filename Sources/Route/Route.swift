import Configuration
import Glibc
import Link
import MCP
import NIOCore
import StrictJSON
import Telemetry
import Worker

/// The worker of one upstream: takes exchanges from the ingress, confirms and forwards them over connections that the dialer hands over,
/// and reads the upstream's answers (DESIGN 4). It can open nothing itself.
public final class Route: WorkerRole {
    let context: WorkerContext
    let loop: EventLoop
    let generation: RouteGeneration
    private let supervision: Supervision
    let pool: UpstreamPool
    private var clients: ClientLink?
    /// Reused for every message; the loop reads one at a time.
    var tape = JSONTape()
    let requestParser = JSONParser(limits: JSONLimits(), surrogates: .refuse)
    let replyParser = JSONParser(limits: JSONLimits(), surrogates: .replace)
    /// Bytes of messages held at once, at most; far below the role's address space (DESIGN 3).
    private static let byteBudget = 256 << 20
    /// Nodes of a JSON text that the worker keeps memory for: ordinary messages have far fewer.
    private static let tapeNodes = 16 * 1024
    private var heldBytes = 0
    private var inFlight = 0
    private var isDraining = false

    /// Runs the role in the confined process.
    public static func run(_ outcome: Bootstrap.Outcome) -> Never {
        LoopWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
            try Route(context, loop: loop, supervision: supervision)
        }
    }

    private init(_ context: WorkerContext, loop: EventLoop, supervision: Supervision) throws(LinkViolation) {
        self.context = context
        self.loop = loop
        self.supervision = supervision
        generation = try context.decode(RouteGeneration.self)
        let dialing = DialClient(context, loop: loop, supervision: supervision, generation: generation)
        pool = UpstreamPool(context, loop: loop, generation: generation, dialing: dialing)
        sweep()
    }

    private func sweep() {
        loop.assumeIsolated().scheduleTask(in: .seconds(1)) { [self] in
            pool.checkTime(.now())
            sweep()
        }
    }

    /// The link to the ingress or to the dialer, new at the start and after each restart of the other side.
    public func attach(_ link: AttachMessage, descriptors: [Int32]) {
        switch (link.kind, link.side) {
        case (.request, .acceptor):
            clients?.replace()
            clients = ClientLink(link, descriptor: descriptors[0], route: self, supervision: supervision)
        case (.dial, .opener):
            pool.dialing.attach(link, descriptors: descriptors)
            pool.prove()
        default:
            for descriptor in descriptors { close(descriptor) }
        }
    }

    /// Exits when the last exchange is answered.
    public func drain() {
        isDraining = true
        finishIfDrained()
    }

    /// Charges bytes to the budget; false if there is no room.
    func reserve(_ count: Int) -> Bool {
        guard heldBytes + count <= Route.byteBudget else { return false }
        heldBytes += count
        return true
    }

    func giveBack(_ count: Int) { heldBytes -= count }

    func begun() {
        inFlight += 1
        context.counters.set(.inFlight, UInt64(inFlight))
    }

    func finished() {
        inFlight -= 1
        context.counters.set(.inFlight, UInt64(inFlight))
        finishIfDrained()
    }

    private func finishIfDrained() {
        if isDraining && inFlight == 0 { supervision.finish() }
    }

    /// The phase `confirmRoute`: the same bytes through the same parser as in the ingress, which may be in an attacker's hands.
    func confirmRoute(_ body: ByteBuffer) throws(GatewayError) -> MessageSummary {
        let bytes = body.readableBytesUInt8Span
        // One huge message must not leave its memory behind.
        defer { tape.shrink(toCapacity: Route.tapeNodes) }
        do throws(JSONError) {
            try requestParser.parse(bytes, into: &tape)
        } catch {
            throw .notJSON(offset: error.offset)
        }
        return try MessageSummary(tape, bytes)
    }

    /// The phase `readReply` of a JSON answer: strict, but lone surrogates of sloppy servers become U+FFFD.
    /// - Returns: the text to send, or nil if it is not one.
    func readReply(_ body: ByteBuffer) -> ByteBuffer? {
        let bytes = body.readableBytesUInt8Span
        defer { tape.shrink(toCapacity: Route.tapeNodes) }
        do throws(JSONError) {
            try replyParser.parse(bytes, into: &tape)
        } catch {
            return nil
        }
        guard tape.loneSurrogateStrings > 0 else { return body }
        var mended: [UInt8] = []
        var rewriter = JSONRewriter()
        rewriter.append(bytes, tape, to: &mended)
        return ByteBuffer(bytes: mended)
    }
}
