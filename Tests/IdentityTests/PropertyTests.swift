import Configuration
import Link
import Testing

@testable import Identity

/// Heads made of pieces whose meaning is known: what is made of them follows from the pieces.
@Suite struct PropertyTests {
    private static let owners = ["alice", "bob", "carol"]

    private static func key(_ owner: String) -> String { "mcpgw_\(owner)-key/with+signs=0123456789" }

    /// A field that shows a credential, and whose it is; nil if nobody's.
    private func credential(_ random: inout SeededRandom) -> (field: String, owner: String?) {
        guard let owner = Self.owners.randomElement(using: &random) else { return ("", nil) }
        let key = Self.key(owner)
        let spelt = ["X-API-Key", "x-api-key", "X-Api-KEY"].randomElement(using: &random) ?? ""
        let scheme = ["Bearer", "bearer", "BEARER", "ApiKey", "apikey"].randomElement(using: &random) ?? ""
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1: return ("\(spelt): \(key)", owner)
        case 2, 3: return ("Authorization: \(scheme) \(key)", owner)
        case 4: return ("\(spelt): \(key.dropLast())", nil)
        case 5: return ("Authorization: \(scheme) \(key)x", nil)
        case 6: return ("Authorization: Basic \(key)", nil)
        default: return ("\(spelt): \(scheme) \(key)", nil)
        }
    }

    @Test func whoeverIsServedShowsOneKeyOfTheirOwn() throws {
        let served = try authenticator(
            try Self.owners.map { try entry($0, Self.key($0), roles: [$0], tenant: "of-\($0)") },
            labelClaims: ["team", "run_id"])
        var random = SeededRandom(seed: 11)
        var (accepted, refused) = (0, 0)
        for _ in 0..<20_000 {
            var fields: [String] = []
            var shown: [String?] = []
            for _ in 0..<([0, 1, 1, 1, 1, 2].randomElement(using: &random) ?? 0) {
                let (field, owner) = credential(&random)
                fields.append(field)
                shown.append(owner)
            }
            var claims: [String: String] = [:]
            for name in ["Team", "run-id", "other"] where Bool.random(using: &random) {
                let value = ["", "red", "gr\u{fc}n", "a b"].randomElement(using: &random) ?? ""
                fields.append("X-MCPGW-Label-\(name): \(value)")
                claims[name] = value
            }
            fields.shuffle(using: &random)
            // Some the reader of heads refuses before.
            guard (try? ReadHead(fields)) != nil else { continue }
            guard shown.count == 1, let owner = shown[0] else {
                let expected: Authenticator.Failure =
                    shown.isEmpty ? .credentialMissing : shown.count > 1 ? .credentialAmbiguous : .credentialInvalid
                #expect(try served.failure(fields) == expected, "\(fields)")
                refused += 1
                continue
            }
            let identity = try served.identity(fields)
            let labels = [("team", claims["Team"]), ("run_id", claims["run-id"])].compactMap { name, value in
                value.map { Identity.Label(name: name, value: $0, isClaimed: true) }
            }
            let expected = Identity(
                subject: owner, method: .apiKey, roles: [owner], tenant: "of-\(owner)", labels: labels, expiry: 0)
            #expect(identity == expected, "\(fields)")
            accepted += 1
        }
        #expect(accepted > 3000 && refused > 3000)
    }
}
