import Crypto

/// How static keys and their digests are written down.
public enum APIKeyText {
    /// What keys made here begin with, so that people and secret scanners know them.
    public static let prefix = "mcpgw_"
    /// What stands before a digest's hexadecimal digits in a configuration.
    public static let digestPrefix = "sha256:"
    /// Random bytes of a key made here.
    public static let randomLength = 32

    /// The digest of a key as a configuration has it: `sha256:` and 64 hexadecimal digits.
    /// - Throws: `CryptoError.failed`.
    public static func digest(of key: Span<UInt8>, _ library: CryptoLibrary) throws(CryptoError) -> String {
        let digest = try SHA256(library).digest(of: key)
        var text = digestPrefix
        for index in digest.bytes.indices {
            let digits = String(digest.bytes[index], radix: 16)
            text += digits.utf8.count == 1 ? "0" + digits : digits
        }
        return text
    }
}
