// libFuzzer target: request heads and chunked bodies. Compiled as one module with Sources/HTTP1.
//
// For any bytes: ranges lie inside the head, what drips in reads like the whole, and an accepted head written again from
// its ranges is accepted again with the same fields and framing.

/// What must be the same however the bytes arrive.
private struct Reading: Equatable {
    var error: HTTP1Error?
    var length = 0
    var fields: [Range<Int>] = []
    var framing = BodyFraming.none
    var keepAlive = true
    var rewritten: [UInt8] = []
}

private func readHead(_ bytes: Span<UInt8>, step: Int) -> Reading {
    var parser = RequestParser()
    var reading = Reading()
    var available = min(step, bytes.count)
    do {
        while try !parser.parseHead(bytes.extracting(0..<available)) {
            guard available < bytes.count else { return reading }
            available = min(available + step, bytes.count)
        }
    } catch {
        reading.error = error
        return reading
    }
    reading.length = parser.head.length
    reading.framing = parser.head.framing
    reading.keepAlive = parser.head.keepAlive
    precondition(parser.head.length <= available && parser.head.framing != .untilClose)
    reading.rewritten = copy(bytes, parser.head.methodRange) + [0x20] + copy(bytes, parser.head.target)
    reading.rewritten += Array(" HTTP/1.1\r\n".utf8)
    precondition(HTTP1Encoding.isToken(bytes.extracting(parser.head.methodRange)))
    precondition(HTTP1Encoding.isTarget(bytes.extracting(parser.head.target)))
    for index in parser.head.fields.indices {
        let field = parser.head.fields[index]
        precondition(field.name.upperBound < field.value.upperBound + 1 && field.value.upperBound < parser.head.length)
        precondition(HTTP1Encoding.isToken(bytes.extracting(field.name)))
        precondition(HTTP1Encoding.isFieldValue(bytes.extracting(field.value)))
        precondition(parser.head.first(field.id) != nil)
        reading.fields += [field.name, field.value]
        reading.rewritten += copy(bytes, field.name) + [0x3A] + copy(bytes, field.value) + [13, 10]
    }
    reading.rewritten += [13, 10]
    return reading
}

private func copy(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
    range.map { bytes[$0] }
}

/// The body, the offset behind it, and the refusal.
private func readBody(_ bytes: Span<UInt8>, step: Int) -> ([UInt8], Int?, HTTP1Error?) {
    var decoder = ChunkedDecoder(maxBody: 1 << 20)
    var body: [UInt8] = []
    var position = 0
    var available = min(step, bytes.count)
    do {
        while true {
            switch try decoder.next(bytes.extracting(position..<available)) {
            case .needMore(let consumed):
                precondition(position + consumed == available)
                position = available
                guard available < bytes.count else { return (body, nil, nil) }
                available = min(available + step, bytes.count)
            case .data(let range):
                precondition(!range.isEmpty && position + range.upperBound <= available)
                body += range.map { bytes[position + $0] }
                precondition(UInt64(body.count) <= decoder.total && decoder.total <= 1 << 20)
                position += range.upperBound
            case .end(let consumed):
                precondition(position + consumed <= available && UInt64(body.count) == decoder.total)
                return (body, position + consumed, nil)
            }
        }
    } catch {
        return (body, nil, error)
    }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Span(_unsafeElements: UnsafeBufferPointer(start: data, count: count))
    let whole = readHead(bytes, step: max(count, 1))
    precondition(readHead(bytes, step: 1) == whole)
    precondition(readHead(bytes, step: 7) == whole)
    if whole.error == nil, whole.length > 0 {
        let again = readHead(whole.rewritten.span, step: whole.rewritten.count)
        precondition(again.error == nil && again.framing == whole.framing && again.keepAlive == whole.keepAlive)
        precondition(again.rewritten == whole.rewritten)
    }
    // The body follows the head, or is all there is.
    let body = bytes.extracting(whole.length..<count)
    let decoded = readBody(body, step: max(body.count, 1))
    precondition(readBody(body, step: 1) == decoded)
    precondition(readBody(body, step: 5) == decoded)
    return 0
}
