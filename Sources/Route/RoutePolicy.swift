import Configuration
import Link
import MCP
import NormalForms
import Policy
import StrictJSON

/// The policy of one generation as a route's worker needs it. Never changes, so that the helper thread may use it too.
final class RoutePolicy: Sendable {
    let compiled: CompiledPolicy
    let library: UnicodeLibrary
    /// The route's name, as rules match it.
    let route: PolicyText
    /// Whether a policy was named: else nothing has to be decided.
    let isNamed: Bool
    let denials: DenialForm
    private let disclosesRules: Bool
    /// Who owns which tool; nil where there is one route, which owns all.
    let owners: ToolOwners?
    /// Which of the owners this route is.
    let index: Int

    /// - Throws: `PolicyError`, or `UnicodeLibrary.Unavailable` where the library was not loaded before confinement.
    init(_ generation: RouteGeneration) throws {
        library = try UnicodeLibrary.load()
        compiled = try CompiledPolicy(generation.policy, library)
        route = PolicyText(generation.name, library)
        isNamed = generation.hasPolicy
        denials = generation.denials
        disclosesRules = generation.disclosesRules
        owners = generation.owners.count > 1 ? ToolOwners(generation.owners, library) : nil
        index = Int(generation.index)
    }

    /// What the caller is told of a verdict.
    func denial(_ verdict: PolicyVerdict) -> Denial {
        Denial(
            reason: compiled.callersReason(of: verdict.cause),
            rule: disclosesRules ? compiled.name(of: verdict.cause) : nil)
    }
}
