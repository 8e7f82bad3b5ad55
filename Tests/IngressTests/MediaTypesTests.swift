import HTTP1
import Testing

@testable import Ingress

/// What a client says of its body and of the answers it takes, in all spellings.
@Suite struct MediaTypesTests {
    // MARK: Content-Type

    private func isJSON(_ bytes: [UInt8]) -> Bool { MediaTypes.isJSON(bytes.span) }

    private func isJSON(_ text: String) -> Bool { isJSON(Array(text.utf8)) }

    /// Spellings of the same that the short cut does not know.
    private func otherSpellings(ofType text: String) -> [String] {
        [
            text.uppercased(), text.prefix(1).uppercased() + text.dropFirst(), " \(text)", "\(text) ", "\t\(text)\t",
            "\(text);", "\(text) ; ", "\(text);;",
        ]
    }

    @Test func allSpellingsOfATypeGetTheSameAnswer() {
        for type in [
            "application/json", "application/json;charset=utf-8", "application/json; charset=\"utf-8\"",
            "application/json; charset=utf-8; charset=utf-8", "application/json;", "application/json; ;charset=utf-8",
        ] {
            #expect(isJSON(type), "\(type)")
            for other in otherSpellings(ofType: type) { #expect(isJSON(other), "\(other)") }
        }
        for type in [
            "", ";", ";application/json", "application", "application/", "/json", "json", "application/jsonx",
            "application/json-rpc", "application/vnd.x+json", "text/json", "text/plain", "text/event-stream", "*/*",
            "application/*", "application/json,", "application/json, application/json", "application /json",
            "application/ json", "application/json charset=utf-8", "application/json; charset=utf-16",
            "application/json; charset=utf-8x", "application/json; charset='utf-8'", "application/json; charset =utf-8",
            "application/json; charset= utf-8", "application/json; charset", "application/json; v=1",
            "application/json;charset=utf-8;v=1", "application/json\0", "application/json\u{A0}",
            "application/json\u{301}",
            "application/json; x=\";charset=utf-8\"",
        ] {
            #expect(!isJSON(type), "\(type)")
            for other in otherSpellings(ofType: type) { #expect(!isJSON(other), "\(other)") }
        }
    }

    @Test func aTypeThatDiffersInOneByteIsAnother() {
        let type = Array("application/json".utf8)
        for index in type.indices {
            for byte in UInt8.min...UInt8.max where byte | 0x20 != type[index] | 0x20 {
                var other = type
                other[index] = byte
                // Blanks are no part of the type, but they do not replace a letter of it.
                #expect(!isJSON(other), "\(other)")
            }
            var shorter = type
            shorter.remove(at: index)
            #expect(!isJSON(shorter))
        }
    }

    // MARK: Accept

    private struct Takes: Equatable {
        var json: Bool
        var events: Bool
    }

    private func accepted(_ lines: [String]) throws -> Takes {
        var parser = RequestParser()
        let head = ["POST /mcp HTTP/1.1", "Host: localhost", "Content-Length: 0"] + lines + ["", ""]
        let bytes = Array(head.joined(separator: "\r\n").utf8)
        let isWhole = try parser.parseHead(bytes.span)
        #expect(isWhole)
        let (json, events) = MediaTypes.accepted(parser.head, bytes.span)
        return Takes(json: json, events: events)
    }

    @Test(
        arguments: [
            ("application/json, text/event-stream", true, true), ("text/event-stream, application/json", true, true),
            ("*/*", true, true), ("text/event-stream", false, true), ("application/json", true, false),
            ("text/html", false, false), ("application/*", true, false), ("text/*;q=0, */*", true, false),
        ])
    func allSpellingsOfAListGetTheSameAnswer(list: String, json: Bool, events: Bool) throws {
        let expected = Takes(json: json, events: events)
        let parts = list.split(separator: ", ").map(String.init)
        let spellings: [[String]] = [
            ["Accept: \(list)"], ["ACCEPT:\(list)"], ["Accept: \(list.uppercased())"], ["Accept: \(list),"],
            ["Accept: , \(list)"], ["Accept:\t \(list) \t"], ["Accept: " + parts.joined(separator: ",")],
            ["Accept: " + parts.joined(separator: " ,\t")], ["Accept: " + parts.joined(separator: ",,")],
            ["Accept: " + parts.map { $0.contains("q=") ? $0 : $0 + ";q=1" }.joined(separator: ", ")],
            ["Accept: " + parts.reversed().joined(separator: ", ")], parts.map { "Accept: \($0)" },
            parts.reversed().map { "accept: \($0)" }, ["Accept: \(list)", "Accept: \(list)"],
            ["Accept: \(list)", "X-Accept: text/html"], ["Accept: \(list)", "Accept: image/png"],
        ]
        for lines in spellings { #expect(try accepted(lines) == expected, "\(lines)") }
    }

    /// A second line counts, whatever the short cut knows of the first.
    @Test func everyLineCounts() throws {
        for first in ["application/json", "text/event-stream"] {
            for second in ["application/json", "text/event-stream"] {
                let takes = try accepted(["Accept: \(first)", "Accept: \(second)"])
                let both = [first, second]
                #expect(
                    takes == Takes(json: both.contains("application/json"), events: both.contains("text/event-stream")))
            }
        }
        #expect(try accepted(["Accept: */*", "Accept: application/json;q=0"]) == Takes(json: false, events: true))
        #expect(try accepted(["Accept: application/json", "Accept: */*"]) == Takes(json: true, events: true))
        #expect(try accepted([]) == Takes(json: true, events: true))
    }

    /// One range of a generated list.
    private struct MediaRange {
        let type: String
        let subtype: String
        let quality: String

        var isRefused: Bool { ["0", "0.", "0.0", "0.000"].contains(quality) }
    }

    /// Against a reading of the list as it was generated (RFC 9110, 12.5.1: the most specific range decides).
    @Test(arguments: [61, 62, 63] as [UInt64]) func listsAreReadAsTheyWereMeant(seed: UInt64) throws {
        var random = Generator(state: seed)
        let kinds = [
            ("application", "json"), ("text", "event-stream"), ("*", "*"), ("application", "*"), ("text", "*"),
            ("text", "html"), ("application", "jsonx"), ("image", "*"), ("application", "event-stream"),
            ("text", "json"),
        ]
        var seen: [Takes] = []
        for _ in 0..<2000 {
            // Each range once: a list that contradicts itself means nothing in particular.
            let ranges = kinds.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random)).map {
                let qualities = ["", "", "1", "1.0", "0.5", "0.001", "0", "0.", "0.0", "0.000"]
                return MediaRange(type: $0.0, subtype: $0.1, quality: qualities.randomElement(using: &random) ?? "")
            }
            let lines = spell(ranges, &random)
            let takes = try accepted(lines)
            let expected = Takes(
                json: allows("application", "json", ranges), events: allows("text", "event-stream", ranges))
            guard takes == expected else {
                Issue.record("\(lines) is read as \(takes) (seed \(seed))")
                return
            }
            if !seen.contains(takes) { seen.append(takes) }
        }
        #expect(seen.count == 4)
    }

