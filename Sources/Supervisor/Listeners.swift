import CKernel
import Configuration
import Glibc

/// A listening socket of the daemon. The supervisor keeps it for its whole life; workers get duplicates.
struct Listener {
    /// What is served on it.
    enum Use: String, CaseIterable {
        /// Clients of the gateway.
        case mcp
        /// Health and metrics.
        case metrics
        /// `mcpgw status` and its kin.
        case control
    }

    let use: Use
    /// The bound address as text.
    let address: String
    let descriptor: Int32

    /// The listener, listening again, if whoever had a duplicate has shut it; nil if it listens.
    ///
    /// Workers cannot shut it (their sandbox refuses); this mends what was done in another way. A TCP socket that was bound to port 0 gets another port. A Unix
    /// socket that was shut can never be used again, and says that it listens all the same.
    /// - Throws: `StartError` if the kernel refuses.
    func listeningAgain() throws(StartError) -> Listener? {
        guard !ck_is_listening(descriptor) else { return nil }
        guard listen(descriptor, Listeners.backlog) == 0 else { throw StartError("cannot listen again", code: errno) }
        return Listener(use: use, address: try Listeners.boundAddress(descriptor), descriptor: descriptor)
    }
}

/// Binds the daemon's listening sockets, or takes them from the service manager (sd_listen_fds(3)).
enum Listeners {
    fileprivate static let backlog: Int32 = 1024

    /// The sockets passed by the service manager, by use; empty if none were. Removes the variables, so that nothing inherits them.
    /// - Parameter first: the first descriptor passed; a test, whose process is not its own alone, has others.
    /// - Throws: `StartError` if the variables are malformed or a descriptor is not a listening stream socket.
    static func takePassed(first: Int32 = 3) throws(StartError) -> [Listener] {
        defer {
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
        }
        guard let countText = environment("LISTEN_FDS") else { return [] }
        if let pid = environment("LISTEN_PID"), Int32(pid) != getpid() { return [] }
        guard let count = Int32(countText), (1...16).contains(count) else {
            throw StartError("LISTEN_FDS='\(countText)' is not a number of sockets from 1 to 16")
        }
        let names = environment("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        if let names, names.count != Int(count) {
            throw StartError("LISTEN_FDNAMES has \(names.count) names for LISTEN_FDS=\(count) sockets")
        }
        var result: [Listener] = []
        for offset in 0..<count {
            let descriptor = first + offset
            let name = names?[Int(offset)] ?? "unknown"
            // A single unnamed socket is the one clients connect to.
            guard
                let use = Listener.Use(rawValue: name) ?? (count == 1 && ["unknown", ""].contains(name) ? .mcp : nil),
                use != .control
            else {
                throw StartError("LISTEN_FDNAMES names socket \(descriptor) '\(name)'; known names are mcp and metrics")
            }
            guard ck_is_listening(descriptor) else {
                throw StartError(
                    "LISTEN_FDS passes descriptor \(descriptor) ('\(name)'), which is not a listening stream socket")
            }
            guard !result.contains(where: { $0.use == use }) else {
                throw StartError("LISTEN_FDNAMES names two sockets '\(name)'")
            }
            _ = ck_set_nonblocking(descriptor)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            let address = try boundAddress(descriptor)
            result.append(Listener(use: use, address: address, descriptor: descriptor))
        }
        return result
    }

    /// Sockets that other hosts can reach are served only to whoever shows a credential, whoever bound them: what a service manager passes is held
    /// to the rules that `listen` and `metrics.addr` have (DESIGN 9, 11).
    /// - Throws: `StartError` naming the first that anybody could use.
    static func refuseOpen(_ listeners: [Listener], _ configuration: Configuration) throws(StartError) {
        for listener in listeners where !ListenAddress.isLocal(bound: listener.address) {
            let missing: String? =
                switch listener.use {
                case .mcp: configuration.authentication.isRequired ? nil : "auth.api_keys"
                case .metrics: configuration.metricsKeyDigest == nil ? "metrics.api_key" : nil
                case .control: "a path"
                }
            guard let missing else { continue }
            throw StartError(
                "the socket '\(listener.use.rawValue)' on \(listener.address) can be reached from other hosts, and nobody is asked for a"
                    + " credential; add \(missing), or let it listen on 127.0.0.1, [::1] or a path (ListenStream= in the socket unit)"
            )
        }
    }

    /// Binds a TCP listener.
    /// - Throws: `StartError` naming the address.
    static func bind(_ use: Listener.Use, _ address: ListenAddress, option: String) throws(StartError) -> Listener {
        let descriptor = unsafe ck_listen_tcp(address.host, address.port, backlog)
        guard descriptor >= 0 else {
            let hints: [Int32: String] = [
                EADDRINUSE: "stop what uses it (ss -ltnp shows it) or choose another address with \(option)",
                EADDRNOTAVAIL: "no interface of this host has that address; choose one with \(option)",
                EACCES: "ports below 1024 need privilege or a systemd socket unit; choose another with \(option)",
            ]
            throw StartError("cannot listen on \(address) (\(option))", code: -descriptor, hint: hints[-descriptor])
        }
        return Listener(use: use, address: try boundAddress(descriptor), descriptor: descriptor)
    }

    /// Binds the control socket in the runtime directory, for the owner alone.
    /// - Throws: `StartError` naming the path.
    static func bindControl(path: String) throws(StartError) -> Listener {
        let descriptor = unsafe ck_listen_unix(path, 0o600, 64)
        guard descriptor >= 0 else { throw StartError("cannot bind the control socket \(path)", code: -descriptor) }
        return Listener(use: .control, address: "unix:\(path)", descriptor: descriptor)
    }

    fileprivate static func boundAddress(_ descriptor: Int32) throws(StartError) -> String {
        var text = [CChar](repeating: 0, count: 128)
        var port: UInt16 = 0
        let family = unsafe ck_local_address(descriptor, &text, text.count, &port)
        guard family >= 0 else {
            throw StartError("cannot read the address of descriptor \(descriptor)", code: -family)
        }
        let host = String(decoding: text.prefix(while: { $0 != 0 }).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if family == AF_UNIX { return "unix:\(host)" }
        return ListenAddress(host: host, port: port).description
    }

    private static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
