import CCrypto

/// An Ed25519 key that signs (RFC 8032). One value serves one thread at a time; the secret is wiped with its last owner.
@safe public final class SignatureKey {
    /// Bytes of a secret, and of a public key.
    public static let length = Int(CC_KEY)
    /// Bytes of a signature.
    public static let signatureLength = Int(CC_SIGNATURE)

    /// Never null, and freed by `deinit` alone.
    private let handle: OpaquePointer
    /// The public key.
    public let publicKey: [UInt8]

    /// Copies a secret of `length` bytes.
    /// - Throws: `CryptoError.keyLength`, or `.failed` if the library refuses.
    public init(_ library: CryptoLibrary, secret: Span<UInt8>) throws(CryptoError) {
        guard secret.count == SignatureKey.length else { throw .keyLength(secret.count) }
        let made = unsafe secret.withUnsafeBufferPointer { unsafe cc_ed25519_signing($0.baseAddress) }
        guard let handle = unsafe made else { throw .failed("prepare a signing key") }
        unsafe self.handle = handle
        var bytes = [UInt8](repeating: 0, count: SignatureKey.length)
        let done = unsafe bytes.withUnsafeMutableBufferPointer { unsafe cc_ed25519_public(handle, $0.baseAddress) }
        publicKey = bytes
        guard done == 1 else { throw .failed("derive a public key") }
    }

    deinit { unsafe cc_ed25519_free(handle) }

    /// The signature of a message.
    /// - Throws: `CryptoError.failed` if the library refuses.
    public func sign(_ message: Span<UInt8>) throws(CryptoError) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: SignatureKey.signatureLength)
        let done = unsafe signature.withUnsafeMutableBufferPointer { out in
            unsafe message.withUnsafeBufferPointer {
                unsafe cc_ed25519_sign(handle, $0.baseAddress, $0.count, out.baseAddress)
            }
        }
        guard done == 1 else { throw .failed("sign") }
        return signature
    }
}

/// An Ed25519 public key.
@safe public final class VerificationKey {
    /// Never null, and freed by `deinit` alone.
    private let handle: OpaquePointer

    /// Copies a public key.
    /// - Throws: `CryptoError.keyLength`, or `.failed` if the library refuses.
    public init(_ library: CryptoLibrary, publicKey: Span<UInt8>) throws(CryptoError) {
        guard publicKey.count == SignatureKey.length else { throw .keyLength(publicKey.count) }
        let made = unsafe publicKey.withUnsafeBufferPointer { unsafe cc_ed25519_verifying($0.baseAddress) }
        guard let handle = unsafe made else { throw .failed("prepare a public key") }
        unsafe self.handle = handle
    }

    deinit { unsafe cc_ed25519_free(handle) }

    /// Whether the signature is the key's, of this message.
    public func verifies(_ signature: Span<UInt8>, of message: Span<UInt8>) -> Bool {
        guard signature.count == SignatureKey.signatureLength else { return false }
        return unsafe signature.withUnsafeBufferPointer { signature in
            unsafe message.withUnsafeBufferPointer {
                unsafe cc_ed25519_verify(handle, $0.baseAddress, $0.count, signature.baseAddress) == 1
            }
        }
    }
}
