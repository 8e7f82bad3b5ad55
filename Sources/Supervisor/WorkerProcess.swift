import CKernel
import Glibc
import Link
import PollLoop
import Roles
import Segment
import Sessions
import Telemetry

/// What the supervisor knows and holds of one worker. The supervisor's methods act on it; nothing here decides.
final class WorkerProcess {
    let id: Topology.WorkerID
    let name: String
    let stage: Int
    /// The writable and the read-only descriptor of the worker's counters; they outlive every process of this worker.
    let counters: (writable: Int32, readOnly: Int32)
    /// The writable descriptor of an ingress's or route's sessions, which nobody else gets; it outlives every process of this worker.
    let sessionState: Int32?
    /// The record ring of an ingress or a route.
    let ring: WorkerRing?

    var state: WorkerState = .idle
    var history: CrashHistory
    var pid: pid_t = 0
    var control: FrameConnection?
    var descriptors: DescriptorSocket?
    /// The running limit or wait: start, restart or stop.
    var timer: PollLoop.Timer?
    var starts: UInt64 = 0
    var lastExit = ""
    /// Why the supervisor killed the process, for `lastExit`.
    var killReason: String?
    var confinement: [UInt8] = []
    var pingsSent: UInt64 = 0
    /// The newest ping that was answered.
    var lastPong: UInt64 = 0
    /// When the oldest ping without an answer was sent; nil if all are answered. Monotonic nanoseconds.
    var silentSince: UInt64?
    /// How many reports about links its process may still make: one for each that it was given.
    var reportsLeft = 0
    /// The answers about generations that its process owes.
    var owed = OwedAnswers()
    /// Whether it was ever ready: before that, a crash loop ends the daemon's start.
    var wasReady = false

    /// `sessionFloor`: sessions begun by then, in seconds since 1970 UTC, and not in the ingress's table are over.
    init(_ worker: Topology.Worker, history: CrashHistory, sessionFloor: UInt64) throws(StartError) {
        id = worker.id
        name = worker.name
        stage = worker.stage
        self.history = history
        do throws(SegmentError) {
            let writable = try CounterSegment.create()
            let readOnly = ck_reopen_read_only(writable)
            guard readOnly >= 0 else { throw SegmentError(action: "reopen a segment", code: -readOnly) }
            counters = (writable, readOnly)
            ring = [.ingress, .route].contains(id.role) ? try WorkerRing() : nil
            sessionState =
                switch id.role {
                case .ingress: try SessionTable.create(floor: sessionFloor)
                case .route: try UpstreamSessionTable.create()
                default: nil
                }
        } catch {
            throw StartError("cannot \(error.action) for \(worker.name)", code: error.code)
        }
    }

    /// The name in log lines.
    var label: String { id.role == .route ? "route/\(name)" : id.role.name }

    /// Sends a control frame with descriptors; the frame is made from their ticket.
    /// - Returns: false if the worker takes no more, which its pings will show too.
    func send(_ type: FrameType, descriptors passed: [Int32], _ payload: (DescriptorTicket) -> [UInt8]) -> Bool {
        guard let control, let descriptors, let ticket = descriptors.send(passed) else { return false }
        control.send(type, payload(ticket))
        return true
    }

    /// Closes what joins the supervisor to the process.
    func disconnect() {
        control?.cancel()
        control = nil
        descriptors = nil
    }

    /// The state shown to users.
    var shownState: ProcessTable.WorkerState {
        switch state {
        case .idle, .starting: .starting
        case .running: .running
        case .killing, .backoff: .backoff
        case .down: .down
        case .draining, .ending: .draining
        case .stopped: .stopped
        }
    }
}
