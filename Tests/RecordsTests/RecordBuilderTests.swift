import AuditLog
import Crypto
import Link
import StrictJSON
import Testing

@testable import Records

/// Whatever goes into a record, it is one line of strict JSON that the recorder takes, and a chain of them is found to be whole or not.
@Suite struct RecordBuilderTests {
    private func line(_ write: (RecordBuilder) -> Void, maximum: Int = 4096) throws -> [UInt8] {
        let builder = try RecordBuilder(try CryptoLibrary.load(), maximumValue: maximum)
        builder.begin(.request, .clientToServer)
        write(builder)
        var bytes: [UInt8] = []
        builder.append(to: &bytes)
        return bytes
    }

    private func value(_ name: String, _ bytes: [UInt8]) throws -> String? {
        var tape = JSONTape()
        try JSONParser().parse(bytes.span, into: &tape)
        return tape.member(named: name, of: .root, in: bytes.span).flatMap { tape.string($0, in: bytes.span) }
    }

    @Test func anyBytesMakeOneLineOfStrictVisibleJSON() throws {
        var random = SystemRandomNumberGenerator()
        let unusual: [[UInt8]] = [
            Array("\u{2028}".utf8), Array("\u{200b}".utf8), Array("\u{feff}".utf8), Array("\u{e0041}".utf8), [0xff],
            [0xed, 0xa0, 0x80], [0x0a], [0x22], [0x5c], [0xc2, 0x85], Array("\u{202e}".utf8), [0xf0, 0x9f],
            Array("é😀".utf8),
        ]
        var shape = RecordShape()
        for _ in 0..<4000 {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                if Bool.random(using: &random) {
                    text += unusual.randomElement(using: &random) ?? []
                } else {
                    text += (0..<Int.random(in: 0...12, using: &random)).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    }
                }
            }
            let bytes = try line(
                {
                    $0.text(.toolName, text.span)
                    $0.text(.reason, text.span)
                }, maximum: 64)
            #expect(shape.fault(bytes.span) == nil)
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
                #expect(
                    scalar.value >= 0x20 && ![0x85, 0x2028, 0x200b, 0xfeff, 0xe0041, 0x202e].contains(scalar.value))
            }
            // What is no UTF-8 is replaced byte by byte here, by runs in the standard library.
            if text.count <= 64, let valid = String(validating: text, as: UTF8.self) {
                #expect(try value("tool_name", bytes) == valid)
            }
        }
    }

    @Test func argumentsAreCopiedAsTheyAreOnOneLine() throws {
        let json = Array("{\"a\" :\n\t[1.50, \"x\\u0041\u{2028}\u{e9}\"],\r\n\"b\":null}".utf8)
        let bytes = try line { $0.json(.toolArguments, json.span) }
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("{\"a\" :  [1.50, \"x\\u0041\\u2028\u{e9}\"],  \"b\":null}"))
        var shape = RecordShape()
        #expect(shape.fault(bytes.span) == nil)
    }

    @Test func whatIsTooLongIsCutWithItsLengthAndDigest() throws {
        let long = [UInt8](repeating: 0x61, count: 100_000)
        let bytes = try line { $0.text(.reason, long.span) }
        #expect(try value("reason", bytes)?.utf8.count == 4096)
        let digest = try SHA256(try CryptoLibrary.load()).digest(of: long.span)
        var hex: [UInt8] = []
        digest.appendHex(to: &hex)
        let cut =
            "\"cut\":[{\"name\":\"reason\",\"bytes\":100000,\"sha256\":\"\(String(decoding: hex, as: UTF8.self))\"}]"
        #expect(String(decoding: bytes, as: UTF8.self).contains(cut))
    }

    @Test func aRecordFitsWhateverIsInIt() throws {
        let long = [UInt8](repeating: 0x01, count: 300_000)
        let bytes = try line(
            { builder in for field in RecordField.allCases { builder.text(field, long.span) } }, maximum: 1 << 20)
        #expect(bytes.count <= 256 << 10)
        var tape = JSONTape()
        try JSONParser().parse(bytes.span, into: &tape)
    }

    @Test func whatIsHiddenStandsNowhere() throws {
        let secret = Array("sk-very-secret".utf8)
        let json = Array("{\"key\":\"sk-very-secret\"}".utf8)
        let bytes = try line {
            $0.hide(secret.span)
            $0.text(.reason, "bad key sk-very-secret!")
            $0.json(.toolArguments, json.span)
            $0.labels(.labels, [Identity.Label(name: "x", value: "sk-very-secret")])
        }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
    }

    @Test(arguments: ["seq", "prev", "sig", "src", "route", "detail", "other", "\\u0073ig"])
    func aMemberThatIsNotAProducersIsRefused(name: String) {
        var shape = RecordShape()
        let text =
            "{\"timestamp\":\"2026-11-23T00:05:12.123456Z\",\"kind\":\"request\",\"reason\":\"xxxxxxxxxx\",\"\(name)\":\"1\"}"
        let bytes = Array(text.utf8)
        #expect(shape.fault(bytes.span) != nil)
    }

    @Test(arguments: ["aborted", "checkpoint", "recovery", "tombstone", "nothing"])
    func aKindThatIsNotAProducersIsRefused(kind: String) {
        var shape = RecordShape()
        let bytes = Array(
            "{\"timestamp\":\"2026-11-23T00:05:12.123456Z\",\"reason\":\"xxxxxxxxxxxxx\",\"kind\":\"\(kind)\"}".utf8)
        #expect(shape.fault(bytes.span) != nil)
    }

    @Test func timesAreRight() {
        #expect(String(decoding: RecordTime.text(of: 0), as: UTF8.self) == "1970-01-01T00:00:00")
        #expect(String(decoding: RecordTime.text(of: 951_827_696), as: UTF8.self) == "2000-02-29T12:34:56")
        #expect(String(decoding: RecordTime.text(of: 1_795_391_999), as: UTF8.self) == "2026-11-22T23:59:59")
    }

    /// With the key of the lines' sig every single change of a byte is found, at its line.
    @Test func everyChangedByteIsFound() throws {
        let library = try CryptoLibrary.load()
        let key = Array("a signing key".utf8)
        let chain = try LogChain(library, signingKey: key, secret: [UInt8](repeating: 9, count: 32))
        var lines: [[UInt8]] = []
        for number in 0..<4 {
            var bytes = try line { $0.number(.size, UInt64(number)) }
            try chain.seal(&bytes, from: 0, route: Array("r".utf8), source: RecordSource(ring: 1, position: 8))
            lines.append(Array(bytes.dropLast()))
        }
        func findings(_ lines: [[UInt8]]) throws -> [String] {
            var verifier = try LogVerifier(library, signingKey: key, publicKeys: [])
            verifier.begin(file: "f")
            for line in lines { verifier.take(line: line.span) }
            verifier.end(torn: 0, promised: nil)
            return verifier.finish(saved: nil, statePath: "s").findings
        }
        #expect(try findings(lines).isEmpty)
        for index in lines[1].indices {
            var changed = lines
            changed[1][index] ^= 1
            let found = try findings(changed)
            #expect(found.count == 1 && found[0].contains("line 2"), "byte \(index): \(found)")
        }
    }
}