    private func allows(_ type: String, _ subtype: String, _ ranges: [MediaRange]) -> Bool {
        for (wantedType, wantedSubtype) in [(type, subtype), (type, "*"), ("*", "*")] {
            let found = ranges.first { $0.type == wantedType && $0.subtype == wantedSubtype }
            if let found { return !found.isRefused }
        }
        return false
    }

    /// The ranges in one of the ways they can be written, in one line or more.
    private func spell(_ ranges: [MediaRange], _ random: inout Generator) -> [String] {
        let blanks = ["", "", " ", "\t", "  "]
        var lines = ["Accept: "]
        for (index, range) in ranges.enumerated() {
            func blank() -> String { blanks.randomElement(using: &random) ?? "" }
            var text = "\(range.type)/\(range.subtype)"
            if Bool.random(using: &random) { text += "\(blank());\(blank())v=1" }
            if !range.quality.isEmpty { text += "\(blank());\(blank())q=\(range.quality)" }
            if Int.random(in: 0..<3, using: &random) == 0 { text = text.uppercased() }
            if index > 0 {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    lines.append("Accept: ")
                } else {
                    lines[lines.count - 1] += "\(blank()),\(blank())"
                }
            }
            lines[lines.count - 1] += text
        }
        return lines
    }

    /// SplitMix64: the same numbers everywhere.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }
}
