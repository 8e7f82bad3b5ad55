import HTTP1

/// What a request's head shows of a static key: `X-API-Key: KEY`, `Authorization: Bearer KEY` or `Authorization: ApiKey KEY`.
public enum Credential: Equatable, Sendable {
    /// No credential.
    case none
    /// The key stands here in the bytes of the head.
    case key(Range<Int>)
    /// A credential that is no key, or of a scheme that is not served.
    case unusable
    /// More than one (RFC 6750, 2: a client must not use more than one): nobody can tell which of them a proxy in front looked at.
    case ambiguous

    /// Bytes of a key at least: fewer can be guessed.
    public static let shortestKey = 16
    /// Bytes of a key at most.
    public static let longestKey = 1024

    /// Looks for the credential of a head that was read from `bytes`.
    public init(_ head: borrowing RequestHead, _ bytes: Span<UInt8>) {
        let (hasKey, hasAuthorization) = (head.fields.contains(.xAPIKey), head.fields.contains(.authorization))
        guard hasKey || hasAuthorization else {
            self = .none
            return
        }
        let isRepeated = head.fields.isRepeated(.xAPIKey) || head.fields.isRepeated(.authorization)
        guard hasKey != hasAuthorization, !isRepeated else {
            self = .ambiguous
            return
        }
        let range = hasKey ? head.first(.xAPIKey) : head.first(.authorization).flatMap { Credential.key(in: $0, bytes) }
        guard let range, Credential.isKey(bytes.extracting(range)) else {
            self = .unusable
            return
        }
        self = .key(range)
    }

    /// Whether these bytes can be a key: visible ASCII, neither too short nor too long.
    public static func isKey(_ bytes: Span<UInt8>) -> Bool {
        guard (shortestKey...longestKey).contains(bytes.count) else { return false }
        for index in bytes.indices where bytes[index] < 0x21 || bytes[index] > 0x7E { return false }
        return true
    }

    /// What stands behind the scheme of an Authorization field (RFC 9110, 11.4: one scheme in any case of letters, spaces, one token).
    private static func key(in value: Range<Int>, _ bytes: Span<UInt8>) -> Range<Int>? {
        var end = value.lowerBound
        while end < value.upperBound, bytes[end] != 0x20 { end += 1 }
        let scheme = bytes.extracting(value.lowerBound..<end)
        guard scheme.isSpelt("bearer") || scheme.isSpelt("apikey") else { return nil }
        while end < value.upperBound, bytes[end] == 0x20 { end += 1 }
        return end..<value.upperBound
    }
}

extension Span<UInt8> {
    /// Whether these are the letters of `lowercase`, in any case.
    fileprivate func isSpelt(_ lowercase: StaticString) -> Bool {
        guard count == lowercase.utf8CodeUnitCount else { return false }
        for index in indices {
            // Safe: a static string's bytes live as long as the program, and its length was compared.
            let letter = unsafe lowercase.utf8Start[index]
            guard self[index] | 0x20 == letter else { return false }
        }
        return true
    }
}
