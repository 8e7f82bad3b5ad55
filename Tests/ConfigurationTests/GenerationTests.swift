import Link
import Policy
import Testing

@testable import Configuration

/// A generation and what any bytes make of it, whatever its type.
private struct Sample {
    let name: String
    let bytes: [UInt8]
    /// Decodes; whether the result is exactly the generation.
    let isSame: ([UInt8]) throws(LinkViolation) -> Bool
    /// Decodes and encodes again.
    let recode: ([UInt8]) throws(LinkViolation) -> [UInt8]

    init<G: RoleGeneration>(_ generation: G) {
        name = "\(G.self)"
        bytes = Self.encode(generation)
        isSame = { (bytes) throws(LinkViolation) in try G(decoding: bytes) == generation }
        recode = { (bytes) throws(LinkViolation) in Self.encode(try G(decoding: bytes)) }
    }

    private static func encode(_ generation: some RoleGeneration) -> [UInt8] {
        var writer = FieldWriter()
        generation.write(&writer)
        return writer.bytes
    }

    static func all(_ configuration: Configuration) -> [Sample] {
        [
            Sample(IngressGeneration(configuration, sessionKeys: sessionKeys)), Sample(DialerGeneration(configuration)),
            Sample(ConsoleGeneration(configuration, owner: 4711, countedRules: CountedRules(configuration))),
            Sample(EmptyGeneration()),
            Sample(RecorderGeneration(configuration, checkpointKey: checkpointKey)),
        ]
            + configuration.routes.indices.map {
                Sample(
                    RouteGeneration(
                        configuration, index: $0, eventKey: eventKey, countedRules: CountedRules(configuration)))
            }
    }
}

/// Two keys whose bytes appear nowhere else.
private let eventKey = [UInt8](7..<23)

private let checkpointKey = [UInt8](60..<92)

private let sessionKeys = [
    Array("the-newest-session-key-32-bytes.".utf8), Array("the-older-session-key-32-bytes..".utf8),
]

@Suite struct GenerationTests {
    /// A configuration in which no two values are alike, so that a mixed-up field shows.
    private func configuration(routes: Int) throws -> Configuration {
        var result = Configuration(
            routes: try (0..<routes).map {
                Configuration.Route(
                    name: "name-of-\($0)",
                    upstream: try UpstreamURL(
                        parsing: "http://host-\($0).example:\(4000 + $0)/target-\($0)?x", source: "test"))
            }, stateDirectory: "/the-state-directory", runtimeDirectory: "/the-runtime-directory")
        for index in result.routes.indices {
            result.routes[index].matchTools = ["tools-of-\(index)"]
            result.routes[index].labels = [Authentication.Label(name: "label-name", value: "value-of-\(index)")]
        }
        var policy = PolicyModel()
        policy.allowedTools = ["allowed-tool"]
        var match = PolicyModel.Match()
        match.methods = ["matched-method"]
        policy.rules = [PolicyModel.Rule(name: "rule-name", match: match, action: .allow)]
        result.policy = PolicyFile(model: policy, path: "/the-policy-file", hash: "policy-hash")
        result.denials = .error
        result.disclosesRules = true
        result.audit.file = "/the-audit-directory/the-log.jsonl"
        result.audit.signingKey = Array("the-signing-key".utf8)
        result.audit.labelClaims = ["label-claim"]
        result.audit.maximumValue = 1015
        result.audit.onFailure = .allow
        result.audit.sync = 1016
        result.audit.rotationSize = 1017
        result.audit.rotationAge = 1018
        result.audit.retention = 1019
        result.audit.reserve = 1020
        result.authentication.isRequired = true
        result.authentication.keys = [
            Authentication.APIKey(
                name: "key-name", digest: [UInt8](repeating: 78, count: 32), roles: ["key-role"], tenant: "key-tenant",
                labels: [Authentication.Label(name: "key-label", value: "key-value")], expiry: 1021)
        ]
        result.rateLimit = RateLimit(milliRate: 1022, burst: 1023)
        result.metricsKeyDigest = [UInt8](repeating: 77, count: 32)
        result.limits.requestBody = 1001
        result.limits.reply = 1002
        result.limits.headTimeout = 1003
        result.limits.bodyTimeout = 1004
        result.limits.requestTimeout = 1005
        result.limits.connectTimeout = 1006
        result.limits.upstreamConnections = 1007
        result.limits.upstreamIdle = 1008
        result.limits.queue = 1009
        result.limits.event = 1010
        result.limits.requestLimit = 1011
        result.limits.keepAlive = 1012
        result.sessions.idle = 1013
        result.sessions.lifetime = 1014
        return result
    }

    @Test(arguments: [0, 1, 3, 40])
    func everyGenerationSurvivesEncodingAndDecoding(routes: Int) throws {
        for sample in Sample.all(try configuration(routes: routes)) {
            #expect(try sample.isSame(sample.bytes), "\(sample.name)")
            #expect(!sample.bytes.isEmpty, "a memfd must not be empty")
        }
    }

