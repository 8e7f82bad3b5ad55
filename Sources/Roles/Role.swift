/// The role of one process (DESIGN 2 and 3). The raw value stands in frames and segments and never changes its meaning.
public enum Role: UInt8, CaseIterable, Sendable, Hashable {
    /// Reads configuration, owns sockets and shared memory, starts and restarts the workers.
    case supervisor = 0
    /// Talks to clients.
    case ingress = 1
    /// The inspection chain of one upstream.
    case route = 2
    /// Resolves names and opens outgoing connections.
    case dialer = 3
    /// Starts and confines one stdio server.
    case launcher = 4
    /// Writes the audit log and the journal; holds the signing key.
    case recorder = 5
    /// Serves health, metrics and the management API.
    case console = 6

    /// The word for the role in logs, command lines and metrics.
    public var name: String {
        switch self {
        case .supervisor: "supervisor"
        case .ingress: "ingress"
        case .route: "route"
        case .dialer: "dialer"
        case .launcher: "launcher"
        case .recorder: "recorder"
        case .console: "console"
        }
    }

    /// The role with this name, if there is one.
    public init?(name: String) {
        guard let role = Role.allCases.first(where: { $0.name == name }) else { return nil }
        self = role
    }
}
