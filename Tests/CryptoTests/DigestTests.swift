import Crypto
import Testing

@Suite struct DigestTests {
    /// RFC 4231, 4.2, 4.3, 4.7 and 4.8.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func hmacIsRFC4231s(key: [UInt8], message: String, code: String) throws {
        let hmac = try HMACSHA256(library, key: key.span)
        for _ in 0..<3 { #expect(digestBytes(try hmac.code(of: Array(message.utf8).span)) == bytes(hex: code)) }
        #expect(digestBytes(try hmac.code(of: [1].span)) != bytes(hex: code))
        #expect(digestBytes(try hmac.code(of: Array(message.utf8).span)) == bytes(hex: code))
    }

    @Test func anEmptyKeyIsAKeyAndNotTheOneBefore() throws {
        // HMAC of nothing under no key.
        let hmac = try HMACSHA256(library, key: Span())
        let code = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        #expect(digestBytes(try hmac.code(of: Span())) == bytes(hex: code))
    }

    /// FIPS 180-4's examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256IsFIPS180s(message: String, digest: String) throws {
        let sha = try SHA256(library)
        for _ in 0..<3 { #expect(digestBytes(try sha.digest(of: Array(message.utf8).span)) == bytes(hex: digest)) }
    }

    @Test func digestsAreEqualOnlyIfEveryBitIs() throws {
        let digest = try SHA256(library).digest(of: [1].span)
        for bit in 0..<256 {
            var bytes = digest.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Digest(bytes) != digest)
        }
        #expect(Digest(digest.bytes) == digest)
    }
}

@Suite struct SecretsTests {
    @Test func byteStringsAreEqualOnlyIfLengthAndEveryBitAre() {
        for length in [0, 1, 7, 8, 33] {
            let a = [UInt8](repeating: 0x5A, count: length)
            #expect(areEqual(a, Array(a)))
            #expect(!areEqual(a, a + [0]))
            for bit in 0..<length * 8 {
                var b = a
                b[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(!areEqual(a, b))
            }
        }
    }

    @Test func randomBytesAreAppendedAndDiffer() {
        var output: [UInt8] = [1]
        SecureRandom.append(64, to: &output)
        #expect(output.count == 65)
        #expect(output[0] == 1)
        var again: [UInt8] = []
        SecureRandom.append(64, to: &again)
        #expect(Array(output[1...]) != again)
        // Each position takes many values: no byte stays unwritten.
        var seen = [Set<UInt8>](repeating: [], count: 5)
        for _ in 0..<100 {
            var five: [UInt8] = []
            SecureRandom.append(5, to: &five)
            for index in 0..<5 { seen[index].insert(five[index]) }
        }
        #expect(seen.allSatisfy { $0.count > 30 })
        #expect(Set((0..<1000).map { _ in SecureRandom.word() }).count == 1000)
        SecureRandom.append(0, to: &output)
        #expect(output.count == 65)
    }
}
