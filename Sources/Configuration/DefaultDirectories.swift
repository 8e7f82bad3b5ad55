/// The directories of a daemon where none is named (DESIGN 11): systemd's, else those of the XDG base directory specification.
public struct DefaultDirectories: Sendable {
    /// Where state goes.
    public struct State: Equatable, Sendable {
        /// The directory; nil if the environment names none.
        public let path: String?
        /// Whether somebody named it, so that doing without would be doing something else than asked.
        public let isNamed: Bool
    }

    private let variable: @Sendable (String) -> String?
    private let user: UInt32

    /// `variable` gives the value of an environment variable that is set and not empty; `user` is the process's effective user id.
    public init(user: UInt32, variable: @escaping @Sendable (String) -> String?) {
        self.user = user
        self.variable = variable
    }

    /// For state that outlives the process; `named` is the option's value, if given.
    public func state(named: String?) -> State {
        if let path = named ?? systemd("STATE_DIRECTORY") { return State(path: path, isNamed: true) }
        if user == 0 { return State(path: "/var/lib/mcpgw", isNamed: false) }
        let path = base("XDG_STATE_HOME") ?? base("HOME").map { $0 + "/.local/state" }
        return State(path: path.map { $0 + "/mcpgw" }, isNamed: false)
    }

    /// The file of the audit log where none is named; nil if the environment names no place. `state`: the state directory, if one was named.
    public func auditLog(state: String?) -> String? {
        if let path = systemd("LOGS_DIRECTORY") ?? state { return path + "/audit.jsonl" }
        if user == 0 { return "/var/log/mcpgw/audit.jsonl" }
        if let path = base("XDG_STATE_HOME") ?? base("HOME").map({ $0 + "/.local/state" }) {
            return path + "/mcpgw/audit.jsonl"
        }
        return nil
    }

    /// For sockets.
    public var runtime: String {
        if let directory = systemd("RUNTIME_DIRECTORY") { return directory }
        if let base = base("XDG_RUNTIME_DIR") { return base + "/mcpgw" }
        return user == 0 ? "/run/mcpgw" : "/tmp/mcpgw-\(user)"
    }

    /// A relative path is none: the specification says to ignore it.
    private func base(_ name: String) -> String? { variable(name).flatMap { $0.hasPrefix("/") ? $0 : nil } }

    /// The first directory systemd made for the unit (systemd.exec(5)).
    private func systemd(_ name: String) -> String? {
        variable(name).flatMap { $0.split(separator: ":").first.map(String.init) }
    }
}
