// libFuzzer target: what the gateway gives away and gets back, and what is said twice. Compiled as one module with
// Sources/MCP. The first byte chooses.
//
// For any bytes: an event id that is read is the one text that is written for it, a header stands for a string of the body
// in no other spelling than the two there are, no name that Unicode's own tables fold to a protocol name passes as another,
// and a modern request that passes says the same in its head and in its body.
import StrictJSON

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let rest = Array(input.dropFirst())
    switch (input[0] &- UInt8(ascii: "0")) % 6 {
    case 0: readEventID(rest)
    case 1: writeEventID(rest)
    case 2: checkBase64(rest)
    case 3: checkHeaderValue(rest)
    case 4: checkName(rest)
    default: checkMessage(rest)
    }
    return 0
}

/// The parts of an input between bytes 0xFF, which no text holds; the last one takes what is left.
private func parts(_ bytes: [UInt8], _ count: Int) -> [[UInt8]] {
    var parts = bytes.split(separator: 0xFF, maxSplits: count - 1, omittingEmptySubsequences: false).map(Array.init)
    while parts.count < count { parts.append([]) }
    return parts
}

// MARK: Event ids

private func write(_ id: EventID, _ output: inout [UInt8]) -> Bool {
    EventID.append(
        route: id.route, request: id.request, id: id.id.span, progressToken: id.progressToken.span,
        upstream: id.upstream.span, to: &output)
}

private func readEventID(_ text: [UInt8]) {
    guard let id = EventID(text.span) else { return }
    var again: [UInt8] = []
    precondition(write(id, &again), "an id was read that is not written")
    precondition(again == text, "an id has two texts")
    precondition(isIdentifier(id.id) && isIdentifier(id.progressToken), "an id that breaks a message")
    precondition(id.upstream.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "an id that breaks a header")
}

private func writeEventID(_ input: [UInt8]) {
    let parts = parts(input, 5)
    let (id, token, upstream) = (parts[1], parts[2], parts[3])
    let numbers = parts[0].reduce(0) { $0 &* 251 &+ UInt64($1) }
    let route = UInt32(truncatingIfNeeded: numbers &* 0x9E37_79B9)
    var text = [UInt8](repeating: 7, count: 3)
    let isWritten = EventID.append(
        route: route, request: numbers, id: id.span, progressToken: token.span, upstream: upstream.span,
        to: &text)
    guard isWritten else { return precondition(text == [7, 7, 7], "written in part") }
    text.removeFirst(3)
    precondition(text.count <= EventID.maxLength && text.allSatisfy { 0x21...0x7E ~= $0 }, "not fit for a header")
    let back = EventID(text.span)
    guard isIdentifier(id), isIdentifier(token) else {
        return precondition(back == nil, "what is no identifier came back as one")
    }
    precondition(back?.route == route && back?.request == numbers, "other numbers came back")
    precondition(back?.id == id && back?.progressToken == token, "another identifier came back")
    precondition(back?.upstream == upstream, "another id of the upstream came back")

    // What a client may make of it: the last part says where which byte is put, changed or taken away.
    var edits = parts[4][...]
    while let kind = edits.popFirst(), let position = edits.popFirst(), let byte = edits.popFirst(), !text.isEmpty {
        let place = Int(position) % text.count
        switch kind % 3 {
        case 0: text.insert(byte, at: place)
        case 1: text[place] = byte
        default: text.remove(at: place)
        }
        readEventID(text)
    }
}

/// A string or an integer as JSON spells it, or nothing at all.
private func isIdentifier(_ bytes: [UInt8]) -> Bool {
    guard let first = bytes.first, let last = bytes.last else { return true }
    guard bytes.count <= 1024, first > 0x20, last > 0x20 else { return false }
    var tape = JSONTape()
    guard (try? JSONParser().parse(bytes.span, into: &tape)) != nil else { return false }
    return tape.kind(.root) == .string || tape.isInteger(.root)
}

// MARK: Base64 and header values

