import Crypto
import Link

/// The answer to a session id. Clients hear 404 for everything but `valid`; the reasons are for counters.
public enum SessionOpening: Equatable, Sendable {
    /// The id is ours, this subject's, and not past its absolute end. Whether the session was deleted or idle too long, only the table knows.
    case valid(SessionGrant)
    /// No id of ours has this form.
    case malformed
    /// It has the form but neither key sealed it.
    case forged
    /// Ours, but given to another subject or in another tenant.
    case otherSubject
    /// Ours, and past its absolute end.
    case expired
}

/// Makes and reads the `Mcp-Session-Id` of legacy clients (DESIGN 6): the session itself, sealed, so that it survives every process and means nothing in
/// another's hands.
///
/// Bytes before base64url: the format's number (1), then a sealed message whose plaintext is, numbers being little-endian,
///
///     16 uuid · 1 revision · 4 capabilities · 8 created · 8 expires · tenant · subject
///
/// A tenant or subject is its length in one byte and its UTF-8; above ``longestName`` bytes it is 255 and its SHA-256. It lies inside, so that an id in the
/// wrong hands can be told from a forged one. The format's number is part of the sealing context.
///
/// Keeps contexts and buffers: one value serves one thread at a time. Opening allocates nothing.
public final class SessionSealer {
    /// Characters of an id, at most. A longer one is malformed.
    public static let longestToken = 512
    /// Bytes of a tenant or subject that are kept as they are.
    public static let longestName = 96

    private static let format: UInt8 = 1
    private static let hashed: UInt8 = 255
    private static let digestLength = 32
    /// Bytes of a plaintext before the tenant.
    private static let fixedLength = 16 + 1 + 4 + 8 + 8

    private let newest: SealingKey
    private let older: SealingKey?
    private let hash: SHA256
    private let context = Array("mcpgw Mcp-Session-Id".utf8) + [SessionSealer.format]
    private var packet: [UInt8] = []
    private var plaintext: [UInt8] = []
    private var expected: [UInt8] = []

    /// A sealer. `newest` seals; both open. A key is rotated by making it `older` for as long as a session can last.
    /// - Throws: `CryptoError.failed` if there is no memory.
    public init(_ library: CryptoLibrary, newest: SealingKey, older: SealingKey?) throws(CryptoError) {
        self.newest = newest
        self.older = older
        hash = try SHA256(library)
        packet.reserveCapacity(SessionSealer.longestToken)
        plaintext.reserveCapacity(SessionSealer.longestToken)
        expected.reserveCapacity(SessionSealer.longestToken)
    }

    /// Appends the id of a session for a subject (UTF-8, may be empty) of a tenant: at most ``longestToken`` visible ASCII characters.
    /// - Throws: `CryptoError.failed` if the library refuses; then nothing is appended.
    public func seal(
        _ grant: SessionGrant, subject: Span<UInt8>, tenant: Span<UInt8>, to output: inout [UInt8]
    ) throws(CryptoError) {
        plaintext.removeAll(keepingCapacity: true)
        append(grant.uuid.low)
        append(grant.uuid.high)
        append(grant.revision)
        append(grant.capabilities.rawValue)
        append(grant.created)
        append(grant.expires)
        try SessionSealer.appendName(tenant, hash, to: &plaintext)
        try SessionSealer.appendName(subject, hash, to: &plaintext)
        packet.removeAll(keepingCapacity: true)
        packet.append(SessionSealer.format)
        try SessionSealer.seal(plaintext, newest, context, to: &packet)
        Base64URL.encode(packet, to: &output)
    }

    /// Reads an id that a client sent, for the subject and tenant that sent it, at a time in seconds since 1970 UTC.
    public func open(
        _ token: Span<UInt8>, subject: Span<UInt8>, tenant: Span<UInt8>, now: UInt64
    ) -> SessionOpening {
        guard token.count <= SessionSealer.longestToken else { return .malformed }
        packet.removeAll(keepingCapacity: true)
        guard Base64URL.decode(token, to: &packet), packet.first == SessionSealer.format,
            packet.count >= 1 + SealingKey.overhead + SessionSealer.fixedLength + 2
        else { return .malformed }
        plaintext.removeAll(keepingCapacity: true)
        guard openPacket() else { return .forged }

        var offset = 0
        let uuid = SessionUUID(low: word(&offset, 8), high: word(&offset, 8))
        let revision = UInt8(truncatingIfNeeded: word(&offset, 1))
        let capabilities = SessionCapabilities(rawValue: UInt32(truncatingIfNeeded: word(&offset, 4)))
        let created = word(&offset, 8)
        let expires = word(&offset, 8)

        expected.removeAll(keepingCapacity: true)
        do throws(CryptoError) {
            try SessionSealer.appendName(tenant, hash, to: &expected)
            try SessionSealer.appendName(subject, hash, to: &expected)
        } catch {
            return .forged  // out of memory: nobody's
        }
        guard SessionSealer.ends(plaintext, at: offset, with: expected) else { return .otherSubject }
        guard now < expires else { return .expired }
        return .valid(
            SessionGrant(
                uuid: uuid, revision: revision, capabilities: capabilities, created: created, expires: expires))
    }

    private func openPacket() -> Bool {
        if SessionSealer.open(packet, newest, context, to: &plaintext) { return true }
        guard let older else { return false }
        return SessionSealer.open(packet, older, context, to: &plaintext)
    }

    private func append(_ number: some FixedWidthInteger) {
        for shift in stride(from: 0, to: type(of: number).bitWidth, by: 8) {
            plaintext.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    /// The next little-endian number of `plaintext`, whose fixed part was checked to be there.
    private func word(_ offset: inout Int, _ count: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(plaintext[offset + index]) << UInt64(index * 8) }
        offset += count
        return word
    }

    // These take arrays because a span of a stored property may not be used while another property changes.

    private static func seal(
        _ plaintext: [UInt8], _ key: SealingKey, _ context: [UInt8], to packet: inout [UInt8]
    ) throws(CryptoError) {
        try key.seal(plaintext.span, context: context.span, to: &packet)
    }

    private static func open(
        _ packet: [UInt8], _ key: SealingKey, _ context: [UInt8], to plaintext: inout [UInt8]
    ) -> Bool {
        key.open(packet.span.extracting(1...), context: context.span, to: &plaintext)
    }

    private static func ends(_ plaintext: [UInt8], at offset: Int, with expected: [UInt8]) -> Bool {
        equalInConstantTime(plaintext.span.extracting(offset...), expected.span)
    }

    /// Lengths come first, so no two pairs of tenant and subject have the same bytes.
    private static func appendName(
        _ name: Span<UInt8>, _ hash: SHA256, to output: inout [UInt8]
    ) throws(CryptoError) {
        if name.count > longestName {
            output.append(hashed)
            try hash.digest(of: name).append(to: &output)
        } else {
            output.append(UInt8(name.count))
            for index in name.indices { output.append(name[index]) }
        }
    }
}
