import Configuration
import Link
import Roles

/// Which workers there are, in which order they start, and which links join them. A pure value made from a configuration.
struct Topology: Equatable, Sendable {
    /// Names one worker.
    struct WorkerID: Hashable, Sendable {
        let role: Role
        let index: UInt16
    }

    /// One worker to run.
    struct Worker: Equatable, Sendable {
        let id: WorkerID
        /// The role's name, or the route's.
        let name: String
        /// Workers of one stage start together, when all of the stage before are ready. They stop in the reverse order.
        let stage: Int
    }

    /// One link to keep between two workers whenever both run.
    struct Link: Equatable, Sendable {
        let kind: LinkKind
        let opener: WorkerID
        let acceptor: WorkerID
    }

    let workers: [Worker]
    let links: [Link]

    /// The number of stages.
    var stageCount: Int { (workers.map(\.stage).max() ?? -1) + 1 }

    /// The recorder comes before everything it will record, the ingress after everything it needs.
    init(_ configuration: Configuration) {
        let routes = configuration.routes.indices.map { WorkerID(role: .route, index: UInt16($0)) }
        let ingress = WorkerID(role: .ingress, index: 0)
        let dialer = WorkerID(role: .dialer, index: 0)
        func single(_ role: Role, stage: Int) -> Worker {
            Worker(id: WorkerID(role: role, index: 0), name: role.name, stage: stage)
        }
        workers =
            [single(.recorder, stage: 0), single(.dialer, stage: 0), single(.launcher, stage: 0)]
            + zip(routes, configuration.routes).map { Worker(id: $0, name: $1.name, stage: 1) }
            + [single(.console, stage: 1), single(.ingress, stage: 2)]
        links =
            routes.map { Link(kind: .request, opener: ingress, acceptor: $0) }
            + routes.map { Link(kind: .dial, opener: $0, acceptor: dialer) }
    }
}
