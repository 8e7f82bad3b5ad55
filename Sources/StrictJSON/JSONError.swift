/// Why a text was refused, and where.
public struct JSONError: Error, Hashable, Sendable {
    /// The rule that was broken.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// The text ends inside a value, or holds none.
        case unexpectedEnd
        /// A byte that cannot stand where it does.
        case unexpectedByte
        /// Something follows the value.
        case trailingBytes
        /// A byte order mark.
        case byteOrderMark
        /// Bytes that are no UTF-8: overlong forms, surrogates, truncated sequences, values above U+10FFFF.
        case invalidUTF8
        /// An unescaped control character in a string.
        case controlCharacter
        /// A backslash that begins no escape.
        case invalidEscape
        /// A surrogate without its partner, under ``JSONParser/Surrogates/refuse``.
        case loneSurrogate
        /// A number outside the grammar of RFC 8259, 6.
        case invalidNumber
        /// A word that is neither `true`, `false` nor `null`.
        case invalidLiteral
        /// A member name that its object holds already, compared after unescaping.
        case duplicateMember
        /// More arrays and objects inside each other than the limit.
        case tooDeep
        /// More bytes than the limit.
        case tooLarge
        /// More values and names than the limit.
        case tooManyNodes

        /// Whether the text was given up for its size alone: as far as it was read it may well be strict JSON, so the sender
        /// is told "too large" and not "cannot be read". Nesting has a limit too, but that one is a rule of the format
        /// (DESIGN 5) and not a size.
        public var isSizeLimit: Bool { self == .tooLarge || self == .tooManyNodes }
    }

    /// The rule that was broken.
    public let kind: Kind
    /// The offset of the offending byte in the text: for an escape, that of its backslash; for a duplicate, that of the
    /// second name's quotation mark.
    public let offset: Int

    init(_ kind: Kind, at offset: Int) {
        self.kind = kind
        self.offset = offset
    }
}
