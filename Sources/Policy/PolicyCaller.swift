import NormalForms

/// A name that rules match, with its forms.
public struct PolicyText: Sendable {
    let bytes: [UInt8]
    let forms: FormList

    /// A name, UTF-8.
    public init(_ bytes: [UInt8], _ library: UnicodeLibrary) {
        self.bytes = bytes
        var list = FormList()
        var forms = NormalForms(library)
        forms.append(bytes.span, [], to: &list)
        self.forms = list
    }

    /// A name.
    public init(_ text: String, _ library: UnicodeLibrary) {
        self.init(Array(text.utf8), library)
    }
}

/// One label of a caller.
public struct PolicyLabel: Sendable {
    let name: [UInt8]
    let value: PolicyText
    /// Whether it was found by process id or is the caller's own claim, so that an allow rule must not rely on it.
    let isRacy: Bool

    /// A label.
    public init(name: String, value: String, isRacy: Bool = false, _ library: UnicodeLibrary) {
        self.name = Array(name.utf8)
        self.value = PolicyText(value, library)
        self.isRacy = isRacy
    }
}

/// What rules can know of the one who sends a message. Made once for an identity, and used for all its messages.
public final class PolicyCaller: Sendable {
    let subject: PolicyText?
    let roles: [PolicyText]
    let tenant: PolicyText?
    let labels: [PolicyLabel]

    /// A caller.
    ///
    /// - Parameters:
    ///   - subject: nil for an anonymous one, whom no rule that names subjects matches.
    ///   - tenant: nil where there are no tenants.
    public init(subject: PolicyText?, roles: [PolicyText] = [], tenant: PolicyText? = nil, labels: [PolicyLabel] = []) {
        self.subject = subject
        self.roles = roles
        self.tenant = tenant
        self.labels = labels
    }
}
