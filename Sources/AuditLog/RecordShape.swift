import Records
import StrictJSON

/// Whether what a producer committed is one record: one line of strict JSON with members that records have.
public struct RecordShape: ~Copyable {
    private var tape = JSONTape()
    private let parser = JSONParser()
    /// Names that producers may write, and kinds of their records.
    private let names = WordTable(RecordField.allCases.filter(\.isProducers).map(\.rawValue))
    private let kinds = WordTable(RecordKind.allCases.filter(\.isProducers).map(\.rawValue))
    private let plain: PlainRecord

    /// The shape of DESIGN 10.
    public init() { plain = PlainRecord(names: names, kinds: kinds) }

    /// Nil if the bytes are a record, else what is wrong.
    public mutating func fault(_ bytes: Span<UInt8>) -> LogFault? {
        // The first member's place is fixed: a reader finds the time without parsing.
        let start: StaticString = "{\"timestamp\":\""
        guard bytes.count > 64, bytes[bytes.count - 1] == 0x7d else { return LogFault("it is no object") }
        for index in start.span.indices where bytes[index] != start.span[index] {
            return LogFault("it has no timestamp")
        }
        if plain.accepts(bytes, parser, &tape) { return nil }
        return strictFault(bytes)
    }

    /// The same by the strict parser alone.
    mutating func strictFault(_ bytes: Span<UInt8>) -> LogFault? {
        guard !RecordShape.hasControl(bytes) else { return LogFault("it is more than one line") }
        do throws(JSONError) {
            try parser.parse(bytes, into: &tape)
        } catch {
            return LogFault("it is not strict JSON (byte \(error.offset))")
        }
        defer { tape.shrink(toCapacity: 4096) }
        var hasKind = false
        for (name, value) in tape.members(of: .root) {
            let range = tape.contentRange(name)
            guard names.index(bytes, range) != nil else { return LogFault("it has a member that records do not have") }
            if RecordShape.isKind(bytes, range) {
                guard tape.kind(value) == .string else { return LogFault("its kind is no text") }
                hasKind = kinds.index(bytes, tape.contentRange(value)) != nil
            }
        }
        return hasKind ? nil : LogFault("its kind is none that a worker writes")
    }

    private static func isKind(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let name: StaticString = "kind"
        guard range.count == 4 else { return false }
        for index in 0..<4 where bytes[range.lowerBound + index] != name.span[index] { return false }
        return true
    }

    private static func hasControl(_ bytes: Span<UInt8>) -> Bool {
        var index = 0
        var found: UInt64 = 0
        while index + 8 <= bytes.count {
            let word = bytes.word(at: index)
            found |= ~word & (word &- 0x2020_2020_2020_2020)
            index += 8
        }
        if found & 0x8080_8080_8080_8080 != 0 { return true }
        while index < bytes.count {
            if bytes[index] < 0x20 { return true }
            index += 1
        }
        return false
    }
}
