import Configuration
import Crypto
import HTTP1
import Identity
import Link

/// A generator whose numbers are the same in every run.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// A head that was read from bytes of its own.
struct ReadHead: ~Copyable {
    var parser = RequestParser()
    let bytes: [UInt8]

    init(_ fields: [String]) throws {
        try self.init(
            bytes: Array((["POST /mcp HTTP/1.1", "Host: h"] + fields + ["", ""]).joined(separator: "\r\n").utf8))
    }

    init(bytes: [UInt8]) throws {
        self.bytes = bytes
        guard try parser.parseHead(bytes.span) else { throw Incomplete() }
    }

    private struct Incomplete: Error {}
}

/// The configuration's entry for a key.
func entry(
    _ name: String, _ key: String, roles: [String] = [], tenant: String = "", labels: [Authentication.Label] = [],
    expiry: UInt64 = 0
) throws -> Authentication.APIKey {
    var digest: [UInt8] = []
    let bytes = Array(key.utf8)
    try SHA256(try CryptoLibrary.load()).digest(of: bytes.span).append(to: &digest)
    return Authentication.APIKey(
        name: name, digest: digest, roles: roles, tenant: tenant, labels: labels, expiry: expiry)
}

func authenticator(
    _ keys: [Authentication.APIKey], isRequired: Bool = true, labelClaims: [String] = []
) throws -> Authenticator {
    try Authenticator(try CryptoLibrary.load(), isRequired: isRequired, keys: keys, labelClaims: labelClaims)
}

extension Authenticator {
    func identity(_ fields: [String], now: UInt64 = 1) throws -> Identity {
        let head = try ReadHead(fields)
        return try identity(head.parser.head, head.bytes.span, now: now)
    }

    /// Why a request with these fields is not served; nil if it is.
    func failure(_ fields: [String], now: UInt64 = 1) throws -> Failure? {
        do {
            _ = try identity(fields, now: now)
            return nil
        } catch let failure as Failure {
            return failure
        }
    }
}
