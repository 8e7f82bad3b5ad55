import Link
import MCP
import NormalForms
import StrictJSON
import Testing
import YAML

@testable import Policy

/// The host's library; without it nothing here can run.
let library: UnicodeLibrary = {
    do { return try UnicodeLibrary.load() } catch { fatalError("\(error)") }
}()

/// A member of an object.
struct Member {
    let name: String
    let value: Value

    init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// A value of a message, as the test means it.
indirect enum Value {
    case text(String)
    /// A scalar as spelt.
    case scalar(String)
    case array([Value])
    case object([Member])

    func append(to output: inout [UInt8], _ random: inout Random) {
        switch self {
        case .text(let text): appendString(text, to: &output, &random)
        case .scalar(let text): output += text.utf8
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                element.append(to: &output, &random)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                appendString(member.name, to: &output, &random)
                output.append(UInt8(ascii: ":"))
                member.value.append(to: &output, &random)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// Some characters as escapes, as the generator likes.
    private func appendString(_ text: String, to output: inout [UInt8], _ random: inout Random) {
        output.append(UInt8(ascii: "\""))
        for unit in text.utf16 {
            let mustEscape = unit < 0x20 || unit == 0x22 || unit == 0x5C || unit >= 0x80
            if mustEscape || random.below(12) == 0 {
                let digits = String(unit, radix: 16)
                output += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
            } else {
                output.append(UInt8(unit))
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

/// xorshift64*, so that a failure can be repeated from its seed.
struct Random {
    private var state: UInt64

    init(seed: UInt64) { state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// One call, as a test writes it.
struct Call {
    var method = "tools/call"
    var params: [Member] = []
    var isRequest = true
    var sender = Peer.client
    var upstreamName: String?
    var subject: String? = "agent-1"
    var roles: [String] = []
    var tenant: String?
    var labels: [(name: String, value: String, isRacy: Bool)] = []
    var route = "default"

    static func tool(_ name: String, _ arguments: [Member]) -> Call {
        Call(params: [Member("name", .text(name)), Member("arguments", .object(arguments))])
    }

    func bytes(seed: UInt64 = 0) -> [UInt8] {
        var random = Random(seed: seed)
        var members: [Member] = [
            Member("jsonrpc", .scalar("\"2.0\"")), Member("method", .text(method)), Member("params", .object(params)),
        ]
        if isRequest { members.append(Member("id", .scalar("1"))) }
        var bytes: [UInt8] = []
        Value.object(members).append(to: &bytes, &random)
        return bytes
    }

    var caller: PolicyCaller {
        PolicyCaller(
            subject: subject.map { PolicyText($0, library) }, roles: roles.map { PolicyText($0, library) },
            tenant: tenant.map { PolicyText($0, library) },
            labels: labels.map { PolicyLabel(name: $0.name, value: $0.value, isRacy: $0.isRacy, library) })
    }
}

/// Reads a policy that has no mistakes.
func policy(_ text: String) throws -> CompiledPolicy {
    let reading = PolicyModel.read(Array(text.utf8), library)
    #expect(reading.errors.isEmpty)
    return try CompiledPolicy(#require(reading.policy), library)
}

/// What a policy says about a JSON text.
func decide(_ policy: CompiledPolicy, _ bytes: [UInt8], _ call: Call = Call()) throws -> PolicyVerdict {
    var tape = JSONTape()
    try JSONParser().parse(bytes.span, into: &tape)
    let message = try MessageSummary(tape, bytes.span, from: call.sender)
    var evaluator = PolicyEvaluator(library)
    return evaluator.decide(
        policy, message, tape, bytes.span, caller: call.caller, route: PolicyText(call.route, library),
        from: call.sender, upstreamName: call.upstreamName.map { Array($0.utf8) })
}

func decide(_ policy: CompiledPolicy, _ call: Call) throws -> PolicyVerdict { try decide(policy, call.bytes(), call) }

/// A call of a tool with one argument, in JSON.
func callJSON(_ tool: String, _ arguments: String) -> [UInt8] {
    Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":\#(tool),"arguments":\#(arguments)}}"#.utf8)
}
