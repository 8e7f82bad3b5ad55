import Crypto
import Link
import Records
import StrictJSON
import Testing

@testable import AuditLog

/// The recorder's quick look at a record accepts nothing that the strict parser refuses.
@Suite struct PlainRecordTests {
    private let names = WordTable(RecordField.allCases.filter(\.isProducers).map(\.rawValue))
    private let kinds = WordTable(RecordKind.allCases.filter(\.isProducers).map(\.rawValue))

    private func records() throws -> [[UInt8]] {
        let builder = try RecordBuilder(try CryptoLibrary.load(), maximumValue: 256)
        let fields: [(RecordBuilder) -> Void] = [
            { $0.text(.toolName, "read \"file\"") }, { $0.text(.reason, "é\u{2028}\n") },
            { $0.json(.toolArguments, Array(#"{"a":[1,-2.5e3,{"b":"x\u0041"}],"c":null,"d":true}"#.utf8).span) },
            { $0.text(.method, "tools/call") }, { $0.text(.toolName, "read_file") },
            { $0.json(.toolArguments, Array(#"{"a":[1,-2.5e3,{"b":"x"}],"c":null,"d":true}"#.utf8).span) },
            { $0.json(.toolArguments, Array("{}".utf8).span) }, { $0.json(.id, Array("7".utf8).span) },
            { $0.json(.id, Array("\"seven\"".utf8).span) }, { $0.number(.size, 180) }, { $0.duration(1_471_000) },
            {
                $0.identity(
                    Identity(
                        subject: "bob", method: .apiKey, roles: ["a", "b"], tenant: "t",
                        labels: [.init(name: "l", value: "v"), .init(name: "m", value: "")]))
            },
        ]
        return (0..<400).map { _ in
            builder.begin(RecordKind.allCases.filter(\.isProducers).randomElement() ?? .request, .serverToClient)
            // Rarely those that are not for the quick look.
            for (index, fill) in fields.enumerated() where Int.random(in: 0..<(index < 3 ? 20 : 2)) == 0 {
                fill(builder)
            }
            var bytes: [UInt8] = []
            builder.append(to: &bytes)
            return bytes
        }
    }

    /// Changes a few bytes, cuts, doubles or moves a piece.
    private func changed(_ record: [UInt8]) -> [UInt8] {
        let marks = Array("{}[]\",:.0123456789-eE\\untrfalse \t\n\u{1}\u{7f}kind".utf8) + [0x80, 0xc3, 0xa9, 0xff, 0]
        var bytes = record
        for _ in 0..<Int.random(in: 1...3) {
            let at = Int.random(in: 0..<bytes.count)
            let piece = Array(bytes[at..<min(bytes.count, at + Int.random(in: 1...24))])
            switch Int.random(in: 0..<6) {
            case 0: bytes[at] = marks[Int.random(in: marks.indices)]
            case 1: bytes.insert(marks[Int.random(in: marks.indices)], at: at)
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(contentsOf: piece, at: Int.random(in: 0..<bytes.count))
            case 4: bytes.removeSubrange(at..<(at + piece.count))
            default:
                // A whole member once more.
                var members = bytes.split(separator: 0x2c).map { Array($0) }
                if let again = members.randomElement() { members.insert(again, at: members.count - 1) }
                bytes = Array(members.joined(separator: [0x2c]))
            }
            if bytes.isEmpty { return record }
        }
        return bytes
    }

    @Test func whatItAcceptsTheStrictParserAccepts() throws {
        let plain = PlainRecord(names: names, kinds: kinds)
        var shape = RecordShape()
        var tape = JSONTape()
        var accepted = 0
        let originals = try records()
        for _ in 0..<60_000 {
            let bytes = changed(originals[Int.random(in: originals.indices)])
            guard plain.accepts(bytes.span, JSONParser(), &tape) else { continue }
            accepted += 1
            let fault = shape.strictFault(bytes.span)
            #expect(fault == nil, "\(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(accepted > 1000)
    }

    @Test func ordinaryRecordsAreAccepted() throws {
        let plain = PlainRecord(names: names, kinds: kinds)
        var tape = JSONTape()
        let text =
            #"{"timestamp":"2026-11-23T06:42:00.871269Z","kind":"request","direction":"c2s","request_id":"56","labels":{"a":"b"},"id":1,"tool_args":{"text":[1,"x"]},"duration_ms":0.471,"size":96}"#
        #expect(plain.accepts(Array(text.utf8).span, JSONParser(), &tape))
        for wrong in [
            #""size":096"#, #""size":9."#, #""size":.5"#, #""size":"9"#, #""size":9,"size":9"#, #""size":9}"#,
            #""size":{"a":1,"a":2}"#,
            #""siz\u0065":9"#, #""other":9"#, #""size":[1}"#, "\"size\":[1,\n2]", #""size":"é""#, #""kind":7"#,
            #""size":"#,
        ] {
            let bytes = Array(text.replacing(#""size":96"#, with: wrong).utf8)
            #expect(!plain.accepts(bytes.span, JSONParser(), &tape), "\(wrong)")
        }
    }
}
