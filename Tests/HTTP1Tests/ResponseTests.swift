import HTTP1
import Testing

@Suite struct ResponseTests {
    @Test func anOrdinaryHeadIsReadWhole() throws {
        let bytes = "HTTP/1.1 200 All right\r\nContent-Type: application/json\r\ncontent-length: 7\r\n\r\n"
        let head = try #require(readResponse(bytes + "{}").head)
        #expect(head.status == 200)
        #expect(head.reason == "All right")
        #expect(head.framing == .length(7))
        #expect(head.keepAlive)
        #expect(!head.isInterim)
        #expect(head.fields == [["Content-Type", "application/json"], ["content-length", "7"]])
        #expect(head.length == bytes.utf8.count)
    }

    /// RFC 9112, 6.3, case by case.
    @Test(arguments: [
        ("200 OK", "Content-Length: 5\r\n", HTTPMethod.post, BodyFraming.length(5)),
        ("200 OK", "Transfer-Encoding: chunked\r\n", .post, .chunked),
        ("200 OK", "", .post, .untilClose),
        ("404 ", "", .get, .untilClose),
        ("200 OK", "Content-Length: 5\r\n", .head, .none),
        ("200 OK", "Transfer-Encoding: chunked\r\n", .head, .none),
        ("304 Not Modified", "Content-Length: 5\r\n", .get, .none),
        ("204 No Content", "", .delete, .none),
        ("204 No Content", "Content-Length: 0\r\n", .delete, .none),
        ("100 Continue", "", .post, .none),
        ("103 Early Hints", "Link: a\r\n", .post, .none),
        ("202 Accepted", "Content-Length: 0\r\n", .post, .length(0)),
    ])
    func theBodyEndsAsTheRFCSays(status: String, fields: String, method: HTTPMethod, framing: BodyFraming) {
        let head = readResponse("HTTP/1.1 \(status)\r\n\(fields)\r\n", to: method).head
        #expect(head?.framing == framing)
        #expect(head?.keepAlive == (framing != .untilClose))
    }

    @Test func interimHeadsAreFlaggedAndTheFinalOneFollows() throws {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n"
        let bytes = Array((interim + "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").utf8)
        var parser = ResponseParser()
        let isFirst = try parser.parseHead(bytes.span, requestMethod: .post)
        #expect(isFirst)
        let one = summary(parser, bytes)
        #expect(one.isInterim && one.length == interim.utf8.count)
        let rest = Array(bytes[one.length...])
        let isSecond = try parser.parseHead(rest.span, requestMethod: .post)
        #expect(isSecond)
        let two = summary(parser, rest)
        #expect(two.status == 202 && !two.isInterim && !two.keepAlive)
    }

    @Test func anyNumberOfInterimHeadsComesBeforeTheFinalOne() throws {
        let interims = ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nLink: a\r\nLink: b\r\n\r\n"]
        var rest = Array((interims + interims + ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]).joined().utf8)
        var parser = ResponseParser()
        var statuses: [Int] = []
        var framings: [BodyFraming] = []
        while statuses.last ?? 100 < 200 {
            let isComplete = try parser.parseHead(rest.span, requestMethod: .post)
            #expect(isComplete)
            statuses.append(parser.head.status)
            framings.append(parser.head.framing)
            rest.removeFirst(parser.head.length)
        }
        #expect(statuses == [100, 103, 100, 103, 200])
        #expect(framings == [.none, .none, .none, .none, .length(2)])
        #expect(rest == Array("{}".utf8))
    }

    @Test(arguments: [
        ("HTTP/1.0 200 OK\r\n", HTTP1Error.unsupportedVersion), ("HTTP/2.0 200 OK\r\n", .unsupportedVersion),
        ("http/1.1 200 OK\r\n", .malformedVersion), ("HTTP/1.1 200\r\n", .malformedStatusLine),
        ("HTTP/1.1  200 OK\r\n", .malformedStatusLine), ("HTTP/1.1 20 OK    \r\n", .malformedStatusLine),
        ("HTTP/1.1 2000 OK\r\n", .malformedStatusLine), ("HTTP/1.1 099 OK\r\n", .malformedStatusLine),
        ("HTTP/1.1 600 OK\r\n", .malformedStatusLine), ("HTTP/1.1 +20 OK\r\n", .malformedStatusLine),
        ("HTTP/1.1 101 Switching Protocols\r\n", .unexpectedUpgrade), ("ICY 200 OK\r\n", .malformedStatusLine),
        ("\r\nHTTP/1.1 200 OK\r\n", .malformedStatusLine), ("HTTP/1.1 200 O\u{0}K\r\n", .controlCharacter),
        ("HTTP/1.1 200 OK\n", .bareLineFeed), ("HTTP/1.1 200 OK\r\r\n", .bareCarriageReturn),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n", .repeatedContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", .conflictingLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", .unsupportedTransferEncoding),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", .obsoleteFolding),
        ("HTTP/1.1 200 OK\r\nA : b\r\n", .whitespaceBeforeColon),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", .unexpectedLength),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n", .unexpectedLength),
        ("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n", .unexpectedLength),
        ("HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Type: b\r\n", .repeatedField),
        ("HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nMcp-Session-Id: b\r\n", .repeatedField),
        ("HTTP/1.1 200 OK\r\nmcp-session-id: a\r\nMCP-SESSION-ID: a\r\n", .repeatedField),
        ("HTTP/1.1 200 OK\r\nMcp-Protocol-Version: a\r\nMcp-Protocol-Version: b\r\n", .repeatedField),
        ("HTTP/1.1 302 Found\r\nLocation: a\r\nLocation: b\r\n", .repeatedField),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\t\r\n", .malformedContentLength),
    ])
    func aDoubtfulHeadIsRefused(head: String, reason: HTTP1Error) {
        #expect(readResponse(head + "\r\n").error == reason)
    }

    @Test func aHeadWithoutEndStopsAtTheLimit() {
        let long = "HTTP/1.1 200 " + String(repeating: "a", count: 9_000)
        #expect(readResponse(long).error == .malformedStatusLine)
        let endless = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "a", count: 70_000)
        #expect(readResponse(endless).error == .headTooLarge)
    }
}
