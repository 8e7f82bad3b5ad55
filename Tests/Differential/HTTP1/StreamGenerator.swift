/// A reproducible source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Makes streams of requests or responses: ordinary ones, ones that two readers are known to take differently, and both with
/// random changes.
struct StreamGenerator {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
    private mutating func pick<Element>(_ choices: [Element]) -> Element { choices[pick(choices.count)] }
    private mutating func once(in count: Int) -> Bool { pick(count) == 0 }

    /// Lines that make readers see different messages, or that some reader forgives.
    private static let doubtfulLines = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ", "Transfer-Encoding : chunked",
        "Transfer-Encoding:\u{B}chunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding:",
        "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked",
        "X: y\r\n\tz", "Transfer-Encoding:\r\n chunked", "Content-Length: +5", "Content-Length: -5",
        "Content-Length: 5, 5",
        "Content-Length: 05", "Content-Length: 0x5", "Content-Length: 5 5", "Content-Length:", "Content-Length: 5_0",
        "Content-Length: 18446744073709551621", "Content-Length: 9223372036854775808",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\ncontent-length: 6", "Content-Length : 5", "Content Length: 5", "Content-Length", ": 5",
        ":",
        "X: a\u{0}b", "X: a\u{7F}b", "X: a\u{1}b", "X\u{e9}: 1", "X[: 1", "Host: b", "Expect: 200-ok",
        "Connection: close keep-alive", "Connection: \"close\"", "Origin: a\r\nOrigin: b",
        "Content-Type: a\r\nContent-Type: b",
        "Mcp-Session-Id: a\r\nMcp-Session-Id: b", " X: y", "X : y", "X: y\r", "Transfer-Encoding: chunked\t",
        "Content-Length: 5\t",
    ]

    private static let plainLines = [
        "Accept: */*", "accept:application/json, text/event-stream", "X-Empty:", "X-Space: \t a \t", "X-Inner: a  b\tc",
        "X-Obs: caf\u{e9}", "Mcp-Param-Region: eu", "MCP-Protocol-Version: 2025-11-25", "Connection: keep-alive",
        "Connection: x, y", "X: y", "x: z", "!#$%&'*+-.^_`|~0: token", "Cookie: a=b; c=d", "Cookie: e=f",
        "TE: trailers",
    ]

    /// The lines between the start line and the empty one, and the body they announce.
    private mutating func fieldsAndBody(_ fixed: [String], mayHaveBody: Bool) -> (lines: [String], body: [UInt8]) {
        var lines = fixed
        for _ in 0..<pick(5) { lines.append(pick(Self.plainLines)) }
        var body: [UInt8] = []
        if mayHaveBody {
            let data = (0..<pick([0, 1, 5, 30, 300])).map { _ in pick(Array("GET /POST{}\r\n0:".utf8)) }
            switch pick(4) {
            case 0:
                lines.append(pick(["Transfer-Encoding: chunked", "transfer-encoding: Chunked"]))
                body = chunked(data)
            case 1 where data.isEmpty: break
            default:
                lines.append(pick(["Content-Length: ", "content-length:"]) + "\(data.count)")
                body = data
            }
        }
        lines.shuffle(using: &random)
        return (lines, body)
    }

    private mutating func chunked(_ data: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var rest = data[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + pick(40))
            rest = rest.dropFirst(piece.count)
            var size = String(piece.count, radix: 16, uppercase: once(in: 2))
            if once(in: 6) { size = "0" + size }
            if once(in: 25) { size += pick([";a=b", " ", ";", "\t;a", "x", ";a=\"\r\n\""]) }
            if once(in: 60) { size = pick(["+", "-", " ", "0x", "00000000", "FFFFFFFFFFFFFFFF"]) + size }
            output += Array(size.utf8) + Array((once(in: 60) ? pick(["\n", "\r", "\r\r\n"]) : "\r\n").utf8)
            output += piece + Array((once(in: 60) ? pick(["\n", "\r", "", "\r\n\r\n", "x\r\n"]) : "\r\n").utf8)
        }
        let ends = [
            "0\r\n\n", "00\r\n\r\n", "0;a\r\n\r\n", "0\r\nTrailer: x\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n",
            "0\r\n\r\r\n",
        ]
        return output + Array((once(in: 20) ? pick(ends) : "0\r\n\r\n").utf8)
    }

    /// The bytes with some random changes.
    private mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        let special: [UInt8] = [0, 9, 10, 11, 13, 32, 34, 44, 48, 58, 59, 92, 127, 128, 255]
        for _ in 0..<1 + pick(3) where !bytes.isEmpty {
            let place = pick(bytes.count)
            let byte = once(in: 2) ? pick(special) : UInt8.random(in: 0...255, using: &random)
            switch pick(4) {
            case 0: bytes[place] = byte
            case 1: bytes.insert(byte, at: place)
            case 2: bytes.remove(at: place)
            default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 12)], at: place)
            }
        }
        return bytes
    }

    private mutating func message(_ startLine: String, _ fixed: [String], mayHaveBody: Bool) -> [UInt8] {
        var (lines, body) = fieldsAndBody(fixed, mayHaveBody: mayHaveBody)
        if once(in: 50) { lines += ["Upgrade: \(pick(["h2c", "websocket"]))", "Connection: Upgrade"] }
        if once(in: 6) { lines.insert(pick(Self.doubtfulLines), at: pick(lines.count + 1)) }
        // As Latin-1, so that what lies above ASCII is one byte.
        let head = ([startLine] + lines).map { $0 + "\r\n" }.joined() + "\r\n"
        let bytes = head.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } + body
        return once(in: 4) ? mutated(bytes) : bytes
    }

    private mutating func request() -> [UInt8] {
        let method = pick(["POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "TRACE"])
        var target = pick(["/mcp", "/", "/mcp?x=1", "/a/b%20c?d=e&f", "//h/x", "http://h:80/x?y", "/~a;b,c!$'()*+=@:"])
        if method == "OPTIONS", once(in: 2) { target = "*" }
        var line = "\(method) \(target) HTTP/1.1"
        if once(in: 25) {
            line = pick([
                "GET /mcp HTTP/1.0", "GET  /mcp HTTP/1.1", "GET /mcp HTTP/1.1 ", " GET / HTTP/1.1", "GET /mcp",
                "GET /#a HTTP/1.1",
                "GET /\u{e9} HTTP/1.1", "GET /\"x\" HTTP/1.1", "get / HTTP/1.1", "G\u{e9}T / HTTP/1.1",
                "GET\t/ HTTP/1.1",
                "GET / HTTP/1.10", "GET / http/1.1", "GET / HTTP/2.0", "CONNECT h:80 HTTP/1.1", "PURGE / HTTP/1.1",
                "VERSION-CONTROL / HTTP/1.1", "PRI * HTTP/2.0", "GET mcp HTTP/1.1", "GET * HTTP/1.1",
                "\r\nGET / HTTP/1.1",
                "GET / HTTP/1.1\r", "GET / ICE/1.0", "GET / RTSP/1.0",
            ])
        }
        var host = ["Host: 127.0.0.1:9090"]
        if once(in: 25) {
            host = pick([[], ["Host:"], ["Host: a b"], ["Host: u@a"], ["Host: a", "host: a"], ["Host: a/b"]])
        }
        return message(line, host, mayHaveBody: !["GET", "HEAD", "TRACE", "OPTIONS"].contains(method))
    }

    /// A stream of requests. The last one is plain, so that a boundary misread before it shows.
    mutating func requests() -> [UInt8] {
        var stream: [UInt8] = []
        for _ in 0..<1 + pick(3) { stream += request() }
        return stream + Array("GET /last HTTP/1.1\r\nHost: last\r\n\r\n".utf8)
    }

    private mutating func response(to method: String, isLast: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        while once(in: 5) {
            bytes += Array(pick(["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"]).utf8)
        }
        let status = pick([200, 200, 200, 202, 204, 304, 400, 404, 500, 503])
        var line = "HTTP/1.1 \(status) \(pick(["OK", "", "Two words", "caf\u{e9}"]))"
        if once(in: 25) {
            line = pick([
                "HTTP/1.0 200 OK", "HTTP/2.0 200 OK", "HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK",
                "HTTP/1.1 2000 OK",
                "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 101 Switch", "ICY 200 OK", "http/1.1 200 OK",
                "HTTP/1.1 200 O\u{0}K",
                "HTTP/1.1 200 OK\r", "\r\nHTTP/1.1 200 OK", "RTSP/1.0 200 OK", "HTTP/1.1 999 OK",
            ])
        }
        let hasBody = method != "HEAD" && status != 204 && status != 304
        var plain = message(line, hasBody && !isLast ? ["Content-Length: 2"] : [], mayHaveBody: false)
        if hasBody, !isLast {
            plain += Array("{}".utf8)
        } else if hasBody {
            plain = message(line, [], mayHaveBody: true)
            // Without a length it lasts until the end.
            if once(in: 4) { plain += Array("and more".utf8) }
        } else if once(in: 4), status != 204 {
            // The length of a body that does not come.
            plain = message(line, ["Content-Length: 7"], mayHaveBody: false)
        }
        return bytes + plain
    }

    /// The methods of some requests and a stream of responses to them.
    mutating func responses() -> (methods: [String], stream: [UInt8]) {
        let methods = (0..<1 + pick(3)).map { _ in pick(["POST", "POST", "GET", "DELETE", "HEAD"]) }
        var stream: [UInt8] = []
        for index in methods.indices { stream += response(to: methods[index], isLast: index == methods.count - 1) }
        return (methods, stream)
    }
}
