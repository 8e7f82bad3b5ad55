/// Replacements of ids and tokens in a message whose other bytes stay as they are: at most four, kept in order of their
/// place, without memory of its own.
public struct MessageEdit: Sendable {
    /// A range and what stands in its place.
    private struct Substitution {
        var range = 0..<0
        /// What stands there, unless there are bytes.
        var number: UInt64 = 0
        var bytes: [UInt8]?

        var count: Int { bytes?.count ?? DecimalDigits.count(of: number) }
    }

    /// One part of the edited message.
    public enum Piece: Sendable {
        /// Bytes of the original.
        case original(Range<Int>)
        /// A number in their place.
        case digits(DecimalDigits)
        /// Other bytes in their place.
        case bytes([UInt8])
    }

    /// The replacements there is room for.
    public static let capacity = 4

    private var substitutions = InlineArray<4, Substitution>(repeating: Substitution())
    private var count = 0

    /// No replacement.
    public init() {}

    /// Whether nothing is replaced.
    public var isEmpty: Bool { count == 0 }

    /// Puts a JSON integer in place of a range.
    ///
    /// - Precondition: it overlaps no other replaced range, and there is room.
    public mutating func replace(_ range: Range<Int>, with number: UInt64) {
        insert(Substitution(range: range, number: number))
    }

    /// Puts bytes in place of a range: JSON as it is spelt. The array is kept, not copied.
    ///
    /// - Precondition: it overlaps no other replaced range, and there is room.
    public mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) {
        insert(Substitution(range: range, bytes: bytes))
    }

    private mutating func insert(_ substitution: Substitution) {
        precondition(count < MessageEdit.capacity, "more replacements than a message has identifiers")
        var place = count
        while place > 0, substitutions[place - 1].range.lowerBound > substitution.range.lowerBound {
            substitutions[place] = substitutions[place - 1]
            place -= 1
        }
        substitutions[place] = substitution
        count += 1
        precondition(
            (place == 0 || substitutions[place - 1].range.upperBound <= substitution.range.lowerBound)
                && (place + 1 == count || substitution.range.upperBound <= substitutions[place + 1].range.lowerBound),
            "replaced ranges overlap")
    }

    /// The length of the edited message.
    public func length(of originalLength: Int) -> Int {
        var length = originalLength
        for place in 0..<count {
            length += substitutions[place].count - substitutions[place].range.count
        }
        return length
    }

    /// The edited message, part by part.
    public func pieces(of originalLength: Int) -> Pieces {
        Pieces(length: originalLength)
    }

    /// Appends the edited message.
    public func append(original: Span<UInt8>, to output: inout [UInt8]) {
        var pieces = pieces(of: original.count)
        while let piece = pieces.next(self) {
            switch piece {
            case .original(let range): output.append(copying: original.extracting(range))
            case .digits(let digits): output.append(copying: digits.span)
            case .bytes(let bytes): output.append(copying: bytes.span)
            }
        }
    }

    /// The parts of an edited message in order; none of them is empty.
    public struct Pieces: Sendable {
        private let length: Int
        /// The original bytes that have been handed out or replaced, and the replacements handed out.
        private var position = 0
        private var place = 0

        fileprivate init(length: Int) {
            self.length = length
        }

        /// The next part; nil at the end. `edit` is the one that the parts were asked of: it is not kept, because copies cost.
        public mutating func next(_ edit: borrowing MessageEdit) -> Piece? {
            while place < edit.count {
                let range = edit.substitutions[place].range
                if position < range.lowerBound {
                    defer { position = range.lowerBound }
                    return .original(position..<range.lowerBound)
                }
                position = range.upperBound
                place += 1
                guard let bytes = edit.substitutions[place - 1].bytes else {
                    return .digits(DecimalDigits(edit.substitutions[place - 1].number))
                }
                if !bytes.isEmpty { return .bytes(bytes) }
            }
            guard position < length else { return nil }
            defer { position = length }
            return .original(position..<length)
        }
    }
}

/// A number as decimal digits, without an allocation.
public struct DecimalDigits: Equatable, Sendable {
    private var storage = InlineArray<20, UInt8>(repeating: 0)
    private var first = 20

    /// The digits of a number.
    public init(_ number: UInt64) {
        var rest = number
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first &-= 1
            storage[first] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest != 0
    }

    /// How many there are.
    public var count: Int { 20 - first }

    /// How many digits a number has.
    static func count(of number: UInt64) -> Int {
        var count = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            count &+= 1
        }
        return count
    }

    /// The digits.
    public var span: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(first..<20) }
    }

    /// Whether they are of the same number.
    public static func == (left: DecimalDigits, right: DecimalDigits) -> Bool { left.span.isEqual(to: right.span) }
}
