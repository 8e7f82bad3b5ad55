/// Computes the forms in which a text may mean the same to those who read it (DESIGN 5, normal forms).
///
/// A text has at most ten forms beside itself, each made in time linear in its length. A text that is its own only form
/// costs one scan and no memory.
public struct NormalForms: ~Copyable, Sendable {
    private let library: UnicodeLibrary
    /// The text being normalised.
    private var current: [UInt8] = []
    private var decoded: [UInt8] = []
    private var scalars: [Int32] = []
    private var paths = PathResolver()

    /// How often percent signs are decoded: one reader behind another, and one more.
    private static let percentRounds = 3

    /// A computer of forms; it keeps only memory between texts.
    public init(_ library: UnicodeLibrary) { self.library = library }

    /// Whether a text is its only form.
    public static func isPlain(_ text: Span<UInt8>, _ decodings: Decodings) -> Bool {
        TextScan(text).isPlain(decodings, text)
    }

    /// Appends the forms of a text that differ from it.
    ///
    /// - Parameter text: UTF-8, unescaped; what is none counts as U+FFFD.
    public mutating func append(_ text: Span<UInt8>, _ decodings: Decodings, to list: inout FormList) {
        let scan = TextScan(text)
        if scan.isPlain(decodings, text) { return }
        let first = list.count
        addForms(of: text, decodings, text, first, &list)
        if let end = scan.firstNull {
            // Where a reader in C stops.
            addForms(of: text.extracting(0..<end), decodings, text, first, &list)
        }
        if decodings.contains(.percent), scan.hasPercent {
            decodePercent(text)
            addDecoded(decodings, text, first, &list)
        }
        if decodings.contains(.base64), decodeBase64(text, to: &decoded) { addDecoded(decodings, text, first, &list) }
    }

    /// Appends the normal form of a text itself: NFKC, nothing invisible, white space collapsed and trimmed.
    public mutating func appendNormal(_ text: Span<UInt8>, to output: inout [UInt8]) {
        normalise(text)
        output.append(copying: current.span)
    }

    private mutating func addForms(
        of variant: Span<UInt8>, _ decodings: Decodings, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList
    ) {
        normalise(variant)
        list.add(current, .normal, of: text, since: first)
        guard decodings.contains(.paths), PathResolver.mayChange(current.span) else { return }
        // Taken out so that it can be read while this value changes.
        let normal = current
        current = []
        paths.resolve(normal.span, asURL: true)
        list.add(paths.result, .path, of: text, since: first)
        if paths.isClimbingURL {
            // A server that takes it for a file's name leaves the host by `..`, too.
            paths.resolve(normal.span, asURL: false)
            list.add(paths.result, .path, of: text, since: first)
        }
        current = normal
    }

    private mutating func addDecoded(
        _ decodings: Decodings, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList
    ) {
        // Taken out so that it can be read while this value changes.
        let variant = decoded
        decoded = []
        addForms(of: variant.span, decodings, text, first, &list)
        if let end = variant.firstIndex(of: 0) {
            addForms(of: variant.span.extracting(0..<end), decodings, text, first, &list)
        }
        decoded = variant
    }

    private mutating func decodePercent(_ text: Span<UInt8>) {
        decoded.removeAll(keepingCapacity: true)
        _ = appendPercentDecoded(text, to: &decoded)
        for _ in 1..<NormalForms.percentRounds {
            let before = decoded
            decoded.removeAll(keepingCapacity: true)
            if !appendPercentDecoded(before.span, to: &decoded) { break }
        }
    }

    /// Fills ``current``.
    private mutating func normalise(_ text: Span<UInt8>) {
        current.removeAll(keepingCapacity: current.capacity <= 64 * 1024)
        var writer = SpacedText()
        if TextScan(text).isASCII {
            var index = 0
            while index < text.count {
                var end = index
                while end < text.count, text[end] &- 0x21 < 0x5E { end += 1 }
                if end > index {
                    writer.append(run: text.extracting(index..<end), to: &current)
                } else {
                    writer.append(UInt32(text[index]), to: &current)
                    end += 1
                }
                index = end
            }
            return
        }
        scalars.removeAll(keepingCapacity: scalars.capacity <= 64 * 1024)
        var index = 0
        while index < text.count {
            let scalar = text.scalar(at: &index)
            switch CharacterClass(scalar) {
            case .invisible: break
            case .space: scalars.append(0x20)
            case .visible where scalar < 0x80: scalars.append(Int32(bitPattern: scalar))
            case .visible: library.decompose(scalar, into: &scalars)
            }
        }
        // Some visible characters decompose into invisible ones.
        scalars.removeAll { CharacterClass(UInt32(bitPattern: $0)) == .invisible }
        library.compose(&scalars)
        for scalar in scalars { writer.append(UInt32(bitPattern: scalar), to: &current) }
    }
}

/// Collapses and trims white space and leaves out what is invisible.
private struct SpacedText {
    private var owesSpace = false
    private var isEmpty = true

    /// Appends visible ASCII.
    @inline(__always)
    mutating func append(run: Span<UInt8>, to output: inout [UInt8]) {
        if owesSpace { output.append(0x20) }
        output.append(copying: run)
        owesSpace = false
        isEmpty = false
    }

    @inline(__always)
    mutating func append(_ scalar: UInt32, to output: inout [UInt8]) {
        switch CharacterClass(scalar) {
        case .invisible: break
        case .space: owesSpace = !isEmpty
        case .visible:
            if owesSpace { output.append(0x20) }
            output.append(scalar: scalar)
            owesSpace = false
            isEmpty = false
        }
    }
}
