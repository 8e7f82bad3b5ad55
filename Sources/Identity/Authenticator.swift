import Configuration
import Crypto
import HTTP1
import Link

/// Tells who sends a request, from its head alone (DESIGN 9).
public final class Authenticator {
    /// Why a request is not served.
    public enum Failure: Error, Equatable, Sendable {
        /// It shows no credential and there is no anonymous use.
        case credentialMissing
        /// It shows one that is not valid, or not any more. Which of these is not told.
        case credentialInvalid
        /// It shows more than one.
        case credentialAmbiguous
        /// Its labels cannot be read.
        case labels(LabelClaims.Fault)
    }

    private let isRequired: Bool
    private let keys: KeyRing
    private var claims: LabelClaims

    /// Serves whoever shows one of the keys and, unless `isRequired` is set, whoever shows none.
    /// - Throws: what `KeyRing` throws.
    public init(
        _ library: CryptoLibrary, isRequired: Bool, keys: [Authentication.APIKey], labelClaims: [String]
    ) throws {
        self.isRequired = isRequired
        self.keys = try KeyRing(library, keys)
        claims = LabelClaims(names: labelClaims)
    }

    /// Who sends the request with this head, which was read from `bytes`, at a time in seconds since 1970 UTC.
    /// - Throws: `Failure`.
    public func identity(
        _ head: borrowing RequestHead, _ bytes: Span<UInt8>, now: UInt64
    ) throws(Failure) -> Identity {
        let base = try base(head, bytes, now: now)
        do throws(LabelClaims.Fault) {
            return try claims.identity(base, head, bytes)
        } catch {
            throw .labels(error)
        }
    }

    /// Whether somebody whom `former` let in could come in now, with the same credential, at a time in seconds since 1970 UTC: what streams
    /// that were opened under an earlier generation depend on.
    public func stillServes(_ identity: Identity, of former: Authenticator, _ now: UInt64) -> Bool {
        switch identity.method {
        case .anonymous: !isRequired
        case .apiKey: keys.keeps(identity, of: former.keys, now: now)
        // Nobody checks such credentials here.
        case .jwt, .oauth, .certificate, .peer: false
        }
    }

    private func base(
        _ head: borrowing RequestHead, _ bytes: Span<UInt8>, now: UInt64
    ) throws(Failure) -> Identity {
        // Where nobody is asked, what clients show to everyone means nothing.
        if !isRequired && keys.isEmpty { return .anonymous }
        switch Credential(head, bytes) {
        case .none:
            guard !isRequired else { throw .credentialMissing }
            return .anonymous
        case .ambiguous: throw .credentialAmbiguous
        case .unusable: throw .credentialInvalid
        case .key(let range):
            // A wrong key is refused even where none is needed: its owner believes to be somebody.
            guard let identity = keys.identity(of: bytes.extracting(range)), !identity.isExpired(now) else {
                throw .credentialInvalid
            }
            return identity
        }
    }
}
