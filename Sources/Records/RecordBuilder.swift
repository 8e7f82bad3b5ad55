import Crypto
import Link
import Segment

/// Writes one record: one line of strict JSON, whatever comes in. One object is reused for all records of a worker and keeps its memory.
public final class RecordBuilder {
    /// Labels and roles of a subject that are recorded.
    private static let listLimit = 64

    /// The record itself, as a value: each call below reaches for it once.
    private var line: RecordLine
    /// Takes secrets out of what is recorded.
    public var redaction: (any RecordRedaction)? { didSet { watch() } }
    private var hidden: [[UInt8]] = []
    private var work: [UInt8] = []

    /// The record so far.
    var bytes: [UInt8] { line.bytes }
    /// The exchange that it names; 0 if none.
    var request: UInt64 { line.request }

    /// - Parameter maximumValue: bytes of a value that are recorded whole (`audit.max_value_bytes`).
    public init(_ library: CryptoLibrary, maximumValue: Int) throws(CryptoError) {
        line = RecordLine(digests: try SHA256(library), maximumValue: max(64, maximumValue))
    }

    /// Begins a record, and forgets the one before.
    /// - Parameters:
    ///   - time: nanoseconds since 1970; the present if nil.
    ///   - maximumValue: bytes of a value that are recorded whole from here on; as before if nil.
    public func begin(
        _ kind: RecordKind, _ direction: RecordDirection?, at time: UInt64? = nil, maximumValue: Int? = nil
    ) {
        if let maximumValue { line.maximumValue = max(64, maximumValue) }
        forget()
        line.begin(kind, direction, at: time ?? RecordTime.now())
    }

    /// Writes members for records to come, as `fill` has them; forgets the record before. Redaction sees them now and not again.
    public func part(maximumValue: Int, _ fill: (RecordBuilder) -> Void) -> RecordPart {
        line.maximumValue = max(64, maximumValue)
        forget()
        line.beginPart()
        fill(self)
        return line.part
    }

    /// Appends members that were written before: first of all, and none of them is there yet.
    public func append(_ part: RecordPart) { line.append(part) }

    /// A value that stands in no field of this record, wherever it comes from: what the client authenticated with.
    /// To be called before the fields are written. Values shorter than four bytes hide nothing.
    public func hide(_ secret: Span<UInt8>) {
        guard secret.count >= 4 else { return }
        var copy: [UInt8] = []
        copy.append(copying: secret)
        hidden.append(copy)
        watch()
    }

    private func forget() {
        guard !hidden.isEmpty else { return }
        hidden.removeAll(keepingCapacity: true)
        watch()
    }

    private func watch() { line.isWatched = !hidden.isEmpty || redaction != nil }

    /// A text; what is no UTF-8 becomes U+FFFD. A field that is written already keeps its first value.
    public func text(_ field: RecordField, _ value: Span<UInt8>) {
        if !line.writes(field, text: value) { clean(field, value) { line.text(field, $0) } }
    }

    /// A text.
    public func text(_ field: RecordField, _ value: String) {
        // Not `value.utf8.span`: that of a small string dangles when optimised (Swift 6.3).
        var value = value
        value.withUTF8Span { text(field, $0) }
    }

    /// A text of the program's own.
    public func text(_ field: RecordField, _ value: StaticString) { text(field, value.span) }

    /// A whole number.
    public func number(_ field: RecordField, _ value: UInt64) {
        line.number(field, value)
    }

    /// A number from 0 to 1, with three decimals.
    public func score(_ field: RecordField, _ value: Double) {
        line.thousandths(field, UInt64(max(0, min(1, value.isNaN ? 1 : value)) * 1000))
    }

    /// How long the exchange took, from nanoseconds.
    public func duration(_ nanoseconds: UInt64) {
        line.thousandths(.durationMS, nanoseconds / 1000)
    }

