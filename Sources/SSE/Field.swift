/// What a line is, by its field name.
enum Field: UInt8, Sendable {
    case data
    /// The line `event`.
    case name
    case id
    case retry
    case comment
    /// Any other: it is skipped.
    case unknown

    static let longestName = 5

    /// The field whose name has `count` bytes, which are `word`, the first one lowest.
    init(_ word: UInt64, _ count: Int) {
        switch (count, word) {
        case (4, 0x6174_6164): self = .data
        case (5, 0x74_6E65_7665): self = .name
        case (2, 0x6469): self = .id
        case (5, 0x79_7274_6572): self = .retry
        default: self = .unknown
        }
    }

    /// Whether a line that begins with `word` begins with `data:`.
    @inline(__always)
    static func isData(_ word: UInt64) -> Bool {
        word & 0xFF_FFFF_FFFF == 0x3A_6174_6164
    }
}

/// The number that some ASCII digits are. Nil when there is none, when there is something else, and when the number is too
/// large to be a time: readers differ on what they make of those.
func decimal(_ digits: Span<UInt8>) -> UInt64? {
    guard !digits.isEmpty else { return nil }
    var value: UInt64 = 0
    for index in digits.indices {
        let digit = digits[index] &- ASCII.zero
        guard digit < 10 else { return nil }
        let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, sumOverflow) = product.addingReportingOverflow(UInt64(digit))
        guard !productOverflow, !sumOverflow else { return nil }
        value = sum
    }
    return value
}
