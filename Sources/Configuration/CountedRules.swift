/// Which slot counts the decisions of which rule, for as long as the daemon runs: a rule keeps its slot over every reload, by its name, and no slot is ever
/// given to another, so that no count goes back and none is of two rules. When all are given, further rules share one.
public struct CountedRules: Equatable, Sendable {
    /// Rules that are counted one by one; the slot behind theirs is that of all others.
    public static let limit = 128

    /// The names, by slot. One that has left the policy stays: what it decided was counted.
    public private(set) var names: [String] = []
    private var slots: [String: UInt16] = [:]

    /// The rules of the first generation.
    public init(_ configuration: Configuration) { add(configuration) }

    /// Gives slots to rules that have none yet.
    public mutating func add(_ configuration: Configuration) {
        for rule in configuration.policy.model.rules where slots[rule.name] == nil {
            guard names.count < CountedRules.limit else { return }
            slots[rule.name] = UInt16(names.count)
            names.append(rule.name)
        }
    }

    /// The slot of a rule.
    public func slot(_ rule: String) -> UInt16 { slots[rule] ?? UInt16(CountedRules.limit) }
}
