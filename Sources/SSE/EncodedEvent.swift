/// What the data of an event are.
public enum DataForm: Sendable, Hashable {
    /// A JSON text that a strict parser accepted. Line separators outside ASCII, which then stand in strings, are written as
    /// escapes.
    case json
    /// Anything else. Line separators outside ASCII are refused.
    case text
}

/// Why something cannot be written into an event stream: it holds what some reader takes for the end of a line, and what
/// stands behind it would become fields, or whole events, of somebody else's making. See ``EventEncoding``.
public enum EventEncodingError: UInt8, Error, CaseIterable, Sendable {
    /// In the id, or a NUL there, for which clients ignore the id.
    case unsafeID
    /// In the event name, or a NUL there.
    case unsafeName
    /// In the data. Line feeds and carriage returns are no reason: they separate data lines.
    case unsafeData
    /// In a comment.
    case unsafeComment
}

/// An event in canonical form, checked and measured: what remains is to write it.
///
/// The lines are `id`, `event`, `retry` and `data` in this order, each with one space behind its colon and a line feed at its
/// end; an absent field and the default name have none. An empty line ends the event.
public struct EncodedEvent: ~Escapable {
    private let event: Event
    private let dataCount: Int
    private let retryDigits: DecimalDigits
    /// Whether the data are written byte for byte, in one line. Large ones can then be sent by reference: ``appendHead(to:)``,
    /// the data, ``EventEncoding/end``.
    public let isVerbatim: Bool

    /// Checks and measures an event.
    ///
    /// - Throws: ``EventEncodingError``.
    @_lifetime(copy event)
    public init(_ event: Event, data form: DataForm = .json) throws(EventEncodingError) {
        guard event.id.isSafeLine(nullAllowed: false) else { throw .unsafeID }
        guard event.name.isSafeLine(nullAllowed: false) else { throw .unsafeName }
        guard let dataCount = encodedDataCount(event.data, form) else { throw .unsafeData }
        self.event = event
        self.dataCount = dataCount
        isVerbatim = event.hasData && dataCount == event.data.count
        retryDigits = DecimalDigits(event.retry ?? 0)
    }

    /// The bytes it takes. Zero when no field is present.
    public var count: Int {
        let head = headCount
        return head == 0 ? 0 : head &+ dataCount &+ EventEncoding.end.utf8CodeUnitCount &- (event.hasData ? 0 : 1)
    }

    private var headCount: Int {
        var count = 0
        if event.hasID { count &+= EventEncoding.id.utf8CodeUnitCount &+ event.id.count &+ 1 }
        if !event.name.isEmpty { count &+= EventEncoding.name.utf8CodeUnitCount &+ event.name.count &+ 1 }
        if event.retry != nil { count &+= EventEncoding.retry.utf8CodeUnitCount &+ retryDigits.count &+ 1 }
        if event.hasData { count &+= EventEncoding.data.utf8CodeUnitCount }
        return count
    }

    /// Appends all ``count`` bytes.
    public func append(to sink: inout some EventSink & ~Copyable) {
        appendHead(to: &sink)
        if event.hasData {
            if isVerbatim {
                sink.append(event.data)
            } else {
                appendData(event.data, to: &sink)
            }
            sink.append(EventEncoding.end.span)
        } else if headCount > 0 {
            sink.append(EventEncoding.lineEnd.span)
        }
    }

    /// Appends what stands before the data.
    public func appendHead(to sink: inout some EventSink & ~Copyable) {
        if event.hasID { appendLine(EventEncoding.id, event.id, to: &sink) }
        if !event.name.isEmpty { appendLine(EventEncoding.name, event.name, to: &sink) }
        if event.retry != nil { appendLine(EventEncoding.retry, retryDigits.span, to: &sink) }
        if event.hasData { sink.append(EventEncoding.data.span) }
    }
}

private func appendLine(_ field: StaticString, _ value: Span<UInt8>, to sink: inout some EventSink & ~Copyable) {
    sink.append(field.span)
    sink.append(value)
    sink.append(EventEncoding.lineEnd.span)
}
