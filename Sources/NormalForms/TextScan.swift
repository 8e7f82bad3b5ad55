/// What one look at the bytes of a text says about its forms.
struct TextScan {
    /// Whether it holds ASCII only.
    private(set) var isASCII = true
    /// Whether it is its own normal form for certain: printable ASCII with single spaces inside.
    private(set) var isNormal = true
    /// Whether it may change when resolved as a path.
    private(set) var hasPath = false
    private(set) var hasPercent = false
    /// Whether it may be a URL that is written in another way.
    private(set) var hasURL = false
    private(set) var firstNull: Int?

    private enum Mark {
        /// Anything but visible ASCII.
        static let odd: UInt8 = 1
        static let separator: UInt8 = 2
        static let percent: UInt8 = 4
    }

    @inline(__always)
    init(_ text: Span<UInt8>) {
        var all: UInt8 = 0
        for index in text.indices {
            let byte = text[index]
            let isSeparator = byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\")
            // Without branches, so that many bytes are looked at together.
            all |= byte &- 0x21 >= 0x5E ? Mark.odd : 0
            all |= isSeparator ? Mark.separator : 0
            all |= byte == UInt8(ascii: "%") ? Mark.percent : 0
        }
        hasPercent = all & Mark.percent != 0
        // The one thing a path can be without a separator that is no name.
        hasPath = all & Mark.separator != 0 || PathResolver.isSpecial(text)
        if all & Mark.odd != 0 { readClosely(text) }
        if URLForm.mayApply(text) {
            hasURL = URLForm.canonical(text, isBare: true).map { !$0.span.isEqual(to: text) } ?? false
        }
        if !hasURL, URIScheme.mayFold(text) { hasURL = true }
    }

    @inline(never)
    private mutating func readClosely(_ text: Span<UInt8>) {
        var before: UInt8 = 0x20
        for index in text.indices {
            let byte = text[index]
            if byte >= 0x80 {
                isASCII = false
                isNormal = false
            } else if byte < 0x20 || byte == 0x7F {
                isNormal = false
                if byte == 0, firstNull == nil { firstNull = index }
            } else if byte == 0x20, before == 0x20 {
                isNormal = false
            }
            before = byte
        }
        if before == 0x20, !text.isEmpty { isNormal = false }
    }

    /// Whether the text is its only form.
    @inline(__always)
    func isPlain(_ decodings: Decodings, _ text: Span<UInt8>) -> Bool {
        isNormal && !(decodings.contains(.percent) && hasPercent)
            && !(decodings.contains(.paths) && (hasURL || hasPath && PathResolver.mayChange(text)))
            && !(decodings.contains(.base64) && text.count >= base64RunLength)
    }
}
