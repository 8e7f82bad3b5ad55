import Crypto
import HTTP1
import Identity

/// How a client reached the console.
enum ConsoleAccess {
    /// By the control socket: the kernel tells who asks.
    case control
    /// By a listener that only this host reaches.
    case local
    /// By a listener that other hosts reach.
    case remote
}

/// What may be seen without `metrics.api_key`, and whether a request shows it (DESIGN 11).
struct ConsoleGate {
    /// What a request shows of the key.
    enum Key: Equatable {
        /// There is no key to show.
        case unset
        /// None, a wrong one, or more than one.
        case wrong
        /// The key.
        case right
    }

    private let hash: SHA256

    init(_ library: CryptoLibrary) throws(CryptoError) { hash = try SHA256(library) }

    /// Compares what the head read from `bytes` shows with the SHA-256 of the key. The time depends on neither.
    func check(_ head: borrowing RequestHead, _ bytes: Span<UInt8>, against digest: [UInt8]?) -> Key {
        guard let digest else { return .unset }
        guard case .key(let range) = Credential(head, bytes), let shown = try? hash.digest(of: bytes.extracting(range))
        else { return .wrong }
        var bytes: [UInt8] = []
        shown.append(to: &bytes)
        return equalInConstantTime(bytes.span, digest.span) ? .right : .wrong
    }

    /// Health and metrics are open to this host. For the rest, and for everything beyond this host, the key is asked for; where other hosts reach
    /// a listener and no key is set, nobody is served.
    static func admits(_ path: String, _ access: ConsoleAccess, _ key: Key) -> Bool {
        switch (access, key) {
        case (.control, _), (_, .right), (.local, .unset): true
        case (.local, .wrong): ["/healthz", "/readyz", "/metrics"].contains(path)
        case (.remote, .unset), (.remote, .wrong): false
        }
    }
}

extension Answer {
    /// The key is missing or wrong; which of these is not told.
    static let unauthenticated = Answer(
        status: 401, body: "show the key of metrics.api_key as X-API-Key or Authorization: Bearer\n",
        field: "WWW-Authenticate: Bearer realm=\"mcpgw\"")
}
