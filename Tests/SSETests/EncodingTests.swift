import SSE
import Testing

@Suite struct EncodingTests {
    private func text(_ item: Item, data form: DataForm = .json) -> String? {
        encoded(item, data: form).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theCanonicalFormIsOneLineAFieldInFixedOrder() {
        #expect(
            text(.event("{\"a\":1}", id: "7", name: "message", retry: 250))
                == "id: 7\nevent: message\nretry: 250\ndata: {\"a\":1}\n\n")
        #expect(text(.event("{}")) == "data: {}\n\n")
        #expect(text(.event("", id: "7")) == "id: 7\ndata: \n\n")
        #expect(text(.event(nil, id: "")) == "id: \n\n")
        #expect(text(.event(nil, retry: 0)) == "retry: 0\n\n")
        #expect(text(.event(nil, retry: .max)) == "retry: 18446744073709551615\n\n")
        #expect(text(.event(nil)) == "")
        #expect(text(.comment("ping")) == ": ping\n")
    }

    @Test func dataOfSeveralLinesBecomeSeveralDataLines() {
        #expect(text(.event("{\n\"a\":1\r\n}\r")) == "data: {\ndata: \"a\":1\ndata: }\ndata: \n\n")
        #expect(text(.event("\n\r\n\r")) == "data: \ndata: \ndata: \ndata: \n\n")
        #expect(text(.event(" {}")) == "data:  {}\n\n")
    }

    /// What some reader takes for the end of a line, CR and LF aside.
    static let exotic = ["\u{B}", "\u{C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{85}", "\u{2028}", "\u{2029}"]

    @Test func nothingThatAReaderTakesForALineEndStandsInALine() {
        for lineEnd in Self.exotic + ["\n", "\r", "\r\n"] {
            for before in ["", "x", "a longer text before the line end, é日😀", "ééééééé", "“quoted”"] {
                for after in ["", "data: evil", lineEnd + "data: evil" + lineEnd + lineEnd, "éé日本語"] {
                    let value = before + lineEnd + after
                    #expect(text(.event("{}", id: value)) == nil)
                    #expect(text(.event("{}", name: value)) == nil)
                    #expect(text(.comment(value)) == nil)
                    if Self.exotic.contains(lineEnd) { #expect(text(.event(value), data: .text) == nil) }
                }
            }
        }
        #expect(text(.event("{}", id: "\u{0}")) == nil)
        #expect(text(.event("{}", name: "a\u{0}")) == nil)
    }

    @Test func separatorsInJSONBecomeEscapes() {
        #expect(text(.event("[\"\u{2028}\u{2029}é\u{85}\"]")) == "data: [\"\\u2028\\u2029é\\u0085\"]\n\n")
        for control in Self.exotic.prefix(5) { #expect(text(.event("[\"\(control)\"]")) == nil) }
        // Characters that share bytes with them stay.
        let others = "[\"\u{2027}\u{202A}\u{84}\u{86}\u{E285}\u{A8}\u{20A8}\u{1F}\u{1}\t\"]"
        #expect(text(.event(others)) == "data: \(others)\n\n")
        #expect(text(.event(others), data: .text) == "data: \(others)\n\n")
    }

    /// Bytes cut within a character are no UTF-8, but they must not trap.
    @Test func dataCutWithinACharacterAreCopied() {
        for bytes: [UInt8] in [[0xC2], [0xE2], [0xE2, 0x80], [0x41, 0xE2, 0x80]] {
            #expect(encoded(.event(data: bytes)) == Array("data: ".utf8) + bytes + [10, 10])
        }
    }

    @Test func whatIsWrittenReadsAsTheSameAndHoldsNothingElse() {
        var random = SeededGenerator(state: 30)
        let alphabet =
            Array("ab:{}\" \u{0}\t\n\r\u{7F}é日😀\u{FEFF}\u{2027}0123".unicodeScalars) + Array("data:id".unicodeScalars)
        func word(_ most: Int) -> String {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...most, using: &random) {
                alphabet.randomElement(using: &random).map { text.append($0) }
            }
            return String(text)
        }
        var written = 0
        var refused = 0
        for _ in 0..<5000 {
            var stream: [UInt8] = []
            var expected: [Item] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let item: Item =
                    Int.random(in: 0..<4, using: &random) == 0
                    ? .comment(word(6))
                    : .event(
                        Bool.random(using: &random) ? word(40) : nil, id: Bool.random(using: &random) ? word(6) : nil,
                        name: word(3),
                        retry: Bool.random(using: &random) ? UInt64.random(in: 0...9999, using: &random) : nil)
                guard let bytes = encoded(item) else {
                    refused += 1
                    continue
                }
                stream += bytes
                if !bytes.isEmpty { expected.append(normalised(item)) }
            }
            #expect(read(stream) == Reading(items: expected), "\(stream)")
            #expect(referenceReading(stream) == Reading(items: expected))
            written += expected.count
        }
        #expect(written > 3000 && refused > 500)
    }

    /// A stream that was read and written again reads the same, and writing that again changes nothing.
    @Test func theCanonicalFormOfAnyStreamIsStable() {
        var random = SeededGenerator(state: 31)
        var compared = 0
        for _ in 0..<4000 {
            let bytes = mutated(ChunkingTests.seeds.randomElement(using: &random) ?? [], &random)
            let items = read(bytes).items.filter { encoded($0) != nil }
            let once = items.compactMap { encoded($0) }.flatMap { $0 }
            let again = read(once)
            #expect(again.error == nil && again.items.count == items.count && !again.isPartial)
            #expect(again.items.compactMap { encoded($0) }.flatMap { $0 } == once)
            // Without separators to escape, nothing differs at all.
            if items.allSatisfy({ encoded($0, data: .text) != nil }) {
                #expect(again.items == items)
                compared += items.count
            }
        }
        #expect(compared > 3000)
    }

    /// The item as it reads after it was written: line ends in data are line feeds.
    private func normalised(_ item: Item) -> Item {
        guard case .event(.some(let data), let id, let name, let retry) = item else { return item }
        var text = data.split(separator: [13, 10], omittingEmptySubsequences: false).joined(separator: [10]).map { $0 }
        for index in text.indices where text[index] == 13 { text[index] = 10 }
        return .event(data: text, id: id, name: name, retry: retry)
    }
}