private func checkBase64(_ bytes: [UInt8]) {
    for form in [Base64Form.standard, .url] {
        var text: [UInt8] = []
        form.append(bytes.span, to: &text)
        precondition(decode(text, form) == bytes, "our own text was not read back")
        guard let decoded = decode(bytes, form) else { continue }
        text = []
        form.append(decoded.span, to: &text)
        precondition(text == bytes, "bytes have two texts")
    }
}

private func decode(_ text: [UInt8], _ form: Base64Form) -> [UInt8]? {
    guard var reader = Base64Reader(text.span, form) else { return nil }
    let count = reader.count
    var bytes: [UInt8] = []
    reader.appendRest(to: &bytes)
    precondition(bytes.count == count, "another length than was said")
    return bytes
}

/// A string as a header value: the first part is the string, the second any value.
private func checkHeaderValue(_ input: [UInt8]) {
    let parts = parts(input, 2)
    let string = String(decoding: parts[0], as: UTF8.self)
    let text = Array(string.utf8)
    var json: [UInt8] = []
    JSONText.appendString(string, to: &json)
    var tape = JSONTape()
    guard (try? JSONParser().parse(json.span, into: &tape)) != nil else {
        preconditionFailure("our own string is not read")
    }
    var value: [UInt8] = []
    HeaderValue.append(.root, of: tape, json.span, to: &value)
    precondition(value.allSatisfy { 0x20...0x7E ~= $0 || $0 == 9 }, "a value that breaks out of its line")
    precondition(value.first ?? 0x21 > 0x20 && value.last ?? 0x21 > 0x20, "a value that a reader would trim")
    precondition(HeaderValue.isWellFormed(value.span))
    precondition(HeaderValue.fault(in: value.span, mirroring: .root, of: tape, json.span) == nil, "not what it mirrors")

    var plain: [UInt8] = [7]
    let isPlain = HeaderValue.appendPlain(.root, of: tape, json.span, to: &plain)
    precondition(plain == (isPlain ? [7] + text : [7]))

    let other = parts[1]
    var encoded = Array("=?base64?".utf8)
    Base64Form.standard.append(text.span, to: &encoded)
    encoded += Array("?=".utf8)
    if HeaderValue.fault(in: other.span, mirroring: .root, of: tape, json.span) == nil {
        precondition(other == text || other == encoded, "a third spelling passes")
    }
    let mayStandPlainly =
        HeaderValue.fault(in: other.span, mirroring: .root, of: tape, json.span, mayBeEncoded: false) == nil
    precondition(!mayStandPlainly || other == text, "a second plain spelling passes")
    _ = HeaderValue.isWellFormed(other.span)
}

// MARK: Names

private func checkName(_ input: [UInt8]) {
    let name = String(decoding: input, as: UTF8.self)
    let folded = fold(name)
    check(name, folded, EnvelopeName.all)
    check(name, folded, MetaName.guarded)
    check(name, folded, ProtocolNames<ParameterName>(bits: (1 << UInt64(ParameterName.allCases.count)) - 1))
}

private func check<Name: ProtocolName & Equatable>(_ name: String, _ folded: [String], _ all: ProtocolNames<Name>) {
    let bytes = Array(name.utf8)
    if let known = Name.named(bytes.span) { return precondition("\(known.text)" == name, "found by another text") }
    let found = all.resembling(bytes.span)
    for known in Name.allCases where all.bits & 1 << UInt64(known.rawValue) != 0 {
        let text = "\(known.text)".lowercased()
        precondition(found != nil || !folded.contains(text), "a disguise passes")
    }
    if let found, bytes.allSatisfy({ 0x21...0x7E ~= $0 }) {
        precondition("\(found.text)".lowercased() == name.lowercased(), "a name is taken for another")
    }
}

/// What forgiving readers may make of a name, by the tables of the standard library: as a whole, and up to the first U+0000.
private func fold(_ name: String) -> [String] {
    var text = ""
    var upToNull: String?
    for scalar in name.unicodeScalars {
        let properties = scalar.properties
        if scalar.value == 0, upToNull == nil { upToNull = text }
        if properties.isDefaultIgnorableCodePoint || properties.isWhitespace || properties.generalCategory == .control {
            continue
        }
        if 0xFF01...0xFF5E ~= scalar.value, let narrow = Unicode.Scalar(scalar.value - 0xFEE0) {
            text += String(narrow).lowercased()
        } else {
            text += properties.uppercaseMapping.lowercased()
        }
    }
    return [text] + (upToNull.map { [$0] } ?? [])
}

