import StrictJSON

/// A JSON value read by walking a tape; numbers keep their spelling.
indirect enum Value: Equatable {
    case null
    case boolean(Bool)
    case number(String)
    case string(String)
    case array([Value])
    case object([Member])

    struct Member: Equatable {
        var name: String
        var value: Value
    }
}

func value(_ node: JSONNode, _ tape: borrowing JSONTape, _ bytes: [UInt8]) -> Value {
    switch tape.kind(node) {
    case .null: return .null
    case .true, .false: return .boolean(tape.boolean(node) ?? false)
    case .number: return .number(String(decoding: bytes[tape.range(node)], as: UTF8.self))
    case .string: return .string(tape.string(node, in: bytes.span) ?? "not a string")
    case .array:
        var elements: [Value] = []
        for element in tape.elements(of: node) { elements.append(value(element, tape, bytes)) }
        return .array(elements)
    case .object:
        var members: [Value.Member] = []
        for (name, member) in tape.members(of: node) {
            members.append(
                Value.Member(name: tape.string(name, in: bytes.span) ?? "no name", value: value(member, tape, bytes)))
        }
        return .object(members)
    }
}

/// What a parser made of a text.
enum Outcome: Equatable {
    case value(Value)
    case refused(JSONError.Kind, Int)

    var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }

    var kind: JSONError.Kind? {
        if case .refused(let kind, _) = self { kind } else { nil }
    }

    var offset: Int? {
        if case .refused(_, let offset) = self { offset } else { nil }
    }
}

func read(
    _ bytes: [UInt8], surrogates: JSONParser.Surrogates = .refuse, limits: JSONLimits = JSONLimits()
) -> Outcome {
    var tape = JSONTape()
    do {
        try JSONParser(limits: limits, surrogates: surrogates).parse(bytes.span, into: &tape)
        return .value(value(.root, tape, bytes))
    } catch {
        return .refused(error.kind, error.offset)
    }
}

func read(
    _ text: String, surrogates: JSONParser.Surrogates = .refuse, limits: JSONLimits = JSONLimits()
) -> Outcome {
    read(Array(text.utf8), surrogates: surrogates, limits: limits)
}

/// An accepted text and its tape, which test macros can hold: neither spans nor tapes can be copied into them.
final class Document {
    struct NoSuchMember: Error {
        var name: String
    }

    let bytes: [UInt8]
    let tape: JSONTape

    init(_ bytes: [UInt8], surrogates: JSONParser.Surrogates = .refuse) throws {
        var tape = JSONTape(capacity: 1)
        try JSONParser(surrogates: surrogates).parse(bytes.span, into: &tape)
        self.bytes = bytes
        self.tape = tape
    }

    convenience init(_ text: String, surrogates: JSONParser.Surrogates = .refuse) throws {
        try self.init(Array(text.utf8), surrogates: surrogates)
    }

    /// Follows member names from the root.
    func node(_ names: String...) throws -> JSONNode {
        let bytes = bytes
        var node = JSONNode.root
        for name in names {
            guard let next = tape.member(named: name, of: node, in: bytes.span) else { throw NoSuchMember(name: name) }
            node = next
        }
        return node
    }

    func has(_ name: StaticString, in node: JSONNode = .root) -> Bool {
        let bytes = bytes
        return tape.member(name, of: node, in: bytes.span) != nil
    }

    func equals(_ node: JSONNode, _ text: StaticString) -> Bool {
        let bytes = bytes
        return tape.equals(node, text, in: bytes.span)
    }

    func string(_ node: JSONNode) -> String? {
        let bytes = bytes
        return tape.string(node, in: bytes.span)
    }

    func integer(_ node: JSONNode) -> Int64? {
        let bytes = bytes
        return tape.integer(node, in: bytes.span)
    }

    func raw(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
    func value(_ node: JSONNode = .root) -> Value { StrictJSONTests.value(node, tape, bytes) }
    var childCount: Int { tape.childCount(.root) }

    /// The text after the changes.
    func rewritten(_ rewriter: inout JSONRewriter) -> String {
        let bytes = bytes
        var output: [UInt8] = []
        rewriter.append(bytes.span, tape, to: &output)
        return String(decoding: output, as: UTF8.self)
    }
}

/// A reproducible source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Makes values, and texts that spell them in one of the many ways JSON allows.
struct Generator {
    var random: SeededGenerator

