/// What ``EventParser/next(_:)`` found.
public enum EventStep: Sendable, Hashable {
    /// All given bytes are used up; so many to drop. Call again with what comes next.
    case needMore(consumed: Int)
    /// A block of fields is complete: read ``EventParser/event(in:)``, then drop so many bytes and call again.
    case event(consumed: Int)
    /// A comment line: read ``EventParser/comment(in:)``, then drop so many bytes and call again. It may stand within a
    /// block, whose event then comes later.
    case comment(consumed: Int)
}

/// Reads an event stream (HTML, 9.2.6, "Interpreting an event stream") as it arrives.
///
/// Stricter than the standard in two things: all must be UTF-8, and everything has a limit. Beyond the standard, a block
/// without data is given out too when it holds an id, a name or a `retry`, since MCP uses such blocks. As in the standard,
/// what has no empty line behind it when the stream ends is no event: then drop the parser.
public struct EventParser: ~Copyable, Sendable {
    private enum State {
        /// Where a byte order mark may stand; `nameCount` bytes of it were read.
        case streamStart
        case lineStart
        /// In a field name of `nameCount` bytes so far, which are `nameWord`.
        case name
        /// Behind the colon, where one space is dropped.
        case valueStart
        case value
    }

    private let limits: EventLimits
    private var state = State.streamStart
    private var failure: SSEError?
    /// Whether the fields below are those of an event that was given out.
    private var isDelivered = false
    /// Whether the last byte was the CR of a line end, which a LF may follow.
    private var followsCarriageReturn = false
    private var nameWord: UInt64 = 0
    private var nameCount = 0
    /// What the line is.
    private var field = Field.unknown
    private var scanner = LineScanner()
    /// What the event costs so far, as ``EventLimits/eventBytes`` counts.
    private var cost = 0

    private var data = StoredValue()
    private var name = StoredValue()
    private var id = StoredValue()
    /// The value of the line being read, unless that is data; empty between lines, but for a comment that is given out.
    private var line = StoredValue()
    private var hasData = false
    private var hasID = false
    private var retry: UInt64?

    /// A parser for one stream, from its first byte.
    public init(limits: EventLimits = EventLimits()) {
        self.limits = limits
    }

    /// The next step in `bytes`, which begin where the previous step left off.
    ///
    /// - Throws: ``SSEError``, then and ever after. An event that is not complete is lost.
    public mutating func next(_ bytes: Span<UInt8>) throws(SSEError) -> EventStep {
        if let failure { throw failure }
        if isDelivered { clear() }
        // A comment that was given out.
        if state == .lineStart { line.clear(keptCapacity: limits.keptCapacity) }
        do {
            return try step(bytes)
        } catch {
            failure = error
            clear()
            line.clear(keptCapacity: limits.keptCapacity)
            throw error
        }
    }

    /// The event that was completed by the last step, which was ``EventStep/event(consumed:)``.
    ///
    /// - Parameter bytes: those that were given to that step.
    @_lifetime(borrow self, copy bytes)
    public func event(in bytes: Span<UInt8>) -> Event {
        Event(
            data: hasData ? data.span(in: bytes) : nil, id: hasID ? id.span(in: bytes) : nil,
            name: name.span(in: bytes), retry: retry)
    }

    /// The comment that was read by the last step, which was ``EventStep/comment(consumed:)``: without its colon, one space
    /// and what is more than ``EventLimits/commentBytes``.
    ///
    /// - Parameter bytes: those that were given to that step.
    @_lifetime(borrow self, copy bytes)
    public func comment(in bytes: Span<UInt8>) -> Span<UInt8> {
        let comment = line.span(in: bytes)
        guard comment.count >= limits.commentBytes else { return comment }
        return comment.extracting(0..<comment.countOfWholeCharacters())
    }

    /// Where the data of the event just completed lie in the bytes that were given to that step. Nil when they did not come
    /// at once or in one line; then the parser holds them.
    public var dataRange: Range<Int>? { data.isCopied ? nil : data.range }

