import Configuration
import Link
import Testing

@testable import Identity

@Suite struct LabelClaimsTests {
    private let key = "X-API-Key: 0123456789abcdef"

    private func served(_ names: [String], labels: [Authentication.Label] = []) throws -> Authenticator {
        try authenticator([try entry("alice", "0123456789abcdef", labels: labels)], labelClaims: names)
    }

    private func labels(_ names: [String], _ fields: [String]) throws -> [Identity.Label] {
        try served(names).identity([key] + fields).labels
    }

    private func claim(_ name: String, _ value: String) -> Identity.Label {
        Identity.Label(name: name, value: value, isClaimed: true)
    }

    @Test(arguments: ["X-MCPGW-Label-run_id: 7", "x-mcpgw-label-RUN-ID:7", "X-Mcpgw-Label-Run_Id: \t7 "])
    func namesAreComparedWithoutCaseAndKindOfDash(_ field: String) throws {
        #expect(try labels(["run_id"], [field]) == [claim("run_id", "7")])
        #expect(try labels(["Run-ID"], [field]) == [claim("Run-ID", "7")])
    }

    @Test func namesThatAreNotAllowedAreNoLabels() throws {
        #expect(try labels([], ["X-MCPGW-Label-team: a"]).isEmpty)
        #expect(try labels(["team"], ["X-MCPGW-Label-teams: a", "X-MCPGW-Label-tea: b"]).isEmpty)
        // What is wrong with a label that nobody asked for harms nobody.
        #expect(try labels(["team"], ["X-MCPGW-Label-x: \u{80}", "X-MCPGW-Label-x: b"]).isEmpty)
    }

    @Test func aKeysOwnLabelsAreNotReplaced() throws {
        let served = try served(["team", "run"], labels: [.init(name: "Team", value: "red")])
        let identity = try served.identity([key, "X-MCPGW-Label-Team: blue", "X-MCPGW-Label-Run: 1"])
        #expect(identity.labels == [Identity.Label(name: "Team", value: "red"), claim("run", "1")])
        let (one, same) = (try served.identity([key, "X-MCPGW-Label-Team: blue"]), try served.identity([key]))
        #expect(one === same)
    }

    @Test func theRestOfTheIdentityStays() throws {
        let served = try authenticator(
            [try entry("alice", "0123456789abcdef", roles: ["r"], tenant: "t", expiry: 9)], labelClaims: ["team"])
        let expected = Identity(
            subject: "alice", method: .apiKey, roles: ["r"], tenant: "t", labels: [claim("team", "blue")], expiry: 9)
        #expect(try served.identity([key, "X-MCPGW-Label-Team: blue"]) == expected)
    }

    @Test func whoIsAnonymousMayHaveLabels() throws {
        let open = try authenticator([], isRequired: false, labelClaims: ["team"])
        let identity = try open.identity(["X-MCPGW-Label-Team: blue"])
        #expect(identity.method == .anonymous && identity.subject.isEmpty && identity.labels == [claim("team", "blue")])
    }

    @Test(arguments: [
        ("a\tb", LabelClaims.Fault.badCharacters), ("\u{80}", .badCharacters), ("x\u{9f}", .badCharacters),
        (String(repeating: "a", count: 257), .tooLong), (String(repeating: "\u{e9}", count: 129), .tooLong),
    ])
    func aBadValueRefusesTheRequest(_ value: String, _ fault: LabelClaims.Fault) throws {
        #expect(try served(["team"]).failure([key, "X-MCPGW-Label-team: \(value)"]) == .labels(fault))
    }

    @Test(arguments: ["", "a", "\u{a0}\u{e9}\u{1f600}", String(repeating: "a", count: 256)])
    func aGoodValueIsKeptAsItIs(_ value: String) throws {
        #expect(try labels(["team"], ["X-MCPGW-Label-team: \(value)"]) == [claim("team", value)])
    }

    @Test func bytesThatAreNotUTF8RefuseTheRequest() throws {
        let list: [[UInt8]] = [
            [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF5, 0x80, 0x80, 0x80],
        ]
        for bad in list {
            let isValue = LabelClaims.isValue(bad.span)
            #expect(!isValue)
            let line = Array("X-MCPGW-Label-team: ".utf8) + bad
            let bytes = Array("GET / HTTP/1.1\r\nHost: h\r\n\(key)\r\n".utf8) + line + Array("\r\n\r\n".utf8)
            let head = try ReadHead(bytes: bytes)
            let served = try served(["team"])
            let identity = try? served.identity(head.parser.head, head.bytes.span, now: 1)
            #expect(identity == nil)
        }
    }

    @Test func aRepeatedLabelAndTooManyRefuseTheRequest() throws {
        #expect(
            try served(["a_b"]).failure([key, "X-MCPGW-Label-a-b: 1", "X-MCPGW-Label-A_B: 1"]) == .labels(.repeated))
        let names = (0..<17).map { "name\($0)" }
        let fields = names.map { "X-MCPGW-Label-\($0): 1" }
        #expect(try served(names).failure([key] + fields) == .labels(.tooMany))
        #expect(try labels(names, Array(fields.prefix(16))).count == 16)
    }

    /// Fields that Connection names are for this hop alone (RFC 9110, 7.6.1).
    @Test func aLabelThatConnectionNamesIsNone() throws {
        #expect(try labels(["team"], ["Connection: x-mcpgw-label-team", "X-MCPGW-Label-team: a"]).isEmpty)
    }

    @Test func theSameLabelsAreTheSameObjectAndOthersAreNot() throws {
        let served = try served(["a", "b"])
        func identity(_ fields: String...) throws -> Identity {
            try served.identity([key] + fields.map { "X-MCPGW-Label-" + $0 })
        }
        let (one, same) = (try identity("a: 1", "b: 2"), try identity("b: 2", "a: 1"))
        #expect(one === same)
        #expect(try identity("a: 1") != identity("b: 1"))
        #expect(try identity("a: 12") != identity("a: 1", "b: 2"))
        let first = try identity("a: first")
        for number in 0..<600 { #expect(try identity("a: \(number)").labels[0].value == String(number)) }
        #expect(try identity("a: first") == first)
    }
}
