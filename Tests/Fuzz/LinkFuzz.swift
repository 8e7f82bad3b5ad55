// The fuzzer of links, compiled as one module with Sources/Link: frame reader, payload decoders, and the stream table as
// either end and between two honest ends. The first byte chooses.

/// The entry point libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    var input = FuzzInput(bytes)
    switch input.byte() % 5 {
    case 0: fuzzLink(&input, side: .acceptor)
    case 1: fuzzLink(&input, side: .opener)
    case 2: fuzzPayload(&input)
    case 3: fuzzTable(&input)
    default: fuzzPair(&input)
    }
    return 0
}

/// The input as a source of choices; zeros after its end.
private struct FuzzInput {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isEmpty: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[min(position, bytes.count)...])
    }
}

// MARK: A run of frames

/// What reading a run of frames came to.
private struct Reading: Equatable {
    var heads: [FrameHead] = []
    var payloads: [[UInt8]] = []
    var outcomes: [StreamOutcome] = []
    var violation: LinkViolation?
}

/// Reads all of the rest as one shot and in steps; both must come to the same.
private func fuzzLink(_ input: inout FuzzInput, side: LinkSide) {
    let step = 1 + Int(input.byte())
    let opened = side == .opener ? input.below(5) : 0
    let bytes = input.rest()
    let whole = readRun(bytes, step: max(1, bytes.count), side, opened)
    let dripped = readRun(bytes, step: step, side, opened)
    precondition(whole == dripped, "drip and one shot differ")
}

private func readRun(_ bytes: [UInt8], step: Int, _ side: LinkSide, _ opened: Int) -> Reading {
    var result = Reading()
    var table = StreamTable(side: side, capacity: 4)
    for _ in 0..<opened { _ = table.open() }
    var buffer: [UInt8] = []
    var taken = 0
    while taken < bytes.count {
        let count = min(step, bytes.count - taken)
        buffer += bytes[taken..<(taken + count)]
        taken += count
        var offset = 0
        do throws(LinkViolation) {
            while let frame = try FrameReader.next(buffer.span, from: offset) {
                precondition(frame.payload.lowerBound == offset + FrameHead.byteCount)
                precondition(frame.payload.upperBound <= buffer.count && frame.payload.count == frame.head.length)
                let payload = Array(buffer[frame.payload])
                offset = frame.payload.upperBound
                result.heads.append(frame.head)
                result.payloads.append(payload)
                try takeFrame(frame.head, payload, &table, &result)
            }
        } catch {
            result.violation = error
            return result
        }
        buffer.removeFirst(offset)
    }
    return result
}

private func takeFrame(
    _ head: FrameHead, _ payload: [UInt8], _ table: inout StreamTable, _ result: inout Reading
) throws(LinkViolation) {
    let (first, second) = head.words
    precondition((try? FrameHead(first: first, second: second)) == head, "a head has two spellings")
    decodeAll(head.type, payload)
    guard head.type.isStreamFrame else { return }
    var credit = 0
    if head.type == .credit {
        var reader = FieldReader(payload.span)
        credit = Int(try reader.u32())
    }
    let outcome = try table.receive(head, credit: credit)
    result.outcomes.append(outcome)
    check(table, head.stream, capacity: 4)
    precondition(!outcome.answerWithReset || !table.isActive(head.stream), "answered and still active")
    if outcome.event == .data, let credit = table.consumed(head.stream, count: head.length) {
        precondition(credit >= StreamTable.creditPortion && credit <= StreamTable.window)
    }
}

private func check(_ table: StreamTable, _ id: StreamID, capacity: Int) {
    precondition((0...capacity).contains(table.activeCount), "more streams than capacity")
    precondition((0...StreamTable.window).contains(table.sendable(id)), "sendable outside the window")
    precondition(table.isActive(id) || !table.isWritable(id), "writable but over")
    precondition(table.isWritable(id) || table.sendable(id) == 0, "credit where nothing may be sent")
}

// MARK: Payloads

private func fuzzPayload(_ input: inout FuzzInput) {
    let type = FrameType.allCases[input.below(FrameType.allCases.count)]
    decodeAll(type, input.rest())
}

