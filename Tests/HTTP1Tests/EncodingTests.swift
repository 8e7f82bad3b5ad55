import Testing

@testable import HTTP1

@Suite struct EncodingTests {
    @Test func numbersAreWrittenAsSwiftWritesThem() {
        var random = SeededGenerator(state: 1)
        let values =
            [0, 1, 9, 10, 15, 16, 255, 256, 9_999_999_999, UInt64.max]
            + (0..<1000).map { _ in random.next() >> Int.random(in: 0..<64, using: &random) }
        for value in values {
            var bytes: [UInt8] = []
            bytes.appendDecimal(value)
            #expect(String(decoding: bytes, as: UTF8.self) == String(value))
            #expect(ASCIINumber(decimal: value).count == String(value).utf8.count)
            let number = ASCIINumber(hexadecimal: value)
            let digits = String(decoding: number.span.indices.map { number.span[$0] }, as: UTF8.self)
            #expect(digits == String(value, radix: 16))
        }
    }

    @Test func whatIsWrittenInChunksIsReadBack() {
        var random = SeededGenerator(state: 2)
        for _ in 0..<200 {
            var wire: [UInt8] = []
            var body: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                let data = (0..<Int.random(in: 1..<300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                wire.appendChunkHead(data.count)
                wire += data + [13, 10]
                body += data
            }
            wire += Array(HTTP1Encoding.lastChunk.description.utf8)
            #expect(decode(wire, cuts: randomCuts(wire.count, &random)) == Decoded(body: body, end: wire.count))
        }
    }

    @Test func nothingThatPassesTheChecksCanSplitAHead() {
        for byte in UInt8.min...UInt8.max {
            let isGraphic = byte > 0x20 && byte != 0x7F
            let value = [0x61, byte, 0x61]
            #expect(HTTP1Encoding.isFieldValue(value.span) == (isGraphic || byte == 0x20 || byte == 0x09))
            #expect(HTTP1Encoding.isFieldValue([byte].span) == isGraphic)
            let long = Array(repeating: UInt8(0x61), count: 19) + [byte, 0x61]
            #expect(HTTP1Encoding.isFieldValue(long.span) == (isGraphic || byte == 0x20 || byte == 0x09))
        }
        #expect(HTTP1Encoding.isFieldValue("") && HTTP1Encoding.isFieldValue("a\u{e9} b"))
        #expect(!HTTP1Encoding.isFieldValue("a\r\nX: y"))
        #expect(!HTTP1Encoding.isToken("") && !HTTP1Encoding.isToken("a b") && HTTP1Encoding.isToken("X-a_1"))
        #expect(!HTTP1Encoding.isTarget("") && !HTTP1Encoding.isTarget("/a b") && HTTP1Encoding.isTarget("/a?b=%20"))
    }

    /// Eight at a time or one by one, whatever stands around it and wherever it stands.
    @Test func scansAgreeWithTheirDefinitionAtEveryPlace() {
        for byte in UInt8.min...UInt8.max {
            for filler in [UInt8(ascii: "a"), UInt8(ascii: "-"), UInt8(ascii: "Z"), UInt8(ascii: "7")] {
                for place in 0..<19 {
                    var bytes = [UInt8](repeating: filler, count: 19)
                    bytes[place] = byte
                    let endOfToken = bytes.span.endOfToken(from: 1, to: 18)
                    #expect(endOfToken == bytes[1..<18].firstIndex { !CharacterClass.token.contains($0) } ?? 18)
                    let control = bytes.span.firstControl(from: 1, to: 18)
                    #expect(control == bytes[1..<18].firstIndex { $0 < 0x20 && $0 != 9 || $0 == 0x7F } ?? 18)
                }
            }
        }
    }

    /// The classes are bits computed by hand; here they are as the RFCs write them.
    @Test func characterClassesAreThoseOfTheRFCs() {
        let alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        let token = Set((alphanumeric + "!#$%&'*+-.^_`|~").utf8)
        let host = Set((alphanumeric + "-._~" + "!$&'()*+,;=" + "%:[]").utf8)
        let target = host.union("/?@".utf8)
        for byte in UInt8.min...UInt8.max {
            #expect(CharacterClass.token.contains(byte) == token.contains(byte), "\(byte)")
            #expect(CharacterClass.host.contains(byte) == host.contains(byte), "\(byte)")
            #expect(CharacterClass.target.contains(byte) == target.contains(byte), "\(byte)")
        }
    }
}
