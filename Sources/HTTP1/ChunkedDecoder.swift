/// What ``ChunkedDecoder/next(_:)`` found.
public enum ChunkEvent: Sendable, Hashable {
    /// All given bytes are used up; so many to drop. Call again with what comes next.
    case needMore(consumed: Int)
    /// Data of the body. Drop everything up to the end of the range, then call again.
    case data(Range<Int>)
    /// The body is complete; so many bytes to drop. What follows belongs to the next message.
    case end(consumed: Int)
}

/// Decodes a chunked body (RFC 9112, 7.1) as it arrives.
///
/// Stricter than the RFC demands of a recipient: chunk extensions and trailer fields are refused from clients and from
/// servers alike. No MCP peer sends them, and readers that disagree on where they end are how requests are smuggled.
public struct ChunkedDecoder: Sendable {
    private enum State {
        /// In the digits of a size.
        case size
        /// After the CR of a size line.
        case sizeLineFeed
        case data
        case dataCarriageReturn
        case dataLineFeed
        /// After the last chunk, where a trailer field could stand.
        case lastCarriageReturn
        case lastLineFeed
        case done
        case refused(HTTP1Error)
    }

    private let maxSizeDigits: Int
    private let maxBody: UInt64
    private var state = State.size
    private var digits = 0
    private var remaining: UInt64 = 0
    /// The bytes of data announced so far, by the sizes of chunks.
    public private(set) var total: UInt64 = 0

    /// A decoder for one body.
    ///
    /// - Parameters:
    ///   - maxBody: the data all chunks together may hold, in bytes. It is checked when a size is read, before its data.
    ///   - limits: the limit on the digits of a size.
    public init(maxBody: UInt64, limits: HTTP1Limits = HTTP1Limits()) {
        self.maxBody = maxBody
        maxSizeDigits = min(limits.chunkSizeDigits, 15)
    }

    /// The next event in `bytes`, which begin where the previous event left off.
    ///
    /// - Throws: ``HTTP1Error``; then close the connection.
    public mutating func next(_ bytes: Span<UInt8>) throws(HTTP1Error) -> ChunkEvent {
        do {
            return try step(bytes)
        } catch {
            state = .refused(error)
            throw error
        }
    }

    private mutating func step(_ bytes: Span<UInt8>) throws(HTTP1Error) -> ChunkEvent {
        var index = 0
        while true {
            if case .done = state { return .end(consumed: index) }
            guard index < bytes.count else { return .needMore(consumed: index) }
            let byte = bytes[index]
            switch state {
            case .size:
                try readSize(byte)
                index &+= 1
            case .sizeLineFeed:
                guard byte == ASCII.lineFeed else { throw .bareCarriageReturn }
                index &+= 1
                try beginChunk()
            case .data:
                let count = Int(min(remaining, UInt64(bytes.count &- index)))
                remaining &-= UInt64(count)
                if remaining == 0 { state = .dataCarriageReturn }
                return .data(index..<index &+ count)
            case .dataCarriageReturn:
                guard byte == ASCII.carriageReturn else { throw .malformedChunkEnd }
                index &+= 1
                state = .dataLineFeed
            case .dataLineFeed:
                guard byte == ASCII.lineFeed else { throw .malformedChunkEnd }
                index &+= 1
                state = .size
                digits = 0
            case .lastCarriageReturn:
                guard byte == ASCII.carriageReturn else { throw .trailerField }
                index &+= 1
                state = .lastLineFeed
            case .lastLineFeed:
                guard byte == ASCII.lineFeed else { throw .bareCarriageReturn }
                index &+= 1
                state = .done
            case .refused(let error): throw error
            case .done: break
            }
        }
    }

    private mutating func readSize(_ byte: UInt8) throws(HTTP1Error) {
        let digit: UInt8
        switch byte {
        case 0x30...0x39: digit = byte &- 0x30
        case 0x41...0x46: digit = byte &- 0x37
        case 0x61...0x66: digit = byte &- 0x57
        case ASCII.carriageReturn:
            guard digits > 0 else { throw .malformedChunkSize }
            state = .sizeLineFeed
            return
        case ASCII.lineFeed: throw .bareLineFeed
        case UInt8(ascii: ";"), ASCII.space, ASCII.tab:
            throw digits > 0 ? .chunkExtension : .malformedChunkSize
        default: throw .malformedChunkSize
        }
        guard digits < maxSizeDigits else { throw .malformedChunkSize }
        digits &+= 1
        remaining = remaining &<< 4 | UInt64(digit)
    }

    private mutating func beginChunk() throws(HTTP1Error) {
        guard remaining <= maxBody &- total else { throw .bodyTooLarge }
        total &+= remaining
        state = remaining == 0 ? .lastCarriageReturn : .data
    }
}