    /// Strict JSON as it came in a message. What is too large is recorded as the text of its beginning.
    public func json(_ field: RecordField, _ value: Span<UInt8>) {
        guard value.count > 0 else { return }
        if !line.writes(field, json: value) { clean(field, value) { line.json(field, $0) } }
    }

    /// The gateway's id of the exchange.
    public func request(_ id: UInt64) { line.name(request: id) }

    /// Who asked: subject, how that was established, roles, tenant, labels.
    public func identity(_ identity: Identity) {
        if !identity.subject.isEmpty { text(.subject, identity.subject) }
        text(.auth, identity.method.word)
        if !identity.tenant.isEmpty { text(.tenant, identity.tenant) }
        if !identity.roles.isEmpty, line.member(.roles) {
            line.byte(0x5b)
            for (index, role) in identity.roles.prefix(RecordBuilder.listLimit).enumerated() {
                if index > 0 { line.byte(0x2c) }
                item(.roles, role)
            }
            line.byte(0x5d)
        }
        guard !identity.labels.isEmpty else { return }
        labels(.labels, identity.labels.filter { !$0.isClaimed })
        labels(.claimedLabels, identity.labels.filter(\.isClaimed))
    }

    /// Labels; of two with one name the first counts.
    public func labels(_ field: RecordField, _ labels: [Identity.Label]) {
        guard !labels.isEmpty, line.member(field) else { return }
        line.byte(0x7b)
        var isFirst = true
        for (index, label) in labels.prefix(RecordBuilder.listLimit).enumerated()
        where !labels[..<index].contains(where: { $0.name == label.name }) {
            if !isFirst { line.byte(0x2c) }
            isFirst = false
            item(field, label.name)
            line.byte(0x3a)
            item(field, label.value)
        }
        line.byte(0x7d)
    }

    /// Appends the record, as it is so far, with its end.
    public func append(to output: inout [UInt8]) {
        finish()
        output.append(contentsOf: bytes)
    }

    /// Ends the record.
    func finish() { line.finish() }

    // MARK: Writing

    /// One of a list: short, and cut without a word.
    private func item(_ field: RecordField, _ value: String) {
        var value = value
        value.withUTF8Span { span in
            if !mustClean(span) {
                line.item(span)
            } else {
                clean(field, span) { line.item($0) }
            }
        }
    }

    private func mustClean(_ value: Span<UInt8>) -> Bool {
        line.isWatched || OwnKeys.mayHold(value)
    }

    /// Hides and redacts in a copy.
    private func clean(_ field: RecordField, _ value: Span<UInt8>, _ use: (Span<UInt8>) -> Void) {
        work.removeAll(keepingCapacity: true)
        work.append(copying: value)
        for secret in hidden { RecordBuilder.replace(secret, in: &work) }
        OwnKeys.hide(in: &work)
        _ = redaction?.redact(field, &work)
        let cleaned = work
        use(cleaned.span)
    }

    private static func replace(_ secret: [UInt8], in bytes: inout [UInt8]) {
        var index = 0
        while index + secret.count <= bytes.count {
            if bytes[index] == secret[0], bytes[index..<(index + secret.count)].elementsEqual(secret) {
                bytes.replaceSubrange(index..<(index + secret.count), with: Array("[hidden]".utf8))
                index += 8
            } else {
                index += 1
            }
        }
    }
}

extension Identity.Method {
    /// The word in records.
    public var word: StaticString {
        switch self {
        case .anonymous: "anonymous"
        case .apiKey: "api_key"
        case .jwt: "jwt"
        case .oauth: "oauth"
        case .certificate: "certificate"
        case .peer: "peer"
        }
    }
}

extension String {
    /// Calls `body` with the UTF-8, which lives for the call.
    mutating func withUTF8Span(_ body: (Span<UInt8>) -> Void) {
        // Safe: the buffer is valid within the closure.
        withUTF8 { buffer in unsafe body(Span(_unsafeElements: buffer)) }
    }
}
