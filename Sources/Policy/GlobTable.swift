/// Some globs of a ``GlobTable``.
struct GlobList: Sendable {
    var first: UInt32 = 0
    var count: UInt32 = 0

    var isEmpty: Bool { count == 0 }
}

/// All globs of a policy, compiled, in four arrays. `*` is any run of characters, `?` one character, everything else is
/// itself. Matching takes time linear in the text (times 64 for pieces with `?`) whatever the glob.
struct GlobTable: Sendable {
    /// A run of characters between two stars.
    private struct Piece {
        var start: UInt32
        var count: UInt32
        var isWild: Bool
    }

    private struct Glob {
        var firstPiece: UInt32
        var pieceCount: UInt32
        /// Bytes a text has at least.
        var minimum: UInt32
        var isOpenAtStart: Bool
        var isOpenAtEnd: Bool
    }

    private var bytes: [UInt8] = []
    /// For every byte of a piece, how much of the piece still matches when the next byte does not (Knuth, Morris, Pratt).
    private var fallbacks: [UInt16] = []
    private var pieces: [Piece] = []
    private var globs: [Glob] = []

    /// Adds globs, each in every form given.
    mutating func add(_ texts: [[UInt8]]) -> GlobList {
        let first = globs.count
        for text in texts { add(text) }
        return GlobList(first: UInt32(first), count: UInt32(globs.count - first))
    }

    private mutating func add(_ text: [UInt8]) {
        let star = UInt8(ascii: "*")
        let firstPiece = pieces.count
        var minimum = 0
        for part in text.split(separator: star) {
            let isWild = part.contains(UInt8(ascii: "?"))
            pieces.append(Piece(start: UInt32(bytes.count), count: UInt32(part.count), isWild: isWild))
            bytes.append(contentsOf: part)
            fallbacks.append(contentsOf: isWild ? part.map { _ in 0 } : GlobTable.fallbacks(of: Array(part)))
            minimum += part.count
        }
        globs.append(
            Glob(
                firstPiece: UInt32(firstPiece), pieceCount: UInt32(pieces.count - firstPiece), minimum: UInt32(minimum),
                isOpenAtStart: text.first == star, isOpenAtEnd: text.last == star))
    }

    private static func fallbacks(of piece: [UInt8]) -> [UInt16] {
        var result = [UInt16](repeating: 0, count: piece.count)
        var length = 0
        for index in piece.indices.dropFirst() {
            while length > 0, piece[index] != piece[length] { length = Int(result[length - 1]) }
            if piece[index] == piece[length] { length += 1 }
            result[index] = UInt16(length)
        }
        return result
    }

    /// Whether any of these globs matches a whole text.
    @inline(__always)
    func matches(_ list: GlobList, _ text: Span<UInt8>) -> Bool {
        var index = Int(list.first)
        let end = index + Int(list.count)
        while index < end {
            if matches(index, text) { return true }
            index += 1
        }
        return false
    }

    private func matches(_ index: Int, _ text: Span<UInt8>) -> Bool {
        let glob = globs[index]
        guard text.count >= Int(glob.minimum) else { return false }
        guard glob.pieceCount > 0 else { return glob.isOpenAtStart || text.isEmpty }
        var piece = Int(glob.firstPiece)
        var last = piece + Int(glob.pieceCount) - 1
        var start = 0
        var end = text.count
        if !glob.isOpenAtStart {
            guard let after = match(piece, text, start, end) else { return false }
            if piece == last { return glob.isOpenAtEnd || after == end }
            start = after
            piece += 1
        }
        if !glob.isOpenAtEnd {
            guard let before = matchBackwards(last, text, start, end) else { return false }
            end = before
            last -= 1
        }
        while piece <= last {
            guard let after = find(piece, text, start, end) else { return false }
            start = after
            piece += 1
        }
        return true
    }

    /// The end of a piece that stands at `start`; nil if it does not.
    private func match(_ index: Int, _ text: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        let piece = pieces[index]
        var place = start
        for offset in Int(piece.start)..<Int(piece.start + piece.count) {
            guard place < end else { return nil }
            if piece.isWild, bytes[offset] == UInt8(ascii: "?") {
                place += 1
                while place < end, text[place] & 0xC0 == 0x80 { place += 1 }
            } else {
                guard text[place] == bytes[offset] else { return nil }
                place += 1
            }
        }
        return place
    }

    /// The start of a piece that ends at `end`; nil if it does not, or begins before `start`.
    private func matchBackwards(_ index: Int, _ text: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        let piece = pieces[index]
        var place = end
        for offset in (Int(piece.start)..<Int(piece.start + piece.count)).reversed() {
            guard place > start else { return nil }
            place -= 1
            if piece.isWild, bytes[offset] == UInt8(ascii: "?") {
                while place > start, text[place] & 0xC0 == 0x80 { place -= 1 }
            } else {
                guard text[place] == bytes[offset] else { return nil }
            }
        }
        return place
    }

    /// The end of the first place at or after `start` where a piece stands.
    private func find(_ index: Int, _ text: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        let piece = pieces[index]
        if piece.isWild {
            var place = start
            while place < end {
                if let after = match(index, text, place, end) { return after }
                place += 1
                while place < end, text[place] & 0xC0 == 0x80 { place += 1 }
            }
            return nil
        }
        let first = Int(piece.start)
        let count = Int(piece.count)
        var length = 0
        var place = start
        while place < end {
            let byte = text[place]
            while length > 0, bytes[first + length] != byte { length = Int(fallbacks[first + length - 1]) }
            if bytes[first + length] == byte { length += 1 }
            place += 1
            if length == count { return place }
        }
        return nil
    }
}
