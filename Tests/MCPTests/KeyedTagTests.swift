import MCP
import Testing

/// The published vectors of SipHash-2-4, and what a tag is for.
@Suite struct KeyedTagTests {
    private let key: [UInt8] = Array(0..<16)

    private func make(_ key: [UInt8]) throws -> KeyedTag {
        let tags = KeyedTag(key: key.span)
        guard let tags else { throw Refused() }
        return tags
    }

    private struct Refused: Error {}

    @Test(
        arguments: [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462), (15, 0xa129_ca61_49be_45e5), (63, 0x958a_324c_eb06_4572),
        ] as [(Int, UInt64)])
    func tagsAreThePublishedOnes(count: Int, expected: UInt64) throws {
        let tags = try make(key)
        let bytes = [UInt8](0..<UInt8(count))
        #expect(tags.tag(bytes.span) == expected)
    }

    @Test func aTagIsBoundToTheNumbersBeforeTheBytes() throws {
        let tags = try make(key)
        let bytes = Array("0.7.MQ..ZXZlbnQ".utf8)
        var joined: [UInt8] = []
        for number: UInt64 in [3, 5] {
            for shift in 0..<8 { joined.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * shift))) }
        }
        joined += bytes
        #expect(tags.tag(3, 5, bytes.span) == tags.tag(joined.span))
        #expect(tags.tag(3, 5, bytes.span) != tags.tag(5, 3, bytes.span))
        #expect(tags.tag(3, 5, bytes.span) != tags.tag(3, 6, bytes.span))
    }

    @Test func anotherKeyMakesAnotherTagAndABadKeyNone() throws {
        let other: [UInt8] = Array(1..<17)
        let short: [UInt8] = Array(0..<15)
        let bytes = Array("event".utf8)
        let one = try make(key)
        let two = try make(other)
        #expect(one.tag(bytes.span) != two.tag(bytes.span))
        #expect(throws: (any Error).self) { try make(short) }
    }
}
