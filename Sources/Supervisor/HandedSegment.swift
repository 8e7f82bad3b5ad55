import Link
import Roles

/// A segment that a worker gets at its start.
struct HandedSegment: Equatable, Sendable {
    let use: SegmentUse
    /// Whose it is.
    let owner: Topology.WorkerID
    let descriptors: [Int32]

    /// The segment itself, where there is one descriptor.
    var descriptor: Int32 { descriptors[0] }

    init(use: SegmentUse, owner: Topology.WorkerID, descriptors: [Int32]) {
        self.use = use
        self.owner = owner
        self.descriptors = descriptors
    }

    init(use: SegmentUse, owner: Topology.WorkerID, descriptor: Int32) {
        self.init(use: use, owner: owner, descriptors: [descriptor])
    }

    /// The frame's payload.
    func message(_ ticket: DescriptorTicket) -> [UInt8] {
        SegmentMessage(use: use, role: owner.role.rawValue, index: owner.index, ticket: ticket).encode()
    }

    /// Everything that `worker` gets, at each of its starts: what it writes is its own, what is others' it can only read.
    static func all(
        for worker: WorkerProcess, among all: [WorkerProcess], processTable: Int32, records: RecordPlace? = nil
    ) -> [HandedSegment] {
        var result = [HandedSegment(use: .ownCounters, owner: worker.id, descriptor: worker.counters.writable)]
        if let state = worker.sessionState {
            result.append(HandedSegment(use: .state, owner: worker.id, descriptor: state))
        }
        if let ring = worker.ring {
            result.append(
                HandedSegment(
                    use: .ring, owner: worker.id,
                    descriptors: [ring.data.writable, ring.progress.readOnly, ring.bell.producer]))
        }
        if worker.id.role == .recorder {
            for producer in all {
                guard let ring = producer.ring else { continue }
                result.append(
                    HandedSegment(
                        use: .ringReader, owner: producer.id,
                        descriptors: [ring.data.readOnly, ring.progress.writable, ring.bell.recorder]))
            }
            if let records {
                result.append(
                    HandedSegment(
                        use: .recordDirectory, owner: worker.id, descriptors: [records.directory, records.lock]))
            }
        }
        if worker.id.role == .console {
            result += all.map { HandedSegment(use: .counters, owner: $0.id, descriptor: $0.counters.readOnly) }
            let supervisor = Topology.WorkerID(role: .supervisor, index: 0)
            result.append(HandedSegment(use: .processTable, owner: supervisor, descriptor: processTable))
        }
        return result
    }
}