// MARK: Messages and the headers that mirror them

/// The parts are the version, the method and the name of the head, each absent if it is empty, and the body.
private func checkMessage(_ input: [UInt8]) {
    let parts = parts(input, 4)
    let (named, body) = (parts[0], parts[3])
    var head: [UInt8] = []
    let ranges = parts.prefix(3).map { part -> Range<Int>? in
        head += Array("\r\nx: ".utf8)
        head += part
        return part.isEmpty ? nil : head.count - part.count..<head.count
    }
    for sender in Peer.allCases {
        var tape = JSONTape()
        let parser = JSONParser(surrogates: sender == .client ? .refuse : .replace)
        guard (try? parser.parse(body.span, into: &tape)) != nil,
            let summary = try? MessageSummary(tape, body.span, from: sender)
        else { continue }
        check(summary, body, sender)
        guard sender == .client else { continue }
        let headers = MirroredHeaders(protocolVersion: ranges[0], method: ranges[1], name: ranges[2])
        guard let era = try? headers.check(head.span, summary, tape, body.span) else { continue }
        let version = ProtocolRevision(named.span)
        guard era == .modern else {
            precondition(summary.versionNode == nil && (ranges[0] == nil || version?.isModern == false))
            continue
        }
        guard summary.kind == .request else { continue }
        precondition(summary.kind == .request && summary.clientCapabilities != nil && !summary.method.isLegacyOnly)
        precondition(version?.isModern == true && text(summary.versionNode, tape, body) == named)
        precondition(text(summary.methodNode, tape, body) == parts[1], "two methods")
        guard summary.method.nameParameter != nil else { continue }
        precondition(ranges[2] != nil || !summary.method.requiresNameHeader)
        if ranges[2] != nil { precondition(text(summary.nameNode, tape, body) == decodedName(parts[2]), "two names") }
    }
}

private func text(_ node: JSONNode?, _ tape: borrowing JSONTape, _ bytes: [UInt8]) -> [UInt8]? {
    guard let node else { return nil }
    var text: [UInt8] = []
    tape.appendString(node, in: bytes.span, to: &text)
    return text
}

/// A header as the specification of 2026-07-28 has a server read it.
private func decodedName(_ value: [UInt8]) -> [UInt8]? {
    guard value.count >= 11, value.starts(with: "=?base64?".utf8), value.suffix(2) == Array("?=".utf8)[...] else {
        return value
    }
    return decode(Array(value.dropFirst(9).dropLast(2)), .standard)
}

/// What was found stands in the message, and another id in its place makes a message like it.
private func check(_ summary: MessageSummary, _ body: [UInt8], _ sender: Peer) {
    let identifiers = [
        summary.id, summary.progressToken, summary.progressSubject, summary.cancelledRequest, summary.subscription,
    ]
    for case let range? in identifiers {
        precondition(isIdentifier(Array(body[range])) || sender == .server, "no identifier stands there")
    }
    guard let id = summary.id else { return }
    var edit = MessageEdit()
    edit.replace(id, with: 18_446_744_073_709_551_615)
    if let token = summary.progressToken { edit.replace(token, with: Array(#""t""#.utf8)) }
    var edited: [UInt8] = []
    edit.append(original: body.span, to: &edited)
    precondition(edited.count == edit.length(of: body.count))
    var tape = JSONTape()
    guard (try? JSONParser(surrogates: .replace).parse(edited.span, into: &tape)) != nil,
        let again = try? MessageSummary(tape, edited.span, from: sender)
    else { preconditionFailure("an edited message is none") }
    precondition(again.kind == summary.kind && again.method == summary.method)
    precondition(again.id.map { Array(edited[$0]) } == Array("18446744073709551615".utf8))
    let token = again.progressToken.map { Array(edited[$0]) }
    precondition(token == summary.progressToken.map { _ in Array(#""t""#.utf8) })
}
