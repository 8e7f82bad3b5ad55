/// The identities that frames of one link brought last, by their encoding: most requests come from somebody who has just asked.
public struct KnownIdentities {
    private struct Entry {
        let encoding: [UInt8]
        let identity: Identity
    }

    /// Entries at most; each has one place, so that a flood of callers costs no more than reading all of them.
    private static let slots = 256
    /// Bytes of an encoding that is kept.
    private static let encodingLimit = 2048
    /// Bytes of a subject that say where its encoding is kept.
    private static let keyLength = 64

    private var entries: [Entry?] = []

    /// Nobody is known yet.
    public init() {}

    /// The identity whose encoding `rest` begins with, and the encoding's length. An encoding is the beginning of no other.
    func find(_ rest: Span<UInt8>) -> (identity: Identity, length: Int)? {
        guard !entries.isEmpty, let entry = entries[KnownIdentities.slot(rest)] else { return nil }
        let encoding = entry.encoding
        guard rest.count >= encoding.count else { return nil }
        for index in encoding.indices where encoding[index] != rest[index] { return nil }
        return (entry.identity, encoding.count)
    }

    mutating func add(_ identity: Identity, encoding: Span<UInt8>) {
        guard encoding.count <= KnownIdentities.encodingLimit else { return }
        if entries.isEmpty { entries = [Entry?](repeating: nil, count: KnownIdentities.slots) }
        // Safe: the array copies the bytes while the span lives.
        let copy = unsafe encoding.withUnsafeBufferPointer { unsafe Array($0) }
        entries[KnownIdentities.slot(encoding)] = Entry(encoding: copy, identity: identity)
    }

    /// FNV-1a of the subject, which comes first: what it is used for bears collisions.
    private static func slot(_ bytes: Span<UInt8>) -> Int {
        guard bytes.count >= 4 else { return 0 }
        var length = 0
        for index in 0..<4 { length |= Int(bytes[index]) << (8 * index) }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 4..<min(bytes.count, 4 + min(length, keyLength)) {
            hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3
        }
        return Int(truncatingIfNeeded: hash >> 32) & (slots - 1)
    }
}
