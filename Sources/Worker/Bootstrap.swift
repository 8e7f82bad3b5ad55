import CKernel
import Glibc
import Link
import PollLoop
import Roles
import Sandbox
import Segment
import Telemetry

/// The beginning of every worker: inherit, warm up, confine. Synchronous, one thread; the event loop comes after (DESIGN 3).
public enum Bootstrap {
    /// The control link's stream socket and its companion, as the supervisor's `ck_spawn` numbers them.
    private static let controlDescriptor: Int32 = 3
    private static let companionDescriptor: Int32 = 4

    /// What a worker holds when it is confined.
    public struct Outcome {
        /// For its role.
        public let context: WorkerContext
        /// Its line to the supervisor.
        public let supervision: Supervision
        /// The control link's descriptor, for the loop that will serve it.
        let control: Int32
        /// The payload of `ready`.
        let report: [UInt8]
    }

    /// Takes what the supervisor hands over, runs `warmUp`, and confines the process.
    ///
    /// Exits with a message where anything is missing: a worker that cannot be confined, or lacks what it needs for its work, does none.
    public static func prepare(_ arguments: WorkerArguments, warmUp: () throws -> Void) -> Outcome {
        signal(SIGTERM, SIG_IGN)
        unsafe ck_set_name("mcpgw-\(arguments.role.name)")
        let log = Log(role: arguments.role, name: arguments.role == .route ? arguments.name : nil)
        guard ck_is_open(controlDescriptor), ck_is_open(companionDescriptor) else {
            log.error("workers are started by the supervisor only; see mcpgw --help")
            exit(2)
        }
        let companion = DescriptorSocket(descriptor: companionDescriptor)
        let inherited: Inherited
        do throws(LinkViolation) {
            inherited = try inherit(companion)
        } catch {
            log.error("the supervisor sent a bad frame (\(error.text)); exiting")
            exit(70)
        }
        guard let own = inherited.counters, let segment = try? CounterSegment(writing: own) else {
            log.error("the supervisor handed over no counters; exiting")
            exit(70)
        }
        close(own)
        guard (inherited.state != nil) == arguments.role.keepsState else {
            log.error("the supervisor handed over no state, or that of another role; exiting")
            exit(70)
        }
        guard (inherited.ring != nil) == arguments.role.keepsRecords,
            (inherited.recordDirectory != nil) == (arguments.role == .recorder)
        else {
            log.error("the supervisor handed over no place for records, or that of another role; exiting")
            exit(70)
        }
        let context = WorkerContext(
            arguments: arguments, generation: inherited.generation, configuration: inherited.configuration,
            counters: Counters(segment), state: inherited.state, segments: inherited.segments, ring: inherited.ring,
            rings: inherited.rings, recordDirectory: inherited.recordDirectory)
        do {
            try warmUp()
        } catch {
            log.error("\(error)")
            exit(72)
        }
        let report = confine(arguments, log, recordDirectory: inherited.recordDirectory?.descriptor)
        return Outcome(
            context: context,
            supervision: Supervision(companion: companion, log: context.log, generation: inherited.generation),
            control: controlDescriptor,
            report: report.encode())
    }

    /// Confines the process; what the host does not offer is said once, here, and stays visible in status and metrics.
    private static func confine(
        _ arguments: WorkerArguments, _ log: Log, recordDirectory: Int32?
    ) -> ConfinementReport {
        var options = ConfinementOptions(expectedParent: arguments.supervisor)
        options.recordDirectory = recordDirectory
        options.strict = arguments.isStrict
        do throws(SandboxError) {
            let report = try Sandbox.of(arguments.role).confine(options)
            let missing = report.missing.map { "\($0.facility.name) (\($0.why))" }
            if !missing.isEmpty {
                log.warning(
                    "confined by \(report.enforced) of \(report.promised) facilities; missing: \(missing.joined(separator: ", "))"
                )
            }
            return report
        } catch {
            log.error("cannot confine this process: \(error)")
            exit(71)
        }
    }

    private struct Inherited {
        var generation: UInt64 = 0
        var configuration: [UInt8] = []
        var counters: Int32?
        var state: Int32?
        var segments: [SharedSegment] = []
        var ring: RingDescriptors?
        var rings: [RingDescriptors] = []
        var recordDirectory: RecordDirectory?
    }

    /// Reads control frames, waiting for each, until `begin`.
    private static func inherit(_ companion: DescriptorSocket) throws(LinkViolation) -> Inherited {
        var result = Inherited()
        var bytes: [UInt8] = []
        while true {
            guard let frame = try FrameReader.next(bytes.span, from: 0) else {
                readMore(&bytes)
                continue
            }
            let payload = Array(bytes[frame.payload])
            bytes.removeFirst(frame.payload.upperBound)
            switch frame.head.type {
            case .generation:
                let message = try GenerationMessage(decoding: payload.span)
                let descriptor = try companion.receive(message.ticket, count: 1)[0]
                defer { close(descriptor) }
                result.generation = message.number
                result.configuration = try SealedContent.read(descriptor)
            case .segment:
                let message = try SegmentMessage(decoding: payload.span)
                let descriptors = try companion.receive(message.ticket, count: message.use.descriptorCount)
                let descriptor = descriptors[0]
                switch message.use {
                case .ownCounters: result.counters = descriptor
                case .state:
                    guard result.state == nil else { throw .notPermitted }
                    result.state = descriptor
                case .counters, .processTable:
                    guard let role = Role(rawValue: message.role) else { throw .badPayload }
                    result.segments.append(
                        SharedSegment(use: message.use, role: role, index: message.index, descriptor: descriptor))
                case .ring, .ringReader:
                    guard let role = Role(rawValue: message.role), role.keepsRecords else { throw .badPayload }
                    let ring = RingDescriptors(
                        role: role, index: message.index, data: descriptor, progress: descriptors[1],
                        bell: descriptors[2])
                    if message.use == .ringReader {
                        result.rings.append(ring)
                    } else {
                        guard result.ring == nil else { throw .notPermitted }
                        result.ring = ring
                    }
                case .recordDirectory:
                    guard result.recordDirectory == nil else { throw .notPermitted }
                    result.recordDirectory = RecordDirectory(descriptor: descriptor, lock: descriptors[1])
                }
            case .begin:
                guard bytes.isEmpty else { throw .notPermitted }
                return result
            default:
                throw .notPermitted
            }
        }
    }

    private static func readMore(_ bytes: inout [UInt8]) {
        var watched = pollfd(fd: controlDescriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&watched, 1, -1)
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(controlDescriptor, &chunk, chunk.count)
        if count > 0 {
            bytes.append(contentsOf: chunk[..<count])
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            exit(0)  // the supervisor is gone
        }
    }
}
