import Crypto

/// The SHA-256 of some bytes.
func sha256(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
    var digest: [UInt8] = []
    try SHA256(try CryptoLibrary.load()).digest(of: bytes.span).append(to: &digest)
    return digest
}

/// Bytes as hexadecimal digits.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String(String(UInt16($0) + 256, radix: 16).dropFirst()) }.joined()
}

extension CryptoError {
    /// What is wrong, in words.
    var reason: String {
        switch self {
        case .unavailable(let text), .failed(let text): text
        case .keyLength: "libcrypto takes other keys"
        }
    }
}
