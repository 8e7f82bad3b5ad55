import Crypto
import Link
import Testing

@testable import Sessions

@Suite struct SessionSealerTests {
    private let now: UInt64 = 1_800_000_000

    private func sealer(_ newest: UInt8, _ older: UInt8? = nil) throws -> SessionSealer {
        func key(_ byte: UInt8) throws -> SealingKey {
            try SealingKey(library, key: [UInt8](repeating: byte, count: 32).span)
        }
        return try SessionSealer(library, newest: key(newest), older: older.map(key))
    }

    private func seal(
        _ sealer: SessionSealer, _ grant: SessionGrant, _ subject: String, _ tenant: String
    ) throws -> [UInt8] {
        var token: [UInt8] = []
        try sealer.seal(grant, subject: Array(subject.utf8).span, tenant: Array(tenant.utf8).span, to: &token)
        return token
    }

    private func open(
        _ sealer: SessionSealer, _ token: [UInt8], _ subject: String, _ tenant: String, _ now: UInt64? = nil
    ) -> SessionOpening {
        sealer.open(
            token.span, subject: Array(subject.utf8).span, tenant: Array(tenant.utf8).span, now: now ?? self.now)
    }

    private func grant(_ seed: UInt64 = 1) -> SessionGrant {
        var random = SeededRandom(seed: seed)
        return .sample(&random, created: now)
    }

    @Test func whatWasSealedOpensForItsSubjectAndTenant() throws {
        let sealer = try sealer(1)
        for seed in 0..<200 as Range<UInt64> {
            let grant = grant(seed)
            let token = try seal(sealer, grant, "alice", "acme")
            #expect(open(sealer, token, "alice", "acme") == .valid(grant))
        }
        var extreme = grant()
        extreme.uuid = SessionUUID(low: .max, high: 0)
        extreme.revision = 255
        extreme.capabilities = SessionCapabilities(rawValue: .max)
        extreme.created = .max
        extreme.expires = .max
        #expect(open(sealer, try seal(sealer, extreme, "", ""), "", "") == .valid(extreme))
    }

    @Test(arguments: [0, 1, 95, 96, 97, 1000, 100_000])
    func anIdIsVisibleASCIIAndAtMost512Bytes(length: Int) throws {
        let sealer = try sealer(1)
        let name = String(repeating: "é", count: length / 2) + String(repeating: "x", count: length % 2)
        for (subject, tenant) in [(name, name), (name, ""), ("", name)] {
            let token = try seal(sealer, grant(), subject, tenant)
            #expect(token.count <= SessionSealer.longestToken)
            #expect(token.allSatisfy(isVisible))
            #expect(open(sealer, token, subject, tenant) == .valid(grant()))
        }
    }

    @Test func anotherSubjectOrTenantGetsNothing() throws {
        let sealer = try sealer(1)
        let long = String(repeating: "s", count: 300)
        let names = [
            "", "a", "ab", "b", "A", "a\0", String(repeating: "s", count: 96), String(repeating: "s", count: 97), long,
            long + "x",
        ]
        let pairs = names.flatMap { subject in names.map { (subject, $0) } }
        for owner in pairs {
            let token = try seal(sealer, grant(), owner.0, owner.1)
            for asking in pairs {
                let isOwner = asking == owner
                #expect(open(sealer, token, asking.0, asking.1) == (isOwner ? .valid(grant()) : .otherSubject))
            }
        }
    }

    @Test func aNameIsNotTakenForTheHashOfAnother() throws {
        // The bytes a hashed subject has inside, offered as a subject.
        let sealer = try sealer(1)
        let long = [UInt8](repeating: 0x73, count: 300)
        var digest: [UInt8] = []
        try SHA256(library).digest(of: long.span).append(to: &digest)
        var token: [UInt8] = []
        try sealer.seal(grant(), subject: long.span, tenant: Span(), to: &token)
        for prefix in [[], [255], [32]] as [[UInt8]] {
            let opening = sealer.open(token.span, subject: (prefix + digest).span, tenant: Span(), now: now)
            #expect(opening == .otherSubject)
        }
    }

    @Test func everyChangedBitIsRefused() throws {
        let sealer = try sealer(1, 2)
        for subject in ["", "a", "ab"] {
            let token = try seal(sealer, grant(), subject, "acme")
            for bit in 0..<token.count * 8 {
                var changed = token
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                let opening = open(sealer, changed, subject, "acme")
                #expect(opening == .malformed || opening == .forged, "bit \(bit)")
            }
            #expect(open(sealer, token, subject, "acme") == .valid(grant()))
        }
    }

