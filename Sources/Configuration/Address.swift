import Glibc

/// Where to listen: a numeric address and a port. Names are not resolved; the supervisor never asks a name service.
public struct ListenAddress: Equatable, Sendable, CustomStringConvertible {
    /// A numeric IPv4 or IPv6 address.
    public let host: String
    /// The port; 0 lets the kernel choose.
    public let port: UInt16

    /// An address.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The address as written in options: IPv6 in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this host can reach it.
    public var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" }

    /// Whether only this host can reach a socket, from its own address as text: `HOST:PORT`, or `unix:PATH`.
    public static func isLocal(bound address: String) -> Bool {
        ["127.", "[::1]:", "unix:"].contains { address.hasPrefix($0) }
    }

    /// Reads `HOST:PORT`, `[IPv6]:PORT`, `localhost:PORT`, or `:PORT` with `emptyHost` in place of the host.
    /// - Throws: `ConfigurationError` naming `source`.
    public init(parsing text: String, emptyHost: String, source: String) throws(ConfigurationError) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ConfigurationError(source, "'\(text)' has no port; write HOST:PORT, for example 127.0.0.1:9090")
        }
        var host = String(text[..<colon])
        let digits = text[text.index(after: colon)...]
        guard let port = parsePort(digits) else {
            throw ConfigurationError(source, "'\(text)': '\(digits)' is not a port from 0 to 65535")
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard isIPv6(host) else {
                throw ConfigurationError(source, "'\(text)' has brackets but no IPv6 address inside")
            }
        } else if host.contains(":") {
            throw ConfigurationError(source, "'\(text)': an IPv6 address stands in brackets, for example [::1]:9090")
        }
        if host.isEmpty { host = emptyHost }
        if host == "localhost" { host = "127.0.0.1" }
        guard isIPv4(host) || isIPv6(host) else {
            throw ConfigurationError(
                source,
                "'\(host)' is not a numeric address; names are not resolved for listeners, write for example 127.0.0.1")
        }
        self.init(host: host, port: port)
    }
}

/// The MCP endpoint of a remote server. Nothing is ever appended to it (DESIGN 7).
public struct UpstreamURL: Equatable, Sendable, CustomStringConvertible {
    /// Name or numeric address, without brackets.
    public let host: String
    /// The TCP port.
    public let port: UInt16
    /// Path and query as sent in the request line.
    public let target: String

    /// The longest target in bytes: more than a request line holds (RFC 9112, 3), less than a generation's field.
    static let maximumTarget = 8192

    /// The URL as text.
    public var description: String { "http://\(authority)\(target)" }

    /// The value of the Host header: the port is left out when it is the scheme's own.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == 80 ? name : "\(name):\(port)"
    }

    /// Reads an upstream URL.
    /// - Throws: `ConfigurationError` naming `source`.
    public init(parsing text: String, source: String) throws(ConfigurationError) {
        guard let schemeEnd = text.firstRange(of: "://") else {
            throw ConfigurationError(source, "'\(text)' is not a URL; write for example http://127.0.0.1:8080/mcp")
        }
        let scheme = text[..<schemeEnd.lowerBound].lowercased()
        guard scheme == "http" else {
            let hint =
                scheme == "https" ? "https upstreams are not supported yet" : "the scheme '\(scheme)' is not supported"
            throw ConfigurationError(source, "\(hint); write an http:// URL")
        }
        let rest = text[schemeEnd.upperBound...]
        let authorityEnd = rest.firstIndex(where: { $0 == "/" || $0 == "?" || $0 == "#" }) ?? rest.endIndex
        let authority = rest[..<authorityEnd]
        var target = String(rest[authorityEnd...])
        guard !target.contains("#") else { throw ConfigurationError(source, "'\(text)' has a fragment; remove '#...'") }
        guard !authority.contains("@") else {
            throw ConfigurationError(
                source, "the URL holds a user name or password; credentials do not belong in a URL")
        }
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw ConfigurationError(source, "'\(text)' holds characters that a URL must escape")
        }
        if !target.hasPrefix("/") { target = "/" + target }
        guard target.utf8.count <= UpstreamURL.maximumTarget else {
            throw ConfigurationError(
                source, "the URL's path and query have more than \(UpstreamURL.maximumTarget) bytes; shorten them")
        }
        self.target = target
        (host, port) = try UpstreamURL.splitAuthority(authority, text, source)
    }

    private static func splitAuthority(
        _ authority: Substring, _ text: String, _ source: String
    ) throws(ConfigurationError) -> (String, UInt16) {
        var host = authority
        var port: UInt16 = 80
        let portColon =
            authority.hasPrefix("[")
            ? authority.firstIndex(of: "]").map { authority.index(after: $0) } : authority.firstIndex(of: ":")
        if let colon = portColon, colon < authority.endIndex {
            guard authority[colon] == ":", let number = parsePort(authority[authority.index(after: colon)...]),
                number > 0
            else { throw ConfigurationError(source, "'\(text)' has no valid port") }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard isIPv6(String(host)) else {
                throw ConfigurationError(source, "'\(host)' is not an IPv6 address")
            }
        } else {
            guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(isHostByte) else {
                throw ConfigurationError(source, "'\(text)' has no valid host")
            }
        }
        return (String(host), port)
    }
}

private func parsePort(_ digits: Substring) -> UInt16? {
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt16(digits)
}

private func isIPv4(_ text: String) -> Bool { isNumeric(text, AF_INET) }

private func isIPv6(_ text: String) -> Bool { isNumeric(text, AF_INET6) }

/// Whether the text is a numeric address as inet_pton(3) reads it: what passes here can be bound or connected to as it stands.
private func isNumeric(_ text: String, _ family: Int32) -> Bool {
    guard !text.utf8.contains(0) else { return false }  // C would end the text there
    var address = in6_addr()  // room for either family
    return unsafe inet_pton(family, text, &address) == 1
}

private func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
    default: false
    }
}
