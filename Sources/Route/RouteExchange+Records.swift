import Configuration
import Link
import MCP
import NIOCore
import Policy
import PollLoop
import Records
import Segment
import Telemetry

/// The phases `recordRequest` and `recordReply`: nothing goes on, in either direction, before it is on record (DESIGN 10).
extension RouteExchange {
    /// Whether a message that could not be recorded may go on all the same.
    private var mayPassUnrecorded: Bool { settings.generation.onFailure == .allow }

    /// What all records of this caller say under these settings.
    private var recordPart: RecordPart {
        if let made = caller.recordPart, made.generation == settings.number { return made.part }
        let part = route.records.part(maximumValue: settings.maximumValue) { record in
            let identity = open.identity
            if !settings.labels.isEmpty { record.labels(.routeLabels, settings.labels) }
            record.identity(identity)
            record.text(.upstream, settings.generation.upstream)
            let policyHash = settings.generation.policyHash
            if !policyHash.isEmpty { record.text(.policyHash, policyHash) }
        }
        // A large one is not worth its memory.
        if part.size <= 4096 { caller.recordPart = (settings.number, part) }
        return part
    }

    /// Commits what `fill` writes. Nil: it could not be recorded.
    private func commit(
        _ kind: RecordKind, _ direction: RecordDirection, _ effect: RecordRing.Effect, blocks: Bool = false,
        _ fill: (RecordBuilder) -> Void
    ) -> UInt64? {
        let part = recordPart
        let record = route.records.begin(kind, direction, maximumValue: settings.maximumValue)
        record.append(part)
        record.request(open.requestID)
        if let session = open.session { record.text(.session, session.uuid.text) }
        fill(record)
        do throws(RecordError) {
            return try route.records.commit(blocks: blocks, effect: effect)
        } catch {
            return nil
        }
    }

    /// Records the client's message that is about to be forwarded. False: it must not be.
    func recordRequest(_ message: ConfirmedMessage) -> Bool {
        let isCall = message.kind == .request
        let position = commit(message.recordKind, .clientToServer, isCall ? .forwards : .none) { record in
            describe(message, record)
            describe(message.inspection.verdict, record)
        }
        isForwardRecorded = isCall && position != nil
        return position != nil || mayPassUnrecorded
    }

    /// Records a client's message that is refused for what it is, whatever policy says; answers once that is on disk, or cannot be.
    func recordRefusal(_ message: ConfirmedMessage, _ reason: StaticString, then answer: @escaping () -> Void) {
        let position = commit(message.recordKind, .clientToServer, .none, blocks: true) { record in
            describe(message, record)
            record.text(.action, "block")
            record.text(.reason, reason)
        }
        whenDurable(position, then: answer) { [self] in refuseUnrecorded() }
    }

    /// Records a client's message that is denied; calls one of the two once that is on disk, or cannot be.
    func recordDenial(_ message: ConfirmedMessage, then answer: @escaping () -> Void) {
        let position = commit(message.recordKind, .clientToServer, .none, blocks: true) { record in
            describe(message, record)
            describe(message.inspection.verdict, record)
        }
        whenDurable(position, then: answer) { [self] in refuseUnrecorded() }
    }

    /// Records the answer of the upstream to this exchange's request. False: it must not be handed on.
    func recordReply(_ inspection: ReplyInspection?, isError: Bool, size: Int) -> Bool {
        // What a stream taken up again answers, another exchange recorded as forwarded.
        guard isForwardRecorded || open.method == .get else { return true }
        let effect = isForwardRecorded ? RecordRing.Effect.answers : .none
        isForwardRecorded = false
        let position = commit(.response, .serverToClient, effect) { record in
            describeAnswer(record, size: size)
            describe(inspection?.verdict, record)
            if isError { record.text(.reason, "the server answered with an error") }
        }
        return position != nil || mayPassUnrecorded
    }

    /// Records an answer that is withheld; calls one of the two once that is on disk, or cannot be.
    func recordWithheld(
        _ inspection: ReplyInspection?, size: Int, then answer: @escaping () -> Void,
        otherwise refuse: @escaping () -> Void
    ) {
        let effect = isForwardRecorded ? RecordRing.Effect.answers : .none
        isForwardRecorded = false
        let position = commit(.response, .serverToClient, effect, blocks: true) { record in
            describeAnswer(record, size: size)
            describe(inspection?.verdict, record)
        }
        whenDurable(position, then: answer, otherwise: refuse)
    }

    /// Records that the request was forwarded and its answer is one of the gateway's own, or none at all.
    func recordEnd(_ reason: String) {
        guard isForwardRecorded else { return }
        isForwardRecorded = false
        _ = commit(.response, .serverToClient, .answers) { record in
            describeAnswer(record, size: 0)
            record.text(.action, "error")
            record.text(.reason, reason)
        }
    }