    @Test func truncatedAndExtendedBytesAreRefused() throws {
        for sample in Sample.all(try configuration(routes: 3)) {
            for count in 0..<sample.bytes.count { expectRefusal(sample, Array(sample.bytes[..<count])) }
            for byte in [0, 1, 0x20, 0xFF] as [UInt8] { expectRefusal(sample, sample.bytes + [byte]) }
        }
    }

    private func expectRefusal(_ sample: Sample, _ bytes: [UInt8]) {
        do throws(LinkViolation) {
            _ = try sample.recode(bytes)
            Issue.record("\(sample.name) accepts \(bytes.count) of \(sample.bytes.count) bytes")
        } catch {
            #expect(error == .badPayload)
        }
    }

    /// Damaged bytes are refused or mean exactly what they say: there is one encoding for each content.
    @Test func damagedBytesAreRefusedOrMeanExactlyTheirBytes() throws {
        for sample in Sample.all(try configuration(routes: 2)) {
            for position in sample.bytes.indices {
                for flip in [1, 0x80, 0xFF] as [UInt8] {
                    var bytes = sample.bytes
                    bytes[position] ^= flip
                    do throws(LinkViolation) {
                        let again = try sample.recode(bytes)
                        let isSame = try sample.isSame(bytes)
                        #expect(again == bytes, "\(sample.name) byte \(position)")
                        #expect(!isSame, "\(sample.name) does not read byte \(position)")
                    } catch {
                        #expect(error == .badPayload)
                    }
                }
            }
        }
    }

