import NormalForms

/// One rule, compiled: numbers that point into the tables of its policy.
struct CompiledRule: Sendable {
    /// One bit for every method it matches; ``otherBit`` for those the gateway does not know.
    var methods: UInt64 = 0
    /// For methods the gateway does not know.
    var otherMethods = GlobList()
    var tools = GlobList()
    var subjects = GlobList()
    var roles = GlobList()
    var resources = GlobList()
    var prompts = GlobList()
    var routes = GlobList()
    var tenants = GlobList()
    /// Of the policy's label conditions.
    var labels = 0..<0
    /// Of the policy's argument conditions.
    var arguments = 0..<0
    /// How arguments are decoded for it.
    var decodings: Decodings = .paths
    var isAllow = false
    var mode = PolicyMode.enforce
    /// Whether its match ends the search; else it is only noted.
    var decides = true
}

/// A label a rule asks for.
struct LabelCondition: Sendable {
    let name: [UInt8]
    let values: GlobList
}

/// What a rule asks of the values at one path.
struct ArgumentCondition: Sendable {
    /// Of the policy's path steps.
    let steps: Range<Int>
    /// Of the policy's step names: the whole path as one name.
    let wholeName: Range<Int>?
    let globs: GlobList
    /// Of the policy's expressions.
    let expressions: Range<Int>
}

/// A ``PathStep`` whose name lies in the policy's step names.
struct FlatStep: Sendable {
    enum Kind: UInt8, Sendable {
        case name, anyMember, everyElement, element
    }

    let kind: Kind
    /// Of the policy's step names.
    var name = 0..<0
    var element = 0
}
