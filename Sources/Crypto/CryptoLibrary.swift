import CCrypto
import Synchronization

/// Why something cryptographic could not be done. A forged or damaged message is not an error but an answer.
public enum CryptoError: Error, Equatable, Sendable {
    /// The host's libcrypto is absent or lacks what is needed; the text says what.
    case unavailable(String)
    /// A key of another length than the algorithm's; the length given, in bytes.
    case keyLength(Int)
    /// The library refused or had no memory; the text says what was tried.
    case failed(String)
}

/// The host's libcrypto, opened and ready. Whoever holds one may use the types of this module.
public final class CryptoLibrary: Sendable {
    /// What the library says it is, for example `OpenSSL 3.0.22 25 Aug 2026`.
    public let version: String

    private static let loaded = Mutex<CryptoLibrary?>(nil)

    /// Opens the library, or returns the one that is open.
    ///
    /// Called in a worker's warm-up, before it confines itself: this reads files. Every kind of operation is done once, a failing one included, so that
    /// none later meets something the library sets up at first use; afterwards only memory and random numbers are asked of the kernel.
    /// - Throws: `CryptoError` if the library is absent, too old, or does not work.
    public static func load() throws(CryptoError) -> CryptoLibrary {
        try loaded.withLock { held throws(CryptoError) in
            if let held { return held }
            if let problem = unsafe cc_load() { throw .unavailable(unsafe String(cString: problem)) }
            let library = unsafe CryptoLibrary(version: String(cString: cc_version()))
            try library.warmUp()
            held = library
            return library
        }
    }

    private init(version: String) { self.version = version }

    private func warmUp() throws(CryptoError) {
        var key: [UInt8] = []
        SecureRandom.append(SealingKey.length, to: &key)
        defer { wipe(&key) }
        let sealing = try SealingKey(self, key: key.span)
        var sealed: [UInt8] = []
        var opened: [UInt8] = []
        try sealing.seal(key.span, context: Span(), to: &sealed)
        guard sealing.open(sealed.span, context: Span(), to: &opened), opened == key else {
            throw .failed("open what was just sealed")
        }
        wipe(&opened)
        sealed[sealed.count - 1] ^= 1
        guard !sealing.open(sealed.span, context: Span(), to: &opened) else {
            throw .failed("refuse what was just changed")
        }
        _ = try HMACSHA256(self, key: key.span).code(of: sealed.span)
        _ = try SHA256(self).digest(of: sealed.span)
        let signing = try SignatureKey(self, secret: key.span)
        let publicKey = signing.publicKey
        let verifying = try VerificationKey(self, publicKey: publicKey.span)
        let signature = try signing.sign(sealed.span)
        guard verifying.verifies(signature.span, of: sealed.span) else {
            throw .failed("verify what was just signed")
        }
    }
}
