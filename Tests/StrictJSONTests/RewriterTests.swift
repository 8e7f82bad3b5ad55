import StrictJSON
import Testing

@Suite struct RewriterTests {
    @Test func withoutChangesTheTextIsCopiedByteForByte() throws {
        var generator = Generator(random: SeededGenerator(state: 20))
        for _ in 0..<500 {
            let document = try Document(generator.spelling(generator.value(depth: 4)))
            var rewriter = JSONRewriter()
            var output: [UInt8] = [1, 2, 3]
            let bytes = document.bytes
            rewriter.append(bytes.span, document.tape, to: &output)
            #expect(output == [1, 2, 3] + bytes)
        }
    }

    @Test func changesLandInTheirPlacesAndNowhereElse() throws {
        let document = try Document(#" {"id" : 1.50, "method":"m","params":{"a":[1, 2e0 ,3],"b":{}} } "#)
        let bytes = document.bytes
        let span = bytes.span
        let empty = try document.node("params", "b")
        let elements = Array(document.tape.elements(of: try document.node("params", "a")))
        var rewriter = JSONRewriter()
        rewriter.replace(elements[2], of: document.tape, withInteger: .min)
        rewriter.replace(try document.node("id"), of: document.tape, withString: Array("q\"\n".utf8).span)
        rewriter.replace(elements[0], of: document.tape, with: Array("[]".utf8).span)
        let one = Array("1".utf8)
        rewriter.setMember("x", of: .root, to: one.span, in: span, document.tape)
        rewriter.setMember("y", of: .root, to: one.span, in: span, document.tape)
        rewriter.setMember("p", of: empty, to: one.span, in: span, document.tape)
        rewriter.setMember("q\"", of: empty, to: one.span, in: span, document.tape)
        rewriter.setMember("method", of: .root, to: one.span, in: span, document.tape)
        let output = document.rewritten(&rewriter)
        #expect(
            output == #" {"x":1,"y":1,"id" : "q\"\n", "method":1,"params""#
                + #":{"a":[[], 2e0 ,-9223372036854775808],"b":{"p":1,"q\"":1}} } "#)
        #expect(read(output).value != nil)
        rewriter.removeAll()
        #expect(rewriter.isEmpty)
    }

    @Test func theOuterChangeAndTheLaterChangeCount() throws {
        let document = try Document(#"{"a":{"b":1},"c":2}"#)
        let outer = try document.node("a")
        let other = try document.node("c")
        var rewriter = JSONRewriter()
        rewriter.replace(try document.node("a", "b"), of: document.tape, withInteger: 7)
        let bytes = document.bytes
        let span = bytes.span
        rewriter.setMember("z", of: outer, to: span, in: span, document.tape)
        rewriter.replace(outer, of: document.tape, withInteger: 8)
        rewriter.replace(other, of: document.tape, withInteger: 9)
        rewriter.replace(other, of: document.tape, withInteger: 10)
        #expect(document.rewritten(&rewriter) == #"{"a":8,"c":10}"#)
    }

    @Test func aNewFirstMemberStandsBeforeARenamedOne() throws {
        let document = try Document(#"{"a":1}"#)
        let bytes = document.bytes
        let name = try #require(Array(document.tape.members(of: .root)).first?.name)
        var rewriter = JSONRewriter()
        rewriter.replace(name, of: document.tape, withString: Array("b".utf8).span)
        rewriter.setMember("c", of: .root, to: Array("2".utf8).span, in: bytes.span, document.tape)
        #expect(document.rewritten(&rewriter) == #"{"c":2,"b":1}"#)
    }

    /// Against a model: members that are set and inserted in any order give the object one expects.
    @Test func changesTogetherGiveTheObjectOneExpects() throws {
        var generator = Generator(random: SeededGenerator(state: 23))
        let one = Array("1".utf8)
        for _ in 0..<2000 {
            let count = generator.pick(0..<6)
            var members = (0..<count).map { Value.Member(name: "m\($0)", value: .object([])) }
            let text = generator.spelling(.array([.object(members)]))
            let document = try Document(text)
            let bytes = document.bytes
            let object = try #require(Array(document.tape.elements(of: .root)).first)
            var rewriter = JSONRewriter()
            var inserted: [Value.Member] = []
            for step in 0..<generator.pick(0..<8) {
                let name = "m\(generator.pick(0..<6))"
                let place = members.firstIndex { $0.name == name }
                if let place, generator.pick(0..<2) == 0 {
                    rewriter.setMember(name.utf8.span, of: object, to: one.span, in: bytes.span, document.tape)
                    members[place] = Value.Member(name: name, value: .number("1"))
                } else {
                    let new = "new\(step)"
                    rewriter.setMember(new.utf8.span, of: object, to: one.span, in: bytes.span, document.tape)
                    inserted.append(Value.Member(name: new, value: .number("1")))
                }
            }
            let output = document.rewritten(&rewriter)
            #expect(read(output) == .value(.array([.object(inserted + members)])), "\(text) became \(output)")
        }
    }

    @Test func loneSurrogatesAreWrittenAsTheReplacementCharacter() throws {
        let text = #"{"\ud800k":["a\udfff\ud83d\ude00\\ud800\uD800",1]}"#
        let document = try Document(text, surrogates: .replace)
        var rewriter = JSONRewriter()
        let output = document.rewritten(&rewriter)
        #expect(output == #"{"\ufffdk":["a\ufffd\ud83d\ude00\\ud800\ufffd",1]}"#)
        #expect(read(output) == read(text, surrogates: .replace))
        #expect(read(output).value != nil)
    }

    @Test func whatTheWriterWritesIsReadBack() throws {
        var generator = Generator(random: SeededGenerator(state: 21))
        for _ in 0..<500 {
            let value = generator.value(depth: 4)
            let compact = canonical(value)
            #expect(read(compact) == .value(value))
            #expect(read(generator.spelling(value)) == .value(value))
        }
        var everything: [UInt8] = []
        let all = Array(UInt8.min...UInt8.max)
        JSONText.appendString(all.span, to: &everything)
        #expect(read(everything) == .value(.string(String(decoding: all, as: UTF8.self))))
        for number in [0, 1, -1, 10, -10, Int64.max, Int64.min] {
            var bytes: [UInt8] = [0x5B]
            JSONText.appendInteger(number, to: &bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == "[\(number)")
        }
    }

    @Test func randomChangesNeverCrashAndWhatIsAcceptedStaysAccepted() throws {
        var generator = Generator(random: SeededGenerator(state: 22))
        let special = Array("\"\\{}[]:,0-eE.tfnu \u{0}".utf8) + [0x80, 0xC3, 0xED, 0xF4, 0xFF]
        var accepted = 0
        var refused: Set<JSONError.Kind> = []
        for _ in 0..<5000 {
            var bytes = Array(generator.spelling(generator.value(depth: 3)).utf8)
            for _ in 0..<generator.pick(1..<4) where !bytes.isEmpty {
                let place = generator.pick(0..<bytes.count)
                switch generator.pick(0..<4) {
                case 0: bytes[place] = special[generator.pick(0..<special.count)]
                case 1: bytes.insert(special[generator.pick(0..<special.count)], at: place)
                case 2: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
                }
            }
            switch read(bytes, surrogates: .replace) {
            case .refused(let kind, let offset):
                refused.insert(kind)
                #expect(0...bytes.count ~= offset)
            case .value(let first):
                accepted += 1
                var rewriter = JSONRewriter()
                #expect(read(try Document(bytes, surrogates: .replace).rewritten(&rewriter)) == .value(first))
            }
        }
        // The changes reach both sides, else they would show nothing.
        #expect(accepted > 300 && refused.count > 7)
    }
}
