import CCrypto

/// 32 bytes of SHA-256 or HMAC-SHA-256. Comparing two takes the same time wherever they differ.
public struct Digest: Equatable, Sendable {
    /// The bytes, in order.
    public let bytes: InlineArray<32, UInt8>

    /// A digest of these bytes, for comparing.
    public init(_ bytes: InlineArray<32, UInt8>) { self.bytes = bytes }

    /// Appends the 32 bytes.
    public func append(to output: inout [UInt8]) {
        output.append(copying: bytes.span)
    }

    /// Appends the 64 hexadecimal digits.
    public func appendHex(to output: inout [UInt8]) {
        var digits = InlineArray<64, UInt8>(repeating: 0)
        for index in bytes.indices {
            let byte = bytes[index]
            digits[2 * index] = Digest.digit(byte >> 4)
            digits[2 * index + 1] = Digest.digit(byte & 15)
        }
        output.append(copying: digits.span)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// Whether both are the same.
    public static func == (a: Digest, b: Digest) -> Bool { equalInConstantTime(a.bytes.span, b.bytes.span) }
}

/// HMAC-SHA-256 (RFC 2104) under one key, whose context is kept: one value serves one thread at a time. The key is wiped with the value's last owner.
@safe public final class HMACSHA256 {
    /// Never null, and freed by `deinit` alone.
    private let handle: OpaquePointer

    /// Copies a key of any length; 32 bytes or more are wanted. The caller's copy stays the caller's to wipe.
    /// - Throws: `CryptoError.failed` if the library refuses.
    public init(_ library: CryptoLibrary, key: Span<UInt8>) throws(CryptoError) {
        let made = unsafe key.withUnsafeBufferPointer { unsafe cc_hmac_new($0.baseAddress, $0.count) }
        guard let handle = unsafe made else { throw .failed("prepare an HMAC key") }
        unsafe self.handle = handle
    }

    deinit { unsafe cc_hmac_free(handle) }

    /// The code of a message.
    /// - Throws: `CryptoError.failed` if the library refuses.
    public func code(of message: Span<UInt8>) throws(CryptoError) -> Digest {
        var code = InlineArray<32, UInt8>(repeating: 0)
        var span = code.mutableSpan
        let done = unsafe message.withUnsafeBufferPointer { message in
            unsafe span.withUnsafeMutableBufferPointer {
                unsafe cc_hmac_code(handle, message.baseAddress, message.count, $0.baseAddress)
            }
        }
        guard done == 1 else { throw .failed("compute an HMAC") }
        return Digest(code)
    }
}

/// SHA-256 (FIPS 180-4) with a kept context: one value serves one thread at a time.
@safe public final class SHA256 {
    /// Never null, and freed by `deinit` alone.
    private let handle: OpaquePointer

    /// Prepares a context.
    /// - Throws: `CryptoError.failed` if there is no memory.
    public init(_ library: CryptoLibrary) throws(CryptoError) {
        guard let handle = unsafe cc_sha256_new() else { throw .failed("prepare SHA-256") }
        unsafe self.handle = handle
    }

    deinit { unsafe cc_sha256_free(handle) }

    /// The digest of a message.
    /// - Throws: `CryptoError.failed` if the library refuses.
    public func digest(of message: Span<UInt8>) throws(CryptoError) -> Digest {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        var span = digest.mutableSpan
        let done = unsafe message.withUnsafeBufferPointer { message in
            unsafe span.withUnsafeMutableBufferPointer {
                unsafe cc_sha256_digest(handle, message.baseAddress, message.count, $0.baseAddress)
            }
        }
        guard done == 1 else { throw .failed("compute SHA-256") }
        return Digest(digest)
    }
}

extension [UInt8] {
    /// Appends bytes.
    fileprivate mutating func append(copying bytes: Span<UInt8>) {
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}