    mutating func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    mutating func value(depth: Int) -> Value {
        switch pick(0..<(depth > 0 ? 9 : 6)) {
        case 0: return .null
        case 1: return .boolean(pick(0..<2) == 0)
        case 2, 3: return .number(number())
        case 4, 5: return .string(string())
        case 6: return .array((0..<pick(0..<5)).map { _ in value(depth: depth - 1) })
        default:
            var members: [Value.Member] = []
            for _ in 0..<pick(0..<(pick(0..<8) == 0 ? 40 : 6)) {
                let name = string()
                // Names that are canonically equal are different names, but the same `String`.
                let isNew = !members.contains { Array($0.name.utf8) == Array(name.utf8) }
                if isNew { members.append(Value.Member(name: name, value: value(depth: depth - 1))) }
            }
            return .object(members)
        }
    }

    private mutating func number() -> String {
        let integer =
            pick(0..<3) == 0 ? "0" : String(Int64.random(in: 1 ... .max, using: &random) >> Int64(pick(0..<63)) | 1)
        let fraction = pick(0..<3) == 0 ? ".\(pick(0..<1000))" : ""
        let exponent = pick(0..<4) == 0 ? ["e", "E", "e+", "E-"][pick(0..<4)] + "\(pick(0..<400))" : ""
        return (pick(0..<3) == 0 ? "-" : "") + integer + fraction + exponent
    }

    mutating func string() -> String {
        var scalars = String.UnicodeScalarView()
        for _ in 0..<(pick(0..<10) == 0 ? pick(0..<60) : pick(0..<9)) {
            let ranges: [ClosedRange<UInt32>] = [
                0x20...0x7E, 0x61...0x7A, 0...0x1F, 0x22...0x22, 0x5C...0x5C, 0x7F...0x7FF, 0x800...0xD7FF,
                0xE000...0xFFFF, 0x1_0000...0x10_FFFF,
            ]
            let range = ranges[pick(0..<ranges.count)]
            if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) { scalars.append(scalar) }
        }
        return String(scalars)
    }

    mutating func space() -> String {
        pick(0..<3) > 0 ? "" : (0..<pick(1..<4)).map { _ in [" ", "\t", "\n", "\r"][pick(0..<4)] }.joined()
    }

    mutating func spelling(_ value: Value) -> String {
        let inner: String
        switch value {
        case .null: inner = "null"
        case .boolean(let isTrue): inner = isTrue ? "true" : "false"
        case .number(let digits): inner = digits
        case .string(let string): inner = spelling(string)
        case .array(let elements): inner = "[" + elements.map { spelling($0) }.joined(separator: ",") + space() + "]"
        case .object(let members):
            inner =
                "{"
                + members.map { space() + spelling($0.name) + space() + ":" + spelling($0.value) }
                .joined(separator: ",") + space() + "}"
        }
        return space() + inner + space()
    }

    /// A string with some characters escaped that need not be, in any of their escapes.
    mutating func spelling(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            guard mustEscape || pick(0..<6) == 0 else {
                text.unicodeScalars.append(scalar)
                continue
            }
            let short: [UInt32: String] = [
                8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: "\"", 0x5C: "\\", 0x2F: "/",
            ]
            if let letter = short[scalar.value], pick(0..<2) == 0 {
                text += "\\" + letter
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16, uppercase: pick(0..<2) == 0)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return text + "\""
    }
}

/// The value as its own writer spells it: no white space, no needless escapes.
func canonical(_ value: Value) -> [UInt8] {
    var output: [UInt8] = []
    switch value {
    case .null: output = Array("null".utf8)
    case .boolean(let isTrue): output = Array((isTrue ? "true" : "false").utf8)
    case .number(let digits): output = Array(digits.utf8)
    case .string(let string): JSONText.appendString(string, to: &output)
    case .array(let elements):
        output = [0x5B] + elements.map(canonical).joined(separator: [0x2C]) + [0x5D]
    case .object(let members):
        let pairs = members.map { canonical(.string($0.name)) + [0x3A] + canonical($0.value) }
        output = [0x7B] + pairs.joined(separator: [0x2C]) + [0x7D]
    }
    return output
}
