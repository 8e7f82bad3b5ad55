/// What a character is to a reader who sees it.
enum CharacterClass {
    case visible, space, invisible

    /// The facts are those of the Unicode Character Database: White_Space; Default_Ignorable_Code_Point, control,
    /// bidirectional and interlinear formatting characters, and U+2800, which is blank. U+FFFD stands for what some
    /// readers drop.
    @inline(__always)
    init(_ scalar: UInt32) {
        if scalar &- 0x21 < 0x5E {
            self = .visible
        } else {
            self = CharacterClass.ofOthers(scalar)
        }
    }

    private static func ofOthers(_ scalar: UInt32) -> CharacterClass {
        switch scalar {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F, 0x205F, 0x3000:
            .space
        case 0x00...0x1F, 0x7F...0x9F, 0x00AD, 0x034F, 0x061C, 0x115F...0x1160, 0x17B4...0x17B5, 0x180B...0x180F,
            0x200B...0x200F, 0x202A...0x202E, 0x2060...0x206F, 0x2800, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0,
            0xFFF0...0xFFFD, 0x1_BCA0...0x1_BCA3, 0x1_D173...0x1_D17A, 0xE_0000...0xE_0FFF:
            .invisible
        default: .visible
        }
    }
}

extension Span<UInt8> {
    /// Reads the character at an offset and moves the offset behind it. What is no UTF-8 is U+FFFD byte by byte, except
    /// that an overlong form of two bytes is the ASCII character lenient readers take it for.
    @inline(__always)
    func scalar(at index: inout Int) -> UInt32 {
        let first = UInt32(self[index])
        index &+= 1
        if first < 0x80 { return first }
        return longScalar(first, at: &index)
    }

    private func longScalar(_ first: UInt32, at index: inout Int) -> UInt32 {
        guard first >= 0xC0, first < 0xF5 else { return 0xFFFD }
        let length = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3
        guard count - index >= length else { return 0xFFFD }
        var scalar = first & (0x3F &>> UInt32(length))
        for offset in 0..<length {
            let byte = UInt32(self[index + offset])
            guard byte & 0xC0 == 0x80 else { return 0xFFFD }
            scalar = scalar &<< 6 | byte & 0x3F
        }
        let least: UInt32 = length == 1 ? 0 : length == 2 ? 0x800 : 0x1_0000
        guard scalar >= least, scalar < 0x11_0000, scalar & ~0x7FF != 0xD800 else { return 0xFFFD }
        index += length
        return scalar
    }

    /// Whether two texts are the same bytes.
    @inline(__always)
    func isEqual(to other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}

extension [UInt8] {
    /// Appends a character as UTF-8.
    @inline(__always)
    mutating func append(scalar: UInt32) {
        if scalar < 0x80 {
            append(UInt8(truncatingIfNeeded: scalar))
        } else if let scalar = Unicode.Scalar(scalar) {
            append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Appends bytes.
    mutating func append(copying bytes: Span<UInt8>) {
        // The buffer is valid within the closure.
        unsafe bytes.withUnsafeBufferPointer { buffer in unsafe append(contentsOf: buffer) }
    }
}
