import Configuration
import Crypto
import Link

/// The static keys of a generation, by digest, each with the identity of whoever shows it, made once.
public final class KeyRing {
    /// Why keys cannot be served.
    public enum Fault: Error, Equatable, Sendable {
        /// A digest is not a SHA-256.
        case digestLength
        /// A key has no name: its subject would be nobody's.
        case unnamed
        /// Two names for one key.
        case sharedKey(String, String)
    }

    private let hash: SHA256
    private let digests: [SIMD4<UInt64>]
    private let identities: [Identity]
    /// Where the keys of each owner are.
    private let positions: [Owner: [Int]]

    /// Whose a key is; one may have several.
    private struct Owner: Hashable {
        let name: String
        let tenant: String
    }

    /// Keeps keys.
    /// - Throws: `KeyRing.Fault` for keys that name nobody for certain, `CryptoError` if the library refuses.
    public init(_ library: CryptoLibrary, _ keys: [Authentication.APIKey]) throws {
        hash = try SHA256(library)
        var names: [[UInt8]: String] = [:]
        for key in keys {
            guard key.digest.count == Authentication.APIKey.digestLength else { throw Fault.digestLength }
            guard !key.name.isEmpty else { throw Fault.unnamed }
            if let other = names.updateValue(key.name, forKey: key.digest) { throw Fault.sharedKey(other, key.name) }
        }
        digests = keys.map { key in KeyRing.words { key.digest[$0] } }
        identities = keys.map { key in
            Identity(
                subject: key.name, method: .apiKey, roles: key.roles, tenant: key.tenant,
                labels: key.labels.map { Identity.Label(name: $0.name, value: $0.value) }, expiry: key.expiry)
        }
        positions = Dictionary(grouping: keys.indices) { Owner(name: keys[$0].name, tenant: keys[$0].tenant) }
    }

    /// Whether there are none.
    public var isEmpty: Bool { digests.isEmpty }

    /// Whose key this is; nil if it is nobody's. Takes the same time whichever key it is like: digests are compared, all of them, each as a whole.
    public func identity(of key: Span<UInt8>) -> Identity? {
        guard let shown = try? hash.digest(of: key) else { return nil }
        let words = KeyRing.words { shown.bytes[$0] }
        // One more than the position of the key; 0 while none is found.
        var found: UInt64 = 0
        for index in digests.indices {
            let difference = digests[index] ^ words
            let rest = difference[0] | difference[1] | difference[2] | difference[3]
            // All bits if nothing differs, else none; without a branch.
            let mask = ((rest | (0 &- rest)) &>> 63) &- 1
            found |= mask & UInt64(truncatingIfNeeded: index + 1)
        }
        return found == 0 ? nil : identities[Int(found) - 1]
    }

    /// Whether all keys that somebody had in an earlier ring are his here too, and none is over: which of them he showed, nobody knows any more.
    func keeps(_ identity: Identity, of former: KeyRing, now: UInt64) -> Bool {
        let owner = Owner(name: identity.subject, tenant: identity.tenant)
        guard let before = former.positions[owner], let here = positions[owner] else { return false }
        return before.allSatisfy { old in
            here.contains { digests[$0] == former.digests[old] && !identities[$0].isExpired(now) }
        }
    }

    private static func words(_ byte: (Int) -> UInt8) -> SIMD4<UInt64> {
        var words = SIMD4<UInt64>.zero
        for index in 0..<32 { words[index / 8] |= UInt64(byte(index)) << UInt64(index % 8 * 8) }
        return words
    }
}
