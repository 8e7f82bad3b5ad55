import Configuration
import Link
import MCP
import Policy
import Telemetry
import Testing

@testable import Route
@testable import Worker

/// The ingress and the routes switch one after the other: whatever each of them has in force, a request is decided by what admitted it.
@Suite struct GenerationTests {
    /// The part of a generation whose policy denies the tools of this name and allows the rest. Names of rules stand in every generation at another place.
    private func generation(_ number: UInt64) throws -> [UInt8] {
        try LoneRoute.generation { configuration in
            var deny = PolicyModel.Match()
            deny.tools = ["tool-\(number)"]
            var rest = PolicyModel.Match()
            rest.methods = ["*"]
            var policy = PolicyModel()
            policy.rules = [
                .init(name: "deny-\(number)", match: deny, action: .deny),
                .init(name: "rest", match: rest, action: .allow),
            ]
            configuration.policy = PolicyFile(model: policy, path: "/policy", hash: "hash-\(number)")
        }
    }

    private struct Served {
        let route: LoneRoute
        var streams: UInt32 = 0

        /// Whether the call of a tool that is admitted under a generation is denied; nil if the route does not decide.
        mutating func denies(_ tool: Int, under generation: UInt64) throws -> Bool? {
            let stream = StreamID.number(streams)
            streams += 1
            let body = Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool-\#(tool)"}}"#.utf8)
            let before = try decisions()
            route.send(
                post(stream, bodyLength: body.count, generation: generation), wire(.lastData, stream, body))
            var after = before
            let isOver = try route.eventually { route in
                after = (try? decisions()) ?? before
                return after != before
            }
            #expect(isOver)
            return after.isUndecided(since: before) ? nil : after.denied > before.denied
        }

        private func decisions() throws -> Decisions {
            try route.look { route in
                let counters = route.context.counters
                func count(_ action: MessageAction) -> UInt64 {
                    counters.value(slot: MessageCounters.slot(method: Method.toolsCall.rawValue, action))
                }
                return Decisions(denied: count(.block), allowed: count(.allow), over: counters.value(.answered))
            }
        }
    }

    private struct Decisions: Equatable {
        let denied: UInt64
        let allowed: UInt64
        /// Requests that are over, decided or not.
        let over: UInt64

        func isUndecided(since before: Decisions) -> Bool {
            denied == before.denied && allowed == before.allowed
        }
    }

    @Test func aRequestIsDecidedByTheGenerationThatAdmittedIt() throws {
        var served = Served(route: try LoneRoute(try generation(1)))
        #expect(try served.denies(1, under: 1) == true)
        #expect(try served.denies(2, under: 1) == false)
        let commit = try served.route.look { try $0.prepare(try generation(2), number: 2) }
        // The ingress has switched already, this route has not.
        #expect(try served.denies(1, under: 2) == false)
        #expect(try served.denies(2, under: 2) == true)
        #expect(try served.denies(1, under: 1) == true)
        commit()
        // The ingress has not switched yet, this route has.
        #expect(try served.denies(1, under: 1) == true)
        #expect(try served.denies(2, under: 1) == false)
        #expect(try served.denies(2, under: 2) == true)
        #expect(try served.route.look { $0.generation.policyHash } == "hash-2")
        #expect(served.route.accusations() == [])
    }

    @Test func aGenerationThatIsReleasedIsDecidedByNoOther() throws {
        var served = Served(route: try LoneRoute(try generation(1)))
        try served.route.look { try $0.prepare(try generation(2), number: 2) }()
        try served.route.look { $0.release(1) }
        #expect(try served.denies(2, under: 1) == nil)
        let answer = try served.route.answer(on: .number(0))
        let text = String(decoding: answer.dropFirst().flatMap(\.payload), as: UTF8.self)
        #expect(text.contains("-31013"))
        #expect(try served.denies(2, under: 2) == true)
    }

    @Test(arguments: [false, true])
    func aGenerationThatNobodyPreparedCondemnsWhoNamesIt(wasAbandoned: Bool) throws {
        let served = Served(route: try LoneRoute(try generation(1)))
        if wasAbandoned {
            _ = try served.route.look { try $0.prepare(try generation(2), number: 2) }
            try served.route.look { $0.abandon(2) }
        }
        served.route.send(post(.number(0), bodyLength: 1, generation: 2))
        #expect(try served.route.eventually { _ in served.route.accusations() != [] })
        #expect(served.route.accusations() == [.notPermitted])
    }

    @Test func anotherRoutesGenerationIsRefused() throws {
        let route = try LoneRoute(try generation(1))
        let other = try LoneRoute.generation { $0.routes[0].name = "other" }
        let several = try LoneRoute.generation { $0.routes.append($0.routes[0]) }
        for bytes in [other, several, [], [1, 2, 3]] {
            #expect(throws: GenerationRefusal.self) {
                _ = try route.look { try $0.prepare(bytes, number: 2) }
            }
        }
        #expect(try route.look { $0.generations.newest } == 1)
    }
}
