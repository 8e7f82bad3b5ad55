import Glibc
import Link
import PollLoop
import Roles
import Segment
import Worker

/// A worker that starts and confines itself like any other and then misbehaves.
final class FaultyWorker: WorkerRole {
    private static let controlDescriptor: Int32 = 3

    private let fault: Fault
    private var links: [Int32] = []

    /// Runs the fault in the loop of the role.
    static func run(_ fault: Fault, _ outcome: Bootstrap.Outcome) -> Never {
        if fault == .neverReady { block() }
        switch outcome.context.role {
        case .ingress, .route, .console:
            LoopWorker.run(outcome) { context, loop, supervision throws(LinkViolation) in
                switch fault {
                case .badRecord, .forgedRecord, .damagedRing:
                    guard let ring = context.ring else { throw .badPayload }
                    loop.schedule(in: .milliseconds(50)) { BadRecords.commit(fault, ring) }
                case .cutEvents: return CutEvents(loop: loop, supervision: supervision)
                case .brokenItems:
                    let items = #"{"name":"exec_a"}]}},{"x":[{"name":"echo"}"#
                    return FalseItems(items, loop: loop, supervision: supervision)
                case .foreignItems:
                    let items = #"{"name":"exec_a"},{"name":"echo"}"#
                    return FalseItems(items, loop: loop, supervision: supervision)
                default: break
                }
                let worker = FaultyWorker(fault)
                loop.schedule(in: .milliseconds(50)) { worker.begin() }
                return worker
            }
        default:
            PollWorker.run(outcome) { _, loop, _ throws(LinkViolation) in
                let worker = FaultyWorker(fault)
                loop.after(50_000_000) { worker.begin() }
                return worker
            }
        }
    }

    private init(_ fault: Fault) { self.fault = fault }

    /// Faults that need no link.
    private func begin() {
        switch fault {
        case .exits: exit(3)
        case .hangs: FaultyWorker.block()
        case .badControl: send([UInt8](repeating: 0xff, count: 64), FaultyWorker.controlDescriptor)
        case .forbiddenControl: send(frame(.begin, []), FaultyWorker.controlDescriptor)
        case .reportsWithoutEnd:
            let report = frame(.lost, NumberMessage(number: 1 << 40).encode())
            send([[UInt8]](repeating: report, count: 100).flatMap(\.self), FaultyWorker.controlDescriptor)
        default: break
        }
    }

    func attach(_ link: AttachMessage, descriptors: [Int32]) {
        links += descriptors
        let first = StreamID(slot: 0, generation: 1)
        switch fault {
        case .malformed: send([UInt8](repeating: 0xff, count: 64), descriptors[0])
        case .notPermitted: send(frame(.head, [0], first), descriptors[0])
        case .tooLarge: send(header(.data, length: FrameHead.maximumData + 1, first), descriptors[0])
        case .credit:
            // On a stream of its own if it may open one, else on one that the peer has never opened.
            if link.side == .opener, link.kind == .dial {
                send(frame(.open, DialOpen(destination: 0).encode(), first), descriptors[0])
            }
            send(frame(.credit, [0xff, 0xff, 0xff, 0x7f], first), descriptors[0])
        case .accuses:
            let message = CondemnMessage(link: link.link, violation: .badPayload).encode()
            send(frame(.condemn, message), FaultyWorker.controlDescriptor)
        case .missingDescriptor:
            let ticket = DialOutcome.connected(DescriptorTicket(number: 1)).encode()
            waitForBytes(descriptors[0])
            send(frame(.head, ticket, first) + frame(.end, [], first), descriptors[0])
        case .getWithBody where link.kind == .request && link.side == .opener:
            let open = RequestOpen(
                generation: 1, requestID: 1, identity: .anonymous, session: nil, method: .get, acceptsJSON: false,
                acceptsEvents: true, isModern: false, bodyLength: 1)
            var writer = FieldWriter()
            if open.write(&writer) { send(frame(.open, writer.bytes, first), descriptors[0]) }
        case .dataOnDial where link.kind == .dial && link.side == .opener:
            send(frame(.open, DialOpen(destination: 0).encode(), first) + frame(.data, [0], first), descriptors[0])
        case .misroutes: misroute(descriptors[0])
        default: break
        }
    }

    private func misroute(_ descriptor: Int32) {
        let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec_a"}}"#
        let open = RequestOpen(
            generation: 1, requestID: 1, identity: .anonymous, session: nil, method: .post, acceptsJSON: true,
            acceptsEvents: true, isModern: false, bodyLength: UInt64(body.utf8.count))
        var writer = FieldWriter()
        guard open.write(&writer) else { return }
        let first = StreamID(slot: 0, generation: 1)
        send(frame(.open, writer.bytes, first) + frame(.lastData, Array(body.utf8), first), descriptor)
    }

    /// The true answer follows by itself.
    func prepare(_ bytes: [UInt8], number: UInt64) -> () -> Void {
        switch fault {
        case .preparesTwice: tell(.prepared, number)
        case .preparesAnother: tell(.prepared, number + 1)
        case .commitsUnasked: tell(.committed, number)
        case .releasesUnasked: tell(.released, number)
        case .reloadsUnasked: tell(.reload, number)
        default: break
        }
        return {}
    }

    func drain() { exit(0) }

    private func tell(_ type: FrameType, _ number: UInt64) {
        send(frame(type, NumberMessage(number: number).encode()), FaultyWorker.controlDescriptor)
    }

    private func waitForBytes(_ descriptor: Int32) {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&watched, 1, 5000)
    }

    private func frame(_ type: FrameType, _ payload: [UInt8], _ stream: StreamID = .control) -> [UInt8] {
        header(type, length: payload.count, stream) + payload
    }

    private func header(_ type: FrameType, length: Int, _ stream: StreamID) -> [UInt8] {
        let words = FrameHead(type: type, length: length, stream: stream).words
        return [words.0, words.1].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }

    private func send(_ bytes: [UInt8], _ descriptor: Int32) {
        _ = unsafe write(descriptor, bytes, bytes.count)
    }

    /// Never returns and never answers; a system call might not be allowed here, so it turns.
    private static func block() -> Never {
        var turns: UInt64 = 0
        while true { turns &+= 1 }
    }
}
