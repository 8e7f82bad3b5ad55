import MCP
import NormalForms

/// Why a policy cannot be compiled: it did not come from ``PolicyModel/read(_:)``, or the host's RE2 differs.
public struct PolicyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let description: String
}

/// A policy ready to decide. Made when a generation is prepared; never changes.
public final class CompiledPolicy: Sendable {
    /// The policy it was made of.
    public let model: PolicyModel

    let rules: [CompiledRule]
    let globs: GlobTable
    let labelConditions: [LabelCondition]
    let conditions: [ArgumentCondition]
    let steps: [FlatStep]
    let stepNames: [UInt8]
    let expressions: [Expression]
    /// Rules that name tools, by those names.
    let toolIndex: NameIndex
    /// Where the rules for a method stand in ``general``, by its raw value; for `tools/call` those not in the index.
    let generalRanges: [Range<Int>]
    let general: [UInt32]
    let allowedTools: GlobList?
    let responses: ResponsePatterns?

    /// Compiles a policy.
    ///
    /// - Throws: ``PolicyError`` for expressions and paths that ``PolicyModel/read(_:)`` would have refused.
    public init(_ model: PolicyModel, _ library: UnicodeLibrary) throws(PolicyError) {
        var compiler = PolicyCompiler(library)
        try compiler.compile(model)
        self.model = model
        rules = compiler.rules
        labelConditions = compiler.labelConditions
        conditions = compiler.conditions
        steps = compiler.steps
        stepNames = compiler.stepNames
        expressions = compiler.expressions
        toolIndex = NameIndex(compiler.keyedRules)
        (generalRanges, general) = compiler.generalRules()
        allowedTools = model.allowedTools.map { compiler.globs($0, .names) }
        responses = try ResponsePatterns(model, &compiler)
        globs = compiler.table
    }

    /// Whether some rule looks at arguments.
    public var looksAtArguments: Bool { !conditions.isEmpty }

    /// Whether answers are searched for patterns.
    public var inspectsReplies: Bool { responses != nil }

    /// Whether it matters for that which tool answers.
    public var inspectsRepliesByTool: Bool { responses?.namesTools ?? false }

    /// What the rule or pattern that decided has for the caller.
    public func callersReason(of cause: PolicyCause) -> String? {
        switch cause {
        case .rule(let index): model.rules[index].reason
        case .responsePattern(let index): model.responsePatterns[index].reason
        default: nil
        }
    }

    /// The name of the rule or pattern that decided; nil when none did.
    public func name(of cause: PolicyCause) -> String? {
        switch cause {
        case .rule(let index): model.rules[index].name
        case .responsePattern(let index): model.responsePatterns[index].name
        default: nil
        }
    }

    /// What the record and, where it may know, the caller are told.
    public func reason(of verdict: PolicyVerdict) -> String {
        switch verdict.cause {
        case .rule(let index):
            let rule = model.rules[index]
            return rule.reason ?? "policy \(rule.action == .deny ? "denied" : "allowed"): \(rule.name)"
        case .responsePattern(let index):
            let pattern = model.responsePatterns[index]
            return pattern.reason ?? "policy denied: \(pattern.name)"
        case .noRule: return "policy denied: no rule allows it"
        case .allowedTools: return "policy denied: the tool is not in allowed_tools"
        case .disguisedMethod: return "policy denied: the method is another one in disguise"
        case .unsearchable: return "policy denied: it could not be read, or not be searched within the memory for it"
        case .unboundTask: return "tasks are not carried where callers are told apart: nothing says whose a task is"
        case .handshake: return "policy allowed: handshake and housekeeping"
        case .serverMessage: return "policy allowed: sent by the server"
        case .answer: return "policy allowed: an answer"
        }
    }

    /// Whether the rule that decided looks at arguments, so that another call of the same tool may pass.
    public func dependsOnArguments(_ cause: PolicyCause) -> Bool {
        guard case .rule(let index) = cause else { return false }
        return !rules[index].arguments.isEmpty
    }
}
