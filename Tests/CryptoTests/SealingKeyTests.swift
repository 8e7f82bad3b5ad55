import CCrypto
import Crypto
import Testing

@Suite struct SealingKeyTests {
    /// The two vectors of https://c2sp.org/XAES-256-GCM, with and without the top bit of the encrypted zero block.
    @Test(
        arguments: [
            (1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        ] as [(UInt8, String, String)])
    func itIsXAES256GCM(keyByte: UInt8, context: String, ciphertext: String) throws {
        let message = Array("ABCDEFGHIJKLMNOPQRSTUVWX".utf8) + bytes(hex: ciphertext)
        let plaintext = opened(try sealingKey(keyByte), message, context: Array(context.utf8))
        #expect(plaintext == Array("XAES-256-GCM".utf8))

        let key = [UInt8](repeating: keyByte, count: 32)
        guard let aead = unsafe cc_aead_new(key) else {
            Issue.record("no key")
            return
        }
        defer { unsafe cc_aead_free(aead) }
        var output = [UInt8](repeating: 0, count: 28)
        let done = unsafe cc_aead_seal(
            aead, "ABCDEFGHIJKLMNOPQRSTUVWX", context, context.utf8.count, "XAES-256-GCM", 12, &output)
        #expect(done == 1)
        #expect(output == bytes(hex: ciphertext))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 31, 64, 1000, 100_000])
    func whatIsSealedOpensAgainBehindWhatIsThere(length: Int) throws {
        let key = try sealingKey(9)
        let plaintext = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        var output: [UInt8] = [1, 2, 3]
        try key.seal(plaintext.span, context: [7].span, to: &output)
        #expect(output.count == 3 + length + SealingKey.overhead)
        #expect(output.prefix(3) == [1, 2, 3])
        var back: [UInt8] = [4, 5]
        #expect(key.open(Array(output[3...]).span, context: [7].span, to: &back))
        #expect(back == [4, 5] + plaintext)
    }

    @Test func everyChangedBitIsRefusedAndNothingIsAppended() throws {
        let key = try sealingKey(9)
        let message = try sealed(key, Array("a few bytes".utf8), context: [1])
        for bit in 0..<message.count * 8 {
            var changed = message
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            var output: [UInt8] = [42]
            #expect(!key.open(changed.span, context: [1].span, to: &output), "bit \(bit)")
            #expect(output == [42])
        }
        #expect(opened(key, message, context: [1]) != nil)
    }

    @Test func everyOtherLengthIsRefused() throws {
        let key = try sealingKey(9)
        for plaintext in [[], Array("a few bytes".utf8)] as [[UInt8]] {
            let message = try sealed(key, plaintext)
            for length in 0..<message.count { #expect(opened(key, Array(message.prefix(length))) == nil) }
            for byte in 0...255 as ClosedRange<UInt8> { #expect(opened(key, message + [byte]) == nil) }
            #expect(opened(key, message) == plaintext)
        }
    }

    @Test func anotherKeyOrContextOpensNothing() throws {
        let message = try sealed(try sealingKey(9), [1, 2, 3], context: [5, 6])
        #expect(opened(try sealingKey(10), message, context: [5, 6]) == nil)
        for context in [[], [5], [6], [5, 6, 0], [5, 7]] as [[UInt8]] {
            #expect(opened(try sealingKey(9), message, context: context) == nil)
        }
        #expect(opened(try sealingKey(9), message, context: [5, 6]) == [1, 2, 3])
    }

    @Test func theSameMessageIsNeverSealedTheSameWay() throws {
        let key = try sealingKey(9)
        var seen: Set<[UInt8]> = []
        for _ in 0..<1000 {
            let message = try sealed(key, Array(repeating: 0, count: 16))
            #expect(seen.insert(Array(message.prefix(24))).inserted)
            #expect(seen.insert(Array(message[24..<40])).inserted)
        }
    }

    @Test func aFailureLeavesTheKeyUsable() throws {
        let key = try sealingKey(9)
        let good = try sealed(key, [1, 2, 3])
        for _ in 0..<100 {
            #expect(opened(key, [UInt8](repeating: 0, count: 60)) == nil)
            #expect(opened(key, good) == [1, 2, 3])
            #expect(opened(key, try sealed(key, [4])) == [4])
        }
    }

    @Test(arguments: [0, 1, 16, 24, 31, 33, 64])
    func aKeyOfAnotherLengthIsRefused(length: Int) {
        #expect(throws: CryptoError.keyLength(length)) {
            _ = try SealingKey(library, key: [UInt8](repeating: 1, count: length).span)
        }
    }
}
