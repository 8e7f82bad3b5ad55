import Link
import Roles

/// A segment that a worker gets at its start.
struct HandedSegment: Equatable, Sendable {
    let use: SegmentUse
    /// Whose it is.
    let owner: Topology.WorkerID
    let descriptor: Int32

    /// The frame's payload.
    func message(_ ticket: DescriptorTicket) -> [UInt8] {
        SegmentMessage(use: use, role: owner.role.rawValue, index: owner.index, ticket: ticket).encode()
    }

    /// Everything that `worker` gets, at each of its starts: what it writes is its own, what is others' it can only read.
    static func all(for worker: WorkerProcess, among all: [WorkerProcess], processTable: Int32) -> [HandedSegment] {
        var result = [HandedSegment(use: .ownCounters, owner: worker.id, descriptor: worker.counters.writable)]
        if let state = worker.sessionState {
            result.append(HandedSegment(use: .state, owner: worker.id, descriptor: state))
        }
        if worker.id.role == .console {
            result += all.map { HandedSegment(use: .counters, owner: $0.id, descriptor: $0.counters.readOnly) }
            let supervisor = Topology.WorkerID(role: .supervisor, index: 0)
            result.append(HandedSegment(use: .processTable, owner: supervisor, descriptor: processTable))
        }
        return result
    }
}
