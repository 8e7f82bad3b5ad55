import MCP

/// The names under which a listener may be addressed. A page of a foreign site that resolves its name to a loopback address still sends its own
/// name in Host and Origin (DNS rebinding), so these are checked before anything else (MCP Streamable HTTP, Security).
struct OwnNames: Sendable {
    private let names: [String]
    /// Where the listener is bound.
    let address: String
    /// Host values as nearly every client writes them, to be compared before anything is taken apart.
    private let usual: [[UInt8]]

    /// The names of the listener at `address` (`HOST:PORT`).
    init(address: String) {
        self.address = address
        let colon = address.lastIndex(of: ":") ?? address.endIndex
        let host = String(address[..<colon])
        // A page cannot reach a Unix socket; programs that can say localhost.
        let isUnix = address.hasPrefix("unix:")
        let isLoopback = host.hasPrefix("127.") || host == "[::1]" || isUnix
        names = (isLoopback ? ["localhost", "127.0.0.1", "[::1]"] : []) + (isUnix ? [] : [host])
        usual = isUnix ? [Array("localhost".utf8)] : names.map { Array(($0 + address[colon...]).utf8) }
    }

    /// Whether a Host value names this listener.
    func accepts(host: Span<UInt8>) -> Bool {
        for value in usual where host.isEqual(to: value.span) { return true }
        return accepts(host: host.text)
    }

    /// Whether a Host value names this listener; the port does not matter, since a page cannot choose what it has reached.
    func accepts(host: String) -> Bool {
        let name: Substring
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return false }
            name = host[...end]
        } else {
            name = host[..<(host.firstIndex(of: ":") ?? host.endIndex)]
        }
        let rest = host[name.endIndex...]
        guard rest.isEmpty || (rest.first == ":" && rest.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }) else {
            return false
        }
        return names.contains(name.lowercased())
    }

    /// Whether an Origin value is one of this listener's own.
    func accepts(origin: String) -> Bool {
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            return accepts(host: String(origin.dropFirst(scheme.count)))
        }
        return false
    }
}
