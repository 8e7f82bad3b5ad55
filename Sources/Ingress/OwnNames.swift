import MCP

/// The names under which a listener may be addressed. A page of a foreign site that resolves its name to a loopback address still sends its own
/// name in Host and Origin (DNS rebinding), so these are checked before anything else (MCP Streamable HTTP, Security).
struct OwnNames: Sendable {
    private let names: [String]
    /// Whether other hosts reach the listener. They may call it by any name, which it does not know; what keeps a foreign page out is the credential
    /// that every request must show there, and that no browser sends by itself. Its origin is refused all the same.
    private let isOpen: Bool
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
        isOpen = !isLoopback
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
        guard let name = OwnNames.name(in: host) else { return false }
        return isOpen ? OwnNames.isName(name) : names.contains(name.lowercased())
    }

    /// Host without its port; nil if what follows is none.
    private static func name(in host: String) -> Substring? {
        let name: Substring
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            name = host[...end]
        } else {
            name = host[..<(host.firstIndex(of: ":") ?? host.endIndex)]
        }
        let rest = host[name.endIndex...]
        guard rest.isEmpty || (rest.first == ":" && rest.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return name
    }

    /// Whether this looks like a host's name or an address.
    private static func isName(_ name: Substring) -> Bool {
        if name.first == "[" {
            return name.dropFirst().dropLast().utf8.allSatisfy { isHexadecimal($0) || $0 == 0x3A || $0 == 0x2E }
        }
        return !name.isEmpty
            && name.utf8.allSatisfy {
                isHexadecimal($0) || ($0 | 0x20) &- 0x67 < 20 || [0x2D, 0x2E, 0x5F].contains($0)
            }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6 }

    /// Whether an Origin value is one of this listener's own.
    func accepts(origin: String) -> Bool {
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            return OwnNames.name(in: String(origin.dropFirst(scheme.count))).map { names.contains($0.lowercased()) }
                ?? false
        }
        return false
    }
}
