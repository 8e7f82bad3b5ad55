import CKernel
import Configuration
import Glibc
import Link
import Roles
import Segment
import Telemetry

/// A segment of another process, handed over read-only before the worker was confined.
public struct SharedSegment {
    /// What it is for.
    public let use: SegmentUse
    /// The role whose segment it is.
    public let role: Role
    /// Which one of that role.
    public let index: UInt16
    /// The memfd; the worker's.
    public let descriptor: Int32
}

extension Role {
    /// Whether the role's workers have a segment of state that outlives them.
    var keepsState: Bool { self == .ingress || self == .route }
    /// Whether the role's workers have a record ring.
    public var keepsRecords: Bool { self == .ingress || self == .route }
}

/// A record ring's descriptors, at either end; the worker's.
public struct RingDescriptors: Sendable {
    /// Whose ring it is.
    public let role: Role
    /// Which one of that role.
    public let index: UInt16
    /// The segment that the producer writes.
    public let data: Int32
    /// The segment that the recorder writes.
    public let progress: Int32
    /// The socket on which either end wakes the other. It ends when the supervisor and the other end have.
    public let bell: Int32
}

/// The directory in which the recorder works.
public struct RecordDirectory: Sendable {
    /// The directory.
    public let descriptor: Int32
    /// Held for its lock.
    public let lock: Int32
}

/// What a worker knows and holds when its role begins.
public final class WorkerContext {
    /// Its role.
    public let role: Role
    /// Which one of its role.
    public let index: UInt16
    /// The role's name, or the route's.
    public let name: String
    /// The number of the generation it was started under.
    public let generation: UInt64
    /// Its part of that generation, encoded.
    public let configuration: [UInt8]
    /// Its counters.
    public let counters: Counters
    /// The segment in which an ingress or a route keeps its sessions; nil in other roles. Inherited from the worker's predecessors, and to be
    /// treated as hostile input. The role maps it and closes the descriptor.
    public let state: Int32?
    /// Segments of others.
    public let segments: [SharedSegment]
    /// The worker's own record ring; nil in roles that record nothing.
    public let ring: RingDescriptors?
    /// All record rings, for the recorder.
    public let rings: [RingDescriptors]
    /// Where the recorder writes; nil in other roles.
    public let recordDirectory: RecordDirectory?
    /// Its log.
    public let log: Log

    init(
        arguments: WorkerArguments, generation: UInt64, configuration: [UInt8], counters: Counters, state: Int32?,
        segments: [SharedSegment], ring: RingDescriptors?, rings: [RingDescriptors], recordDirectory: RecordDirectory?
    ) {
        role = arguments.role
        index = arguments.index
        name = arguments.name
        self.generation = generation
        self.configuration = configuration
        self.counters = counters
        self.state = state
        self.segments = segments
        self.ring = ring
        self.rings = rings
        self.recordDirectory = recordDirectory
        log = Log(role: role, name: role == .route ? name : nil)
    }

    /// The role's part of the generation.
    /// - Throws: `LinkViolation` if it is not what this role's type reads.
    public func decode<Generation: RoleGeneration>(_ type: Generation.Type) throws(LinkViolation) -> Generation {
        try Generation(decoding: configuration)
    }
}

/// A worker's command line: `mcpgw-ROLE worker ROLE INDEX NAME SUPERVISOR-PID default|strict`.
public struct WorkerArguments: Sendable {
    /// The role.
    public let role: Role
    /// Which one of the role.
    public let index: UInt16
    /// The role's name, or the route's.
    public let name: String
    /// The process that started it.
    public let supervisor: Int32
    /// Whether it refuses to work with less confinement than promised.
    public let isStrict: Bool

    /// Reads a process's arguments; nil if they do not start a worker.
    public init?(_ arguments: [String]) {
        guard arguments.count == 7, arguments[1] == "worker", let role = Role(name: arguments[2]), role != .supervisor,
            let index = UInt16(arguments[3]), let supervisor = Int32(arguments[5])
        else { return nil }
        isStrict = arguments[6] == "strict"
        self.role = role
        self.index = index
        name = arguments[4]
        self.supervisor = supervisor
    }
}

/// What the supervisor tells a worker while it works, and what every role does about it.
public protocol WorkerRole: AnyObject {
    /// A link to another worker; the first descriptor is its stream socket, the second (if any) its companion. They are the role's now.
    func attach(_ link: AttachMessage, descriptors: [Int32])
    /// A listening socket to accept on. The descriptor is the role's now.
    func serve(_ listener: ListenerMessage, descriptor: Int32)
    /// A route came up, or is down after a crash loop.
    func routeChanged(_ state: RouteStateMessage)
    /// Makes ready for generation `number`, of which `bytes` are the role's part: builds everything that may fail, and changes nothing.
    /// - Returns: what switches to it, and cannot fail. It is dropped if other workers cannot follow.
    /// - Throws: `GenerationRefusal`; then all workers stay with what they serve.
    func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void
    /// The prepared generation is not to be served: whatever `prepare` keeps of it is forgotten.
    func abandon(_ number: UInt64)
    /// No request comes any more that was admitted under this generation.
    func release(_ number: UInt64)
    /// What came of a reload that this role asked for.
    func reloadEnded(_ result: ReloadResultMessage)
    /// Take nothing new, finish what is in flight, then call `Supervision.finish`.
    func drain()
    /// The supervisor is gone.
    func supervisorLost()
}

extension WorkerRole {
    /// A role that has no links is never given one; what comes anyway is closed.
    public func attach(_ link: AttachMessage, descriptors: [Int32]) {
        for descriptor in descriptors { close(descriptor) }
    }
    /// A role that serves no listener is never given one; what comes anyway is closed.
    public func serve(_ listener: ListenerMessage, descriptor: Int32) { close(descriptor) }
    /// Most roles keep nothing of a generation that is not served.
    public func abandon(_ number: UInt64) {}
    /// Most roles keep nothing of earlier generations.
    public func release(_ number: UInt64) {}
    /// Most roles do not ask.
    public func reloadEnded(_ result: ReloadResultMessage) {}
    /// Everything but the recorder ends with it.
    public func supervisorLost() { exit(0) }
    /// Most roles do not care.
    public func routeChanged(_ state: RouteStateMessage) {}
}
