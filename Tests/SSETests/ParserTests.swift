import SSE
import Testing

/// The rules of HTML, 9.2.6, one by one.
@Suite struct ParserTests {
    @Test func theExamplesOfTheStandardReadAsItSays() {
        #expect(
            read("data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n")
                .items
                == [.event("This is the first message."), .event("This is the second message, it\nhas two lines.")])
        #expect(
            read("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n").items == [
                .event("73857293", name: "add"), .event("2153", name: "remove"), .event("113411", name: "add"),
            ])
        #expect(
            read("data: YHOO\ndata: +2\ndata: 10\n\n").items == [.event("YHOO\n+2\n10")])
        #expect(
            read(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n").items
                == [
                    .comment("test stream"), .event("first event", id: "1"), .event("second event", id: ""),
                    .event(" third event"),
                ])
        // The last block has no empty line behind it.
        let unfinished = read("data\n\ndata\ndata\n\ndata:")
        #expect(unfinished == Reading(items: [.event(""), .event("\n")], isPartial: true))
        #expect(read("data:test\n\ndata: test\n\n").items == [.event("test"), .event("test")])
    }

    @Test(arguments: ["\n", "\r", "\r\n"])
    func allLineEndsMeanTheSame(end: String) {
        let lines = [":c", "event:e", "id: 7", "retry: 10", "data: a", "data:b", "", "data: c", "", "", "data", ""]
        let stream = lines.map { $0 + end }.joined()
        #expect(
            read(stream).items == [
                .comment("c"), .event("a\nb", id: "7", name: "e", retry: 10), .event("c"), .event(""),
            ])
    }

    @Test func aLineFeedAfterACarriageReturnIsNoLineOfItsOwn() {
        #expect(read("data: a\r\ndata: b\r\r\ndata: c\n\r").items == [.event("a\nb"), .event("c")])
        #expect(read("data: a\n\rdata: b\n\n").items == [.event("a"), .event("b")])
    }

    /// With CR line ends an event is complete at the CR: its reader must not wait for the next byte.
    @Test func anEventIsGivenOutAtTheCarriageReturn() {
        #expect(read("data: a\r\n\r").items == [.event("a")])
        #expect(read(":ping\r").items == [.comment("ping")])
    }

    @Test func aByteOrderMarkIsDroppedAtTheStartOnly() {
        #expect(read("\u{FEFF}data: a\n\n").items == [.event("a")])
        #expect(read("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n").items == [.event("b")])
        #expect(read("\n\u{FEFF}data: a\n\n").items == [])
        #expect(read("data: \u{FEFF}a\n\n").items == [.event("\u{FEFF}a")])
        // Characters that begin like the mark.
        #expect(read("\u{FEFE}data: a\n\ndata: b\n\n").items == [.event("b")])
        #expect(read("\u{F000}\ndata: b\n\n").items == [.event("b")])
    }

    @Test func fieldNamesAreExact() {
        let unknown = [
            "Data: a", " data: a", "data : a", "dat: a", "datas: a", "event2: a", "ID: a", "foo", "\u{E9}: a",
        ]
        #expect(read((unknown + ["", ""]).joined(separator: "\n")).items == [])
        #expect(read("data: a:b: c\nx: y\n\n").items == [.event("a:b: c")])
    }

    @Test func theLastNameAndIDCount() {
        #expect(
            read("event: a\nid: 1\nevent: b\nid: 2\ndata: x\n\n").items == [.event("x", id: "2", name: "b")])
        #expect(read("event: a\nevent\ndata: x\n\ndata: y\n\n").items == [.event("x"), .event("y")])
    }

    @Test func anIDWithNULIsIgnored() {
        #expect(read("id: 1\nid: 2\u{0}\ndata: x\n\n").items == [.event("x", id: "1")])
        #expect(read("id: 2\u{0}\n\n").items == [])
    }

    @Test(arguments: [
        ("0", 0), ("2500", 2500), ("007", 7), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil),
        ("", nil),
        ("+5", nil), ("-5", nil), ("5 ", nil), (" 5", nil), ("1e3", nil), ("\u{665}", nil), ("5\u{0}", nil),
    ])
    func retryIsDigits(value: String, time: UInt64?) {
        #expect(read("retry: \(value)\ndata: x\n\n").items == [.event("x", retry: time)])
    }

    /// MCP 2025-11-25 begins streams with an id and empty data, and paces reconnections by `retry`.
    @Test func blocksWithoutDataAreGivenOut() {
        #expect(read("id: a/1\ndata:\n\n").items == [.event("", id: "a/1")])
        #expect(read("id: a/1\n\n").items == [.event(nil, id: "a/1")])
        #expect(read("retry: 500\n\n").items == [.event(nil, retry: 500)])
        #expect(read("event: x\n\n").items == [.event(nil, name: "x")])
        #expect(read("id\n\n").items == [.event(nil, id: "")])
        #expect(read("\n\r\n\nfoo: x\n\nretry: x\n\nevent:\n\n").items == [])
    }

    @Test func aCommentIsGivenOutAtOnceAndDoesNotEndItsBlock() {
        #expect(
            read("data: a\n:\n: ping\ndata: b\n\n").items == [.comment(""), .comment("ping"), .event("a\nb")])
    }

    @Test func invalidUTF8EndsTheStream() {
        let wrong: [[UInt8]] = [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2, 0x41], [0xE0, 0x9F, 0xBF], [0xE2, 0x28, 0xA1],
            [0xE2, 0x82, 0x0A],
            [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
            [0xFE],
            [0xEF, 0xBB, 0x0A],
        ]
        for bytes in wrong {
            for line in ["data: ", ": ", "id: ", "x", "foo: ", "data: long enough for a word or two "] {
                let stream = Array("data: a\n\n\(line)".utf8) + bytes + Array(" and more\n\ndata: b\n\n".utf8)
                let expected = Reading(items: [.event("a")], error: .invalidUTF8)
                #expect(read(stream) == expected)
                for cut in 0...stream.count { #expect(read(stream, cuts: [cut]) == expected) }
            }
        }
        #expect(read([0xEF, 0xBB, 0x41]).error == .invalidUTF8)
        #expect(read([0xEF, 0x41]).error == .invalidUTF8)
    }

    @Test func whatIsRefusedStaysRefused() {
        var parser = EventParser()
        let bad: [UInt8] = [0xFF]
        let good = Array("data: a\n\n".utf8)
        var errors: [SSEError] = []
        for bytes in [bad, good] {
            do { _ = try parser.next(bytes.span) } catch { errors.append(error) }
        }
        #expect(errors == [.invalidUTF8, .invalidUTF8])
        let isPartial = parser.hasPartialEvent
        #expect(!isPartial)
    }

    @Test func anEventThatCameAtOnceIsNotCopied() {
        let reader = Reader()
        let stream = Array("id: 1\nevent: message\ndata: {}\n\nid: 2\ndata: {}\n\n".utf8)
        reader.read(stream.span)
        #expect(reader.inPlace == 2 && reader.bufferedCapacity == 0)
    }
}