    /// Whether the end of the stream would discard the beginning of an event, or of a line.
    public var hasPartialEvent: Bool {
        guard !isDelivered, failure == nil else { return false }
        return switch state {
        case .streamStart: nameCount > 0
        case .lineStart: hasFields || cost > 0
        case .name, .valueStart, .value: true
        }
    }

    /// The bytes of memory held for values.
    public var bufferedCapacity: Int { data.capacity + name.capacity + id.capacity + line.capacity }

    private var hasFields: Bool { hasData || hasID || retry != nil || name.count > 0 }

    private mutating func clear() {
        isDelivered = false
        cost = 0
        data.clear(keptCapacity: limits.keptCapacity)
        name.clear(keptCapacity: limits.keptCapacity)
        id.clear(keptCapacity: limits.keptCapacity)
        hasData = false
        hasID = false
        retry = nil
    }

    private mutating func step(_ bytes: Span<UInt8>) throws(SSEError) -> EventStep {
        var index = 0
        while true {
            switch state {
            case .lineStart:
                guard index < bytes.count else { return needMore(bytes) }
                if try startLine(bytes, &index) { return .event(consumed: index) }
            case .name:
                guard index < bytes.count else { return needMore(bytes) }
                try readName(bytes, &index)
            case .valueStart:
                guard index < bytes.count else { return needMore(bytes) }
                if bytes[index] == ASCII.space { index &+= 1 }
                state = .value
            case .value:
                guard try readValue(bytes, &index) else { return needMore(bytes) }
                skipLineEnd(bytes, &index)
                completeLine(bytes)
                if field == .comment {
                    keepFields(bytes)
                    return .comment(consumed: index)
                }
            case .streamStart:
                guard index < bytes.count else { return needMore(bytes) }
                try readByteOrderMark(bytes, &index)
            }
        }
    }

    private mutating func needMore(_ bytes: Span<UInt8>) -> EventStep {
        keepFields(bytes)
        line.keep(bytes, limit: limits.fieldBytes)
        return .needMore(consumed: bytes.count)
    }

    /// Makes the fields read so far outlast the given bytes.
    private mutating func keepFields(_ bytes: Span<UInt8>) {
        data.keep(bytes, limit: limits.eventBytes)
        name.keep(bytes, limit: limits.fieldBytes)
        id.keep(bytes, limit: limits.fieldBytes)
    }

    /// Reads an empty line, or makes out what a line is. Says whether that ended an event.
    @inline(__always)
    private mutating func startLine(_ bytes: Span<UInt8>, _ index: inout Int) throws(SSEError) -> Bool {
        let byte = bytes[index]
        if byte == ASCII.lineFeed, followsCarriageReturn {
            followsCarriageReturn = false
            index &+= 1
            return false
        }
        followsCarriageReturn = false
        switch byte {
        case ASCII.lineFeed, ASCII.carriageReturn:
            skipLineEnd(bytes, &index)
            isDelivered = hasFields
            if !isDelivered { clear() }
            return isDelivered
        case ASCII.colon:
            index &+= 1
            try begin(.comment, nameCount: 0, bytes)
            state = .valueStart
        case UInt8(ascii: "d") where index &+ 8 <= bytes.count && Field.isData(bytes.word(at: index)):
            index &+= 5
            try begin(.data, nameCount: 4, bytes)
            state = .valueStart
        default:
            nameWord = 0
            nameCount = 0
            state = .name
        }
        return false
    }

