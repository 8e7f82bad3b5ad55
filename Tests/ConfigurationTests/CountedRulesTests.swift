import Policy
import Testing

@testable import Configuration

@Suite struct CountedRulesTests {
    private func configuration(_ rules: [String]) -> Configuration {
        var policy = PolicyModel()
        policy.rules = rules.map { PolicyModel.Rule(name: $0, match: .init(), action: .allow) }
        var result = Configuration(routes: [], stateDirectory: nil, runtimeDirectory: "")
        result.policy = PolicyFile(model: policy, path: "/policy", hash: "")
        return result
    }

    @Test func aRuleKeepsItsSlotWhereverItStands() {
        var counted = CountedRules(configuration(["a", "b", "c"]))
        let before = ["a", "b", "c"].map(counted.slot)
        counted.add(configuration(["new", "c", "a"]))
        #expect(["a", "b", "c"].map(counted.slot) == before)
        #expect(counted.names == ["a", "b", "c", "new"] && counted.slot("new") == 3)
        counted.add(configuration(["b"]))
        #expect(counted.slot("b") == before[1] && counted.names.count == 4)
    }

    /// However many rules come and go, what one has counted never becomes another's, and there is an end to it.
    @Test func noSlotIsEverGivenTwice() {
        var counted = CountedRules(configuration([]))
        var owners: [UInt16: String] = [:]
        for round in 0..<100 {
            let names = (0..<10).map { "rule-\(round * 7 + $0)" }
            counted.add(configuration(names))
            for name in names {
                let slot = counted.slot(name)
                guard slot != UInt16(CountedRules.limit) else { continue }
                #expect(owners.updateValue(name, forKey: slot) ?? name == name)
            }
        }
        #expect(counted.names.count == CountedRules.limit && owners.count == CountedRules.limit)
        #expect(Set(counted.names).count == CountedRules.limit)
        #expect(counted.slot("rule-699") == UInt16(CountedRules.limit))
    }

    @Test func aRoutesPartNamesASlotForEveryRule() throws {
        let upstream = try UpstreamURL(parsing: "http://127.0.0.1:9/", source: "a test")
        var configuration = configuration(["b", "a"])
        configuration.routes = [.init(name: "r", upstream: upstream)]
        var counted = CountedRules(self.configuration(["a"]))
        counted.add(configuration)
        let key = [UInt8](repeating: 0, count: RouteGeneration.eventKeyLength)
        #expect(RouteGeneration(configuration, index: 0, eventKey: key, countedRules: counted).ruleSlots == [1, 0])
        #expect(ConsoleGeneration(configuration, owner: 0, countedRules: counted).rules == ["a", "b"])
    }
}
