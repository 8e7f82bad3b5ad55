extension CharacterClass {
    /// Whether a visible character stays as it is whatever stands next to it, except that what follows may be composed
    /// with it: it is its own NFKC form, has combining class zero, and composes with nothing before it (UAX #15, 9). Most
    /// letters in use, by ranges of the Unicode Character Database that a test holds against the library.
    @inline(__always)
    static func isInert(_ scalar: UInt32) -> Bool {
        if scalar < 0x80 { return true }
        switch scalar {
        case 0xC0...0x131, 0x391...0x3A1, 0x3A3...0x3CE, 0x400...0x481, 0x48A...0x52F, 0x5D0...0x5EA, 0x621...0x64A,
            0x904...0x939, 0xE01...0xE30, 0x2013...0x2014, 0x2018...0x201D, 0x3001...0x3029, 0x3041...0x3096,
            0x30A1...0x30FA, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0x1_F300...0x1_FAFF, 0x2_0000...0x2_A6DF:
            return true
        default: return false
        }
    }
}
