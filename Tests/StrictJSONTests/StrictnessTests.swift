import StrictJSON
import Testing

@Suite struct StrictnessTests {
    /// What some reader somewhere takes for JSON, and where it goes wrong.
    @Test(arguments: [
        ("", JSONError.Kind.unexpectedEnd, 0), (" \n", .unexpectedEnd, 2), ("{", .unexpectedEnd, 1),
        ("[1", .unexpectedEnd, 2), ("[1,", .unexpectedEnd, 3), ("{\"a\"", .unexpectedEnd, 4),
        ("{\"a\":", .unexpectedEnd, 5), ("{\"a\":1,", .unexpectedEnd, 7), ("\"abc", .unexpectedEnd, 4),
        ("\"0123456789abcdef", .unexpectedEnd, 17), ("tru", .unexpectedEnd, 3), ("-", .unexpectedEnd, 1),
        ("1.", .unexpectedEnd, 2), ("1e", .unexpectedEnd, 2),
        ("{} {}", .trailingBytes, 3), ("{}\u{0}", .trailingBytes, 2), ("1 2", .trailingBytes, 2),
        ("\u{FEFF}{}", .byteOrderMark, 0), ("[\u{FEFF}1]", .unexpectedByte, 1),
        ("NaN", .unexpectedByte, 0), ("[Infinity]", .unexpectedByte, 1), ("-Infinity", .invalidNumber, 1),
        ("nan", .invalidLiteral, 0), ("True", .unexpectedByte, 0), ("nulL", .invalidLiteral, 0),
        ("truefalse", .trailingBytes, 4), ("undefined", .unexpectedByte, 0), ("'a'", .unexpectedByte, 0),
        ("{a:1}", .unexpectedByte, 1), ("{'a':1}", .unexpectedByte, 1), ("{1:1}", .unexpectedByte, 1),
        ("[1,]", .unexpectedByte, 3), ("[,1]", .unexpectedByte, 1), ("[1,,2]", .unexpectedByte, 3),
        ("{\"a\":1,}", .unexpectedByte, 7), ("{,}", .unexpectedByte, 1), ("{\"a\",1}", .unexpectedByte, 4),
        ("{\"a\":1 \"b\":2}", .unexpectedByte, 7), ("[1}", .unexpectedByte, 2), ("{\"a\":1]", .unexpectedByte, 6),
        ("[1 2]", .unexpectedByte, 3), ("]", .unexpectedByte, 0), ("[]]", .trailingBytes, 2),
        ("{}}", .trailingBytes, 2),
        ("// c\n1", .unexpectedByte, 0), ("/**/1", .unexpectedByte, 0), ("[1/**/]", .unexpectedByte, 2),
        ("#", .unexpectedByte, 0),
        ("\u{A0}1", .unexpectedByte, 0), ("\u{B}1", .unexpectedByte, 0), ("\u{C}1", .unexpectedByte, 0),
        ("01", .invalidNumber, 1), ("-01", .invalidNumber, 2), ("00", .invalidNumber, 1), ("0e01x", .trailingBytes, 4),
        ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0), ("1.e5", .invalidNumber, 2), ("1e+", .unexpectedEnd, 3),
        ("1e+-1", .invalidNumber, 3), ("--1", .invalidNumber, 1), ("0x1", .trailingBytes, 1),
        ("1_000", .trailingBytes, 1),
        ("1.5.5", .trailingBytes, 3), ("\u{FF11}", .unexpectedByte, 0), ("- 1", .invalidNumber, 1),
        ("\"a\tb\"", .controlCharacter, 2), ("\"a\nb\"", .controlCharacter, 2), ("\"\u{0}\"", .controlCharacter, 1),
        ("\"12345678\u{1F}\"", .controlCharacter, 9),
        ("\"\\x41\"", .invalidEscape, 1), ("\"\\'\"", .invalidEscape, 1), ("\"\\U0041\"", .invalidEscape, 1),
        ("\"\\u004\"", .invalidEscape, 1), ("\"\\u00g0\"", .invalidEscape, 1), ("\"\\u+041\"", .invalidEscape, 1),
        ("\"\\\u{0}\"", .invalidEscape, 1), ("\"\\", .invalidEscape, 1), ("\"\\u12", .invalidEscape, 1),
        ("\"\\n\\q\"", .invalidEscape, 3), ("\"\\\u{e9}\"", .invalidEscape, 1),
    ])
    func aTextOutsideTheGrammarIsRefusedWhereItGoesWrong(text: String, kind: JSONError.Kind, offset: Int) {
        #expect(read(text) == .refused(kind, offset))
        #expect(read(text, surrogates: .replace) == .refused(kind, offset))
    }

    /// Eight at a time or one by one, wherever it stands: control characters are refused, `"` ends the string, the rest of
    /// ASCII is itself.
    @Test func everyByteOfAStringIsReadAtEveryPlace() {
        for byte in UInt8(0)..<0x80 where byte != UInt8(ascii: "\\") {
            for place in 0..<20 {
                var content = [UInt8](repeating: 0x61, count: 20)
                content[place] = byte
                let outcome = read([0x22] + content + [0x22])
                switch byte {
                case 0..<0x20: #expect(outcome == .refused(.controlCharacter, place + 1))
                case 0x22: #expect(outcome == .refused(.trailingBytes, place + 2))
                default: #expect(outcome == .value(.string(String(decoding: content, as: UTF8.self))))
                }
            }
        }
    }

    /// Each row of table 3-7 of Unicode at its edges, and beyond.
    @Test func onlyWellFormedUTF8IsAccepted() {
        let good: [[UInt8]] = [
            [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xE1, 0x80, 0x80], [0xEC, 0xBF, 0xBF], [0xED, 0x9F, 0xBF],
            [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF3, 0xBF, 0xBF, 0xBF],
            [0xF4, 0x8F, 0xBF, 0xBF], [0x7F],
        ]
        let bad: [[UInt8]] = [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x7F], [0xC2, 0xC0], [0xE0, 0x80, 0x80],
            [0xE0, 0x9F, 0xBF], [0xE1, 0x80], [0xE1, 0x80, 0x7F], [0xE1, 0x7F, 0x80], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF],
            [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF1, 0x80, 0x80], [0xF1, 0x80, 0x80, 0xC0], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xC3, 0x28],
        ]
        // At every distance from the end of the text and of an eight-byte word.
        for before in 0..<9 {
            for after in 0..<9 {
                let head = [0x22] + [UInt8](repeating: 0x61, count: before)
                let tail = [UInt8](repeating: 0x62, count: after) + [0x22]
                for bytes in good { #expect(read(head + bytes + tail).value != nil, "\(bytes)") }
                for bytes in bad {
                    #expect(read(head + bytes + tail) == .refused(.invalidUTF8, head.count), "\(bytes)")
                    #expect(read([0x7B] + head + bytes + tail + [0x3A, 0x31, 0x7D]).kind == .invalidUTF8, "\(bytes)")
                }
            }
        }
    }

    @Test func loneSurrogatesAreTheSendersMatter() throws {
        for text in [
            "\\ud800", "\\uDFFF", "\\ud83d\\ud83d", "\\ude00\\ud83d", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u0041",
        ] {
            let quoted = "\"ab" + text + "\""
            #expect(read(quoted).kind == .loneSurrogate, "\(text)")
            let lenient = try #require(read(quoted, surrogates: .replace).value)
            guard case .string(let string) = lenient else {
                Issue.record("no string")
                continue
            }
            #expect(string.unicodeScalars.contains("\u{FFFD}"), "\(text)")
        }
        #expect(read("\"\\ud83d\\ude00\"") == .value(.string("\u{1F600}")))
        #expect(read("\"\\uD83D\\uDE00\\ud83d\\ude00\"") == .value(.string("\u{1F600}\u{1F600}")))
        // Raw surrogates are no UTF-8 from anyone.
        #expect(read([0x22, 0xED, 0xA0, 0x80, 0x22], surrogates: .replace).kind == .invalidUTF8)
        let document = try Document(#"["\ud800","ok",{"\udfff":"\udfff\ud800"}]"#, surrogates: .replace)
        #expect(document.tape.loneSurrogateStrings == 3)
    }

    @Test func namesAreComparedAfterUnescaping() {
        let pairs = [
            ("a", "a"), ("a", "\\u0061"), ("\\u0061", "\\u0061"), ("", ""), ("\\n", "\\u000a"), ("/", "\\/"),
            ("\u{1F600}", "\\ud83d\\uDE00"), ("method", "m\\u0065thod"),
            ("a long name indeed", "a long name indee\\u0064"),
        ]
        for (first, second) in pairs {
            for text in ["{\"\(first)\":1,\"\(second)\":2}", "[{\"x\":{\"\(second)\":1,\"b\":[],\"\(first)\":{}}}]"] {
                #expect(read(text).kind == .duplicateMember, "\(text)")
            }
            // The offset is that of the second name.
            #expect(read("{\"\(first)\":1,\"\(second)\":2}").offset == 6 + first.utf8.count)
            #expect(read("[{\"\(first)\":1},{\"\(second)\":2}]").value != nil)
            #expect(read("{\"\(first)\":{\"\(second)\":2}}").value != nil)
        }
        for (first, second) in [("a", "A"), ("a", "a\\u0000"), ("e\u{301}", "\u{e9}"), ("a", "b"), ("\\\\u0061", "a")] {
            #expect(read("{\"\(first)\":1,\"\(second)\":2}").value != nil, "\(first) \(second)")
        }
        // Under replacement two different lone surrogates become the same character.
        #expect(read("{\"\\ud800\":1,\"\\ud801\":2}", surrogates: .replace).kind == .duplicateMember)
        #expect(read("{\"\\ud800\":1,\"\u{FFFD}\":2}", surrogates: .replace).kind == .duplicateMember)
    }

    @Test func aDuplicateIsFoundInObjectsOfEverySize() {
        for count in [2, 3, 8, 15, 16, 17, 18, 33, 64, 100, 1000] {
            let names = (0..<count).map { "\"name\($0)\":\($0)" }
            #expect(read("{" + names.joined(separator: ",") + "}").value != nil)
            for place in Set([0, count / 2, count - 1]) {
                let text = "{" + (names + ["\"name\(place)\":0"]).joined(separator: ",") + "}"
                #expect(read(text) == .refused(.duplicateMember, text.utf8.count - "\"name\(place)\":0}".utf8.count))
                // The same again after an escape, and deeper inside.
                let escaped = "{" + (names + ["\"n\\u0061me\(place)\":0"]).joined(separator: ",") + "}"
                #expect(read("[[[" + escaped + "]]]").kind == .duplicateMember)
            }
        }
    }

    @Test func nestingEndsAtItsLimit() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(read(nested(128)).value != nil)
        #expect(read(nested(129)) == .refused(.tooDeep, 128))
        #expect(read(nested(12_000)) == .refused(.tooDeep, 128))
        #expect(read(String(repeating: "[", count: 100_000)).kind == .tooDeep)
        #expect(read(String(repeating: "{\"a\":", count: 129)).kind == .tooDeep)
        var limits = JSONLimits()
        limits.depth = 1
        #expect(read("[1]", limits: limits).value != nil)
        #expect(read("[[]]", limits: limits) == .refused(.tooDeep, 1))
        limits.depth = 0
        #expect(read("1", limits: limits).value != nil)
        #expect(read("[]", limits: limits).kind == .tooDeep)
    }

    @Test func sizesEndAtTheirLimits() {
        var limits = JSONLimits()
        limits.bytes = 5
        #expect(read("[1,2]", limits: limits).value != nil)
        #expect(read("[1,2 ]", limits: limits) == .refused(.tooLarge, 5))
        limits = JSONLimits()
        limits.nodes = 1000
        let row = Array(repeating: "1", count: 998).joined(separator: ",")
        #expect(read("[" + row + "]", limits: limits).value != nil)
        #expect(read("[" + row + ",1,1]", limits: limits).kind == .tooManyNodes)
    }

    @Test func sizeIsToldApartFromWhatIsNoStrictJSON() {
        let sizes = JSONError.Kind.allCases.filter(\.isSizeLimit)
        #expect(sizes == [.tooLarge, .tooManyNodes])
    }

    /// Every encoding of Unicode but UTF-8, with a mark of its own or without: the same object each time.
    @Test func noOtherEncodingIsTakenForUTF8() {
        let text = "{\"a\":\"\u{e9}\"}"
        let wide = text.utf16.map { [UInt8($0 >> 8), UInt8($0 & 255)] }
        let bigEndian = Array(wide.joined())
        let littleEndian = Array(wide.map { [$0[1], $0[0]] }.joined())
        let widest = Array(text.unicodeScalars.map { [0, 0, 0, UInt8($0.value)] }.joined())
        let latin = Array(text.unicodeScalars.map { UInt8($0.value) })
        for bytes in [
            bigEndian, littleEndian, [0xFE, 0xFF] + bigEndian, [0xFF, 0xFE] + littleEndian, widest,
            [0, 0, 0xFE, 0xFF] + widest, latin, [0xEF, 0xBB, 0xBF] + Array(text.utf8),
        ] {
            #expect(read(bytes).value == nil && read(bytes, surrogates: .replace).value == nil, "\(bytes)")
        }
        #expect(read(text).value != nil)
    }
}