/// Decodes a payload as everything its frame type may carry; what is accepted must encode to the same bytes.
private func decodeAll(_ type: FrameType, _ payload: [UInt8]) {
    switch type {
    case .generation, .prepare: same(payload, (try? GenerationMessage(decoding: payload.span))?.encode())
    case .segment: same(payload, (try? SegmentMessage(decoding: payload.span))?.encode())
    case .listener: same(payload, (try? ListenerMessage(decoding: payload.span))?.encode())
    case .attach: same(payload, (try? AttachMessage(decoding: payload.span))?.encode())
    case .routeState: same(payload, (try? RouteStateMessage(decoding: payload.span))?.encode())
    case .condemn: same(payload, (try? CondemnMessage(decoding: payload.span))?.encode())
    case .ping, .pong, .served, .lost, .condemnProducer, .commit, .abandon, .release, .prepared, .committed, .reload,
        .released:
        same(payload, (try? NumberMessage(decoding: payload.span))?.encode())
    case .refused: same(payload, (try? RefusedMessage(decoding: payload.span))?.encode())
    case .reloadResult: same(payload, (try? ReloadResultMessage(decoding: payload.span))?.encode())
    case .open:
        same(payload, (try? DialOpen(decoding: payload.span))?.encode())
        guard let message = try? RequestOpen(decoding: payload.span) else { return }
        var writer = FieldWriter()
        precondition(message.write(&writer) == (payload.count <= FrameHead.maximumHead), "accepted, but not sendable")
        if payload.count <= FrameHead.maximumHead { same(payload, writer.bytes) }
        check(message.fields)
    case .head:
        same(payload, (try? DialOutcome(decoding: payload.span))?.encode())
        guard let message = try? ReplyHead(decoding: payload.span) else { return }
        var writer = FieldWriter()
        precondition(message.write(&writer) == (payload.count <= FrameHead.maximumHead), "accepted, but not sendable")
        if payload.count <= FrameHead.maximumHead { same(payload, writer.bytes) }
        checkLine(message.challenge)
    case .begin, .drain, .ready, .data, .lastData, .end, .credit, .cancel, .reset: break
    }
}

private func same(_ payload: [UInt8], _ again: [UInt8]?) {
    if let again { precondition(again == payload, "a message has two encodings") }
}

/// The lines as an upstream takes them apart: each has a name that may be forwarded, and none is empty, which would end the head.
private func check(_ lines: FieldLines) {
    var rest = lines.bytes[...]
    while !rest.isEmpty {
        guard let end = rest.firstIndex(of: 13), end + 1 < rest.endIndex, rest[end + 1] == 10,
            let colon = rest[..<end].firstIndex(of: 58)
        else { preconditionFailure("a line that does not end, or has no name") }
        let name = String(decoding: rest[..<colon], as: UTF8.self)
        let isParameter = name.hasPrefix("mcp-param-") && name.utf8.count > 10
        precondition(
            isParameter || ["traceparent", "tracestate", "baggage"].contains(name), "a name that is not forwarded")
        let isToken = name.utf8.allSatisfy { $0 > 32 && $0 < 127 && !(65...90).contains($0) }
        precondition(isToken, "a name that is no lower-case token")
        let isValue = rest[colon..<end].allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 }
        precondition(isValue, "a value that breaks out of its line")
        rest = rest[(end + 2)...]
    }
}

private func checkLine(_ text: String) {
    precondition(text.utf8.allSatisfy { $0 != 10 && $0 != 13 && $0 != 0 }, "a field that breaks out of its line")
}

// MARK: The table

/// Any frames and any actions, going on after violations.
private func fuzzTable(_ input: inout FuzzInput) {
    let side: LinkSide = input.below(2) == 0 ? .opener : .acceptor
    let first = input.below(2) == 0 ? 1 : UInt32.max
    var table = StreamTable(side: side, capacity: 3, firstGeneration: first)
    while !input.isEmpty {
        let choice = input.byte()
        let place = input.byte()
        let generation = first &+ UInt32(place >> 2 & 7)
        let id = StreamID(slot: UInt32(place & 3), generation: generation == 0 ? 1 : generation)
        if choice & 0x80 != 0 {
            act(&table, id, &input)
        } else {
            let type = FrameType.allCases[Int(choice) % FrameType.allCases.count]
            let length = choice & 0x40 == 0 ? type.payloadBounds.lowerBound : type.payloadBounds.upperBound
            let credit = type == .credit ? Int(input.byte()) << input.below(25) : 0
            let frame = FrameHead(type: type, length: length, stream: id)
            if let outcome = try? table.receive(frame, credit: credit) {
                precondition(type.isStreamFrame && (side == .acceptor || type != .open && type != .cancel))
                precondition(!outcome.answerWithReset || !table.isActive(id))
                if type == .lastData {
                    guard let end = try? table.endOfLastData(id) else { preconditionFailure("data without its end") }
                    precondition(!end.answerWithReset || !table.isActive(id))
                }
            }
        }
        for slot in 0..<4 as Range<UInt32> {
            check(table, StreamID(slot: slot, generation: id.generation), capacity: 3)
        }
    }
}

private func act(_ table: inout StreamTable, _ id: StreamID, _ input: inout FuzzInput) {
    let count = Int(input.byte()) << input.below(12)
    switch input.below(7) {
    case 0: _ = table.open()
    case 1: _ = table.sendHead(id)
    case 2:
        let before = table.sendable(id)
        if table.sendData(id, count: count) { precondition(table.sendable(id) == before - count) }
    case 3: if table.sendEnd(id) { precondition(!table.isWritable(id)) }
    case 4: if table.sendReset(id) { precondition(!table.isWritable(id)) }
    case 5: _ = table.sendCancel(id)
    default: if let credit = table.consumed(id, count: count) { precondition(credit <= StreamTable.window) }
    }
}

