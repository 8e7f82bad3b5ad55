import SSE

/// Reads a whole stream as HTML, 9.2.6 says it, line after line, without any regard to cost. It shares nothing with the
/// parser.
func referenceReading(_ stream: [UInt8]) -> Reading {
    var reading = Reading()
    var text = stream[...]
    if let invalid = firstInvalidByte(stream) {
        reading.error = .invalidUTF8
        text = stream[..<invalid]
    }
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }

    var data: [[UInt8]] = []
    var id: [UInt8]?
    var name: [UInt8] = []
    var retry: UInt64?
    var hasLines = false
    while let end = text.firstIndex(where: { $0 == 13 || $0 == 10 }) {
        let line = Array(text[..<end])
        text = text[(end + 1)...]
        if stream[end] == 13, text.first == 10 { text = text.dropFirst() }
        if line.isEmpty {
            if !data.isEmpty || id != nil || !name.isEmpty || retry != nil {
                let joined = data.isEmpty ? nil : Array(data.joined(separator: [10]))
                reading.items.append(.event(data: joined, id: id, name: name, retry: retry))
            }
            (data, id, name, retry, hasLines) = ([], nil, [], nil, false)
            continue
        }
        let colon = line.firstIndex(of: 58) ?? line.endIndex
        var value = Array(line[colon...].dropFirst())
        if value.first == 32 { value.removeFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "" where colon == 0:
            while value.count > 1024 || String(validating: value, as: UTF8.self) == nil { value.removeLast() }
            reading.items.append(.comment(value))
            continue
        case "data": data.append(value)
        case "event": name = value
        case "id": if !value.contains(0) { id = value }
        case "retry":
            if value.allSatisfy({ 48...57 ~= $0 }), let number = UInt64(String(decoding: value, as: UTF8.self)) {
                retry = number
            }
        default: break
        }
        hasLines = true
    }
    reading.isPartial = reading.error == nil && (hasLines || !text.isEmpty)
    return reading
}

/// The offset of the first byte that cannot be part of UTF-8, where an unfinished character at the end still can.
private func firstInvalidByte(_ bytes: [UInt8]) -> Int? {
    var valid = 0
    while valid < bytes.count {
        let lengths = 1...min(4, bytes.count - valid)
        if let length = lengths.first(where: { String(validating: bytes[valid..<valid + $0], as: UTF8.self) != nil }) {
            valid += length
            continue
        }
        // Nothing whole: is it the beginning of some character?
        let rest = Array(bytes[valid...])
        return rest.count < 4 && completions.contains { $0.starts(with: rest) } ? nil : valid
    }
    return nil
}

/// Every beginning of a character outside ASCII, of the characters that differ in it.
private let completions: [[UInt8]] = {
    var all: [[UInt8]] = []
    for value in stride(from: UInt32(0x80), through: 0x10_FFFF, by: 0x40) {
        if let scalar = Unicode.Scalar(value) { all.append(Array(String(Character(scalar)).utf8)) }
    }
    return all
}()
