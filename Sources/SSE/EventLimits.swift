/// What one event stream may cost (DESIGN 12). All sizes in bytes.
public struct EventLimits: Sendable, Hashable {
    /// One event: its data with the line feeds between its lines, and every other line of it but comments, with one byte
    /// for each line's end.
    public var eventBytes = 16 * 1024 * 1024
    /// An event name, an id, the digits of `retry`: each travels in heads and frames, unlike data.
    public var fieldBytes = 8 * 1024
    /// What is kept of a comment; the rest of its line is read and dropped. Comments count towards no other limit.
    public var commentBytes = 1024
    /// Buffers larger than this are given back after the event that needed them.
    public var keptCapacity = 64 * 1024

    /// The defaults of DESIGN 12.
    public init() {}
}

/// Why an event stream was refused. What follows in the stream cannot be trusted: end it (DESIGN 5, fail closed).
public enum SSEError: UInt8, Error, CaseIterable, Sendable {
    /// A byte that is no well-formed UTF-8 (Unicode, table 3-7). Readers differ on what it stands for.
    case invalidUTF8
    /// An event larger than ``EventLimits/eventBytes``.
    case eventTooLarge
    /// An event name, an id or a `retry` longer than ``EventLimits/fieldBytes``.
    case fieldTooLarge
}
