import Foundation
import HTTP1
import Testing

/// The gateway's codec and NIOHTTP1's parser on the same bytes. The safe direction must hold for every stream: what the
/// gateway accepts, NIOHTTP1 accepts too, as the same messages with the same ends. The other direction is where the gateway
/// is stricter: that is counted by reason, and every reason must be one of those written down here.
///
/// `MCPGW_DIFFERENTIAL_SEED` makes other streams than the usual ones.
@Suite struct HTTP1DifferentialTests {
    /// What the gateway refuses on purpose though NIOHTTP1 takes it, and why. The other reasons of `HTTP1Error` are shared.
    static let deliberate: [HTTP1Error: String] = [
        .malformedRequestLine: "empty lines before a request (RFC 9112, 2.2 lets a reader skip them)",
        .malformedTarget: "bytes outside RFC 3986, forms that do not fit the method, two spaces before a target",
        .malformedVersion: "white space around a version",
        .unsupportedVersion: "HTTP/1.0: no Host, no chunks, other rules for connections",
        .malformedStatusLine: "statuses outside 100 to 599, no space behind the status, empty lines before it",
        .unexpectedUpgrade: "101: the gateway never asks for another protocol",
        .bareLineFeed: "LF without CR, which only some readers take for the end of a line (RFC 9112, 2.2)",
        .bareCarriageReturn: "CR without LF",
        .controlCharacter: "control characters in a reason phrase (RFC 9112, 4)",
        .missingHost: "no Host (RFC 9112, 3.2)",
        .repeatedHost: "two Hosts (RFC 9112, 3.2)",
        .malformedHost: "a Host that is no host and port",
        .repeatedField: "fields that may stand once and of which readers take the first, the last or both",
        .malformedContentLength: "leading zeros, which some readers take for octal",
        .repeatedTransferEncoding: "chunked twice",
        .unsupportedTransferEncoding: "codings other than chunked, of which the gateway has none",
        .unexpectedLength: "a length on a response that has no body",
        .malformedConnection: "a Connection that is no list of tokens",
        .unsupportedExpectation: "expectations other than 100-continue (RFC 9110, 10.1.1: 417)",
        .malformedChunkSize: "chunk sizes of more than eight digits, or with white space around them",
        .chunkExtension: "chunk extensions (RFC 9112, 7.1.1 lets a reader ignore them)",
        .trailerField: "trailer fields",
    ]

    static let seed = ProcessInfo.processInfo.environment["MCPGW_DIFFERENTIAL_SEED"].flatMap(UInt64.init) ?? 1

    /// What came of all streams.
    struct Counts {
        var messages = 0
        var wholeStreams = 0
        var refusedByBoth = 0
        var stricter: [HTTP1Error: Int] = [:]
        var upgrades = 0
        var otherMethods = 0

        /// One line for the log.
        func report(_ what: String) {
            let reasons = stricter.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(
                separator: ", ")
            print(
                "\(what), seed \(seed): \(messages) messages read alike, \(wholeStreams) streams whole, \(refusedByBoth) "
                    + "refused by both, \(upgrades) with an upgrade, \(otherMethods) with another method; stricter: \(reasons)"
            )
        }
    }

    @Test func acceptedRequestsAreReadAlike() throws {
        var generator = StreamGenerator(seed: Self.seed)
        var counts = Counts()
        for _ in 0..<4000 {
            let stream = generator.requests()
            let own = readRequests(stream)
            try compare(own, stream, &counts) { try readRequestsByNIO(stream, cuts: $0) }
        }
        counts.report("requests")
        #expect(counts.messages > 3000 && counts.wholeStreams > 1000 && counts.refusedByBoth > 200)
        #expect(counts.stricter.count > 15, "the streams must reach most of what is stricter")
        #expect(counts.upgrades > 20 && counts.otherMethods > 5)
    }

    @Test func acceptedResponsesAreReadAlike() throws {
        var generator = StreamGenerator(seed: Self.seed &+ 1)
        var counts = Counts()
        let methods: [String: HTTPMethod] = ["POST": .post, "GET": .get, "DELETE": .delete, "HEAD": .head]
        for _ in 0..<4000 {
            let (asked, stream) = generator.responses()
            let own = readResponses(stream, to: asked.compactMap { methods[$0] })
            try compare(own, stream, &counts) { try readResponsesByNIO(stream, to: asked, cuts: $0) }
        }
        counts.report("responses")
        #expect(counts.messages > 3000 && counts.wholeStreams > 1000 && counts.refusedByBoth > 200)
        #expect(counts.stricter.count > 10, "the streams must reach most of what is stricter")
    }

    /// - Parameter byNIO: reads the stream with NIOHTTP1 in pieces that end at the given places.
    private func compare(
        _ own: OwnReading, _ stream: [UInt8], _ counts: inout Counts, byNIO: ([Int]) throws -> Reading
    ) throws {
        let ours = own.reading.messages
        // A piece ends just before and just at each of our ends, so that NIOHTTP1 shows the byte at which it sees them.
        let exact = try byNIO(ours.flatMap { [max(0, $0.end - 1), $0.end] })
        let compared = own.firstUpgrade.map { own.isConnect ? $0 : min($0 + 1, ours.count) } ?? ours.count
        let shown = String(decoding: stream, as: UTF8.self).debugDescription
        if own.hasOtherMethod {
            counts.otherMethods += 1
            return
        }
        for (position, message) in ours.prefix(compared).enumerated() {
            guard position < exact.messages.count else {
                Issue.record("we read \(message); NIOHTTP1 says \(exact.refusal ?? "nothing") of\n\(shown)")
                return
            }
            guard exact.messages[position] == message else {
                Issue.record("we read \(message)\nNIOHTTP1 reads \(exact.messages[position])\nof \(shown)")
                return
            }
            counts.messages += 1
        }
        if own.firstUpgrade != nil {
            counts.upgrades += 1
            return
        }
        let isStricter = exact.messages.count > ours.count
        guard let error = own.error else {
            // More than we see, or a refusal of what we took whole: either way a boundary is not where we think.
            #expect(!isStricter, "NIOHTTP1 reads \(exact.messages.last?.description ?? "") too, of \(shown)")
            guard own.reading.refusal == nil, !own.reading.isIncomplete else { return }
            #expect(exact.refusal == nil, "we take all of \(shown)")
            counts.wholeStreams += 1
            return
        }
        guard isStricter else {
            counts.refusedByBoth += 1
            return
        }
        counts.stricter[error, default: 0] += 1
        #expect(Self.deliberate[error] != nil, "nothing says why \(error) refuses \(shown)")
    }
}
