import Crypto
import Link
import Segment
import StrictJSON

/// Writes one record: one line of strict JSON, whatever comes in. One object is reused for all records of a worker and keeps its memory.
public final class RecordBuilder {
    /// Bytes of a record without what the builder itself adds behind the values.
    private static let budget = 240 << 10
    /// Labels and roles of a subject that are recorded.
    private static let listLimit = 64

    private let maximumValue: Int
    private let digests: SHA256
    /// Takes secrets out of what is recorded.
    public var redaction: (any RecordRedaction)?

    private(set) var bytes: [UInt8] = []
    private(set) var request: UInt64 = 0
    private var time = RecordTime()
    private var cuts: [UInt8] = []
    private var written: UInt64 = 0
    private var hidden: [[UInt8]] = []
    private var work: [UInt8] = []

    /// - Parameter maximumValue: bytes of a value that are recorded whole (`audit.max_value_bytes`).
    public init(_ library: CryptoLibrary, maximumValue: Int) throws(CryptoError) {
        self.maximumValue = max(64, maximumValue)
        digests = try SHA256(library)
        bytes.reserveCapacity(8192)
    }

    /// Begins a record, and forgets the one before.
    /// - Parameter time: nanoseconds since 1970; the present if nil.
    public func begin(_ kind: RecordKind, _ direction: RecordDirection?, at time: UInt64? = nil) {
        bytes.removeAll(keepingCapacity: true)
        cuts.removeAll(keepingCapacity: true)
        if !hidden.isEmpty { hidden.removeAll(keepingCapacity: true) }
        written = 0
        request = 0
        bytes.append(0x7b)
        _ = member(.timestamp)
        bytes.append(0x22)
        self.time.append(time ?? RecordTime.now(), to: &bytes)
        bytes.append(0x22)
        text(.kind, kind.rawValue)
        if let direction { text(.direction, direction.rawValue) }
    }

    /// A value that stands in no field of this record, wherever it comes from: what the client authenticated with.
    /// To be called before the fields are written. Values shorter than four bytes hide nothing.
    public func hide(_ secret: Span<UInt8>) {
        guard secret.count >= 4 else { return }
        var copy: [UInt8] = []
        copy.append(copying: secret)
        hidden.append(copy)
    }

    /// A text; what is no UTF-8 becomes U+FFFD. A field that is written already keeps its first value.
    public func text(_ field: RecordField, _ value: Span<UInt8>) {
        guard member(field) else { return }
        if hidden.isEmpty, redaction == nil { return append(field, text: value) }
        clean(field, value) { append(field, text: $0) }
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
        guard member(field) else { return }
        JSONText.appendInteger(Int64(clamping: value), to: &bytes)
    }

    /// A number from 0 to 1, with three decimals.
    public func score(_ field: RecordField, _ value: Double) {
        guard member(field) else { return }
        appendThousandths(UInt64(max(0, min(1, value.isNaN ? 1 : value)) * 1000))
    }

    /// How long the exchange took, from nanoseconds.
    public func duration(_ nanoseconds: UInt64) {
        guard member(.durationMS) else { return }
        appendThousandths(nanoseconds / 1000)
    }

    /// Strict JSON as it came in a message. What is too large is recorded as the text of its beginning.
    public func json(_ field: RecordField, _ value: Span<UInt8>) {
        guard value.count > 0, member(field) else { return }
        if hidden.isEmpty, redaction == nil { return append(field, json: value) }
        clean(field, value) { append(field, json: $0) }
    }