    private mutating func readName(_ bytes: Span<UInt8>, _ index: inout Int) throws(SSEError) {
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case ASCII.colon:
                index &+= 1
                try begin(Field(nameWord, nameCount), nameCount: nameCount, bytes)
                state = .valueStart
                return
            case ASCII.lineFeed, ASCII.carriageReturn:
                // The whole line is the name, and the value is empty.
                try begin(Field(nameWord, nameCount), nameCount: nameCount, bytes)
                state = .value
                return
            default:
                guard nameCount < Field.longestName, byte < 0x80 else {
                    try begin(.unknown, nameCount: nameCount, bytes)
                    state = .value
                    return
                }
                nameWord |= UInt64(byte) &<< UInt64(8 &* nameCount)
                nameCount &+= 1
                index &+= 1
            }
        }
    }

    /// Begins the value of a line.
    @inline(__always)
    private mutating func begin(_ field: Field, nameCount: Int, _ bytes: Span<UInt8>) throws(SSEError) {
        self.field = field
        if field == .data {
            if hasData {
                try charge(1)
                data.appendLineFeed(bytes, limit: limits.eventBytes)
            }
            hasData = true
        } else if field != .comment {
            try charge(nameCount &+ 1)
        }
    }

    private mutating func charge(_ count: Int) throws(SSEError) {
        cost &+= count
        guard cost <= limits.eventBytes else { throw .eventTooLarge }
    }

    /// Reads on in a value. Says whether its line is complete.
    @inline(__always)
    private mutating func readValue(_ bytes: Span<UInt8>, _ index: inout Int) throws(SSEError) -> Bool {
        var room = Int.max
        var excess = SSEError.eventTooLarge
        switch field {
        case .comment: break
        case .data, .unknown: room = limits.eventBytes &- cost
        case .name, .id, .retry:
            room = limits.eventBytes &- cost
            if limits.fieldBytes &- line.count <= room {
                room = limits.fieldBytes &- line.count
                excess = .fieldTooLarge
            }
        }
        // Not a byte further than what is refused, so that the reason does not depend on how much came at once.
        let end = room < bytes.count &- index ? index &+ room &+ 1 : bytes.count
        let stop = try scanner.endOfLine(in: bytes, from: index, to: end)
        let count = stop &- index
        guard count <= room else { throw excess }
        switch field {
        case .data:
            data.append(index..<stop, of: bytes, limit: limits.eventBytes)
            cost &+= count
        case .name, .id, .retry:
            line.append(index..<stop, of: bytes, limit: limits.fieldBytes)
            cost &+= count
        case .comment:
            let kept = min(count, limits.commentBytes &- line.count)
            line.append(index..<index &+ kept, of: bytes, limit: limits.commentBytes)
        case .unknown: cost &+= count
        }
        index = stop
        return stop < bytes.count
    }

    @inline(__always)
    private mutating func skipLineEnd(_ bytes: Span<UInt8>, _ index: inout Int) {
        let isCarriageReturn = bytes[index] == ASCII.carriageReturn
        index &+= 1
        guard isCarriageReturn else { return }
        if index < bytes.count {
            if bytes[index] == ASCII.lineFeed { index &+= 1 }
        } else {
            followsCarriageReturn = true
        }
    }

    private mutating func completeLine(_ bytes: Span<UInt8>) {
        state = .lineStart
        switch field {
        case .data, .comment, .unknown: return
        case .name: swap(&name, &line)
        case .id:
            if !line.span(in: bytes).holdsNull {
                hasID = true
                swap(&id, &line)
            }
        case .retry:
            if let value = decimal(line.span(in: bytes)) { retry = value }
        }
        line.clear(keptCapacity: limits.keptCapacity)
    }

    private mutating func readByteOrderMark(_ bytes: Span<UInt8>, _ index: inout Int) throws(SSEError) {
        let mark: InlineArray<3, UInt8> = [0xEF, 0xBB, 0xBF]
        while index < bytes.count, bytes[index] == mark[nameCount] {
            index &+= 1
            nameCount &+= 1
            if nameCount == mark.count {
                state = .lineStart
                return
            }
        }
        guard index < bytes.count else { return }
        if nameCount == 0 {
            state = .lineStart
        } else {
            // Another character that begins like the mark, and with it a line of no meaning.
            try begin(.unknown, nameCount: nameCount, bytes)
            try scanner.begin(mark.span.extracting(0..<nameCount))
            state = .value
        }
    }
}
