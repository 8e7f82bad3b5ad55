/// The revisions of MCP, in order. The raw values stand in frames, segments and sealed ids; 0 means none there.
public enum ProtocolRevision: UInt8, CaseIterable, Comparable, Sendable {
    case v2024_11_05 = 1
    case v2025_03_26, v2025_06_18, v2025_11_25, v2026_07_28

    /// The newest one opened by `initialize`.
    public static let latestLegacy = ProtocolRevision.v2025_11_25
    /// The newest one.
    public static let latest = ProtocolRevision.v2026_07_28

    /// The revision of this name; nil for one the gateway does not know.
    ///
    /// - Parameter text: unescaped UTF-8.
    public init?(_ text: Span<UInt8>) {
        if text.isEqual(to: "2026-07-28") {
            self = .v2026_07_28
        } else if text.isEqual(to: "2025-11-25") {
            self = .v2025_11_25
        } else if text.isEqual(to: "2025-06-18") {
            self = .v2025_06_18
        } else if text.isEqual(to: "2025-03-26") {
            self = .v2025_03_26
        } else if text.isEqual(to: "2024-11-05") {
            self = .v2024_11_05
        } else {
            return nil
        }
    }

    /// The date that names it.
    public var text: StaticString {
        switch self {
        case .v2024_11_05: "2024-11-05"
        case .v2025_03_26: "2025-03-26"
        case .v2025_06_18: "2025-06-18"
        case .v2025_11_25: "2025-11-25"
        case .v2026_07_28: "2026-07-28"
        }
    }

    /// The family it belongs to.
    public var era: Era { isModern ? .modern : .legacy }

    /// Whether every request names it in `_meta` instead of a handshake.
    public var isModern: Bool { self >= .v2026_07_28 }

    /// Whether messages may be sent in JSON-RPC batches. 2024-11-05 has them in JSON-RPC but not over any transport of
    /// its own; 2025-06-18 took them out.
    public var allowsBatches: Bool { self == .v2025_03_26 }

    /// Whether clients name it in `MCP-Protocol-Version` (since 2025-06-18).
    public var hasVersionHeader: Bool { self >= .v2025_06_18 }

    /// Whether one is older.
    public static func < (left: ProtocolRevision, right: ProtocolRevision) -> Bool { left.rawValue < right.rawValue }
}
