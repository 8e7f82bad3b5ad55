import Testing

@testable import StrictJSON

@Suite struct CursorTests {
    static let message = Array(
        """
        {"jsonrpc": "2.0", "id" :17,"met\\u0068od":"tools\\/call","params":{"name":"t","arguments":{"n":-9223372036854775808,\
        "x":1.0,"text":"caf\u{e9} \\ud83d\\ude00\\n","list":[1,[2,3],{"a":{}},"s",null,true,false,[]]},"empty":{}}}
        """.utf8)

    @Test func membersAreFoundByTheirUnescapedNames() throws {
        let document = try Document(Self.message)
        #expect(document.equals(try document.node("jsonrpc"), "2.0"))
        let method = try document.node("method")
        #expect(document.equals(method, "tools/call"))
        #expect(!document.equals(method, "tools/cal"))
        #expect(!document.equals(method, "tools/calls"))
        #expect(!document.equals(try document.node("id"), "17"), "a number is no string")
        #expect(document.has("method") && document.has("params"))
        for absent: StaticString in ["", "i", "idx", "metho", "methods", "name", "met\\u0068od"] {
            #expect(!document.has(absent), "\(absent)")
        }
        let name = try document.node("params", "name")
        #expect(!document.has("name", in: name), "a string has no members")
        #expect(document.raw(document.tape.range(name)) == "\"t\"")
        #expect(document.raw(document.tape.contentRange(name)) == "t")
        #expect(document.childCount == 4)
        #expect(document.tape.childCount(try document.node("params", "empty")) == 0)
    }

    @Test func stringsAreDecodedAndNumbersAreExact() throws {
        let document = try Document(Self.message)
        #expect(document.string(try document.node("params", "arguments", "text")) == "caf\u{e9} \u{1F600}\n")
        #expect(document.integer(try document.node("params", "arguments", "n")) == .min)
        let real = try document.node("params", "arguments", "x")
        #expect(document.integer(real) == nil && document.string(real) == nil)
        #expect(
            document.value(try document.node("params", "arguments", "list"))
                == .array([
                    .number("1"), .array([.number("2"), .number("3")]),
                    .object([.init(name: "a", value: .object([]))]), .string("s"), .null, .boolean(true),
                    .boolean(false), .array([]),
                ]))
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("7", 7), ("-1", -1), ("9223372036854775807", Int64.max),
            ("-9223372036854775808", Int64.min), ("9223372036854775808", nil), ("-9223372036854775809", nil),
            ("99999999999999999999999", nil), ("1.0", nil), ("1e2", nil), ("\"1\"", nil), ("true", nil),
        ] as [(String, Int64?)])
    func integersAreExactOrNothing(text: String, expected: Int64?) throws {
        #expect(try Document(text).integer(.root) == expected)
    }

    @Test func aTapeIsReusedAndAFailureLeavesItEmpty() throws {
        var tape = JSONTape(capacity: 1)
        let parser = JSONParser()
        let large = Array(("[" + Array(repeating: "{\"a\":1}", count: 5000).joined(separator: ",") + "]").utf8)
        try parser.parse(large.span, into: &tape)
        let largeCount = tape.count
        #expect(largeCount == 1 + 5000 * 3)
        let small = Array("[true]".utf8)
        try parser.parse(small.span, into: &tape)
        let smallCount = tape.count
        #expect(smallCount == 2)
        #expect(value(.root, tape, small) == .array([.boolean(true)]))
        tape.shrink(toCapacity: 0)
        let shrunk = tape.nodes.count
        #expect(shrunk <= 4 && value(.root, tape, small) == .array([.boolean(true)]))
        let bad = Array("[1,2,".utf8)
        #expect(throws: JSONError.self) { try parser.parse(bad.span, into: &tape) }
        let emptied = tape.count
        #expect(emptied == 0)
        try parser.parse(large.span, into: &tape)
        let again = tape.count
        #expect(again == largeCount)
    }

    @Test func aNodeIsSixteenBytes() {
        #expect(MemoryLayout<TapeNode>.stride == 16)
    }

    /// Names chosen to collide in hashes without a secret, and names that differ in one place only.
    @Test func findingDuplicatesStaysLinearOnHostileNames() throws {
        let count = 20_000
        let families: [(String, (Int) -> String)] = [
            ("numbered", { "k\($0)" }),
            ("first word alike", { "aaaaaaaa\($0)" }),
            ("last word alike", { "\($0)aaaaaaaaaaaaaaaa" }),
            ("middle word alike", { "aaaaaaaa\(10_000_000 + $0)bbbbbbbb" }),
            ("zeros", { String(repeating: "\\u0000", count: $0 % 97) + String($0, radix: 2) }),
            ("high bits", { number in (0..<8).map { "0@P`"[number >> ($0 * 2) & 3] }.joined() }),
        ]
        for (family, name) in families {
            let text = Array(("{" + (0..<count).map { "\"\(name($0))\":0" }.joined(separator: ",") + "}").utf8)
            let document = try Document(text)
            #expect(document.childCount == count)
            #expect(document.tape.duplicates.comparisons < 2 * count, "\(family)")
        }
    }
}

extension String {
    fileprivate subscript(offset: Int) -> String { String(self[index(startIndex, offsetBy: offset)]) }
}
