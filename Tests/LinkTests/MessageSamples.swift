@testable import Link

/// One generated message: its encoding, and what decoding makes of any bytes.
struct Sample {
    var name: String
    /// The frame types that carry it.
    var types: [FrameType]
    var bytes: [UInt8]
    /// Whether the bytes decode to exactly the message.
    var isSame: ([UInt8]) throws -> Bool
    /// Decodes and encodes again.
    var recode: ([UInt8]) throws -> [UInt8]

    init<M: Equatable>(
        _ message: M, _ types: [FrameType], encode: @escaping (M) -> [UInt8],
        decode: @escaping (Span<UInt8>) throws(LinkViolation) -> M
    ) {
        name = "\(M.self)"
        self.types = types
        bytes = encode(message)
        isSame = { try decode($0.span) == message }
        recode = { encode(try decode($0.span)) }
    }

    /// One message of every type there is.
    static func all(_ random: inout SeededRandom) -> [Sample] {
        let ticket = DescriptorTicket(number: max(1, random.number()))
        return [
            Sample(
                GenerationMessage(number: random.number(), ticket: ticket), [.generation, .prepare],
                encode: { $0.encode() },
                decode: GenerationMessage.init(decoding:)),
            Sample(
                SegmentMessage(
                    use: pick(SegmentUse.allCases, &random), role: random.number(),
                    index: random.number(), ticket: ticket),
                [.segment], encode: { $0.encode() }, decode: SegmentMessage.init(decoding:)),
            Sample(
                ListenerMessage(
                    id: random.number(), name: random.text(maximum: 64), address: random.text(maximum: 256),
                    ticket: ticket),
                [.listener], encode: { $0.encode() }, decode: ListenerMessage.init(decoding:)),
            Sample(
                AttachMessage(
                    link: random.number(), kind: pick([.request, .dial], &random),
                    side: pick([.opener, .acceptor], &random), peerRole: random.number(), peerIndex: random.number(),
                    ticket: ticket),
                [.attach], encode: { $0.encode() }, decode: AttachMessage.init(decoding:)),
            Sample(
                RouteStateMessage(index: random.number(), isUp: Bool.random(using: &random)), [.routeState],
                encode: { $0.encode() }, decode: RouteStateMessage.init(decoding:)),
            Sample(
                CondemnMessage(link: random.number(), violation: pick(LinkViolation.allCases, &random)), [.condemn],
                encode: { $0.encode() }, decode: CondemnMessage.init(decoding:)),
            Sample(
                NumberMessage(number: random.number()),
                [
                    .ping, .pong, .served, .lost, .commit, .abandon, .release, .prepared, .committed, .reload,
                    .released,
                ], encode: { $0.encode() },
                decode: NumberMessage.init(decoding:)),
            Sample(
                RefusedMessage(generation: random.number(), reason: random.text(maximum: 200)), [.refused],
                encode: { $0.encode() }, decode: RefusedMessage.init(decoding:)),
            Sample(
                ReloadResultMessage(
                    request: random.number(), isDone: Bool.random(using: &random), generation: random.number(),
                    text: random.text(maximum: 200), warnings: random.list { $0.text() }),
                [.reloadResult], encode: { $0.encode() }, decode: ReloadResultMessage.init(decoding:)),
            Sample(
                DialOpen(destination: random.number()), [.open], encode: { $0.encode() },
                decode: DialOpen.init(decoding:)),
            Sample(dialOutcome(&random), [.head], encode: { $0.encode() }, decode: DialOutcome.init(decoding:)),
            Sample(request(&random), [.open], encode: encoded, decode: RequestOpen.init(decoding:)),
            Sample(reply(&random), [.head], encode: encoded, decode: ReplyHead.init(decoding:)),
        ]
    }

    /// A request's payload; empty if the writer refuses it.
    static func encoded(_ message: RequestOpen) -> [UInt8] {
        var writer = FieldWriter()
        return message.write(&writer) ? writer.bytes : []
    }

    /// A reply's payload; empty if the writer refuses it.
    static func encoded(_ message: ReplyHead) -> [UInt8] {
        var writer = FieldWriter()
        return message.write(&writer) ? writer.bytes : []
    }

    static func dialOutcome(_ random: inout SeededRandom) -> DialOutcome {
        if random.oneIn(3) { return .connected(DescriptorTicket(number: max(1, random.number()))) }
        let failures: [DialFailure] = [.notAllowed, .unknownHost, .unreachable, .timedOut, .capacity]
        return .failed(pick(failures, &random), detail: random.text(maximum: DialOutcome.maximumDetail))
    }

    static func request(_ random: inout SeededRandom) -> RequestOpen {
        let identity = Identity(
            subject: random.text(), method: pick([.anonymous, .apiKey, .jwt, .oauth, .certificate, .peer], &random),
            roles: random.list { $0.text() }, tenant: random.text(),
            labels: random.list {
                Identity.Label(name: $0.text(), value: $0.text(), isClaimed: Bool.random(using: &$0))
            }, expiry: random.number())
        return RequestOpen(
            generation: random.number(), requestID: random.number(), identity: identity, session: session(&random),
            revision: random.number(), flowFacts: random.number(), method: pick([.post, .get, .delete], &random),
            acceptsJSON: Bool.random(using: &random), acceptsEvents: Bool.random(using: &random),
            isModern: Bool.random(using: &random), lastEventID: Array(random.text().utf8), fields: fields(&random),
            bodyLength: min(LinkLimits.bodyLength, random.number()))
    }

    static func reply(_ random: inout SeededRandom) -> ReplyHead {
        let kind: ReplyKind = pick([.empty, .json, .events], &random)
        let length: UInt64 =
            switch kind {
            case .empty: 0
            case .json: min(LinkLimits.bodyLength, random.number())
            case .events: ReplyHead.unknownLength
            }
        var status = UInt16.random(in: ReplyHead.statuses, using: &random)
        if kind != .empty, [204, 205, 304].contains(status) { status = 200 }
        return ReplyHead(
            status: status, kind: kind, bodyLength: length,
            sessionRevision: random.number(), challenge: random.value(), retryAfter: random.number(),
            flowFacts: random.number())
    }

    static func session(_ random: inout SeededRandom) -> SessionReference? {
        if random.oneIn(3) { return nil }
        return SessionReference(
            use: pick([.member, .opening], &random), uuid: SessionUUID(low: random.number(), high: random.number()),
            capabilities: random.number(), expires: random.number())
    }

    static func fields(_ random: inout SeededRandom) -> FieldLines {
        var lines = FieldLines()
        for _ in 0..<random.below(4) {
            let names = ["traceparent", "Tracestate", "baggage", "Mcp-Param-Region", "mcp-param-!#$%&'*+-.^_`|~0"]
            lines.append(name: Array(pick(names, &random).utf8).span, value: Array(random.value().utf8).span)
        }
        return lines
    }

    static func pick<T>(_ values: [T], _ random: inout SeededRandom) -> T { values[random.below(values.count)] }
}
