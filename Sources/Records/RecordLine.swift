import Crypto
import StrictJSON

/// Members that many records begin with alike, written once.
public struct RecordPart: Sendable {
    /// The members, with commas between them.
    fileprivate var members: [UInt8]
    fileprivate var cuts: [UInt8]
    fileprivate var written: UInt64

    /// Bytes that it takes.
    public var size: Int { members.count + cuts.count }
}

/// One record while it is written, as a value: `RecordBuilder` keeps one and decides what may stand in it.
struct RecordLine {
    /// Bytes of a record without what is added behind the values.
    private static let budget = 240 << 10

    private let digests: SHA256
    /// Bytes of a value that are recorded whole.
    var maximumValue: Int

    private(set) var bytes: [UInt8] = []
    private(set) var request: UInt64 = 0
    private var time = RecordTime()
    private var cuts: [UInt8] = []
    private var written: UInt64 = 0
    /// Bytes of the budget that are kept free: a part leaves room for what stands before it.
    private var kept = 0
    /// Whether values must be looked through before they are written: something is hidden, or redaction is on.
    var isWatched = false

    init(digests: SHA256, maximumValue: Int) {
        self.digests = digests
        self.maximumValue = maximumValue
        bytes.reserveCapacity(8192)
    }

    mutating func begin(_ kind: RecordKind, _ direction: RecordDirection?, at time: UInt64) {
        beginEmpty()
        _ = member(.timestamp)
        bytes.append(0x22)
        self.time.append(time, to: &bytes)
        bytes.append(0x22)
        word(.kind, kind.word)
        if let direction { word(.direction, direction.word) }
    }

    private mutating func beginEmpty() {
        bytes.removeAll(keepingCapacity: true)
        if !cuts.isEmpty { cuts.removeAll(keepingCapacity: true) }
        written = 0
        request = 0
        kept = 0
        bytes.append(0x7b)
    }

    mutating func beginPart() {
        beginEmpty()
        kept = 4096
    }

    /// What was written since `beginPart`.
    var part: RecordPart { RecordPart(members: Array(bytes.dropFirst()), cuts: cuts, written: written) }

    /// Appends members that were written before; none of them is there yet, and nothing but short ones of the gateway's own.
    mutating func append(_ part: RecordPart) {
        precondition(written & part.written == 0 && bytes.count <= 4096)
        guard !part.members.isEmpty else { return }
        if bytes.count > 1 { bytes.append(0x2c) }
        bytes.append(copying: part.members.span)
        if !part.cuts.isEmpty {
            if !cuts.isEmpty { cuts.append(0x2c) }
            cuts.append(contentsOf: part.cuts)
        }
        written |= part.written
    }

    /// A word of the program's own: it needs no escapes.
    private mutating func word(_ field: RecordField, _ value: StaticString) {
        guard member(field) else { return }
        bytes.append(0x22)
        bytes.append(copying: value.span)
        bytes.append(0x22)
    }

    mutating func byte(_ byte: UInt8) { bytes.append(byte) }

    mutating func text(_ field: RecordField, _ value: Span<UInt8>) {
        guard member(field) else { return }
        bytes.append(0x22)
        let taken = RecordText.append(value, limit: maximumValue, room: max(0, room - 1), to: &bytes)
        bytes.append(0x22)
        if !taken.isWhole { noteCut(field, value) }
    }

    /// Writes a text, unless that must be looked through before.
    mutating func writes(_ field: RecordField, text value: Span<UInt8>) -> Bool {
        guard !isWatched, !OwnKeys.mayHold(value) else { return false }
        text(field, value)
        return true
    }

    /// Writes JSON, unless that must be looked through before.
    mutating func writes(_ field: RecordField, json value: Span<UInt8>) -> Bool {
        guard !isWatched, !OwnKeys.mayHold(value) else { return false }
        json(field, value)
        return true
    }

    mutating func json(_ field: RecordField, _ value: Span<UInt8>) {
        guard member(field) else { return }
        if value.count <= maximumValue, RecordText.appendJSON(value, room: room, to: &bytes) { return }
        bytes.append(0x22)
        _ = RecordText.append(value, limit: maximumValue, room: max(0, room - 1), to: &bytes)
        bytes.append(0x22)
        noteCut(field, value)
    }

    mutating func number(_ field: RecordField, _ value: UInt64) {
        guard member(field) else { return }
        JSONText.appendInteger(Int64(clamping: value), to: &bytes)
    }

    mutating func thousandths(_ field: RecordField, _ value: UInt64) {
        guard member(field) else { return }
        JSONText.appendInteger(Int64(clamping: value / 1000), to: &bytes)
        bytes.append(0x2e)
        RecordTime.appendDigits(value % 1000, 3, to: &bytes)
    }

    mutating func name(request id: UInt64) {
        request = id
        guard member(.requestID) else { return }
        bytes.append(0x22)
        JSONText.appendHex(id, to: &bytes)
        bytes.append(0x22)
    }

    /// One of a list: short, and cut without a word.
    mutating func item(_ value: Span<UInt8>) {
        bytes.append(0x22)
        _ = RecordText.append(value, limit: 1024, room: max(0, room - 1), to: &bytes)
        bytes.append(0x22)
    }

    mutating func finish() {
        if !cuts.isEmpty {
            bytes.append(copying: (",\"cut\":[" as StaticString).span)
            bytes.append(contentsOf: cuts)
            bytes.append(0x5d)
        }
        bytes.append(0x7d)
    }

    private var room: Int { max(0, RecordLine.budget - kept - bytes.count) }

    /// Appends the member's name; false if it has a value already or there is no room for another.
    mutating func member(_ field: RecordField) -> Bool {
        let bit: UInt64 = 1 << field.bit
        guard written & bit == 0, room > 64 else { return false }
        written |= bit
        if bytes.count > 1 { bytes.append(0x2c) }
        bytes.append(copying: field.prefix.span)
        return true
    }

    private mutating func noteCut(_ field: RecordField, _ value: Span<UInt8>) {
        if !cuts.isEmpty { cuts.append(0x2c) }
        cuts.append(copying: ("{\"name\":\"" as StaticString).span)
        cuts.append(copying: field.name.span)
        cuts.append(copying: ("\",\"bytes\":" as StaticString).span)
        JSONText.appendInteger(Int64(value.count), to: &cuts)
        cuts.append(copying: (",\"sha256\":\"" as StaticString).span)
        if let digest = try? digests.digest(of: value) { digest.appendHex(to: &cuts) }
        cuts.append(copying: ("\"}" as StaticString).span)
    }
}
