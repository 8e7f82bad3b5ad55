// What a decision costs, on one thread: a call of 200 bytes that is read already, against policies of 10, 1,000 and 10,000 rules. Prints a table in Markdown.
//
//     PolicyBench [DECISIONS]

import Glibc
import Link
import MCP
import NormalForms
import Policy
import StrictJSON

/// The shapes of rules. The call matches the last rule of each policy alone, so every other one has to be ruled out.
enum Shape: String, CaseIterable {
    case names = "deny rules that name a tool"
    case globs = "deny rules with a glob for tools"
    case arguments = "deny rules that name a tool and an argument's pattern"

    func rule(_ number: Int) -> String {
        let match =
            switch self {
            case .names: "tools: [tool_\(number)]"
            case .globs: "tools: [\"group\(number)_*\"]"
            case .arguments: "tools: [tool_\(number)], arguments: {command: [\"*rm -rf*\", \"*sudo*\"]}"
            }
        return "  - {name: rule-\(number), match: {\(match)}, action: deny}\n"
    }
}

func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func compile(_ shape: Shape, rules: Int, _ library: UnicodeLibrary) throws -> CompiledPolicy {
    var text = "version: v1\nrules:\n"
    for number in 1..<rules { text += shape.rule(number) }
    text += "  - {name: default-allow, match: {methods: [\"*\"]}, action: allow}\n"
    let reading = PolicyModel.read(Array(text.utf8), library)
    guard let model = reading.policy, reading.errors.isEmpty else { fatalError("\(reading.errors)") }
    return try CompiledPolicy(model, library)
}

/// Nanoseconds of CPU per decision: the least of some rounds, since whatever else the machine does only adds to it.
func nanoseconds(_ policy: CompiledPolicy, _ decisions: Int, _ library: UnicodeLibrary) throws -> UInt64 {
    let head = #"{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"echo","arguments":{"text":""#
    let bytes = Array((head + String(repeating: "a", count: 200 - head.utf8.count - 4) + #""}}}"#).utf8)
    var tape = JSONTape()
    try JSONParser().parse(bytes.span, into: &tape)
    let message = try MessageSummary(tape, bytes.span, from: .client)
    let caller = PolicyCaller(
        subject: PolicyText("agent-1", library), roles: [PolicyText("agent", library)], tenant: nil, labels: [])
    let route = PolicyText("default", library)
    var evaluator = PolicyEvaluator(library)
    var least = UInt64.max
    for _ in 0..<5 {
        let start = now()
        for _ in 0..<decisions {
            let verdict = evaluator.decide(
                policy, message, tape, bytes.span, caller: caller, route: route, from: .client, upstreamName: nil)
            guard verdict.action == .allow, policy.name(of: verdict.cause) == "default-allow" else {
                fatalError("decided otherwise: \(verdict)")
            }
        }
        least = min(least, (now() - start) / UInt64(decisions))
    }
    return least
}

let decisions = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 0 : 100_000
guard decisions > 0 else { fatalError("the number of decisions is 1 or more") }
let library = try UnicodeLibrary.load()
print("| ns per decision | 10 rules | 1,000 rules | 10,000 rules | compiling 10,000, ms |")
print("| --- | ---: | ---: | ---: | ---: |")
for shape in Shape.allCases {
    var cells: [String] = []
    var compiling: UInt64 = 0
    for rules in [10, 1000, 10_000] {
        let start = now()
        let policy = try compile(shape, rules: rules, library)
        compiling = (now() - start) / 1_000_000
        cells.append("\(try nanoseconds(policy, decisions, library))")
    }
    print("| \(shape.rawValue) | \(cells.joined(separator: " | ")) | \(compiling) |")
}
