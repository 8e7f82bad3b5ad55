// Reads texts from standard input and answers each on standard output, for strictjson.py, which compiles it as one module
// with Sources/StrictJSON. A text is four bytes of length, the highest first, and so many bytes. The answer is of the same
// form: the text written anew value by value, or `!` and the kind of the error. A letter before each text says what to do
// with lone surrogates: `c` as from a client, `s` as from a server.

import Glibc

private func readBytes(_ count: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
        let byte = getchar()
        if byte < 0 { return nil }
        bytes.append(UInt8(truncatingIfNeeded: byte))
    }
    return bytes
}

private func write(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ output: inout [UInt8]) {
    switch tape.kind(node) {
    case .null, .true, .false, .number:
        for index in tape.range(node) { output.append(bytes[index]) }
    case .string:
        writeString(node, tape, bytes, &output)
    case .array:
        output.append(0x5B)
        for (position, element) in tape.elements(of: node).enumerated() {
            if position > 0 { output.append(0x2C) }
            write(element, tape, bytes, &output)
        }
        output.append(0x5D)
    case .object:
        output.append(0x7B)
        for (position, member) in tape.members(of: node).enumerated() {
            if position > 0 { output.append(0x2C) }
            writeString(member.name, tape, bytes, &output)
            output.append(0x3A)
            write(member.value, tape, bytes, &output)
        }
        output.append(0x7D)
    }
}

private func writeString(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>, _ output: inout [UInt8]) {
    var value: [UInt8] = []
    tape.appendString(node, in: bytes, to: &value)
    JSONText.appendString(value.span, to: &output)
}

@main
enum Probe {
    static func main() {
        var tape = JSONTape()
        while let head = readBytes(5) {
            let count = head[1...].reduce(0) { $0 << 8 | Int($1) }
            guard let text = readBytes(count) else { return }
            let parser = JSONParser(surrogates: head[0] == UInt8(ascii: "s") ? .replace : .refuse)
            var answer: [UInt8] = []
            do {
                try parser.parse(text.span, into: &tape)
                write(.root, tape, text.span, &answer)
            } catch {
                answer = Array("!\(error.kind)".utf8)
            }
            for shift in [24, 16, 8, 0] { putchar(CInt(answer.count >> shift & 255)) }
            for byte in answer { putchar(CInt(byte)) }
            fflush(nil)
        }
    }
}
