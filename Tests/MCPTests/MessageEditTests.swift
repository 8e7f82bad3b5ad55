import Testing

@testable import MCP

@Suite struct MessageEditTests {
    /// Whatever is replaced, in whatever order: the same as cutting and pasting by hand.
    @Test func anEditIsASplice() {
        var random = Seeded(state: 1)
        for round in 0..<5000 {
            let original = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let count = Int.random(in: 0...MessageEdit.capacity, using: &random)
            let cuts = (0..<count * 2).map { _ in Int.random(in: 0...original.count, using: &random) }.sorted()
            var replacements = (0..<count).map { index in
                (range: cuts[index * 2]..<cuts[index * 2 + 1], new: replacement(&random))
            }
            // Two empty ranges at one place have no order of their own.
            guard Set(replacements.map(\.range.lowerBound)).count == count else { continue }
            var expected = original
            for (range, new) in replacements.reversed() { expected.replaceSubrange(range, with: new.bytes) }

            replacements.shuffle(using: &random)
            var edit = MessageEdit()
            #expect(edit.isEmpty)
            for (range, new) in replacements {
                switch new {
                case .number(let number): edit.replace(range, with: number)
                case .text(let bytes): edit.replace(range, with: bytes)
                }
            }
            var output = [UInt8(ascii: ">")]
            edit.append(original: original.span, to: &output)
            #expect(output == [UInt8(ascii: ">")] + expected, "round \(round)")
            #expect(edit.length(of: original.count) == expected.count)
            #expect(edit.isEmpty == (count == 0))
        }
    }

    @Test func piecesNameTheOriginalsBytesOnceAndInOrder() {
        var edit = MessageEdit()
        edit.replace(8..<9, with: Array("zz".utf8))
        edit.replace(2..<4, with: 17)
        edit.replace(4..<4, with: [])
        var pieces = edit.pieces(of: 10)
        var seen: [String] = []
        while let piece = pieces.next(edit) {
            switch piece {
            case .original(let range): seen.append("\(range)")
            case .digits(let digits): seen.append(digits == DecimalDigits(17) ? "17" : "?")
            case .bytes(let bytes): seen.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        #expect(seen == ["0..<2", "17", "4..<8", "zz", "9..<10"])
    }

    @Test func digitsAreThoseOfTheNumber() {
        for number in [0, 1, 9, 10, 99, 100, 12345, 10_000_000_000_000_000_000, .max - 1, .max] as [UInt64] {
            let digits = DecimalDigits(number)
            var text: [UInt8] = []
            text.append(copying: digits.span)
            #expect(text == Array(String(number).utf8))
            #expect(digits.count == text.count)
        }
    }

    @Test func overlappingReplacementsTrap() async {
        await #expect(processExitsWith: .failure) {
            var edit = MessageEdit()
            edit.replace(0..<4, with: 1)
            edit.replace(3..<5, with: 2)
        }
        await #expect(processExitsWith: .failure) {
            var edit = MessageEdit()
            for place in 0...MessageEdit.capacity { edit.replace(place..<place + 1, with: 1) }
        }
    }

    private enum New {
        case number(UInt64)
        case text([UInt8])

        var bytes: [UInt8] {
            switch self {
            case .number(let number): Array(String(number).utf8)
            case .text(let bytes): bytes
            }
        }
    }

    private func replacement(_ random: inout Seeded) -> New {
        if Bool.random(using: &random) { return .number(UInt64.random(in: 0...(.max), using: &random)) }
        return .text(
            (0..<Int.random(in: 0...30, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
}
