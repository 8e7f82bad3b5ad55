import Link
import NormalForms
import Policy
import Records

/// One who asks, with what is made of his identity once for all his requests.
final class Caller {
    let identity: Identity
    /// As rules match him.
    let policy: PolicyCaller
    /// What the records of his requests say alike, and the generation whose settings it was made of.
    var recordPart: (generation: UInt64, part: RecordPart)?

    init(_ identity: Identity, _ library: UnicodeLibrary) {
        self.identity = identity
        policy = PolicyCaller(
            subject: identity.subject.isEmpty ? nil : PolicyText(identity.subject, library),
            roles: identity.roles.map { PolicyText($0, library) },
            tenant: identity.tenant.isEmpty ? nil : PolicyText(identity.tenant, library),
            labels: identity.labels.map { PolicyLabel(name: $0.name, value: $0.value, isRacy: $0.isClaimed, library) })
    }
}

/// Those who asked lately, by subject.
struct Callers {
    /// Callers at most; then all are forgotten and come again as they ask.
    private static let limit = 4096

    private let anonymous: Caller
    private let library: UnicodeLibrary
    private var known: [String: Caller] = [:]

    init(_ library: UnicodeLibrary) {
        self.library = library
        anonymous = Caller(.anonymous, library)
    }

    /// The caller of an identity.
    mutating func find(_ identity: Identity) -> Caller {
        if identity === Identity.anonymous { return anonymous }
        if let caller = known[identity.subject], caller.identity == identity { return caller }
        let caller = Caller(identity, library)
        if known.count >= Callers.limit { known.removeAll(keepingCapacity: true) }
        known[identity.subject] = caller
        return caller
    }
}
