import Configuration
import Crypto
import Link
import Testing

@testable import Identity

private let alice = "mcpgw_alice-key-0123456789"
private let bob = "bob:key/with+signs=0123456789"

@Suite struct AuthenticatorTests {
    private func served() throws -> Authenticator {
        try authenticator([
            entry(
                "alice", alice, roles: ["admin", "ops"], tenant: "acme", labels: [.init(name: "team", value: "red")]),
            entry("bob", bob, expiry: 1000),
        ])
    }

    @Test(arguments: [
        "X-API-Key: ", "x-api-key:", "Authorization: Bearer ", "authorization: bEARER   ", "Authorization: ApiKey ",
    ])
    func aKeyNamesItsOwnerInEveryForm(_ form: String) throws {
        let one = try served().identity([form + alice])
        #expect(one.subject == "alice" && one.method == .apiKey && one.roles == ["admin", "ops"])
        #expect(one.tenant == "acme" && one.labels == [Identity.Label(name: "team", value: "red")])
        #expect(try served().identity([form + bob]).subject == "bob")
    }

    @Test func aKeysIdentityIsMadeOnce() throws {
        let served = try served()
        let (one, other) = (try served.identity(["X-API-Key: \(alice)"]), try served.identity(["X-API-Key: \(alice)"]))
        #expect(one === other)
    }

    /// What streams depend on that were opened under an earlier generation.
    @Test func whoWasLetInByAnEarlierGenerationStaysForAsLongAsItsKeyDoes() throws {
        let former = try served()
        let (one, two) = (try former.identity(["X-API-Key: \(alice)"]), try former.identity(["X-API-Key: \(bob)"]))
        let claimed = Identity(
            subject: one.subject, method: one.method, tenant: one.tenant,
            labels: [.init(name: "x", value: "y", isClaimed: true)])
        let same = try authenticator([entry("bob", bob, roles: ["other"]), entry("alice", alice, tenant: "acme")])
        #expect(same.stillServes(one, of: former, 1) && same.stillServes(two, of: former, 1))
        #expect(same.stillServes(claimed, of: former, 1))
        let changed: [(String, Authenticator)] = [
            ("gone", try authenticator([entry("bob", bob)])),
            ("exchanged", try authenticator([entry("alice", alice + "-new", tenant: "acme")])),
            ("renamed", try authenticator([entry("alicia", alice, tenant: "acme")])),
            ("of another tenant", try authenticator([entry("alice", alice, tenant: "other")])),
            ("over", try authenticator([entry("alice", alice, tenant: "acme", expiry: 10)])),
        ]
        for (what, present) in changed {
            #expect(!present.stillServes(one, of: former, 11), "\(what)")
            #expect(!present.stillServes(claimed, of: former, 11), "\(what)")
        }
    }

    @Test func oneOfSeveralKeysThatIsRevokedEndsWhatAnyOfThemOpened() throws {
        let former = try authenticator([entry("alice", alice), entry("alice", bob)])
        let one = try former.identity(["X-API-Key: \(alice)"])
        let fewer = try authenticator([entry("alice", alice)])
        let more = try authenticator([entry("alice", alice), entry("alice", bob), entry("alice", alice + "-third")])
        #expect(!fewer.stillServes(one, of: former, 1))
        #expect(more.stillServes(one, of: former, 1))
    }

    @Test func theAnonymousStayOnlyWhereNobodyIsAsked() throws {
        let former = try authenticator([], isRequired: false)
        let nobody = try former.identity([])
        #expect(!(try served().stillServes(nobody, of: former, 1)))
        #expect(try authenticator([entry("alice", alice)], isRequired: false).stillServes(nobody, of: former, 1))
    }

    @Test func withoutACredentialNobodyIsServedWhereOneIsNeeded() throws {
        #expect(try served().failure([]) == .credentialMissing)
        #expect(try authenticator([]).failure([]) == .credentialMissing)
        #expect(try authenticator([]).failure(["X-API-Key: \(alice)"]) == .credentialInvalid)
    }

    @Test(arguments: [
        "X-API-Key: ", "X-API-Key: mcpgw_alice-key-012345678", "X-API-Key: mcpgw_alice-key-01234567890",
        "X-API-Key: MCPGW_alice-key-0123456789", "X-API-Key: Bearer mcpgw_alice-key-0123456789", "Authorization: ",
        "Authorization: Bearer", "Authorization: Bearermcpgw_alice-key-0123456789",
        "Authorization: mcpgw_alice-key-0123456789", "Authorization: Basic mcpgw_alice-key-0123456789",
        "Authorization: Bearer\tmcpgw_alice-key-0123456789", "Authorization: Bearer mcpgw_alice-key-0123456789 x",
        "Authorization: Bearer \"mcpgw_alice-key-0123456789\"", "Authorization: Bearer mcpgw_alice-key-0123456789,",
    ])
    func whatIsNoKeyIsRefused(_ field: String) throws {
        #expect(try served().failure([field]) == .credentialInvalid)
    }

    @Test(arguments: [
        ["X-API-Key: \(alice)", "X-API-Key: \(alice)"], ["X-API-Key: \(alice)", "Authorization: Bearer \(alice)"],
        ["X-API-Key: \(bob)", "Authorization: "], ["X-API-Key: \(alice)", "x-api-key: no"],
    ])
    func moreThanOneCredentialIsRefused(_ fields: [String]) throws {
        // Some the reader of heads refuses before.
        guard (try? ReadHead(fields)) != nil else { return }
        #expect(try served().failure(fields) == .credentialAmbiguous)
    }

