import NormalForms

/// The response patterns of a policy, compiled into one set.
final class ResponsePatterns: Sendable {
    let set: ExpressionSet
    /// The pattern that each expression of the set belongs to.
    let owners: [Int]
    /// The tools of each pattern; empty for all.
    let tools: [GlobList]
    /// Whether some pattern is not for all tools.
    let namesTools: Bool

    init?(_ model: PolicyModel, _ compiler: inout PolicyCompiler) throws(PolicyError) {
        guard !model.responsePatterns.isEmpty else { return nil }
        var owners: [Int] = []
        var texts: [String] = []
        var tools: [GlobList] = []
        for (index, pattern) in model.responsePatterns.enumerated() {
            for text in pattern.patterns {
                owners.append(index)
                texts.append(text)
            }
            tools.append(compiler.globs(pattern.tools, .names))
        }
        do throws(ExpressionError) {
            set = try ExpressionSet(texts, memory: PolicyLimits.responseMemory)
        } catch {
            throw PolicyError(description: "response_patterns: \(error.message)")
        }
        self.owners = owners
        self.tools = tools
        namesTools = tools.contains { !$0.isEmpty }
    }
}