    /// Records what a server says or asks beside its answers. False: it must not be handed on.
    func recordServerMessage(_ read: ReadReply, size: Int) -> Bool {
        let isDenied = read.inspection?.denial != nil
        let kind = read.message.kind == .request ? RecordKind.request : .notification
        let position = commit(kind, .serverToClient, .none, blocks: isDenied) { record in
            if let name = read.message.method.knownName { record.text(.method, name) }
            if let name = read.methodName { record.json(.method, name.span) }
            record.number(.size, UInt64(size))
            describe(read.inspection?.verdict, record)
        }
        return position != nil || mayPassUnrecorded
    }

    /// Waits for a block to be on disk, at the end of this turn of the loop at the earliest: whoever records is in the middle of something.
    private func whenDurable(
        _ position: UInt64?, then answer: @escaping () -> Void, otherwise refuse: @escaping () -> Void
    ) {
        guard let position else {
            let go = mayPassUnrecorded ? answer : refuse
            return route.loop.execute { [self] in if !isOver { go() } }
        }
        let mayPass = mayPassUnrecorded
        route.records.whenDurable(position) { [self] isDurable in
            route.loop.execute { [self] in
                guard !isOver else { return }
                if isDurable || mayPass { answer() } else { refuse() }
            }
        }
    }

    static let unrecorded = "the audit log takes no more"

    func refuseUnrecorded() { answer(.capacity(RouteExchange.unrecorded)) }

    // MARK: Fields

    private func describe(_ message: ConfirmedMessage, _ record: RecordBuilder) {
        let body = body
        let bytes = body.readableBytesUInt8Span
        if let name = message.method.knownName {
            record.text(.method, name)
        } else if let name = message.methodName {
            record.json(.method, bytes.extracting(name))
            answerName.keep(.method, bytes.extracting(name))
        }
        if let callID { record.json(.id, callID.span) }
        let named = message.named
        write(named.tool, .toolName, bytes, record)
        write(named.prompt, .prompt, bytes, record)
        write(named.resource, .resource, bytes, record)
        if let arguments = message.arguments { record.json(.toolArguments, bytes.extracting(arguments)) }
        if let trace = open.fields.traceID { record.text(.traceID, trace.span) }
        record.number(.size, open.bodyLength)
    }

    private func write(_ range: Range<Int>?, _ field: RecordField, _ bytes: Span<UInt8>, _ record: RecordBuilder) {
        guard let range else { return }
        let value = bytes.extracting(range)
        record.json(field, value)
        answerName.keep(field, value)
    }

    private func describeAnswer(_ record: RecordBuilder, size: Int) {
        if let message {
            if let name = message.method.knownName { record.text(.method, name) }
        }
        if let callID { record.json(.id, callID.span) }
        answerName.write(record)
        record.number(.size, UInt64(size))
        record.duration(PollLoop.now() - began)
    }

    private func describe(_ verdict: PolicyVerdict?, _ record: RecordBuilder) {
        guard let verdict else { return record.text(.action, "allow") }
        let policy = settings.policy.compiled
        let isDenial = verdict.action == .deny
        record.text(.action, !isDenial ? "allow" : verdict.passes ? "audit" : "block")
        let cause = isDenial ? verdict.cause : verdict.noted ?? verdict.cause
        if let rule = policy.name(of: cause) { record.text(.rule, rule) }
        if isDenial { record.text(.reason, policy.reason(of: verdict)) }
        record.text(.mode, verdict.mode.rawValue)
    }
}

extension ConfirmedMessage {
    fileprivate var recordKind: RecordKind {
        switch kind {
        case .request: .request
        case .notification: .notification
        case .response: .response
        }
    }
}

extension Method {
    /// The name of a method that the gateway knows.
    fileprivate var knownName: StaticString? { self == .other ? nil : name }
}

extension SessionUUID {
    /// The session in records: no token, and of no use to anybody who reads it.
    fileprivate var text: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

extension FieldLines {
    /// The id in `traceparent` (W3C Trace Context, 3.2.2): 32 hexadecimal digits.
    fileprivate var traceID: [UInt8]? {
        guard !bytes.isEmpty else { return nil }
        let name = Array("traceparent: ".utf8)
        for line in bytes.split(separator: 0x0A) where line.starts(with: name) {
            let value = Array(line.dropFirst(name.count))
            guard value.count >= 55, value[2] == UInt8(ascii: "-"), value[35] == UInt8(ascii: "-") else { return nil }
            let digits = Array(value[3..<35])
            let isHexadecimal = digits.allSatisfy { 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 }
            return isHexadecimal ? digits : nil
        }
        return nil
    }
}