    @Test func aKeyEndsAtItsTime() throws {
        #expect(try served().failure(["X-API-Key: \(bob)"], now: 999) == nil)
        #expect(try served().failure(["X-API-Key: \(bob)"], now: 1000) == .credentialInvalid)
        #expect(try served().failure(["X-API-Key: \(bob)"], now: .max) == .credentialInvalid)
        #expect(try served().failure(["X-API-Key: \(alice)"], now: .max) == nil)
    }

    @Test(arguments: [(15, false), (16, true), (1024, true), (1025, false)])
    func keysHaveALengthThatIsServed(_ length: Int, _ isServed: Bool) throws {
        let key = String(repeating: "k", count: length)
        let served = try authenticator([try entry("long", key)])
        #expect((try served.failure(["X-API-Key: \(key)"]) == nil) == isServed)
    }

    /// A client that shows a key believes to be somebody: serving it as nobody would hide its mistake.
    @Test func whereNobodyNeedsACredentialAWrongOneIsStillRefused() throws {
        let open = try authenticator([try entry("alice", alice)], isRequired: false)
        #expect(try open.identity([]) === Identity.anonymous)
        #expect(try open.identity(["X-API-Key: \(alice)"]).subject == "alice")
        #expect(try open.failure(["X-API-Key: \(bob)"]) == .credentialInvalid)
    }

    @Test func whereThereAreNoKeysWhatClientsShowMeansNothing() throws {
        let open = try authenticator([], isRequired: false)
        #expect(try open.identity(["X-API-Key: \(alice)", "Authorization: Basic eA=="]) === Identity.anonymous)
    }

    @Test func everyOneOfManyKeysIsFound() throws {
        let keys = (0..<300).map { "key-number-\($0)-of-many" }
        let many = try authenticator(try keys.enumerated().map { try entry("subject-\($0)", $1) })
        for (index, key) in keys.enumerated() {
            #expect(try many.identity(["X-API-Key: \(key)"]).subject == "subject-\(index)")
            #expect(try many.failure(["X-API-Key: \(key)x"]) == .credentialInvalid)
        }
    }

    /// A digest that differs in one bit only, wherever, is another.
    @Test func digestsAreComparedWhole() throws {
        let right = try entry("alice", alice)
        for bit in 0..<256 {
            var wrong = right
            wrong.digest[bit / 8] ^= 1 << (bit % 8)
            #expect(try authenticator([wrong]).failure(["X-API-Key: \(alice)"]) == .credentialInvalid)
        }
    }

    @Test func keysThatNameNobodyForCertainAreRefusedAtStart() throws {
        #expect(throws: KeyRing.Fault.unnamed) { try authenticator([try entry("", alice)]) }
        #expect(throws: KeyRing.Fault.sharedKey("a", "b")) {
            try authenticator([try entry("a", alice), try entry("b", alice)])
        }
        #expect(throws: KeyRing.Fault.digestLength) {
            try authenticator([Authentication.APIKey(name: "a", digest: [1, 2])])
        }
    }

    @Test func aDigestIsSpeltAsTheConfigurationHasIt() throws {
        let key = Array("abc".utf8)
        #expect(
            try APIKeyText.digest(of: key.span, try CryptoLibrary.load())
                == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    /// Whatever a head holds, it is served only as the owner of a key that stands in it, and nothing traps.
    @Test func alteredHeadsNeverServeAnyoneElse() throws {
        let served = try authenticator(
            [try entry("alice", alice), try entry("bob", bob)], labelClaims: ["team", "run_id"])
        let seeds = [
            "X-API-Key: \(alice)", "Authorization: Bearer \(bob)", "Authorization: ApiKey \(alice)",
            "X-MCPGW-Label-Team: a", "X-MCPGW-Label-run-id: \u{e9}",
        ]
        let texts = ["Bearer", "Authorization: ", "X-API-Key: ", " ", "\t", alice, "\r\n", "X-MCPGW-Label-", ""]
        let pieces: [[UInt8]] = texts.map { Array($0.utf8) } + [[0xC2, 0x80], [0xFF]]
        var random = SeededRandom(seed: 4)
        var servedCount = 0
        for _ in 0..<4000 {
            let fields = seeds.filter { _ in Bool.random(using: &random) }
            var bytes = Array((["POST / HTTP/1.1", "Host: h"] + fields + ["", ""]).joined(separator: "\r\n").utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 16..<bytes.count - 4, using: &random)
                let end = min(place + Int.random(in: 0...4, using: &random), bytes.count - 4)
                bytes.replaceSubrange(place..<end, with: pieces[Int.random(in: 0..<pieces.count, using: &random)])
            }
            guard let head = try? ReadHead(bytes: bytes) else { continue }
            guard let identity = try? served.identity(head.parser.head, head.bytes.span, now: 1) else { continue }
            servedCount += 1
            let key = identity.subject == "alice" ? alice : bob
            #expect(String(decoding: bytes, as: UTF8.self).contains(key))
            #expect(identity.labels.count <= 2 && identity.labels.allSatisfy(\.isClaimed))
        }
        #expect(servedCount > 100)
    }
}
