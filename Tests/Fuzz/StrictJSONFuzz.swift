// libFuzzer target: JSON texts. Compiled as one module with Sources/StrictJSON.
//
// For any bytes: every node lies inside its parent and in order, what is accepted is accepted again after rewriting and
// after being written anew value by value, and a tape that has to grow reads like one that need not.

/// Checks the nodes of a value and writes it anew.
private func check(
    _ node: JSONNode, within parent: Range<Int>, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>,
    _ output: inout [UInt8]
) {
    let range = tape.range(node)
    precondition(!range.isEmpty && parent.lowerBound <= range.lowerBound && range.upperBound <= parent.upperBound)
    switch tape.kind(node) {
    case .null, .true, .false, .number:
        output += range.map { bytes[$0] }
        if let integer = tape.integer(node, in: bytes), integer != 0 {
            precondition(Array(String(integer).utf8) == range.map { bytes[$0] })
        }
    case .string:
        writeString(node, tape, bytes, &output)
    case .array:
        output.append(0x5B)
        var end = range.lowerBound + 1
        var count = 0
        for element in tape.elements(of: node) {
            if count > 0 { output.append(0x2C) }
            check(element, within: end..<range.upperBound - 1, tape, bytes, &output)
            end = tape.range(element).upperBound
            count += 1
        }
        precondition(count == tape.childCount(node))
        output.append(0x5D)
    case .object:
        output.append(0x7B)
        var end = range.lowerBound + 1
        var count = 0
        for (name, value) in tape.members(of: node) {
            if count > 0 { output.append(0x2C) }
            precondition(tape.range(name).lowerBound >= end)
            writeString(name, tape, bytes, &output)
            output.append(0x3A)
            check(value, within: tape.range(name).upperBound..<range.upperBound - 1, tape, bytes, &output)
            end = tape.range(value).upperBound
            count += 1
            checkLookup(name, value, node, tape, bytes)
        }
        precondition(count == tape.childCount(node))
        output.append(0x7D)
    }
}

/// A member is found by its unescaped name, and its name is unique.
private func checkLookup(
    _ name: JSONNode, _ value: JSONNode, _ object: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
) {
    guard !tape.hasLoneSurrogate(name), tape.childCount(object) < 50 else { return }
    var unescaped: [UInt8] = []
    tape.appendString(name, in: bytes, to: &unescaped)
    precondition(tape.member(unescaped.span, of: object, in: bytes) == value)
    precondition(tape.equals(name, unescaped.span, in: bytes))
}

private func writeString(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ output: inout [UInt8]) {
    var value: [UInt8] = []
    tape.appendString(node, in: bytes, to: &value)
    precondition(tape.isEscaped(node) || value == tape.contentRange(node).map { bytes[$0] })
    JSONText.appendString(value.span, to: &output)
}

private func written(_ tape: borrowing JSONTape, _ bytes: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    check(.root, within: 0..<bytes.count, tape, bytes, &output)
    return output
}

private let strict = JSONParser()
private let lenient = JSONParser(surrogates: .replace)

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Span(_unsafeElements: UnsafeBufferPointer(start: data, count: count))
    var tape = JSONTape(capacity: 4)
    var roomy = JSONTape(capacity: 4096)
    do {
        try lenient.parse(bytes, into: &tape)
    } catch {
        precondition(0...count ~= error.offset && tape.count == 0)
        var second: JSONError?
        do { try lenient.parse(bytes, into: &roomy) } catch { second = error }
        precondition(second == error)
        do { try strict.parse(bytes, into: &roomy) } catch { return 0 }
        preconditionFailure("the strict parser accepts what the lenient one refuses")
    }
    let anew = written(tape, bytes)
    var rewriter = JSONRewriter()
    var rewritten: [UInt8] = []
    rewriter.append(bytes, tape, to: &rewritten)
    let hasLone = tape.loneSurrogateStrings > 0
    precondition(hasLone || rewritten == bytes.indices.map { bytes[$0] })
    for text in [anew, rewritten] {
        do {
            try strict.parse(text.span, into: &roomy)
        } catch {
            preconditionFailure("an accepted text is refused after rewriting: \(error)")
        }
        precondition(written(roomy, text.span) == anew)
    }
    do {
        try strict.parse(bytes, into: &roomy)
        precondition(!hasLone && roomy.count == tape.count)
    } catch {
        precondition(hasLone && error.kind == .loneSurrogate)
    }
    return 0
}
