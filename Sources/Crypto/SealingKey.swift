import CCrypto

/// A key that seals messages so that nobody without it can read, make or change one: XAES-256-GCM.
///
/// Why this one: the key lives as long as the installation, hosts may share it, and nonces are random because nothing counts across processes. Plain
/// AES-256-GCM under random 96-bit nonces is safe for 2^32 messages of one key (NIST SP 800-38D, 8.3), which busy instances reach in weeks, and a repeated
/// nonce gives the authentication key away; AES-GCM-SIV and XChaCha20 are not in OpenSSL 3.0. XAES-256-GCM (https://c2sp.org/XAES-256-GCM) derives a key
/// for each message from the first half of a 192-bit nonce with NIST's SP 800-108 KDF over AES-CMAC, two blocks of AES, and is safe for 2^80 messages.
///
/// The contexts are kept, so one value serves one thread at a time. The key is wiped with the value's last owner.
@safe public final class SealingKey {
    /// Bytes of a key.
    public static let length = Int(CC_KEY)
    /// Bytes a sealed message is longer than its plaintext: the nonce before it, the tag behind it.
    public static let overhead = nonceLength + tagLength

    private static let nonceLength = Int(CC_NONCE)
    private static let tagLength = Int(CC_TAG)

    /// Never null, and freed by `deinit` alone.
    private let handle: OpaquePointer

    /// Copies a key of `length` bytes. The caller's copy stays the caller's to wipe.
    /// - Throws: `CryptoError.keyLength`, or `.failed` if the library refuses.
    public init(_ library: CryptoLibrary, key: Span<UInt8>) throws(CryptoError) {
        guard key.count == SealingKey.length else { throw .keyLength(key.count) }
        let made = unsafe key.withUnsafeBufferPointer { unsafe cc_aead_new($0.baseAddress) }
        guard let handle = unsafe made else { throw .failed("prepare a sealing key") }
        unsafe self.handle = handle
    }

    deinit { unsafe cc_aead_free(handle) }

    /// Appends a nonce of its own, the ciphertext and the tag. `context` is not contained but must be the same when the message is opened: it says what
    /// the message is for, so that one kind never passes as another.
    /// - Throws: `CryptoError.failed` if the library refuses; then nothing is appended.
    public func seal(_ plaintext: Span<UInt8>, context: Span<UInt8>, to output: inout [UInt8]) throws(CryptoError) {
        let start = output.count
        SecureRandom.append(SealingKey.nonceLength, to: &output)
        output.append(contentsOf: repeatElement(0, count: plaintext.count + SealingKey.tagLength))
        let done = unsafe output.withUnsafeMutableBufferPointer { buffer in
            unsafe plaintext.withUnsafeBufferPointer { plaintext in
                unsafe context.withUnsafeBufferPointer { context in
                    // The slice has room for the nonce, the ciphertext and the tag: it was appended above.
                    let message = unsafe UnsafeMutableBufferPointer(rebasing: buffer[start...])
                    guard let nonce = message.baseAddress else { return false }
                    return unsafe cc_aead_seal(
                        handle, nonce, context.baseAddress, context.count, plaintext.baseAddress, plaintext.count,
                        nonce + SealingKey.nonceLength) == 1
                }
            }
        }
        guard done else {
            output.removeSubrange(start...)
            throw .failed("seal a message")
        }
    }

    /// Appends the plaintext of a message that this key sealed in the same context.
    /// - Returns: false if it did not, or if the bytes were changed; then nothing is appended.
    public func open(_ sealed: Span<UInt8>, context: Span<UInt8>, to output: inout [UInt8]) -> Bool {
        let length = sealed.count - SealingKey.overhead
        guard length >= 0 else { return false }
        let start = output.count
        output.append(contentsOf: repeatElement(0, count: length))
        let done = unsafe output.withUnsafeMutableBufferPointer { buffer in
            unsafe sealed.withUnsafeBufferPointer { sealed in
                unsafe context.withUnsafeBufferPointer { context in
                    guard let nonce = sealed.baseAddress else { return false }
                    // Null only where there is nothing to append to nothing; then no byte is written.
                    let plaintext = unsafe buffer.baseAddress.map { unsafe $0 + start }
                    return unsafe cc_aead_open(
                        handle, nonce, context.baseAddress, context.count, nonce + SealingKey.nonceLength, length,
                        plaintext) == 1
                }
            }
        }
        if !done { output.removeSubrange(start...) }
        return done
    }
}
