/// A member name as the most forgiving reader might take it: in lower case, full-width forms as ASCII, without what
/// cannot be seen. Only names that fold to ASCII are of interest; protocol names are nothing else.
///
/// The facts are those of the Unicode Character Database: CaseFolding.txt for what folds to ASCII letters,
/// Default_Ignorable_Code_Point and White_Space for what cannot be seen.
struct FoldedName {
    private static let capacity = 48

    private var storage = InlineArray<48, UInt8>(repeating: 0)
    private var count = 0
    /// How much there was before the first U+0000, where a reader in C stops.
    private var countBeforeNull = -1
    /// Whether it is longer than any protocol name, or holds a character no protocol name has.
    private var isForeign = false

    /// - Parameter name: well-formed UTF-8.
    init(_ name: Span<UInt8>) {
        var index = 0
        while index < name.count, !isForeign {
            append(name.scalar(at: &index))
        }
    }

    /// Whether a protocol name, folded too, is this one.
    func stands(for name: Span<UInt8>) -> Bool {
        !isForeign && isPrefix(count, of: name) || countBeforeNull >= 0 && isPrefix(countBeforeNull, of: name)
    }

    private func isPrefix(_ length: Int, of name: Span<UInt8>) -> Bool {
        guard length == name.count else { return false }
        for index in name.indices where storage[index] != name[index].lowerCase { return false }
        return true
    }

    private mutating func append(_ scalar: UInt32) {
        switch scalar {
        case 0:
            if countBeforeNull < 0 { countBeforeNull = count }
        case 0x01...0x20, 0x7F...0xA0: break
        case 0x21...0x7E: append(UInt8(truncatingIfNeeded: scalar).lowerCase)
        case 0xFF01...0xFF5E: append(UInt8(truncatingIfNeeded: scalar &- 0xFEE0).lowerCase)
        case 0x0130, 0x0131: append(UInt8(ascii: "i"))
        case 0x017F: append(UInt8(ascii: "s"))
        case 0x212A: append(UInt8(ascii: "k"))
        case 0x00DF, 0x1E9E: append("s", "s")
        case 0xFB00: append("f", "f")
        case 0xFB01: append("f", "i")
        case 0xFB02: append("f", "l")
        case 0xFB03: append("f", "f", "i")
        case 0xFB04: append("f", "f", "l")
        case 0xFB05, 0xFB06: append("s", "t")
        default: isForeign = !FoldedName.isInvisible(scalar)
        }
    }

    private mutating func append(_ letters: Unicode.Scalar...) {
        for letter in letters { append(UInt8(ascii: letter)) }
    }

    private mutating func append(_ byte: UInt8) {
        guard count < FoldedName.capacity else {
            isForeign = true
            return
        }
        storage[count] = byte
        count &+= 1
    }

    /// Whether a character above U+00A0 takes no room on a screen: default ignorable, white space, formatting. U+FFFD
    /// is among them because it stands for what some readers drop.
    private static func isInvisible(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x00AD, 0x034F, 0x061C, 0x115F...0x1160, 0x1680, 0x17B4...0x17B5, 0x180B...0x180F, 0x2000...0x200F,
            0x2028...0x202F, 0x205F...0x206F, 0x2800, 0x3000, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0,
            0xFFF0...0xFFFD, 0x1_BCA0...0x1_BCA3, 0x1_D173...0x1_D17A, 0xE_0000...0xE_0FFF:
            true
        default: false
        }
    }
}

extension Span<UInt8> {
    /// Reads the character at an offset and moves the offset behind it.
    ///
    /// - Precondition: the text is well-formed UTF-8.
    func scalar(at index: inout Int) -> UInt32 {
        let first = UInt32(self[index])
        index += 1
        if first < 0x80 { return first }
        let length = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3
        var scalar = first & (0x3F &>> UInt32(length))
        for _ in 0..<length {
            scalar = scalar &<< 6 | UInt32(self[index] & 0x3F)
            index += 1
        }
        return scalar
    }
}
