/// One field line of a head, as offsets into the bytes the head was read from.
public struct Field: Sendable, Hashable {
    private let nameStart: UInt32
    private let nameEnd: UInt32
    private let valueStart: UInt32
    private let valueEnd: UInt32
    /// The name, when it is a known one.
    public let id: FieldName

    init(name: Range<Int>, value: Range<Int>, id: FieldName) {
        nameStart = UInt32(truncatingIfNeeded: name.lowerBound)
        nameEnd = UInt32(truncatingIfNeeded: name.upperBound)
        valueStart = UInt32(truncatingIfNeeded: value.lowerBound)
        valueEnd = UInt32(truncatingIfNeeded: value.upperBound)
        self.id = id
    }

    /// Where the name stands: a token, as the sender spelt it.
    public var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }

    /// Where the value stands, without white space around it. It holds no control character but tabs; it may hold bytes
    /// above 127 (`obs-text` of RFC 9110, 5.5) and may be empty.
    public var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// The fields of one head in their order. Looking one up is a bit test when it is absent, else a short scan.
///
/// It cannot be copied, so that reading it in its parser never counts references.
public struct FieldList: ~Copyable, Sendable {
    private var fields: [Field] = []
    private var seen: UInt64 = 0
    private var seenAgain: UInt64 = 0

    init() { fields.reserveCapacity(32) }

    /// The number of field lines.
    public var count: Int { fields.count }

    /// The positions of all fields.
    public var indices: Range<Int> { 0..<fields.count }

    /// The field at a position.
    public subscript(position: Int) -> Field { fields[position] }

    /// Whether a field of this name stands in the head.
    public func contains(_ name: FieldName) -> Bool { seen & name.bit != 0 }

    /// Whether more than one field of this name stands in the head.
    public func isRepeated(_ name: FieldName) -> Bool { seenAgain & name.bit != 0 }

    /// The value of the first field of this name.
    public func first(_ name: FieldName) -> Range<Int>? {
        guard contains(name) else { return nil }
        for field in fields where field.id == name { return field.value }
        return nil
    }

    /// Empties the list and keeps its memory.
    mutating func removeAll() {
        fields.removeAll(keepingCapacity: true)
        seen = 0
        seenAgain = 0
    }

    /// The set of names that stand more than once.
    var repeatedNames: UInt64 { seenAgain & ~FieldName.other.bit }

    mutating func append(_ field: Field) {
        fields.append(field)
        let bit = field.id.bit
        seenAgain |= seen & bit
        seen |= bit
    }
}
