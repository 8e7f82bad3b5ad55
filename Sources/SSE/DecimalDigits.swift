/// A number as ASCII digits, without an allocation.
struct DecimalDigits: Sendable {
    private var storage = InlineArray<20, UInt8>(repeating: ASCII.zero)
    private var first = 20

    init(_ value: UInt64) {
        var rest = value
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first &-= 1
            storage[first] = ASCII.zero &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest != 0
    }

    var count: Int { 20 - first }

    var span: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(first..<20) }
    }
}
