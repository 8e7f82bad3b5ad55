import Records
import StrictJSON

/// Whether what a producer committed is one record: one line of strict JSON with members that records have.
public struct RecordShape: ~Copyable {
    private var tape = JSONTape()
    private let parser = JSONParser()
    /// Names that producers may write, by length.
    private let names: [[[UInt8]]]
    private let kinds = RecordKind.allCases.filter(\.isProducers).map { Array($0.rawValue.utf8) }

    /// The shape of DESIGN 10.
    public init() {
        var names = [[[UInt8]]](repeating: [], count: 32)
        for field in RecordField.allCases where field.isProducers {
            let name = Array(field.rawValue.utf8)
            names[name.count].append(name)
        }
        self.names = names
    }

    /// Nil if the bytes are a record, else what is wrong.
    public mutating func fault(_ bytes: Span<UInt8>) -> LogFault? {
        // The first member's place is fixed: a reader finds the time without parsing.
        let start: StaticString = "{\"timestamp\":\""
        guard bytes.count > 64, bytes[bytes.count - 1] == 0x7d else { return LogFault("it is no object") }
        for index in start.span.indices where bytes[index] != start.span[index] {
            return LogFault("it has no timestamp")
        }
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
            guard range.count < names.count,
                names[range.count].contains(where: { RecordShape.isEqual($0, bytes, range) })
            else { return LogFault("it has a member that records do not have") }
            if range.count == 4, RecordShape.isEqual(RecordShape.kind, bytes, range) {
                guard tape.kind(value) == .string else { return LogFault("its kind is no text") }
                let content = tape.contentRange(value)
                hasKind = kinds.contains { $0.count == content.count && RecordShape.isEqual($0, bytes, content) }
            }
        }
        return hasKind ? nil : LogFault("its kind is none that a worker writes")
    }

    private static let kind = Array("kind".utf8)

    private static func isEqual(_ name: [UInt8], _ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard name.count == range.count else { return false }
        for index in name.indices where name[index] != bytes[range.lowerBound + index] { return false }
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
