/// Computes the forms in which a text may mean the same to those who read it (DESIGN 5, normal forms).
///
/// A text has a bounded number of forms beside itself (some thirty where all decodings are asked for), each made in time linear in its length. A text that is its own only form
/// costs one scan and no memory.
public struct NormalForms: ~Copyable, Sendable {
    private let library: UnicodeLibrary
    /// The text being normalised.
    private var current: [UInt8] = []
    private var decoded: [UInt8] = []
    private var scalars: [Int32] = []
    private var paths = PathResolver()

    /// How often percent signs and base64 are decoded: more often than readers stand behind each other.
    private static let percentRounds = 8
    private static let base64Rounds = 4

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
            if decodings.contains(.base64) { decodeWithin(decoded, decodings, text, first, &list) }
        }
        if decodings.contains(.base64) { decodeWithin(copy(of: text), decodings, text, first, &list) }
        if decodings.contains(.paths), !scan.isNormal, dropLineBreaks(text) {
            addDecoded(decodings, text, first, &list, isGuess: true)
        }
    }

    private func copy(of text: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(copying: text)
        return bytes
    }

    /// Adds what base64 in a text hides: once, twice, and percent-encoded in turn; and what readers take it for who pass
    /// over characters that are none of the alphabet, and over bytes that are no text.
    private mutating func decodeWithin(
        _ source: [UInt8], _ decodings: Decodings, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList
    ) {
        if decodeBase64(source.span, to: &decoded) {
            addDecoded(decodings, text, first, &list)
            let once = decoded
            if decodings.contains(.percent), once.contains(UInt8(ascii: "%")) {
                decodePercent(once.span)
                addDecoded(decodings, text, first, &list)
            }
            var before = once
            for _ in 0..<NormalForms.base64Rounds {
                guard decodeBase64(before.span, to: &decoded) else { break }
                before = decoded
                addDecoded(decodings, text, first, &list)
            }
        }
        if decodeBase64(source.span, to: &decoded, isLoose: true) {
            addDecoded(decodings, text, first, &list, isGuess: true)
        }
        if squeezeBase64(source.span, to: &decoded) { addDecoded(decodings, text, first, &list, isGuess: true) }
    }

    /// Fills ``decoded`` with a URL without the tabs and line breaks that its readers take out (WHATWG URL Standard, 4.4).
    ///
    /// - Returns: whether the text is one with such.
    private mutating func dropLineBreaks(_ text: Span<UInt8>) -> Bool {
        var index = 0
        while index < text.count, text[index] != UInt8(ascii: ":") {
            let byte = text[index]
            guard index < 64, byte <= 0x20 || byte | 0x20 &- 0x61 < 26 || URIScheme.isBehindFirst(byte) else {
                return false
            }
            index += 1
        }
        guard index < text.count else { return false }
        decoded.removeAll(keepingCapacity: true)
        for index in text.indices {
            let byte = text[index]
            if byte != 0x09, byte != 0x0A, byte != 0x0D { decoded.append(byte) }
        }
        return decoded.count < text.count
    }

    /// Appends the normal form of a text itself: NFKC, nothing invisible, white space collapsed and trimmed.
    public mutating func appendNormal(_ text: Span<UInt8>, to output: inout [UInt8]) {
        normalise(text)
        output.append(copying: current.span)
    }

    private mutating func addForms(
        of variant: Span<UInt8>, _ decodings: Decodings, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList,
        isGuess: Bool = false
    ) {
        normalise(variant)
        list.add(current, isGuess ? .guess : .normal, of: text, since: first)
        guard decodings.contains(.paths) else { return }
        // Taken out so that it can be read while this value changes.
        let normal = current
        current = []
        addPaths(normal.span, text, first, &list, isGuess: isGuess)
        addURLs(normal.span, text, first, &list, isGuess: isGuess)
        if let decoded = URLForm.decodingHost(normal.span) {
            // What a percent sign hides in a host is normalised by those who fetch it.
            normalise(decoded.span)
            let host = current
            addURLs(host.span, text, first, &list, isGuess: isGuess)
        }
        if let folded = URIScheme.folded(normal.span) {
            // A guess: much text begins with a word and a colon, and an allow rule means it as it stands.
            list.add(folded, .guess, of: text, since: first)
            addPaths(folded.span, text, first, &list, isGuess: true)
        }
        current = normal
    }

    private mutating func addURLs(
        _ normal: Span<UInt8>, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList, isGuess: Bool
    ) {
        guard URLForm.mayApply(normal) else { return }
        for isBare in [false, true] {
            guard let url = URLForm.canonical(normal, isBare: isBare) else { break }
            list.add(url, isGuess || isBare ? .guess : .path, of: text, since: first)
            addPaths(url.span, text, first, &list, isGuess: isGuess || isBare)
        }
    }

    private mutating func addPaths(
        _ normal: Span<UInt8>, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList, isGuess: Bool
    ) {
        guard PathResolver.mayChange(normal) else { return }
        let kind = isGuess ? FormKind.guess : .path
        paths.resolve(normal, asURL: true)
        list.add(paths.result, kind, of: text, since: first)
        let (isClimbingURL, isCut, leavesLink) = (paths.isClimbingURL, paths.isCut, paths.leavesLink)
        if isClimbingURL {
            // A server that takes it for a file's name leaves the host by `..`, too.
            paths.resolve(normal, asURL: false)
            list.add(paths.result, kind, of: text, since: first)
        }
        if isCut {
            // Whoever takes off `file://` and no more has names with question marks.
            paths.resolve(normal, asURL: true, isWhole: true)
            list.add(paths.result, kind, of: text, since: first)
        }
        if leavesLink || paths.leavesLink {
            // The kernel follows the link before it climbs.
            paths.resolve(normal, asURL: false, isWhole: true, followsLinks: true)
            list.add(paths.result, kind, of: text, since: first)
        }
    }

    private mutating func addDecoded(
        _ decodings: Decodings, _ text: Span<UInt8>, _ first: Int, _ list: inout FormList, isGuess: Bool = false
    ) {
        // Taken out so that it can be read while this value changes.
        let variant = decoded
        decoded = []
        addForms(of: variant.span, decodings, text, first, &list, isGuess: isGuess)
        if let end = variant.firstIndex(of: 0) {
            addForms(of: variant.span.extracting(0..<end), decodings, text, first, &list, isGuess: isGuess)
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
        scalars.removeAll(keepingCapacity: scalars.capacity <= 64 * 1024)
        var index = 0
        /// Where the last inert character stands, which is not written yet: what follows may be composed with it. Only
        /// what stands between inert characters is decomposed and composed, together with the one before it.
        var held = 0..<0
        while index < text.count {
            let start = index
            let last = NormalForms.endOfInert(text, &index)
            if index > start {
                flush(text.extracting(held), &writer)
                if last > start { writer.append(run: text.extracting(start..<last), to: &current) }
                held = last..<index
                continue
            }
            let scalar = text.scalar(at: &index)
            switch CharacterClass(scalar) {
            case .invisible: break
            case .space:
                // Composes with nothing.
                flush(text.extracting(held), &writer)
                held = 0..<0
                writer.append(0x20, to: &current)
            case .visible:
                if !held.isEmpty {
                    var place = held.lowerBound
                    library.decompose(text.scalar(at: &place), into: &scalars)
                    held = 0..<0
                }
                library.decompose(scalar, into: &scalars)
            }
        }
        flush(text.extracting(held), &writer)
    }

    /// Moves an offset behind the inert characters that begin there.
    ///
    /// - Returns: where the last of them begins.
    @inline(__always)
    private static func endOfInert(_ text: Span<UInt8>, _ index: inout Int) -> Int {
        var last = index
        while index < text.count {
            if text[index] &- 0x21 < 0x5E {
                last = index
                index += 1
                continue
            }
            var next = index
            let scalar = text.scalar(at: &next)
            // An overlong form is not copied as it stands.
            guard scalar >= 0x80, CharacterClass.isInert(scalar) else { break }
            last = index
            index = next
        }
        return last
    }

    @inline(__always)
    private mutating func flush(_ held: Span<UInt8>, _ writer: inout SpacedText) {
        if !scalars.isEmpty { writeComposed(&writer) }
        if held.count > 0 { writer.append(run: held, to: &current) }
    }

    private mutating func writeComposed(_ writer: inout SpacedText) {
        // Some visible characters decompose into invisible ones.
        scalars.removeAll { CharacterClass(UInt32(bitPattern: $0)) == .invisible }
        library.compose(&scalars)
        for scalar in scalars { writer.append(UInt32(bitPattern: scalar), to: &current) }
        scalars.removeAll(keepingCapacity: true)
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
