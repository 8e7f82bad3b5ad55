import HTTP1
import Testing

@Suite struct ChunkedTests {
    @Test func chunksBecomeTheBodyAndTheRestIsLeft() {
        let bytes = Array("4\r\nWiki\r\n00A\r\n0123456789\r\nf\r\nabcdefghijklmno\r\n0\r\n\r\nGET / HTTP/1.1".utf8)
        let decoded = decode(bytes)
        #expect(decoded.error == nil)
        #expect(decoded.body == Array("Wiki0123456789abcdefghijklmno".utf8))
        #expect(decoded.end == bytes.count - 14)
    }

    @Test func anUnfinishedBodyAsksForMore() {
        let bytes = Array("4\r\nWiki\r\n0\r\n\r\n".utf8)
        for count in 0..<bytes.count {
            let decoded = decode(Array(bytes[..<count]))
            #expect(decoded.error == nil && decoded.end == nil)
        }
    }

    @Test(arguments: [
        ("4;ext=1\r\nWiki\r\n0\r\n\r\n", HTTP1Error.chunkExtension), ("4 \r\nWiki\r\n", .chunkExtension),
        ("4\t;a\r\nWiki\r\n", .chunkExtension), ("0;a\r\n\r\n", .chunkExtension),
        ("0\r\nX: y\r\n\r\n", .trailerField), ("0\r\nContent-Length: 5\r\n\r\n", .trailerField),
        ("0\r\n\n", .trailerField),
        ("0\r\n\r\r\n", .bareCarriageReturn), ("\r\nWiki", .malformedChunkSize), (";a\r\n", .malformedChunkSize),
        (" 4\r\nWiki", .malformedChunkSize), ("+4\r\nWiki", .malformedChunkSize), ("-4\r\nWiki", .malformedChunkSize),
        ("0x4\r\nWiki", .malformedChunkSize), ("4_\r\nWiki", .malformedChunkSize), ("G\r\n", .malformedChunkSize),
        ("4,4\r\nWiki", .malformedChunkSize), ("\u{664}\r\nWiki", .malformedChunkSize), ("4\nWiki", .bareLineFeed),
        ("4\rWiki", .bareCarriageReturn), ("4\r\nWikipedia", .malformedChunkEnd),
        ("4\r\nWiki\n0\r\n", .malformedChunkEnd),
        ("4\r\nWiki\rX", .malformedChunkEnd), ("4\r\nWiki0\r\n\r\n", .malformedChunkEnd),
        ("000000004\r\nWiki", .malformedChunkSize), ("FFFFFFFFFFFFFFFF1\r\n", .malformedChunkSize),
        ("4\u{0}\r\nWiki", .malformedChunkSize), ("4\r\nWiki\r\n\r\n0\r\n\r\n", .malformedChunkSize),
    ])
    func doubtfulFramingIsRefused(body: String, reason: HTTP1Error) {
        #expect(decode(Array(body.utf8)).error == reason)
        #expect(decode(Array(body.utf8), cuts: Array(0..<body.utf8.count)).error == reason)
    }

    @Test func theLimitCountsAllChunksAndIsCheckedBeforeData() {
        let bytes = Array("3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n".utf8)
        #expect(decode(bytes, maxBody: 6).end == bytes.count)
        let refused = decode(bytes, maxBody: 5)
        #expect(refused.error == .bodyTooLarge && refused.body == Array("abc".utf8))
        #expect(HTTP1Error.bodyTooLarge.status == 413)
        #expect(decode(Array("ffffffff\r\n".utf8), maxBody: 1 << 20).error == .bodyTooLarge)
    }

    @Test func sizesUpToTheLargestAreSummedWithoutOverflow() {
        var limits = HTTP1Limits()
        limits.chunkSizeDigits = 100
        var decoder = ChunkedDecoder(maxBody: .max, limits: limits)
        let bytes = Array("fffffffffffffff\r\n".utf8)
        let event = try? decoder.next(bytes.span)
        #expect(event == .needMore(consumed: bytes.count))
        #expect(decoder.total == 0xFFF_FFFF_FFFF_FFFF)
        #expect(decode(Array("1fffffffffffffff\r\n".utf8)).error == .malformedChunkSize)
    }

    @Test func whatIsRefusedStaysRefusedAndTheEndStaysTheEnd() {
        var decoder = ChunkedDecoder(maxBody: 10)
        let bad = Array("x".utf8)
        let good = Array("0\r\n\r\nrest".utf8)
        var errors: [HTTP1Error] = []
        for bytes in [bad, good] {
            do { _ = try decoder.next(bytes.span) } catch { errors.append(error) }
        }
        #expect(errors == [.malformedChunkSize, .malformedChunkSize])
        var ended = ChunkedDecoder(maxBody: 10)
        let first = try? ended.next(good.span)
        let second = try? ended.next(good.span)
        #expect(first == .end(consumed: 5))
        #expect(second == .end(consumed: 0))
    }
}