    /// One text for one id: bits that base64 would ignore, other alphabets and padding are refused.
    @Test func everyOtherCharacterAtEveryPositionIsRefused() throws {
        let sealer = try sealer(1)
        for subject in ["", "a", "ab"] {
            let token = try seal(sealer, grant(), subject, "acme")
            for position in token.indices {
                for character in 0...255 as ClosedRange<UInt8> where character != token[position] {
                    var changed = token
                    changed[position] = character
                    let opening = open(sealer, changed, subject, "acme")
                    #expect(opening == .malformed || opening == .forged)
                }
            }
        }
    }

    @Test func everyOtherLengthIsRefused() throws {
        let sealer = try sealer(1)
        for subject in ["", "a", "ab"] {
            let token = try seal(sealer, grant(), subject, "acme")
            for length in 0..<token.count {
                let opening = open(sealer, Array(token.prefix(length)), subject, "acme")
                #expect(opening == .malformed || opening == .forged)
            }
            for tail in ["A", "=", "==", "AA", "AAA", "AAAA", " ", "\n"] {
                let opening = open(sealer, token + Array(tail.utf8), subject, "acme")
                #expect(opening == .malformed || opening == .forged)
                #expect(open(sealer, Array(tail.utf8) + token, subject, "acme") != .valid(grant()))
            }
        }
        #expect(open(sealer, [UInt8](repeating: 65, count: 513), "", "") == .malformed)
        #expect(open(sealer, [UInt8](repeating: 65, count: 100_000), "", "") == .malformed)
    }

    @Test func base64IsReadInOneWayOnly() {
        var random = SeededRandom(seed: 4)
        for length in 0..<40 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            var text: [UInt8] = []
            Base64URL.encode(bytes, to: &text)
            var back: [UInt8] = []
            let isText = Base64URL.decode(text.span, to: &back)
            #expect(isText)
            #expect(back == bytes)
        }
        // RFC 4648, 10, without padding; then what is no canonical text.
        for (text, bytes) in [("Zm9vYmFy", "foobar"), ("Zm9vYmE", "fooba"), ("Zm9vYg", "foob")] {
            var back: [UInt8] = []
            let isText = Base64URL.decode(Array(text.utf8).span, to: &back)
            #expect(isText && back == Array(bytes.utf8))
        }
        for text in ["Zm9vYh", "Zm9vYmF", "Z", "Zm9vY", "Zg==", "Zm+v", "Zm/v", "Zm v", "Zm9\n", "Zm\u{e9}"] {
            var back: [UInt8] = []
            let isText = Base64URL.decode(Array(text.utf8).span, to: &back)
            #expect(!isText, "\(text)")
        }
    }

    @Test func bothKeysOpenAfterARotationAndAThirdDoesNot() throws {
        let token = try seal(try sealer(1), grant(), "alice", "acme")
        let newToken = try seal(try sealer(2, 1), grant(), "alice", "acme")
        #expect(open(try sealer(2, 1), token, "alice", "acme") == .valid(grant()))
        #expect(open(try sealer(2, 1), newToken, "alice", "acme") == .valid(grant()))
        #expect(open(try sealer(2), newToken, "alice", "acme") == .valid(grant()))
        // The newest key seals.
        #expect(open(try sealer(1), newToken, "alice", "acme") == .forged)
        #expect(open(try sealer(3, 2), token, "alice", "acme") == .forged)
        #expect(open(try sealer(3), token, "alice", "acme") == .forged)
    }

    @Test func aSessionIsOverInTheSecondInWhichItExpires() throws {
        let sealer = try sealer(1)
        let grant = grant()
        let token = try seal(sealer, grant, "alice", "acme")
        #expect(open(sealer, token, "alice", "acme", grant.expires - 1) == .valid(grant))
        for time in [grant.expires, grant.expires + 1, .max] {
            #expect(open(sealer, token, "alice", "acme", time) == .expired)
            // Who may not have it does not learn that it is over.
            #expect(open(sealer, token, "bob", "acme", time) == .otherSubject)
        }
    }

    @Test func whatTheSameKeySealedForSomethingElseIsNoSession() throws {
        let key = try SealingKey(library, key: [UInt8](repeating: 1, count: 32).span)
        var packet: [UInt8] = [1]
        try key.seal([UInt8](repeating: 0, count: 60).span, context: Array("mcpgw requestState".utf8).span, to: &packet)
        var token: [UInt8] = []
        Base64URL.encode(packet, to: &token)
        #expect(open(try sealer(1), token, "", "") == .forged)
    }

    @Test func noTwoIdsAreAlike() throws {
        let sealer = try sealer(1)
        let tokens = try (0..<500).map { _ in try seal(sealer, grant(), "alice", "acme") }
        #expect(Set(tokens).count == 500)
        #expect(Set((0..<500).map { _ in SessionUUID.random() }).count == 500)
    }
}
