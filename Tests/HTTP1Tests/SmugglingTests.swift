import HTTP1
import Testing

/// Every known way to make two readers see different messages in the same bytes. Each is refused, for its own reason.
@Suite struct SmugglingTests {
    /// Field lines after a good request line and Host.
    @Test(arguments: [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", HTTP1Error.conflictingLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", .conflictingLength),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .repeatedTransferEncoding),
        ("Transfer-Encoding: chunked\r\ntransfer-encoding: identity", .repeatedTransferEncoding),
        ("Transfer-Encoding: identity", .unsupportedTransferEncoding),
        ("Transfer-Encoding: gzip, chunked", .unsupportedTransferEncoding),
        ("Transfer-Encoding: chunked, identity", .unsupportedTransferEncoding),
        ("Transfer-Encoding: xchunked", .unsupportedTransferEncoding),
        ("Transfer-Encoding: chunked;q=1", .unsupportedTransferEncoding),
        ("Transfer-Encoding: \"chunked\"", .unsupportedTransferEncoding),
        ("Transfer-Encoding:", .unsupportedTransferEncoding),
        ("Transfer-Encoding: chunked\t", .unsupportedTransferEncoding),
        ("Transfer-Encoding: chunked \t ", .unsupportedTransferEncoding),
        ("Transfer-Encoding: ,chunked", .unsupportedTransferEncoding),
        ("Transfer-Encoding : chunked", .whitespaceBeforeColon),
        ("Transfer-Encoding\t: chunked", .whitespaceBeforeColon),
        ("Transfer-Encoding:\u{B}chunked", .controlCharacter),
        ("Transfer-Encoding\u{0}: chunked", .controlCharacter),
        ("X: y\rTransfer-Encoding: chunked", .bareCarriageReturn),
        ("X: y\nTransfer-Encoding: chunked", .bareLineFeed),
        ("X: y\r\r\nTransfer-Encoding: chunked", .bareCarriageReturn),
        ("X: y\r\n Transfer-Encoding: chunked", .obsoleteFolding),
        ("X: y\r\n\tz", .obsoleteFolding),
        ("Transfer-Encoding:\r\n chunked", .unsupportedTransferEncoding),
        ("Content-Length: +5", .malformedContentLength),
        ("Content-Length: -5", .malformedContentLength),
        ("Content-Length: 5, 5", .malformedContentLength),
        ("Content-Length: 5,", .malformedContentLength),
        ("Content-Length: 5 5", .malformedContentLength),
        ("Content-Length: 0x5", .malformedContentLength),
        ("Content-Length: 5.0", .malformedContentLength),
        ("Content-Length: 05", .malformedContentLength),
        ("Content-Length: 5_0", .malformedContentLength),
        ("Content-Length: \u{665}", .malformedContentLength),
        ("Content-Length:", .malformedContentLength), ("Content-Length: 5\t", .malformedContentLength),
        ("Content-Length: 9223372036854775808", .malformedContentLength),
        ("Content-Length: 18446744073709551621", .malformedContentLength),
        ("Content-Length: 99999999999999999999", .malformedContentLength),
        ("Content-Length: 5\r\nContent-Length: 5", .repeatedContentLength),
        ("Content-Length: 5\r\ncontent-length: 6", .repeatedContentLength),
        ("Content-Length : 5", .whitespaceBeforeColon),
        ("Content Length: 5", .whitespaceBeforeColon),
        ("Content-Length", .malformedFieldName),
        ("Content-Length=5", .malformedFieldName),
        ("Content-L\u{e9}ngth: 5", .malformedFieldName),
        ("(Content-Length): 5", .malformedFieldName),
        (": 5", .emptyFieldName),
        (":", .emptyFieldName),
        ("X: a\u{0}b", .controlCharacter),
        ("X: a\u{1}b", .controlCharacter),
        ("X: a\u{7F}b", .controlCharacter),
        ("X: a\u{1B}[0m", .controlCharacter),
        ("Host: b", .repeatedHost),
        ("HOST: 127.0.0.1", .repeatedHost),
        ("Expect: 200-ok", .unsupportedExpectation),
        ("Connection: close keep-alive", .malformedConnection),
        ("Connection: \"close\"", .malformedConnection),
        ("Origin: a\r\nOrigin: b", .repeatedField),
        ("Authorization: a\r\nauthorization: b", .repeatedField),
        ("Content-Type: a\r\nContent-Type: a", .repeatedField),
        ("Mcp-Session-Id: a\r\nMcp-Session-Id: b", .repeatedField),
        ("Mcp-Protocol-Version: a\r\nMcp-Protocol-Version: b", .repeatedField),
        ("Mcp-Method: a\r\nMcp-Method: b", .repeatedField),
        ("Mcp-Name: a\r\nMcp-Name: b", .repeatedField),
        ("X-Api-Key: a\r\nX-Api-Key: b", .repeatedField),
        ("Last-Event-Id: a\r\nLast-Event-Id: b", .repeatedField),
    ])
    func aHeadWithDoubtfulFieldsIsRefused(lines: String, reason: HTTP1Error) {
        #expect(readRequest("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\(lines)\r\n\r\n").error == reason)
        // The same lines in front of Host.
        if reason != .repeatedHost, reason != .bareLineFeed {
            #expect(readRequest("POST / HTTP/1.1\r\n\(lines)\r\nHost: 127.0.0.1\r\n\r\n").error == reason)
        }
    }

    @Test(arguments: [
        ("", HTTP1Error.missingHost), ("Host:", .malformedHost), ("Host: ", .malformedHost),
        ("Host: a b", .malformedHost),
        ("Host: a/b", .malformedHost), ("Host: u@a", .malformedHost), ("Host: a\u{e9}", .malformedHost),
        ("Host: a\\b", .malformedHost), ("Host: a?b", .malformedHost), ("Host: a#b", .malformedHost),
    ])
    func aMissingOrDoubtfulHostIsRefused(line: String, reason: HTTP1Error) {
        let lines = line.isEmpty ? "" : line + "\r\n"
        #expect(readRequest("GET / HTTP/1.1\r\n\(lines)\r\n").error == reason)
    }

    @Test(arguments: ["a", "A.b-c_d~e:80", "[::1]:9090", "127.0.0.1", "a%20b", "x,y"])
    func ordinaryHostsAreAccepted(host: String) {
        #expect(readRequest("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").head != nil)
    }

    /// Whole start lines, and what stands in front of them.
    @Test(arguments: [
        ("\r\nGET / HTTP/1.1\r\n", HTTP1Error.malformedRequestLine), ("\nGET / HTTP/1.1\r\n", .bareLineFeed),
        (" GET / HTTP/1.1\r\n", .malformedMethod), ("\tGET / HTTP/1.1\r\n", .malformedMethod),
        ("GET\t/ HTTP/1.1\r\n", .malformedMethod), ("G(T / HTTP/1.1\r\n", .malformedMethod),
        ("GET\r\n", .malformedRequestLine), ("GET /\r\n", .malformedRequestLine), ("GET / \r\n", .malformedVersion),
        ("GET /  HTTP/1.1\r\n", .malformedVersion), ("GET / HTTP/1.1 \r\n", .malformedVersion),
        ("GET / HTTP/1.1\n", .bareLineFeed), ("GET / HTTP/1.1\rX", .bareCarriageReturn),
        ("GET / HTTP/1.10\r\n", .malformedVersion), ("GET / http/1.1\r\n", .malformedVersion),
        ("GET / HTTP/1,1\r\n", .malformedVersion), ("GET / HTTP/a.b\r\n", .malformedVersion),
        ("GET / HTTP/1.\r\n", .malformedVersion), ("GET / HTTP/ 1.1\r\n", .malformedVersion),
        ("GET / HTTP/1.0\r\n", .unsupportedVersion), ("GET / HTTP/0.9\r\n", .unsupportedVersion),
        ("GET / HTTP/1.2\r\n", .unsupportedVersion), ("PRI * HTTP/2.0\r\n", .unsupportedVersion),
        ("GET / HTTP/1.1\u{0}\r\n", .controlCharacter), ("\u{16}\u{3}\u{1}\u{2}", .controlCharacter),
        (String(repeating: "M", count: 33) + " / HTTP/1.1\r\n", .malformedMethod),
    ])
    func aDoubtfulRequestLineIsRefused(line: String, reason: HTTP1Error) {
        #expect(readRequest(line + "Host: a\r\n\r\n").error == reason)
    }

    @Test func statusesAreThoseOfTheRFC() {
        #expect(HTTP1Error.unsupportedVersion.status == 505)
        #expect(HTTP1Error.unsupportedTransferEncoding.status == 501)
        #expect(HTTP1Error.targetTooLong.status == 414)
        #expect(HTTP1Error.headTooLarge.status == 431)
        #expect(HTTP1Error.tooManyFields.status == 431)
        #expect(HTTP1Error.conflictingLength.status == 400)
    }

    @Test func theCodingNameIsAnyCaseAsTheRFCHasIt() {
        #expect(
            readRequest("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n").head?.framing == .chunked)
    }

    @Test func aHeaderFloodEndsAtTheLimitWithoutItsEnd() {
        let flood = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a: b\r\n", count: 200)
        #expect(readRequest(flood).error == .tooManyFields)
        let endless = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "y", count: 70_000)
        #expect(readRequest(endless).error == .headTooLarge)
        let longLine = "GET /" + String(repeating: "y", count: 70_000)
        #expect(readRequest(longLine).error == .targetTooLong)
    }
}
