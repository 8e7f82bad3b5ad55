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

/// The callers that rules have been prepared for, by subject.
struct PolicyCallers {
    private struct Entry {
        let identity: Identity
        let caller: PolicyCaller
    }

    /// Callers at most; then all are forgotten and come again as they ask.
    private static let limit = 4096

    private let anonymous: PolicyCaller
    private let library: UnicodeLibrary
    private var known: [String: Entry] = [:]

    init(_ library: UnicodeLibrary) {
        self.library = library
        anonymous = PolicyCallers.make(.anonymous, library)
    }

    /// The caller that an identity is for rules.
    mutating func caller(_ identity: Identity) -> PolicyCaller {
        if identity === Identity.anonymous { return anonymous }
        if let entry = known[identity.subject], entry.identity == identity { return entry.caller }
        let caller = PolicyCallers.make(identity, library)
        if known.count >= PolicyCallers.limit { known.removeAll(keepingCapacity: true) }
        known[identity.subject] = Entry(identity: identity, caller: caller)
        return caller
    }

    static func make(_ identity: Identity, _ library: UnicodeLibrary) -> PolicyCaller {
        PolicyCaller(
            subject: identity.subject.isEmpty ? nil : PolicyText(identity.subject, library),
            roles: identity.roles.map { PolicyText($0, library) },
            tenant: identity.tenant.isEmpty ? nil : PolicyText(identity.tenant, library),
            labels: identity.labels.map { PolicyLabel(name: $0.name, value: $0.value, isRacy: $0.isClaimed, library) })
    }
}
