import Testing

@testable import Link

/// Who has asked before is known again, and nobody is taken for another.
@Suite struct KnownIdentitiesTests {
    private func payload(_ identity: Identity, _ number: UInt64) -> [UInt8] {
        var writer = FieldWriter()
        let open = RequestOpen(
            generation: 1, requestID: number, identity: identity, session: nil, method: .post, acceptsJSON: true,
            acceptsEvents: Bool.random(), isModern: false, bodyLength: number)
        _ = open.write(&writer)
        return writer.bytes
    }

    @Test func whoAsksAgainIsTheSameObject() throws {
        var known = KnownIdentities()
        for identity in [
            Identity(subject: "bob", method: .apiKey),
            Identity(subject: String(repeating: "x", count: 200), method: .jwt),
            Identity(subject: "", method: .apiKey, roles: ["a"]), .anonymous,
        ] {
            let first = try RequestOpen(decoding: payload(identity, 1).span, known: &known)
            let second = try RequestOpen(decoding: payload(identity, 2).span, known: &known)
            #expect(first.identity == identity && second.identity === first.identity && second.requestID == 2)
        }
    }

    @Test func nobodyIsTakenForAnother() throws {
        var known = KnownIdentities()
        let subjects = ["", "a", "ab", "alice", String(repeating: "s", count: 64), String(repeating: "s", count: 65)]
        for number in 0..<4000 {
            let labels = (0..<Int.random(in: 0...2)).map { _ in
                Identity.Label(
                    name: subjects.randomElement() ?? "", value: subjects.randomElement() ?? "", isClaimed: .random())
            }
            let identity = Identity(
                subject: subjects.randomElement() ?? "", method: [.anonymous, .apiKey, .jwt].randomElement() ?? .jwt,
                roles: Bool.random() ? [] : [subjects.randomElement() ?? ""], tenant: subjects.randomElement() ?? "",
                labels: labels, expiry: [0, 1, .max].randomElement() ?? 0)
            let bytes = payload(identity, UInt64(number))
            let open = try RequestOpen(decoding: bytes.span, known: &known)
            #expect(open.identity == identity && open.requestID == UInt64(number) && open.bodyLength == UInt64(number))
            // What is cut is refused, known or not.
            #expect(throws: LinkViolation.badPayload) {
                try RequestOpen(decoding: bytes.span.extracting(0..<Int.random(in: 0..<bytes.count)), known: &known)
            }
        }
    }
}
