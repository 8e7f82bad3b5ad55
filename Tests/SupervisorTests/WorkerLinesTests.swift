import Testing

@testable import Supervisor

@Suite struct WorkerLinesTests {
    private func lines(_ bytes: [UInt8], pieces: Int = .max) -> [UInt8] {
        var lines = WorkerLines()
        var output: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: min(pieces, max(1, bytes.count))) {
            output += lines.take(bytes.span.extracting(start..<min(bytes.count, start + min(pieces, bytes.count))))
        }
        return output + lines.end()
    }

    @Test(arguments: ["plain\n", "two\nlines\n", "Gr\u{fc}\u{df}e \u{6f22}\u{5b57}\n", "\"quoted\" \\ back\n"])
    func whatIsVisibleStays(text: String) {
        #expect(String(decoding: lines(Array(text.utf8)), as: UTF8.self) == text)
    }

    /// C0, DEL, C1, separators of lines, bidirectional and invisible characters.
    @Test(
        arguments: [
            0x00, 0x07, 0x08, 0x0d, 0x1b, 0x7f, 0x80, 0x84, 0x85, 0x8d, 0x9b, 0x9d, 0x9f, 0x200b, 0x200e, 0x200f,
            0x2028,
            0x2029, 0x202a, 0x202e, 0x2066, 0x2069, 0xfeff,
        ] as [UInt32])
    func nothingInThemMovesTheCursorOrLooksLikeAnotherLine(scalar: UInt32) throws {
        let character = Character(try #require(Unicode.Scalar(scalar)))
        let bytes = Array("before\(character)[31mafter\n".utf8)
        for pieces in [1, 2, 3, 7, .max] {
            let text = String(decoding: lines(bytes, pieces: pieces), as: UTF8.self)
            #expect(!text.contains(character), "\(scalar)")
            #expect(text.hasPrefix("before") && text.hasSuffix("[31mafter\n"))
        }
    }

    @Test(arguments: [[0xc2], [0x9b], [0xff], [0xe2, 0x80], [0xc2, 0x0a, 0x9b], [0xf0, 0x9f, 0x98]] as [[UInt8]])
    func whatIsNoUTF8IsReplaced(bytes: [UInt8]) {
        for pieces in [1, .max] {
            let output = lines(bytes + [0x0a], pieces: pieces)
            #expect(output.allSatisfy { $0 == 0x0a || (0x20..<0x7f).contains($0) }, "\(output)")
        }
    }

    @Test func aLineWithoutAnEndIsHeldBackAndThenCutAtACharacter() {
        var lines = WorkerLines()
        #expect(lines.take(Array("begun, ".utf8).span).isEmpty)
        #expect(lines.take(Array("ended\n".utf8).span) == Array("begun, ended\n".utf8))
        #expect(lines.end().isEmpty)
        let long = [UInt8](repeating: 0x61, count: WorkerLines.longest - 1) + Array("\u{6f22}".utf8)
        #expect(lines.take(long.span).isEmpty)
        #expect(lines.take([0x62].span) == long + [0x0a])
        #expect(lines.end() == [0x62, 0x0a])
        var endless = WorkerLines()
        let noise = [UInt8](repeating: 0x80, count: 3 * WorkerLines.longest)
        #expect(!endless.take(noise.span).isEmpty)
        #expect(endless.end().count < 8 * WorkerLines.longest)
    }
}