    /// The gateway's id of the exchange.
    public func request(_ id: UInt64) {
        request = id
        guard member(.requestID) else { return }
        bytes.append(0x22)
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: id >> shift & 15)
            bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
        bytes.append(0x22)
    }

    /// Who asked: subject, how that was established, roles, tenant, labels.
    public func identity(_ identity: Identity) {
        if !identity.subject.isEmpty { text(.subject, identity.subject) }
        text(.auth, identity.method.word)
        if !identity.tenant.isEmpty { text(.tenant, identity.tenant) }
        if !identity.roles.isEmpty, member(.roles) {
            bytes.append(0x5b)
            for (index, role) in identity.roles.prefix(RecordBuilder.listLimit).enumerated() {
                if index > 0 { bytes.append(0x2c) }
                item(.roles, role)
            }
            bytes.append(0x5d)
        }
        if !identity.labels.isEmpty { labels(identity.labels) }
    }

    /// Labels; of two with one name the first counts.
    public func labels(_ labels: [Identity.Label]) {
        guard member(.labels) else { return }
        bytes.append(0x7b)
        var isFirst = true
        for (index, label) in labels.prefix(RecordBuilder.listLimit).enumerated()
        where !labels[..<index].contains(where: { $0.name == label.name }) {
            if !isFirst { bytes.append(0x2c) }
            isFirst = false
            item(.labels, label.name)
            bytes.append(0x3a)
            item(.labels, label.value)
        }
        bytes.append(0x7d)
    }

    /// Appends the record, as it is so far, with its end.
    public func append(to output: inout [UInt8]) {
        finish()
        output.append(contentsOf: bytes)
    }

    /// Ends the record.
    func finish() {
        if !cuts.isEmpty {
            bytes.append(copying: (",\"cut\":[" as StaticString).span)
            bytes.append(contentsOf: cuts)
            bytes.append(0x5d)
        }
        bytes.append(0x7d)
    }

    // MARK: Writing

    private var room: Int { max(0, RecordBuilder.budget - bytes.count) }

    /// Appends the member's name; false if it has a value already or there is no room for another.
    private func member(_ field: RecordField) -> Bool {
        let bit: UInt64 = 1 << field.bit
        guard written & bit == 0, room > 64 else { return false }
        written |= bit
        if bytes.count > 1 { bytes.append(0x2c) }
        bytes.append(copying: field.prefix.span)
        return true
    }

    private func append(_ field: RecordField, text value: Span<UInt8>) {
        bytes.append(0x22)
        let taken = RecordText.append(value, limit: maximumValue, room: max(0, room - 1), to: &bytes)
        bytes.append(0x22)
        if !taken.isWhole { noteCut(field, value) }
    }

    private func append(_ field: RecordField, json value: Span<UInt8>) {
        if value.count <= maximumValue, RecordText.appendJSON(value, room: room, to: &bytes) { return }
        bytes.append(0x22)
        _ = RecordText.append(value, limit: maximumValue, room: max(0, room - 1), to: &bytes)
        bytes.append(0x22)
        noteCut(field, value)
    }

    /// One of a list: short, and cut without a word.
    private func item(_ field: RecordField, _ value: String) {
        var value = value
        bytes.append(0x22)
        value.withUTF8Span { span in
            if hidden.isEmpty, redaction == nil {
                _ = RecordText.append(span, limit: 1024, room: max(0, room - 1), to: &bytes)
            } else {
                clean(field, span) { _ = RecordText.append($0, limit: 1024, room: max(0, room - 1), to: &bytes) }
            }
        }
        bytes.append(0x22)
    }

    private func noteCut(_ field: RecordField, _ value: Span<UInt8>) {
        if !cuts.isEmpty { cuts.append(0x2c) }
        cuts.append(copying: ("{\"name\":\"" as StaticString).span)
        cuts.append(copying: field.name.span)
        cuts.append(copying: ("\",\"bytes\":" as StaticString).span)
        JSONText.appendInteger(Int64(value.count), to: &cuts)
        cuts.append(copying: (",\"sha256\":\"" as StaticString).span)
        if let digest = try? digests.digest(of: value) { digest.appendHex(to: &cuts) }
        cuts.append(copying: ("\"}" as StaticString).span)
    }

    private func appendThousandths(_ value: UInt64) {
        JSONText.appendInteger(Int64(clamping: value / 1000), to: &bytes)
        bytes.append(0x2e)
        RecordTime.appendDigits(value % 1000, 3, to: &bytes)
    }

    /// Hides and redacts in a copy.
    private func clean(_ field: RecordField, _ value: Span<UInt8>, _ use: (Span<UInt8>) -> Void) {
        work.removeAll(keepingCapacity: true)
        work.append(copying: value)
        for secret in hidden { RecordBuilder.replace(secret, in: &work) }
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
