// libFuzzer target: response heads. Compiled as one module with Sources/HTTP1.
//
// For any bytes and any method: ranges lie inside the head, what drips in reads like the whole, and the body ends as
// RFC 9112, 6.3 says.

/// What must be the same however the bytes arrive.
private struct Reading: Equatable {
    var error: HTTP1Error?
    var length = 0
    var status = 0
    var fields: [Range<Int>] = []
    var framing = BodyFraming.none
    var keepAlive = true
}

private func readHead(_ bytes: Span<UInt8>, _ method: HTTPMethod, step: Int) -> Reading {
    var parser = ResponseParser()
    var reading = Reading()
    var available = min(step, bytes.count)
    do {
        while try !parser.parseHead(bytes.extracting(0..<available), requestMethod: method) {
            guard available < bytes.count else { return reading }
            available = min(available + step, bytes.count)
        }
    } catch {
        reading.error = error
        return reading
    }
    reading.length = parser.head.length
    reading.status = parser.head.status
    reading.framing = parser.head.framing
    reading.keepAlive = parser.head.keepAlive
    precondition(parser.head.length <= available && 100...599 ~= parser.head.status && parser.head.status != 101)
    let reason = bytes.extracting(parser.head.reason)
    precondition(reason.firstControl(from: 0, to: reason.count) == reason.count)
    for index in parser.head.fields.indices {
        let field = parser.head.fields[index]
        precondition(field.value.upperBound < parser.head.length)
        precondition(HTTP1Encoding.isToken(bytes.extracting(field.name)))
        precondition(HTTP1Encoding.isFieldValue(bytes.extracting(field.value)))
        reading.fields += [field.name, field.value]
    }
    let hasNoBody = reading.status < 200 || reading.status == 204 || reading.status == 304 || method == .head
    precondition(!hasNoBody || reading.framing == .none)
    precondition(hasNoBody || reading.framing != .none)
    precondition(reading.framing != .untilClose || !reading.keepAlive)
    if parser.head.fields.contains(.transferEncoding) {
        precondition(!parser.head.fields.contains(.contentLength) && (hasNoBody || reading.framing == .chunked))
    }
    return reading
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Span(_unsafeElements: UnsafeBufferPointer(start: data, count: count))
    for method in [HTTPMethod.post, .head] {
        var rest = bytes
        // Interim heads are followed by more.
        while !rest.isEmpty {
            let whole = readHead(rest, method, step: rest.count)
            precondition(readHead(rest, method, step: 1) == whole)
            precondition(readHead(rest, method, step: 7) == whole)
            guard whole.error == nil, whole.length > 0, whole.status < 200 else { break }
            rest = rest.extracting(whole.length..<rest.count)
        }
    }
    return 0
}
