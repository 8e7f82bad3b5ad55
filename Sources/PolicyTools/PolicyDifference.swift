import NormalForms
import Policy

/// What one policy decides otherwise than another, found by trying calls made of what both mention (DESIGN 8).
public struct PolicyDifference: Sendable {
    /// Calls that the two decide differently, for one pair of rules.
    public struct Group: Sendable {
        /// What decided by the old policy: a rule's name, or what holds without one in brackets.
        public let oldCause: String
        /// What decides by the new one.
        public let newCause: String
        /// Whether they passed.
        public let oldPasses: Bool
        /// Whether they pass.
        public let newPasses: Bool
        /// One of them.
        public let example: PolicyCall
        /// How many of the calls tried.
        public fileprivate(set) var count: Int
    }

    /// Where the policies differ, most calls first.
    public let groups: [Group]
    /// How many calls were tried.
    public let tried: Int
    /// Response patterns, by name, that only the old policy has, or has otherwise.
    public let removedPatterns: [String]
    /// Response patterns that only the new policy has, or has otherwise.
    public let addedPatterns: [String]

    /// Whether nothing was found.
    public var isEmpty: Bool { groups.isEmpty && removedPatterns.isEmpty && addedPatterns.isEmpty }

    /// Compares two policies.
    ///
    /// - Throws: `PolicyError`.
    public init(_ old: PolicyModel, _ new: PolicyModel, _ library: UnicodeLibrary) throws(PolicyError) {
        var oldRunner = try PolicyRunner(old, library)
        var newRunner = try PolicyRunner(new, library)
        var samples = SampleMaker([old, new])
        samples.make()
        var found: [[String]: Group] = [:]
        for call in samples.calls {
            guard let before = try? oldRunner.decide(call), let after = try? newRunner.decide(call),
                before.passes != after.passes || before.action != after.action
            else { continue }
            let causes = [oldRunner.causeName(before.cause), newRunner.causeName(after.cause)]
            let key = causes + ["\(before.passes)\(after.passes)"]
            if found[key]?.count != nil {
                found[key]?.count += 1
            } else {
                found[key] = Group(
                    oldCause: causes[0], newCause: causes[1], oldPasses: before.passes, newPasses: after.passes,
                    example: call, count: 1)
            }
        }
        groups = found.values.sorted { ($1.count, $0.oldCause, $0.newCause) < ($0.count, $1.oldCause, $1.newCause) }
        tried = samples.calls.count
        removedPatterns = old.responsePatterns.filter { pattern in
            !new.responsePatterns.contains { PolicyDifference.isSame(pattern, old.mode, $0, new.mode) }
        }.map(\.name)
        addedPatterns = new.responsePatterns.filter { pattern in
            !old.responsePatterns.contains { PolicyDifference.isSame(pattern, new.mode, $0, old.mode) }
        }.map(\.name)
    }

    private static func isSame(
        _ left: PolicyModel.ResponsePattern, _ leftMode: PolicyMode, _ right: PolicyModel.ResponsePattern,
        _ rightMode: PolicyMode
    ) -> Bool {
        Set(left.patterns) == Set(right.patterns) && Set(left.tools) == Set(right.tools)
            && (left.mode ?? leftMode) == (right.mode ?? rightMode)
    }
}