// MARK: Two honest ends

/// One end and what it has sent.
private struct FuzzEnd {
    struct Frame {
        var head: FrameHead
        var credit = 0
    }
    var table: StreamTable
    var sent: [Frame] = []
    var known: [StreamID] = []
    var unread: [StreamID: Int] = [:]

    mutating func send(_ type: FrameType, _ id: StreamID, _ length: Int? = nil, credit: Int = 0) {
        let head = FrameHead(type: type, length: length ?? type.payloadBounds.lowerBound, stream: id)
        sent.append(Frame(head: head, credit: credit))
    }

    mutating func act(_ input: inout FuzzInput) {
        let choice = input.byte()
        if choice & 7 == 0 {
            guard let id = table.open() else { return }
            known.append(id)
            return send(.open, id)
        }
        guard !known.isEmpty else { return }
        let id = known[Int(choice >> 3) % known.count]
        switch choice & 7 {
        case 1: if table.sendHead(id) { send(.head, id) }
        case 2, 3:
            let count = min(FrameHead.maximumData, choice & 1 == 0 ? table.sendable(id) : 1 + Int(input.byte()) << 8)
            guard table.sendData(id, count: count) else { return }
            let isLast = choice & 0x40 != 0 && table.sendEnd(id)
            send(isLast ? .lastData : .data, id, count)
        case 4: consume(id, Int(input.byte()) << 10)
        case 5: if table.sendEnd(id) { send(.end, id) }
        case 6: if table.sendReset(id) { send(.reset, id) }
        default: if table.sendCancel(id) { send(.cancel, id) }
        }
    }

    mutating func consume(_ id: StreamID, _ wanted: Int) {
        let count = min(wanted, unread[id] ?? 0)
        unread[id, default: 0] -= count
        if let credit = table.consumed(id, count: count) { send(.credit, id, credit: credit) }
    }

    mutating func receive(_ frame: Frame) {
        let id = frame.head.stream
        guard let outcome = try? table.receive(frame.head, credit: frame.credit) else {
            preconditionFailure("an honest \(frame.head.type) is a violation")
        }
        if outcome.event == .opened { known.append(id) }
        if outcome.event == .data { unread[id, default: 0] += frame.head.length }
        if outcome.answerWithReset { send(.reset, id) }
        guard frame.head.type == .lastData else { return }
        guard let end = try? table.endOfLastData(id) else { preconditionFailure("the end behind data is a violation") }
        if end.answerWithReset { send(.reset, id) }
    }

    mutating func forgetFinished() {
        known = known.filter { table.isActive($0) }
        unread = unread.filter { table.isActive($0.key) }
    }
}

private func fuzzPair(_ input: inout FuzzInput) {
    let first = input.below(2) == 0 ? 1 : UInt32.max
    var opener = FuzzEnd(table: StreamTable(side: .opener, capacity: 3, firstGeneration: first))
    var acceptor = FuzzEnd(table: StreamTable(side: .acceptor, capacity: 3, firstGeneration: first))
    while !input.isEmpty {
        switch input.below(4) {
        case 0: opener.act(&input)
        case 1: acceptor.act(&input)
        case 2: if !opener.sent.isEmpty { acceptor.receive(opener.sent.removeFirst()) }
        default: if !acceptor.sent.isEmpty { opener.receive(acceptor.sent.removeFirst()) }
        }
        precondition(opener.table.activeCount <= 3 && acceptor.table.activeCount <= 3)
        opener.forgetFinished()
        acceptor.forgetFinished()
    }
    settle(&opener, &acceptor)
    for id in opener.known where opener.table.isWritable(id) {
        precondition(StreamTable.window - opener.table.sendable(id) < StreamTable.creditPortion, "credit is lost")
    }
    for id in opener.known where opener.table.sendEnd(id) { opener.send(.end, id) }
    settle(&opener, &acceptor)
    for id in acceptor.known where acceptor.table.sendReset(id) { acceptor.send(.reset, id) }
    settle(&opener, &acceptor)
    precondition(opener.table.activeCount == 0 && acceptor.table.activeCount == 0, "a stream is never released")
}

/// Everything arrives and is used.
private func settle(_ opener: inout FuzzEnd, _ acceptor: inout FuzzEnd) {
    repeat {
        while !opener.sent.isEmpty { acceptor.receive(opener.sent.removeFirst()) }
        while !acceptor.sent.isEmpty { opener.receive(acceptor.sent.removeFirst()) }
        for id in opener.known { opener.consume(id, .max) }
        for id in acceptor.known { acceptor.consume(id, .max) }
    } while !opener.sent.isEmpty || !acceptor.sent.isEmpty
    opener.forgetFinished()
    acceptor.forgetFinished()
}