    @Test func everyValueArrivesInItsOwnField() throws {
        let configuration = try configuration(routes: 2)
        let ingress = try IngressGeneration(
            decoding: encoded(IngressGeneration(configuration, sessionKeys: sessionKeys)))
        #expect(ingress.routes.map(\.name) == ["name-of-0", "name-of-1"])
        #expect(ingress.routes.map(\.matchTools) == [["tools-of-0"], ["tools-of-1"]])
        #expect(ingress.requiresAuthentication && ingress.keys == configuration.authentication.keys)
        #expect(ingress.rateLimit == RateLimit(milliRate: 1022, burst: 1023) && ingress.labelClaims == ["label-claim"])
        #expect(ingress.onFailure == .allow && ingress.policyHash == "policy-hash")
        #expect([ingress.requestBody, ingress.headTimeout, ingress.bodyTimeout] == [1001, 1003, 1004])
        #expect(ingress.queue == 1009)
        #expect([ingress.sessionIdle, ingress.sessionLifetime] == [1013, 1014])
        #expect(ingress.sessionKeys == sessionKeys)
        let route = try RouteGeneration(
            decoding: encoded(
                RouteGeneration(configuration, index: 1, eventKey: eventKey, countedRules: CountedRules(configuration)))
        )
        #expect([route.name, route.authority, route.target] == ["name-of-1", "host-1.example:4001", "/target-1?x"])
        #expect(
            [route.reply, route.requestBody, route.requestTimeout, route.connectTimeout] == [1002, 1001, 1005, 1006])
        #expect([route.destination, route.connections, route.queue] == [1, 1007, 1009])
        #expect(route.idle == 1008)
        #expect([route.event, route.requestLimit, route.keepAlive] == [1010, 1011, 1012])
        #expect([route.sessionIdle, route.sessionLifetime] == [1013, 1014])
        #expect(route.owners == [["tools-of-0"], ["tools-of-1"]] && route.index == 1)
        #expect(route.upstream == "http://host-1.example:4001/target-1?x" && route.labels[0].value == "value-of-1")
        #expect(route.policy == configuration.policy.model && route.policyHash == "policy-hash" && route.hasPolicy)
        #expect(route.denials == .error && route.disclosesRules && route.maximumValue == 1015)
        let recorder = try RecorderGeneration(
            decoding: encoded(RecorderGeneration(configuration, checkpointKey: checkpointKey)))
        #expect(recorder.routes == ["name-of-0", "name-of-1"] && recorder.file == "the-log.jsonl")
        #expect(recorder.signingKey == Array("the-signing-key".utf8) && recorder.checkpointKey == checkpointKey)
        #expect([recorder.sync, recorder.rotationSize, recorder.rotationAge] == [1016, 1017, 1018])
        #expect([recorder.retention, recorder.reserve] == [1019, 1020])
        let dialer = try DialerGeneration(decoding: encoded(DialerGeneration(configuration)))
        #expect(dialer.connectTimeout == 1006)
        let console = try ConsoleGeneration(
            decoding: encoded(ConsoleGeneration(configuration, owner: 4711, countedRules: CountedRules(configuration))))
        #expect(console.owner == 4711)
        #expect(console.headTimeout == 1003)
        #expect(console.keyDigest == [UInt8](repeating: 77, count: 32))
        #expect(console.hasPolicy && console.rules == ["rule-name"])
    }

    private func encoded(_ generation: some RoleGeneration) -> [UInt8] {
        var writer = FieldWriter()
        generation.write(&writer)
        return writer.bytes
    }

    @Test func theDialerGivesEachDestinationToExactlyItsRoute() throws {
        let configuration = try configuration(routes: 20)
        let dialer = DialerGeneration(configuration)
        #expect(dialer.destinations.count == 20)
        for index in configuration.routes.indices {
            let route = RouteGeneration(
                configuration, index: index, eventKey: eventKey, countedRules: CountedRules(configuration))
            let allowed = dialer.destinations.filter { $0.id == route.destination }
            #expect(allowed.map(\.route) == [UInt16(index)])
            #expect(allowed.map(\.host) == ["host-\(index).example"])
            #expect(allowed.map(\.port) == [UInt16(4000 + index)])
            #expect(dialer.destinations.filter { $0.route == UInt16(index) }.count == 1)
        }
    }

    /// Two routes to one server still have a destination each: neither may ask for the other's.
    @Test func routesWithTheSameUpstreamHaveDestinationsOfTheirOwn() throws {
        var configuration = try configuration(routes: 2)
        configuration.routes[1].upstream = configuration.routes[0].upstream
        let dialer = DialerGeneration(configuration)
        #expect(Set(dialer.destinations.map(\.id)).count == 2)
        #expect(dialer.destinations.map(\.route) == [0, 1])
    }

    @Test func noRoleLearnsWhatBelongsToAnother() throws {
        let configuration = try configuration(routes: 3)
        func expect(_ bytes: [UInt8], knows text: String, _ expected: Bool, _ who: String) {
            #expect(bytes.contains(Array(text.utf8)) == expected, "\(who): \(text)")
        }
        for index in 0..<3 {
            let upstreams = (host: "host-\(index)", target: "target-\(index)", name: "name-of-\(index)")
            for other in 0..<3 {
                let route = encoded(
                    RouteGeneration(
                        configuration, index: other, eventKey: eventKey, countedRules: CountedRules(configuration)))
                expect(route, knows: upstreams.host, index == other, "route \(other)")
                expect(route, knows: upstreams.target, index == other, "route \(other)")
                expect(route, knows: upstreams.name, index == other, "route \(other)")
            }
            let ingress = encoded(IngressGeneration(configuration, sessionKeys: sessionKeys))
            expect(ingress, knows: upstreams.name, true, "ingress")
            expect(ingress, knows: upstreams.host, false, "ingress")
            expect(ingress, knows: upstreams.target, false, "ingress")
            let dialer = encoded(DialerGeneration(configuration))
            expect(dialer, knows: upstreams.host, true, "dialer")
            expect(dialer, knows: upstreams.target, false, "dialer")
            let console = encoded(ConsoleGeneration(configuration, owner: 0, countedRules: CountedRules(configuration)))
            for text in [upstreams.host, upstreams.target, upstreams.name] {
                expect(console, knows: text, false, "console")
            }
        }
        for sample in Sample.all(configuration) {
            expect(sample.bytes, knows: "the-state-directory", false, sample.name)
            expect(sample.bytes, knows: "the-runtime-directory", false, sample.name)
        }
    }

    /// With a key too few there is none, with one too many nobody knows what it is for, and a short one is no key.
    @Test func onlyOneOrTwoWholeKeysAreAccepted() throws {
        let configuration = try configuration(routes: 1)
        let (key, other) = (sessionKeys[0], sessionKeys[1])
        for keys in [[key], [key, other]] {
            let read = try IngressGeneration(decoding: encoded(IngressGeneration(configuration, sessionKeys: keys)))
            #expect(read.sessionKeys == keys)
        }
        for keys in [
            [], [key, other, key], [[]], [Array(key.dropLast())], [key + [0]], [key, Array(other.dropLast())],
        ] {
            let bytes = encoded(IngressGeneration(configuration, sessionKeys: keys))
            #expect(throws: LinkViolation.badPayload) { try IngressGeneration(decoding: bytes) }
        }
    }

    @Test func onlyTheIngressHasTheSessionKeys() throws {
        for sample in Sample.all(try configuration(routes: 3)) {
            for key in sessionKeys {
                #expect(sample.bytes.contains(key) == (sample.name == "IngressGeneration"), "\(sample.name)")
            }
        }
    }

    /// A count that no content follows must not reserve memory for it.
    @Test func aLyingCountIsRefusedAtOnce() {
        for count in [2, 1 << 20, UInt32.max] {
            var writer = FieldWriter()
            writer.u32(count)
            let bytes = writer.bytes + [UInt8](repeating: 0, count: 12)
            #expect(throws: LinkViolation.badPayload) { try DialerGeneration(decoding: bytes) }
            #expect(throws: LinkViolation.badPayload) { try IngressGeneration(decoding: bytes) }
        }
    }
}
