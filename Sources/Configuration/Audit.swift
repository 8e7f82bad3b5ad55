/// What is recorded, where, and how (DESIGN 10; `audit_log` and `audit.*`). Times are nanoseconds, sizes bytes.
public struct Audit: Equatable, Sendable {
    /// What becomes of a message that cannot be recorded.
    public enum OnFailure: String, CaseIterable, Sendable {
        /// It is refused.
        case deny
        /// It passes and is counted.
        case allow
    }

    /// The log's file, an absolute path (`audit_log`). Segment files stand beside it. Nil: no place was found, and nothing is named.
    public var file: String?
    /// The key of each line's HMAC (`audit.signing_key`); empty: lines carry none.
    public var signingKey: [UInt8] = []
    /// Names of the claims and of the `X-MCPGW-Label-*` fields that become labels (`audit.label_claims`).
    public var labelClaims: [String] = []
    /// The largest value recorded whole (`audit.max_value_bytes`).
    public var maximumValue: UInt64 = 16 << 10
    /// The time between syncs of what passed (`audit.sync`); blocks are synced at once.
    public var sync: UInt64 = 1_000_000_000
    /// What becomes of a message that cannot be recorded (`audit.on_failure`).
    public var onFailure = OnFailure.deny
    /// A file this large is closed and the next begun (`audit.rotate_bytes`).
    public var rotationSize: UInt64 = 100 << 20
    /// A file this old is closed and the next begun (`audit.rotate_after`).
    public var rotationAge: UInt64 = 86_400_000_000_000
    /// How long files are kept (`audit.keep`).
    public var retention: UInt64 = 30 * 86_400_000_000_000
    /// Bytes of disk held back for denials when it fills (`audit.reserve_bytes`).
    public var reserve: UInt64 = 8 << 20

    /// The defaults.
    public init() {}
}
