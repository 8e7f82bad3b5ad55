// libFuzzer target: policies. Compiled as one module with Sources/Policy. A zero byte ends the policy; what follows is a
// message.
//
// Any bytes end in a policy or in mistakes; a policy that is read compiles, and comes out of its encoding as it went in;
// what one rule allows, the same rule made a denial denies, and each rule's trace agrees with the decision.
import Link
import MCP
import NormalForms
import StrictJSON
import YAML

private let library: UnicodeLibrary = {
    do { return try UnicodeLibrary.load() } catch { fatalError("\(error)") }
}()

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let parts = input.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
    let reading = PolicyModel.read(parts[0], library)
    guard let policy = reading.policy else {
        precondition(!reading.errors.isEmpty, "no policy, and no mistake")
        return 0
    }
    precondition(reading.errors.isEmpty, "a policy with mistakes")
    checkEncoding(policy)
    guard parts.count == 2 else { return 0 }
    decide(policy, parts[1])
    return 0
}

private func checkEncoding(_ policy: PolicyModel) {
    var writer = FieldWriter()
    policy.write(&writer)
    let bytes = writer.bytes
    var reader = FieldReader(bytes.span)
    guard let again = try? PolicyModel(&reader) else { preconditionFailure("an encoding that is not read") }
    precondition(again == policy, "another policy comes out than went in")
}

private func decide(_ model: PolicyModel, _ bytes: [UInt8]) {
    var tape = JSONTape()
    guard (try? JSONParser().parse(bytes.span, into: &tape)) != nil,
        let message = try? MessageSummary(tape, bytes.span, from: .client), message.kind != .response
    else { return }
    guard let policy = try? CompiledPolicy(model, library) else { preconditionFailure("read, and not compiled") }
    var evaluator = PolicyEvaluator(library)
    let caller = PolicyCaller(subject: PolicyText("agent", library))
    let route = PolicyText("default", library)
    let verdict = evaluator.decide(policy, message, tape, bytes.span, caller: caller, route: route)
    precondition(
        evaluator.decide(policy, message, tape, bytes.span, caller: caller, route: route) == verdict, "two verdicts")
    let traces = evaluator.trace(policy, message, tape, bytes.span, caller: caller, route: route)
    if case .rule(let index) = verdict.cause, verdict.action == .allow || verdict.mode == .enforce {
        precondition(traces.contains { $0.rule == index && $0.missing.isEmpty }, "a rule decided that does not match")
        guard model.rules[index].action == .allow else { return }
        // A denial takes at least what an allowance takes.
        var stricter = model
        stricter.rules = [model.rules[index]]
        stricter.rules[0].action = .deny
        stricter.rules[0].mode = .enforce
        stricter.allowedTools = nil
        guard let denial = try? CompiledPolicy(stricter, library) else { preconditionFailure("not compiled") }
        let denied = evaluator.decide(denial, message, tape, bytes.span, caller: caller, route: route)
        precondition(
            denied.cause == .rule(0) && !denied.passes || denied.cause == .disguisedMethod,
            "an allowance takes what a denial does not")
    } else if verdict.cause == .noRule || verdict.cause == .handshake {
        precondition(!traces.contains { $0.decided }, "a rule matches that did not decide")
    }
}
