import Link
import NIOCore

/// The sending half of a link as a value: what waits to be written, and the stream rules that every frame is checked against.
struct Outbox {
    /// Bytes of memory that a new output begins with.
    static let initialCapacity = 4096

    var streams: StreamTable
    /// Frames of this turn of the loop.
    var output: ByteBuffer
    /// Reused for every head.
    private var writer = FieldWriter()

    /// What became of a piece of a body.
    enum DataOutcome {
        /// Nothing may be sent now.
        case noCredit
        /// It stands in `output`.
        case copied
        /// Its frame's head stands in `output`; these bytes follow it.
        case reference(ByteBuffer)
    }

    init(_ streams: StreamTable) {
        self.streams = streams
        output = ByteBufferAllocator().buffer(capacity: Outbox.initialCapacity)
    }

    mutating func open(_ write: (inout FieldWriter) -> Bool) -> PeerLink.Opening {
        writer.reset()
        guard write(&writer) else { return .refused }
        guard let stream = streams.open() else { return .full }
        output.writeFrame(.open, stream: stream, payload: writer.bytes)
        return .stream(stream)
    }

    /// False: the head holds more than a link carries.
    mutating func sendHead(_ stream: StreamID, isOpen: Bool, _ write: (inout FieldWriter) -> Bool) -> Bool {
        writer.reset()
        guard write(&writer) else { return false }
        if isOpen, streams.sendHead(stream) { output.writeFrame(.head, stream: stream, payload: writer.bytes) }
        return true
    }

    /// Takes as much from `bytes` as one frame may carry now.
    mutating func writeData(
        _ stream: StreamID, _ bytes: inout ByteBuffer, ends: Bool, referenceSize: Int
    ) -> DataOutcome {
        let count = min(bytes.readableBytes, streams.sendable(stream), FrameHead.maximumData)
        guard count > 0, streams.sendData(stream, count: count) else { return .noCredit }
        let isLast = ends && count == bytes.readableBytes && streams.sendEnd(stream)
        output.writeFrameHead(isLast ? .lastData : .data, length: count, stream: stream)
        guard count < referenceSize, count == bytes.readableBytes else {
            guard var piece = bytes.readSlice(length: count) else { return .noCredit }
            if count >= referenceSize { return .reference(piece) }
            output.writeBuffer(&piece)
            return .copied
        }
        output.writeBuffer(&bytes)
        return .copied
    }

    /// Writes a whole body, which `write` appends, and the end of the stream. False: it may not be sent now in one frame.
    mutating func writeWhole(_ stream: StreamID, count: Int, _ write: (inout ByteBuffer) -> Void) -> Bool {
        guard count <= FrameHead.maximumData, count <= streams.sendable(stream),
            streams.sendData(stream, count: count), streams.sendEnd(stream)
        else { return false }
        output.writeFrameHead(.lastData, length: count, stream: stream)
        let start = output.writerIndex
        write(&output)
        precondition(output.writerIndex - start == count, "a body is as long as its frame says")
        return true
    }

    /// False: not permitted now, and nothing is sent. So with the others below.
    mutating func end(_ stream: StreamID) -> Bool {
        guard streams.sendEnd(stream) else { return false }
        output.writeFrameHead(.end, length: 0, stream: stream)
        return true
    }

    mutating func reset(_ stream: StreamID, _ reason: StreamEndReason) -> Bool {
        guard streams.sendReset(stream) else { return false }
        output.writeFrame(.reset, stream: stream, reason)
        return true
    }

    mutating func cancel(_ stream: StreamID, _ reason: StreamEndReason) -> Bool {
        guard streams.sendCancel(stream) else { return false }
        output.writeFrame(.cancel, stream: stream, reason)
        return true
    }

    mutating func consumed(_ stream: StreamID, count: Int) -> Bool {
        guard let credit = streams.consumed(stream, count: count) else { return false }
        output.writeFrameHead(.credit, length: 4, stream: stream)
        output.writeInteger(UInt32(credit), endianness: .little)
        return true
    }

    /// What is written so far. What is written while the socket takes it begins a buffer of its own.
    mutating func takeOutput() -> ByteBuffer {
        let taken = output
        output = ByteBuffer()
        return taken
    }

    /// Takes memory back that the socket is done with, unless something has been written since.
    mutating func reuse(_ buffer: ByteBuffer) {
        if output.readableBytes == 0 { output = buffer }
    }
}
