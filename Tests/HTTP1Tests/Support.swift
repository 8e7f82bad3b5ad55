import HTTP1

/// A request head copied out of its parser, to be compared.
struct RequestSummary: Equatable {
    var method: HTTPMethod
    var methodText: String
    var target: String
    var form: TargetForm
    var fields: [[String]]
    var ids: [FieldName]
    var framing: BodyFraming
    var keepAlive: Bool
    var expectsContinue: Bool
    var length: Int
}

/// A response head copied out of its parser, to be compared.
struct ResponseSummary: Equatable {
    var status: Int
    var reason: String
    var fields: [[String]]
    var framing: BodyFraming
    var keepAlive: Bool
    var isInterim: Bool
    var length: Int
}

/// What a parser made of some bytes.
enum Outcome<Head: Equatable>: Equatable {
    case head(Head)
    case needMore
    case refused(HTTP1Error)

    var error: HTTP1Error? {
        if case .refused(let error) = self { error } else { nil }
    }

    var head: Head? {
        if case .head(let head) = self { head } else { nil }
    }
}

func text(_ bytes: [UInt8], _ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
}

func summary(_ parser: borrowing RequestParser, _ bytes: [UInt8]) -> RequestSummary {
    RequestSummary(
        method: parser.head.method, methodText: text(bytes, parser.head.methodRange),
        target: text(bytes, parser.head.target), form: parser.head.targetForm,
        fields: parser.head.fields.indices.map {
            [text(bytes, parser.head.fields[$0].name), text(bytes, parser.head.fields[$0].value)]
        },
        ids: parser.head.fields.indices.map { parser.head.fields[$0].id },
        framing: parser.head.framing, keepAlive: parser.head.keepAlive,
        expectsContinue: parser.head.expectsContinue, length: parser.head.length)
}

func summary(_ parser: borrowing ResponseParser, _ bytes: [UInt8]) -> ResponseSummary {
    ResponseSummary(
        status: parser.head.status, reason: text(bytes, parser.head.reason),
        fields: parser.head.fields.indices.map {
            [text(bytes, parser.head.fields[$0].name), text(bytes, parser.head.fields[$0].value)]
        },
        framing: parser.head.framing, keepAlive: parser.head.keepAlive, isInterim: parser.head.isInterim,
        length: parser.head.length)
}

/// Feeds a parser with growing prefixes that end at `cuts`, then with everything.
func readRequest(
    _ bytes: [UInt8], cuts: [Int] = [], limits: HTTP1Limits = HTTP1Limits()
) -> Outcome<RequestSummary> {
    var parser = RequestParser(limits: limits)
    do {
        for cut in cuts + [bytes.count] where try parser.parseHead(bytes.span.extracting(0..<cut)) {
            return .head(summary(parser, bytes))
        }
        return .needMore
    } catch {
        return .refused(error)
    }
}

func readRequest(_ head: String, limits: HTTP1Limits = HTTP1Limits()) -> Outcome<RequestSummary> {
    readRequest(Array(head.utf8), limits: limits)
}

/// As ``readRequest(_:cuts:limits:)``, for responses.
func readResponse(
    _ bytes: [UInt8], to method: HTTPMethod = .post, cuts: [Int] = [], limits: HTTP1Limits = HTTP1Limits()
) -> Outcome<ResponseSummary> {
    var parser = ResponseParser(limits: limits)
    do {
        for cut in cuts + [bytes.count]
        where try parser.parseHead(bytes.span.extracting(0..<cut), requestMethod: method) {
            return .head(summary(parser, bytes))
        }
        return .needMore
    } catch {
        return .refused(error)
    }
}

func readResponse(_ head: String, to method: HTTPMethod = .post) -> Outcome<ResponseSummary> {
    readResponse(Array(head.utf8), to: method)
}

/// What a decoder made of a chunked body.
struct Decoded: Equatable {
    var body: [UInt8] = []
    /// The bytes used up when the body ended; nil while it has not.
    var end: Int?
    var error: HTTP1Error?
}

/// Decodes a body that arrives in pieces that end at `cuts`; what an event does not use up comes again with the next piece.
func decode(_ bytes: [UInt8], cuts: [Int] = [], maxBody: UInt64 = 1 << 30) -> Decoded {
    var decoder = ChunkedDecoder(maxBody: maxBody)
    var result = Decoded()
    var position = 0
    do {
        for cut in cuts + [bytes.count] {
            piece: while true {
                switch try decoder.next(bytes.span.extracting(position..<cut)) {
                case .needMore(let consumed):
                    position += consumed
                    break piece
                case .data(let range):
                    result.body += bytes[position + range.lowerBound..<position + range.upperBound]
                    position += range.upperBound
                case .end(let consumed):
                    result.end = position + consumed
                    return result
                }
            }
        }
    } catch {
        result.error = error
    }
    return result
}

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

/// Some ascending offsets below `count`, sometimes all of them.
func randomCuts(_ count: Int, _ random: inout SeededGenerator) -> [Int] {
    guard count > 0, Int.random(in: 0..<4, using: &random) > 0 else { return Array(0..<count) }
    return (0..<Int.random(in: 0..<6, using: &random)).map { _ in Int.random(in: 0..<count, using: &random) }.sorted()
}

/// The bytes with a few random changes.
func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    let special: [UInt8] = [0, 9, 10, 13, 32, 44, 48, 58, 59, 127, 128, 255]
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let byte =
            Bool.random(using: &random)
            ? special.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = byte
        case 1: bytes.insert(byte, at: place)
        case 2: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 12)], at: place)
        }
    }
    return bytes
}
