import MCP
import YAML

extension PolicyModel {
    /// Comparisons before the search gives up: it is for people, and must stay quick with any file.
    private static let comparisonLimit = 5_000_000

    /// Rules that can match nothing, or whose messages an earlier rule takes all.
    func unreachableRules() -> [YAMLError] {
        var warnings: [YAMLError] = []
        var comparisons = 0
        /// Earlier rules that decide, by the one tool they name, and those that name several, globs or none.
        var byTool: [String: [Int]] = [:]
        var general: [Int] = []
        for (index, rule) in rules.enumerated() {
            if MethodSet.matched(by: rule.match) == 0 {
                warnings.append(
                    YAMLError(
                        rule.position,
                        "rule \(quoted(rule.name)) can match nothing: its methods do not have what it names"))
                continue
            }
            let candidates = (general + candidatesByTool(rule, byTool)).sorted()
            for earlier in candidates {
                comparisons += 1
                if comparisons > PolicyModel.comparisonLimit { return warnings }
                guard rules[earlier].match.covers(rule.match) else { continue }
                let other = rules[earlier]
                warnings.append(
                    YAMLError(
                        rule.position,
                        "rule \(quoted(rule.name)) is never reached: \(quoted(other.name)) in line "
                            + "\(other.position.line) takes all it matches; move it up or remove it"
                    ))
                break
            }
            guard decides(rule) else { continue }
            if rule.match.tools.count == 1, let tool = rule.match.tools.first, !tool.contains("*"), !tool.contains("?")
            {
                byTool[tool, default: []].append(index)
            } else {
                general.append(index)
            }
        }
        return warnings
    }

    private func candidatesByTool(_ rule: Rule, _ byTool: [String: [Int]]) -> [Int] {
        // A rule that names one tool covers only rules that name nothing else.
        rule.match.tools.count == 1 ? byTool[rule.match.tools[0]] ?? [] : []
    }

    private func decides(_ rule: Rule) -> Bool {
        rule.action == .allow ? rule.mode != .audit : (rule.mode ?? mode) == .enforce
    }
}

extension PolicyModel.Match {
    /// Whether every message another match takes is one that this takes, as far as the globs show it.
    func covers(_ other: PolicyModel.Match) -> Bool {
        if MethodSet.matched(by: other) & ~MethodSet.matched(by: self) != 0 { return false }
        return coversMethods(other) && coversGlobs(tools, other.tools)
            && coversGlobs(subjects, other.subjects) && coversGlobs(roles, other.roles)
            && coversGlobs(resources, other.resources) && coversGlobs(prompts, other.prompts)
            && coversGlobs(routes, other.routes) && coversGlobs(tenants, other.tenants)
            && coversAll(labels, other.labels) && coversAll(arguments, other.arguments)
            && coversAll(argumentPatterns, other.argumentPatterns, areGlobs: false)
            && (decode == other.decode || !namesArguments)
    }

    /// Whether the methods that the gateway does not know are covered; the others are compared as sets.
    private func coversMethods(_ other: PolicyModel.Match) -> Bool {
        if MethodSet.matched(by: other) & MethodSet.bit(.other) == 0 || methods.isEmpty { return true }
        return other.methods.isEmpty ? methods.contains("*") : coversGlobs(methods, other.methods)
    }

    /// Whether what any of some globs matches, one of these matches; no globs match everything.
    private func coversGlobs(_ globs: [String], _ others: [String]) -> Bool {
        if globs.isEmpty { return true }
        if others.isEmpty { return false }
        return others.allSatisfy { other in globs.contains { Glob.covers($0, other) } }
    }

    private func coversAll(
        _ conditions: [PolicyModel.Argument], _ others: [PolicyModel.Argument], areGlobs: Bool = true
    ) -> Bool {
        conditions.allSatisfy { condition in
            others.contains { other in
                condition.path == other.path
                    && (areGlobs
                        ? coversGlobs(condition.patterns, other.patterns)
                        : Set(condition.patterns).isSuperset(of: other.patterns))
            }
        }
    }
}

/// Relations of globs.
enum Glob {
    /// Whether the first matches everything that the second does: it matches the second's own text, in which a star is
    /// matched by stars only and a question mark by either. Some covers are not found.
    static func covers(_ wide: String, _ narrow: String) -> Bool {
        if wide == narrow || wide == "*" { return true }
        let wide = Array(wide.utf8)
        let narrow = Array(narrow.utf8)
        let star = UInt8(ascii: "*")
        var place = 0
        var other = 0
        var lastStar = -1
        var retry = 0
        while other < narrow.count {
            if place < wide.count, wide[place] == star {
                lastStar = place
                place += 1
                retry = other
            } else if place < wide.count, narrow[other] != star,
                wide[place] == narrow[other] || wide[place] == UInt8(ascii: "?") && narrow[other] < 0x80
            {
                place += 1
                other += 1
            } else if lastStar >= 0 {
                place = lastStar + 1
                retry += 1
                other = retry
            } else {
                return false
            }
        }
        while place < wide.count, wide[place] == star { place += 1 }
        return place == wide.count
    }
}
