/// What depends on an upstream session, so that it cannot be opened again unnoticed when the upstream forgets it (DESIGN 6).
public struct UpstreamSessionFlags: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt16

    /// A set of these bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The client holds or held a stream of server messages in it.
    public static let dependsOnStream = UpstreamSessionFlags(rawValue: 1 << 0)
    /// The client subscribed to resources in it.
    public static let subscribed = UpstreamSessionFlags(rawValue: 1 << 1)
    /// The client set its log level.
    public static let logLevelSet = UpstreamSessionFlags(rawValue: 1 << 2)
}

/// One upstream session, copied out of the table: about 450 bytes on the stack, none on the heap. Times are seconds since 1970 UTC.
public struct UpstreamSession: Sendable {
    static let idWords = UpstreamSessionTable.longestID / 8

    /// The negotiated protocol revision as the small number of the module MCP.
    public let revision: UInt8
    /// What depends on the session.
    public let flags: UpstreamSessionFlags
    /// When it was stored.
    public let created: UInt64
    /// When it was last looked up.
    public let lastUse: UInt64
    /// The first second in which it is over.
    public let expires: UInt64

    private let idBytes: InlineArray<400, UInt8>
    private let idLength: Int

    /// The upstream's `Mcp-Session-Id`: at most 400 visible ASCII characters; none if the upstream has no
    /// sessions.
    public var id: Span<UInt8> {
        @_lifetime(borrow self) get { idBytes.span.extracting(0..<idLength) }
    }

    /// Reads a slot whose check is right, or returns nil if what it holds is no id all the same.
    init?(_ table: SlotTable, _ slot: Int, _ stamp: SlotStamp, _ shape: UpstreamSessionShape) {
        var bytes = InlineArray<400, UInt8>(repeating: 0)
        for index in 0..<shape.idWords {
            var word = table.word(slot, SlotTable.payloadWord + 1 + index)
            for byte in 0..<min(8, shape.idLength - index * 8) {
                let character = UInt8(truncatingIfNeeded: word)
                guard isVisible(character) else { return nil }
                bytes[index * 8 + byte] = character
                word >>= 8
            }
        }
        idBytes = bytes
        idLength = shape.idLength
        revision = shape.revision
        flags = UpstreamSessionFlags(rawValue: stamp.flags)
        created = table.word(slot, SlotTable.createdWord)
        lastUse = stamp.lastUse
        expires = table.word(slot, SlotTable.expiresWord)
    }
}

/// The first word of an upstream session's payload: the id's length and the revision. The id follows in whole words.
struct UpstreamSessionShape: Equatable {
    var idLength: Int
    var revision: UInt8

    /// Words of the id.
    var idWords: Int { (idLength + 7) / 8 }
    /// Words of the payload.
    var payload: Int { 1 + idWords }

    init(idLength: Int, revision: UInt8) {
        self.idLength = idLength
        self.revision = revision
    }

    /// Nil if no entry has such a word.
    init?(word: UInt64) {
        revision = UInt8(truncatingIfNeeded: word >> 16)
        idLength = Int(word & 0xFFFF)
        guard idLength > 0 || revision > 0, idLength <= UpstreamSessionTable.longestID, self.word == word else {
            return nil
        }
    }

    var word: UInt64 { UInt64(revision) << 16 | UInt64(idLength) }
}

/// Whether a byte may stand in a session id: visible ASCII (MCP 2025-11-25, Streamable HTTP, Session Management).
func isVisible(_ byte: UInt8) -> Bool { byte >= 0x21 && byte <= 0x7E }
