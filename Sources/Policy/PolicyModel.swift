import NormalForms
import YAML

/// What a rule does with a message it matches.
public enum PolicyAction: String, CaseIterable, Sendable {
    /// The message passes.
    case allow
    /// The message is refused.
    case deny
}

/// Whether a decision is carried out.
public enum PolicyMode: String, CaseIterable, Sendable {
    /// It is.
    case enforce
    /// It is only recorded.
    case audit
}

/// A policy as written (DESIGN 8): what the file says, checked, in its order.
public struct PolicyModel: Equatable, Sendable {
    /// Globs for the values of one argument.
    public struct Argument: Equatable, Sendable {
        /// Where the values are: names joined by dots, `[*]` for all elements, `[3]` for one, `*` for any member.
        public var path: String
        /// Globs, or expressions of RE2.
        public var patterns: [String]

        /// Patterns for the values at a path.
        public init(path: String, patterns: [String]) {
            self.path = path
            self.patterns = patterns
        }
    }

    /// What a rule asks of a message: every key that is there must match, by any one of its globs. An empty list is a key
    /// that is not there.
    public struct Match: Equatable, Sendable {
        /// JSON-RPC methods.
        public var methods: [String] = []
        /// Names of tools; only `tools/call`.
        public var tools: [String] = []
        /// The caller's name.
        public var subjects: [String] = []
        /// Any of the caller's roles.
        public var roles: [String] = []
        /// Globs for arguments.
        public var arguments: [Argument] = []
        /// RE2 expressions for arguments.
        public var argumentPatterns: [Argument] = []
        /// URIs of resources.
        public var resources: [String] = []
        /// Names of prompts.
        public var prompts: [String] = []
        /// The name of the route.
        public var routes: [String] = []
        /// The caller's labels: their names and globs for their values.
        public var labels: [Argument] = []
        /// The tenant.
        public var tenants: [String] = []
        /// What else to do with arguments before they are matched: `percent`, `base64`.
        public var decode: Decodings = []

        /// A match without any key.
        public init() {}

        /// Whether it asks something of arguments.
        public var namesArguments: Bool { !arguments.isEmpty || !argumentPatterns.isEmpty }
    }

    /// One rule.
    public struct Rule: Equatable, Sendable {
        /// Its name, unique in the policy.
        public var name: String
        /// What it matches.
        public var match: Match
        /// What it does.
        public var action: PolicyAction
        /// Its own mode; nil means the policy's.
        public var mode: PolicyMode?
        /// What a denied caller is told.
        public var reason: String?
        /// Where it stands in the file.
        public var position: YAMLPosition

        /// A rule.
        public init(
            name: String, match: Match, action: PolicyAction, mode: PolicyMode? = nil, reason: String? = nil,
            position: YAMLPosition = YAMLPosition(line: 1, column: 1)
        ) {
            self.name = name
            self.match = match
            self.action = action
            self.mode = mode
            self.reason = reason
            self.position = position
        }
    }

    /// What no answer may hold.
    public struct ResponsePattern: Equatable, Sendable {
        /// Its name, unique among the patterns.
        public var name: String
        /// RE2 expressions; one that occurs is enough.
        public var patterns: [String]
        /// The tools whose answers it is for; empty means every answer.
        public var tools: [String]
        /// Its own mode; nil means the policy's.
        public var mode: PolicyMode?
        /// What the caller is told.
        public var reason: String?

        /// A pattern.
        public init(
            name: String, patterns: [String], tools: [String] = [], mode: PolicyMode? = nil, reason: String? = nil
        ) {
            self.name = name
            self.patterns = patterns
            self.tools = tools
            self.mode = mode
            self.reason = reason
        }
    }

    /// The mode of everything without one of its own.
    public var mode = PolicyMode.enforce
    /// The rules; the first that matches decides.
    public var rules: [Rule] = []
    /// What no answer may hold.
    public var responsePatterns: [ResponsePattern] = []
    /// Globs for the only tools that are listed and can be called; nil means all.
    public var allowedTools: [String]?

    /// A policy without rules, which denies.
    public init() {}

    /// What serves when no policy is given: everything is allowed.
    public static var allowAll: PolicyModel {
        var policy = PolicyModel()
        var match = Match()
        match.methods = ["*"]
        policy.rules = [Rule(name: "no-policy", match: match, action: .allow)]
        return policy
    }
}
