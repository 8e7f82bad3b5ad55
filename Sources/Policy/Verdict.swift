/// What decided about a message.
public enum PolicyCause: Hashable, Sendable {
    /// The rule with this index.
    case rule(Int)
    /// No rule matched.
    case noRule
    /// The tool is not in `allowed_tools`.
    case allowedTools
    /// No rule matched, and handshake and housekeeping need none.
    case handshake
    /// No rule matched, and what a server asks needs none.
    case serverMessage
    /// The method differs from a known one only by case, width or invisible characters.
    case disguisedMethod
    /// An answer; rules are about calls.
    case answer
    /// The response pattern with this index.
    case responsePattern(Int)
    /// Something could not be read, or not be searched within its memory.
    case unsearchable
    /// It names a task, and nothing tells whose that is.
    case unboundTask
}

/// What policy says about a message.
public struct PolicyVerdict: Hashable, Sendable {
    /// What was decided, or would have been if ``mode`` were enforce.
    public var action: PolicyAction
    /// Whether it is carried out.
    public var mode: PolicyMode
    /// What decided.
    public var cause: PolicyCause
    /// The first in audit mode that matched before, if another decided in the end.
    public var noted: PolicyCause?

    /// Whether the message goes on.
    public var passes: Bool { action == .allow || mode == .audit }

    /// What cannot be read is denied, whatever the mode.
    public static var unreadable: PolicyVerdict { PolicyVerdict(.deny, .enforce, .unsearchable) }

    /// What names a task that may be another caller's.
    public static var unboundTask: PolicyVerdict { PolicyVerdict(.deny, .enforce, .unboundTask) }

    init(_ action: PolicyAction, _ mode: PolicyMode, _ cause: PolicyCause, noted: PolicyCause? = nil) {
        self.action = action
        self.mode = mode
        self.cause = cause
        self.noted = noted
    }
}
