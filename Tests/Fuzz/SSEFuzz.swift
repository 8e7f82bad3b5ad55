// libFuzzer target: event streams. Compiled as one module with Sources/SSE.
//
// For any bytes: what comes in pieces reads like the whole, every byte is used once, what was read and is written again
// reads as the same, and what is written holds no line end but line feeds, whoever reads it.

private struct Item: Equatable {
    var isComment = false
    var data: [UInt8]?
    var id: [UInt8]?
    var name: [UInt8] = []
    var retry: UInt64?
}

private struct Reading: Equatable {
    var items: [Item] = []
    var error: SSEError?
    var isPartial = false
}

private func copy(_ bytes: Span<UInt8>) -> [UInt8] {
    bytes.indices.map { bytes[$0] }
}

/// Reads in pieces whose sizes are drawn from `seed`, or in one piece when that is zero.
private func read(_ bytes: Span<UInt8>, limits: EventLimits, seed: UInt64) -> Reading {
    var parser = EventParser(limits: limits)
    var reading = Reading()
    var random = seed
    var position = 0
    do {
        while position < bytes.count {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let size = seed == 0 ? bytes.count : seed == 1 ? 1 : 1 + Int(random >> 33) % 24
            // Memory of its own, so that the sanitiser sees what looks back at the piece before.
            let piece = copy(bytes.extracting(position..<min(position + size, bytes.count)))
            var start = 0
            pieces: while true {
                let rest = piece.span.extracting(start..<piece.count)
                switch try parser.next(rest) {
                case .needMore(let consumed):
                    precondition(consumed == rest.count)
                    break pieces
                case .event(let consumed):
                    let event = parser.event(in: rest)
                    precondition(event.hasData || event.hasID || !event.name.isEmpty || event.retry != nil)
                    if let range = parser.dataRange { precondition(copy(rest.extracting(range)) == copy(event.data)) }
                    reading.items.append(
                        Item(
                            data: event.hasData ? copy(event.data) : nil, id: event.hasID ? copy(event.id) : nil,
                            name: copy(event.name), retry: event.retry))
                    precondition(consumed > 0)
                    start += consumed
                case .comment(let consumed):
                    let comment = parser.comment(in: rest)
                    precondition(consumed > 0 && comment.count <= limits.commentBytes)
                    reading.items.append(Item(isComment: true, data: copy(comment)))
                    start += consumed
                }
            }
            position += piece.count
        }
    } catch {
        reading.error = error
    }
    reading.isPartial = parser.hasPartialEvent
    return reading
}

/// An item in canonical form; nil when it is refused.
private func write(_ item: Item, _ form: DataForm) -> [UInt8]? {
    var output: [UInt8] = []
    let data = item.data ?? []
    let id = item.id ?? []
    do {
        if item.isComment {
            try EventEncoding.appendComment(data.span, to: &output)
            precondition(output.count == EventEncoding.commentCount(data.span))
        } else {
            let event = Event(
                data: item.data == nil ? nil : data.span, id: item.id == nil ? nil : id.span, name: item.name.span,
                retry: item.retry)
            let encoded = try EncodedEvent(event, data: form)
            encoded.append(to: &output)
            precondition(output.count == encoded.count)
        }
    } catch {
        return nil
    }
    return output
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Span(_unsafeElements: UnsafeBufferPointer(start: start, count: count))
    guard count > 0 else { return 0 }
    // The first byte chooses the limits, now and then small ones.
    var limits = EventLimits()
    if input[0] & 3 == 3 {
        limits.eventBytes = Int(input[0])
        limits.fieldBytes = Int(input[0] >> 2)
        limits.commentBytes = Int(input[0] >> 4)
        limits.keptCapacity = Int(input[0])
    }
    let bytes = input.extracting(1..<count)
    let whole = read(bytes, limits: limits, seed: 0)
    precondition(read(bytes, limits: limits, seed: 1) == whole)
    precondition(read(bytes, limits: limits, seed: UInt64(count) | 2) == whole)

    for form in [DataForm.json, .text] {
        var stream: [UInt8] = []
        var kept: [Item] = []
        for item in whole.items {
            guard let written = write(item, form) else { continue }
            precondition(!written.isEmpty)
            stream += written
            kept.append(item)
        }
        let text = String(decoding: stream, as: UTF8.self)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0B...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: preconditionFailure("a line end was written")
            default: break
            }
        }
        let again = read(stream.span, limits: EventLimits(), seed: UInt64(count) | 2)
        precondition(again.error == nil && !again.isPartial)
        precondition(again.items.map(\.id) == kept.map(\.id) && again.items.map(\.name) == kept.map(\.name))
        precondition(form == .json || again.items == kept)
        precondition(again.items.compactMap { write($0, form) }.flatMap { $0 } == stream)
    }
    return 0
}
