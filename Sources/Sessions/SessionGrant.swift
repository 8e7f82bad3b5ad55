import Crypto
import Link

/// What a legacy client declared in `initialize`, as bits. The numbers are part of the sealed id's format: they never change their meaning.
///
/// The names are those of `ClientCapabilities` in the revisions up to 2025-11-25.
public struct SessionCapabilities: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt32

    /// A set of these bits; bits without a name are kept.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `sampling`.
    public static let sampling = SessionCapabilities(rawValue: 1 << 0)
    /// `sampling.tools`.
    public static let samplingTools = SessionCapabilities(rawValue: 1 << 1)
    /// `sampling.context`.
    public static let samplingContext = SessionCapabilities(rawValue: 1 << 2)
    /// `elicitation`, in whatever form.
    public static let elicitation = SessionCapabilities(rawValue: 1 << 3)
    /// `elicitation.form`.
    public static let elicitationForm = SessionCapabilities(rawValue: 1 << 4)
    /// `elicitation.url`.
    public static let elicitationURL = SessionCapabilities(rawValue: 1 << 5)
    /// `roots`.
    public static let roots = SessionCapabilities(rawValue: 1 << 6)
    /// `roots.listChanged`.
    public static let rootsListChanged = SessionCapabilities(rawValue: 1 << 7)
    /// `tasks`.
    public static let tasks = SessionCapabilities(rawValue: 1 << 8)
    /// `tasks.list`.
    public static let tasksList = SessionCapabilities(rawValue: 1 << 9)
    /// `tasks.cancel`.
    public static let tasksCancel = SessionCapabilities(rawValue: 1 << 10)
    /// `tasks.requests.sampling.createMessage`.
    public static let tasksSampling = SessionCapabilities(rawValue: 1 << 11)
    /// `tasks.requests.elicitation.create`.
    public static let tasksElicitation = SessionCapabilities(rawValue: 1 << 12)
    /// `experimental` or `extensions`, with anything inside.
    public static let experimental = SessionCapabilities(rawValue: 1 << 13)
}

/// What a session id says to whom it belongs: everything about a legacy session that does not change. Times are seconds since 1970 UTC.
public struct SessionGrant: Hashable, Sendable {
    /// The session's name inside the gateway.
    public var uuid: SessionUUID
    /// The negotiated protocol revision as the small number of the module MCP.
    public var revision: UInt8
    /// What the client declared.
    public var capabilities: SessionCapabilities
    /// When the session began.
    public var created: UInt64
    /// The first second in which it is over, whatever happens.
    public var expires: UInt64

    /// A grant.
    public init(
        uuid: SessionUUID, revision: UInt8, capabilities: SessionCapabilities, created: UInt64, expires: UInt64
    ) {
        self.uuid = uuid
        self.revision = revision
        self.capabilities = capabilities
        self.created = created
        self.expires = expires
    }
}

extension SessionUUID {
    /// A new name from 128 random bits of the kernel. The tables place a session by these bits, which no client chooses.
    public static func random() -> SessionUUID { SessionUUID(low: SecureRandom.word(), high: SecureRandom.word()) }
}
