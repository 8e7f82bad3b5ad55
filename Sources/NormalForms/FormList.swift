/// What was done to a text to make a form of it.
public enum FormKind: UInt8, Sendable {
    /// Normalised characters: NFKC, nothing invisible, white space collapsed and trimmed.
    case normal
    /// ``normal``, resolved as a path.
    case path
    /// What only some readers make of the text. It can show that a text is forbidden, never that it is allowed.
    case guess
}

/// Decodings that a rule or inspector asks for.
public struct Decodings: OptionSet, Hashable, Sendable {
    /// One bit each.
    public let rawValue: UInt8

    /// A set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Resolve paths.
    public static let paths = Decodings(rawValue: 1)
    /// Percent-decode, up to three times.
    public static let percent = Decodings(rawValue: 2)
    /// Decode what reads as base64 or base64url and holds text.
    public static let base64 = Decodings(rawValue: 4)
}

/// The forms of one or more texts that differ from the text itself. Its memory is reused.
public struct FormList: Sendable {
    /// One form.
    struct Form: Sendable {
        var start: UInt32
        var end: UInt32
        var kind: FormKind
    }

    /// The bytes of all forms.
    var bytes: [UInt8] = []
    var forms: [Form] = []

    /// An empty list.
    public init() {}

    /// How many forms it holds.
    public var count: Int { forms.count }

    /// The bytes of a form, UTF-8.
    public subscript(index: Int) -> Span<UInt8> {
        @_lifetime(borrow self) borrowing get {
            let form = forms[index]
            return bytes.span.extracting(Int(form.start)..<Int(form.end))
        }
    }

    /// What was done to make a form.
    public func kind(_ index: Int) -> FormKind { forms[index].kind }

    /// Forgets all forms and keeps the memory, unless that is large.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: bytes.count <= 64 * 1024)
        forms.removeAll(keepingCapacity: true)
    }

    /// Adds a form unless it is the text itself or one that the text has already.
    mutating func add(_ form: borrowing [UInt8], _ kind: FormKind, of text: Span<UInt8>, since first: Int) {
        let span = form.span
        if span.isEqual(to: text) { return }
        for index in first..<forms.count where forms[index].kind == kind || kind == .guess {
            if self[index].isEqual(to: span) { return }
        }
        let start = bytes.count
        bytes.append(copying: span)
        forms.append(
            Form(start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: bytes.count), kind: kind))
    }
}
