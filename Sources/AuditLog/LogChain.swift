import Crypto
import StrictJSON

/// Where in a ring a record stood: what keeps a successor of the recorder from writing it twice.
public struct RecordSource: Hashable, Sendable {
    /// The ring.
    public let ring: UInt64
    /// The position behind the record.
    public let position: UInt64

    /// A place.
    public init(ring: UInt64, position: UInt64) {
        self.ring = ring
        self.position = position
    }
}

/// Ends lines of the audit log so that each names the one before (DESIGN 10): `seq`, `prev`, perhaps a signature, and `sig` as the last member.
///
///     {...,"route":"default","src":"91c3..:4096","seq":7,"prev":"<SHA-256 of line 6>","signature":"<Ed25519>","sig":"<HMAC>"}
///
/// `signature` is of the bytes of the line before `,"signature"`, `sig` of those before `,"sig"`.
public final class LogChain {
    /// The chain's beginning: what `prev` of a first line says.
    public static let none = [UInt8](repeating: 0x30, count: 64)
    /// Bytes that ending a line adds at most, without a route's name.
    public static let overhead = 512

    private let digests: SHA256
    private let code: HMACSHA256?
    private let key: SignatureKey
    private let publicKey: [UInt8]
    /// The number of the last line.
    public private(set) var sequence: UInt64 = 0
    /// The SHA-256 of the last line, in hexadecimal digits.
    public private(set) var head = LogChain.none

    /// - Parameters:
    ///   - signingKey: of `sig`; empty: lines have none.
    ///   - secret: of the Ed25519 key of checkpoints.
    public init(_ library: CryptoLibrary, signingKey: [UInt8], secret: [UInt8]) throws(CryptoError) {
        digests = try SHA256(library)
        code = signingKey.isEmpty ? nil : try HMACSHA256(library, key: signingKey.span)
        key = try SignatureKey(library, secret: secret.span)
        var hex: [UInt8] = []
        Hexadecimal.append(key.publicKey, to: &hex)
        publicKey = hex
    }

    /// The public key of checkpoints, in hexadecimal digits.
    public var publicKeyText: String { String(decoding: publicKey, as: UTF8.self) }

    /// Goes on behind a line.
    public func resume(after sequence: UInt64, head: [UInt8]) {
        self.sequence = sequence
        self.head = head
    }

    /// Begins anew: the next line names none before it.
    public func restart(after sequence: UInt64) { resume(after: sequence, head: LogChain.none) }

    /// Ends the line that begins at `start` of `bytes` with an object and no line end: puts the chain's members before its last brace.
    /// - Throws: `CryptoError` if the library refuses; then the line is removed.
    public func seal(
        _ bytes: inout [UInt8], from start: Int, route: [UInt8], source: RecordSource?, isSigned: Bool = false
    ) throws(CryptoError) {
        do throws(CryptoError) {
            bytes.removeLast()
            if !route.isEmpty {
                append(",\"route\":", to: &bytes)
                JSONText.appendString(route.span, to: &bytes)
            }
            if let source {
                append(",\"src\":\"", to: &bytes)
                JSONText.appendHex(source.ring, to: &bytes)
                bytes.append(0x3a)
                JSONText.appendInteger(Int64(clamping: source.position), to: &bytes)
                bytes.append(0x22)
            }
            append(",\"seq\":", to: &bytes)
            JSONText.appendInteger(Int64(clamping: sequence + 1), to: &bytes)
            append(",\"prev\":\"", to: &bytes)
            bytes.append(contentsOf: head)
            bytes.append(0x22)
            if isSigned {
                let signature = try key.sign(bytes.span.extracting(start..<bytes.count))
                append(",\"signature\":\"", to: &bytes)
                Hexadecimal.append(signature, to: &bytes)
                bytes.append(0x22)
            }
            if let code {
                let digest = try code.code(of: bytes.span.extracting(start..<bytes.count))
                append(",\"sig\":\"", to: &bytes)
                digest.appendHex(to: &bytes)
                bytes.append(0x22)
            }
            bytes.append(0x7d)
            let digest = try digests.digest(of: bytes.span.extracting(start..<bytes.count))
            head.removeAll(keepingCapacity: true)
            digest.appendHex(to: &head)
            sequence += 1
            bytes.append(0x0a)
        } catch {
            bytes.removeSubrange(start...)
            throw error
        }
    }

    private func append(_ text: StaticString, to bytes: inout [UInt8]) { bytes.append(copying: text.span) }
}
