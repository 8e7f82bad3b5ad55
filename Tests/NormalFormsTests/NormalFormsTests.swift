import Testing

@testable import NormalForms

private let library: UnicodeLibrary = {
    do { return try UnicodeLibrary.load() } catch { fatalError("\(error)") }
}()

/// The forms of a text beside itself, without guesses.
private func forms(_ text: [UInt8], _ decodings: Decodings = [], guesses: Bool = false) -> [String] {
    var list = FormList()
    var forms = NormalForms(library)
    forms.append(text.span, decodings, to: &list)
    return (0..<list.count).filter { (list.kind($0) == .guess) == guesses }.map { index in
        var bytes: [UInt8] = []
        let span = list[index]
        for place in span.indices { bytes.append(span[place]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

private func forms(_ text: String, _ decodings: Decodings = []) -> [String] { forms(Array(text.utf8), decodings) }

private func normal(_ text: [UInt8]) -> [UInt8] {
    var forms = NormalForms(library)
    var output: [UInt8] = []
    forms.appendNormal(text.span, to: &output)
    return output
}

/// xorshift64*.
private struct Random {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

@Suite struct NormalFormsTests {
    @Test(arguments: ["", "a", "read_file", "/srv/data/x.txt", "a b c", "100%", "https", "-rf", "a.b", "GRÖSSE"])
    func `a plain text is its only form`(text: String) {
        let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
        #expect(NormalForms.isPlain(Array(text.utf8).span, [.paths]) == isASCII)
        #expect(forms(text, [.paths]) == [])
    }

    @Test(arguments: [
        ("ｒｍ", "rm"), ("ﬁle", "file"), ("e\u{301}", "\u{E9}"), ("a\u{200B}b", "ab"), ("a\u{202E}b", "ab"),
        ("a\tb", "a b"), ("  a \n b  ", "a b"), ("a\u{A0}b", "a b"), ("a\u{3000}b", "a b"), ("①", "1"),
        ("\u{212A}", "K"),
        ("a\u{E0041}b", "ab"), ("\u{FEFF}a", "a"), ("a\u{AD}b", "ab"), ("e\u{200D}\u{301}", "\u{E9}"),
        ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"),
        ("a\u{3164}b", "ab"), ("a\u{7F}b", "ab"), ("㎏", "kg"), ("ſ", "s"), ("a\u{FFFD}b", "ab"),
    ]) func `characters are normalised`(text: String, expected: String) {
        #expect(forms(text).map { Array($0.utf8) } == [Array(expected.utf8)])
    }

    @Test func `a null byte also ends a text`() {
        #expect(forms("x.env\u{0}.txt") == ["x.env.txt", "x.env"])
    }

    @Test(
        arguments: [
            ("/a//b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("../x", "/x"), ("a/../../x", "/x"),
            ("a/../x", "x"),
            ("..", "/"), (".", nil), ("./a", "a"), ("a/", "a"), ("/", nil), ("//", "/"), ("a\\b", "a/b"),
            ("\\\\srv\\x", "/srv/x"),
            ("file:///etc/x", "/etc/x"), ("file://localhost/etc/x", "/etc/x"), ("file:/etc/x", "/etc/x"),
            ("FILE:etc", "/etc"),
            ("file:///a%2fb", "/a/b"), ("~/../x", "/x"), ("a/~/../x", "a/x"), ("file://host", "/"),
            ("/proc/self/root/x", "/x"),
            ("/proc/12/root", "/"), ("/proc/12a/root/x", nil), ("/proc/self/task/3/root/x", "/x"),
            ("/proc/self/fd/3", nil),
            ("/dev/fd/../root/x", "/x"), ("/dev/fd/../environ", "/proc/self/environ"),
            ("/proc/self/root/proc/self/root/x", "/x"),
            ("https://h/a//b", "https://h/a/b"), ("https://h/a", nil), ("https://h", nil), ("http://h/a b", nil),
            ("/..", "/"), ("/../..", "/"), ("...", nil), ("/a/...", nil), ("a/b/..", "a"), ("x/..", "."),
        ] as [(String, String?)]) func `paths are resolved`(text: String, expected: String?)
    {
        #expect(forms(text, [.paths]) == (expected.map { [$0] } ?? []))
    }

    @Test func `what readers differ in has a form for each`() {
        #expect(forms("file:///a?q#f", [.paths]) == ["/a", "/a?q#f"])
        #expect(forms("/proc/net/../x", [.paths]) == ["/proc/x", "/proc/self/x"])
        #expect(forms("/var/run/a/../../x", [.paths]) == ["/var/x", "/x"])
        #expect(forms("/var/lock/../x", [.paths]) == ["/var/x", "/run/x"])
        // What an allow rule says of it as it stands still holds.
        #expect(forms(Array("SECRET://a".utf8), [.paths], guesses: true) == ["secret://a"])
        #expect(forms(Array("my-App+1.2:a".utf8), [.paths], guesses: true) == ["my-app+1.2:a"])
        #expect(forms(Array("C:a".utf8), [.paths], guesses: true).isEmpty)
        #expect(forms(Array("No scheme: a".utf8), [.paths], guesses: true).isEmpty)
    }

    @Test(
        arguments: [
            ("http://[::ffff:1.2.3.4]/x", "http://1.2.3.4/x"), ("http://[::1.2.3.4]:8/x", "http://1.2.3.4:8/x"),
            ("http://[64:ff9b::102:304]/x", "http://1.2.3.4/x"),
            ("http://0x000000000000000000001020304/x", "http://1.2.3.4/x"),
            ("http://[2001:db8::1]/x", nil), ("http://[::1]/x", nil), ("http://%31.2.3.4/x", "http://1.2.3.4/x"),
        ] as [(String, String?)]) func `an address is found in whatever it is written`(text: String, expected: String?)
    {
        let found = forms(text, [.paths])
        #expect(expected.map { found.contains($0) } ?? !found.contains { $0.contains("0.0.0") })
    }

    @Test func `a URL that climbs is a path, too`() {
        #expect(forms("https://h/../../etc/x", [.paths]) == ["https://h/etc/x", "etc/x"])
        #expect(forms("ab://../../etc/x", [.paths]).contains("/etc/x"))
    }

    @Test func `percent signs are decoded three times`() {
        #expect(forms("%61", [.percent]) == ["a"])
        #expect(forms("%252561", [.percent]) == ["a"])
        #expect(forms("100%", [.percent]) == [])
        #expect(forms("%c0%ae%c0%ae%c0%afetc", [.percent, .paths]).contains("/etc"))
        #expect(forms("%zz", [.percent]) == [])
        #expect(forms("%61") == [])
    }

    @Test func `base64 is decoded where it holds text`() {
        #expect(forms("cm0gLXJmIC8=", [.base64]) == ["rm -rf /"])
        #expect(forms("echo cm0gLXJmIC8= | sh", [.base64]) == ["echo rm -rf / | sh"])
        #expect(forms("cm0gLXJmIC8_", [.base64]) == ["rm -rf /?"])
        #expect(forms("deadbeefdeadbeef", [.base64]) == [])
        #expect(forms("short", [.base64]) == [])
    }

    @Test func `bytes that are no UTF-8 are normalised, too`() {
        #expect(forms([0x61, 0xFF, 0x62]) == ["ab"])
        #expect(forms([0xE2, 0x82]) == [""])
        #expect(forms([0xC0, 0xAF, 0x61]) == ["/a"])
    }

    @Test func `the normal form of a normal form is itself, and plain texts are known as such`() {
        var random = Random(state: 11)
        let special: [UInt32] = [
            0x20, 0x09, 0, 0x200B, 0x301, 0x323, 0x308, 0xFB01, 0xFF0F, 0x1100, 0x1161, 0x11A8, 0x3164, 0xFDFA, 0x2F,
            0x2E,
        ]
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<random.below(10) {
                let scalar =
                    random.below(3) == 0 ? UInt32(random.below(0x3_0000)) : special[random.below(special.count)]
                if let scalar = Unicode.Scalar(scalar) { text.unicodeScalars.append(scalar) }
            }
            let once = normal(Array(text.utf8))
            #expect(normal(once) == once, "\(text.unicodeScalars.map { $0.value })")
            if NormalForms.isPlain(Array(text.utf8).span, []) { #expect(once == Array(text.utf8)) }
            #expect(forms(text, [.paths, .percent, .base64]).count <= 40)
        }
    }

    @Test func `a hostile run of combining marks costs no more than other texts`() {
        // In canonical order after all, and the same as the reference's order of classes.
        var text = Array("a".utf8)
        for index in 0..<200_000 { text += (index % 2 == 0 ? "\u{301}" : "\u{323}").utf8 }
        let result = normal(text)
        // Below before above, the first of each composed into the letter.
        #expect(String(decoding: result.prefix(3), as: UTF8.self).unicodeScalars.first?.value == 0x1EA1)
        let scalars = Array(String(decoding: result, as: UTF8.self).unicodeScalars.dropFirst())
        #expect(scalars.prefix(99_999).allSatisfy { $0.value == 0x323 })
        #expect(scalars.dropFirst(99_999).allSatisfy { $0.value == 0x301 } && scalars.count == 199_999)
    }

    @Test func `inert characters stay as they are and compose with nothing before them`() {
        func whole(_ scalar: UInt32) -> (decomposed: [Int32], composed: [Int32]) {
            var scalars: [Int32] = []
            library.decompose(scalar, into: &scalars)
            let decomposed = scalars
            library.compose(&scalars)
            return (decomposed, scalars)
        }
        var inert = 0
        for scalar in UInt32(0x80)..<0x11_0000 where Unicode.Scalar(scalar) != nil {
            let (decomposed, composed) = whole(scalar)
            if CharacterClass.isInert(scalar) {
                inert += 1
                #expect(composed == [Int32(scalar)], "\(scalar)")
                // A mark in front of a mark would change places with it.
                var marked: [Int32] = [0x301, Int32(scalar)]
                library.compose(&marked)
                #expect(marked == [0x301, Int32(scalar)], "\(scalar)")
            }
            // What is made of two or more: those behind the first compose.
            guard decomposed.count > 1, composed == [Int32(scalar)] else { continue }
            for part in decomposed.dropFirst() { #expect(!CharacterClass.isInert(UInt32(part)), "\(scalar)") }
        }
        #expect(inert > 60_000)
    }

    @Test func `a text has one normal form however its characters are mixed`() {
        let parts: [String] = [
            "a", "é", "e\u{301}", "\u{301}", "\u{323}", "ﬁ", "Ａ", "가", "\u{1100}\u{1161}", "\u{11A8}", "\u{200B}",
            " ", "日", "か\u{3099}", "\u{3099}", "Å", "ö", "\u{308}", "न\u{93C}", "\u{0}", "😀", "½", "ͅ",
        ]
        var state: UInt64 = 1
        for _ in 0..<20_000 {
            var scalars: [Int32] = []
            var text = ""
            for _ in 0..<6 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += parts[Int(state >> 33) % parts.count]
            }
            // All of it decomposed and composed together.
            for scalar in text.unicodeScalars {
                switch CharacterClass(scalar.value) {
                case .invisible: break
                case .space: scalars.append(0x20)
                case .visible: library.decompose(scalar.value, into: &scalars)
                }
            }
            scalars.removeAll { CharacterClass(UInt32(bitPattern: $0)) == .invisible }
            library.compose(&scalars)
            let collapsed = scalars.split(separator: 0x20).joined(separator: [0x20])
            #expect(
                String(decoding: normal(Array(text.utf8)), as: UTF8.self).unicodeScalars.map { Int32($0.value) }
                    == Array(collapsed), "\(text.unicodeScalars.map(\.value))")
        }
    }
}
