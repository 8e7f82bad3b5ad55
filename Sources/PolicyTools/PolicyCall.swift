import MCP
import NormalForms
import Policy
import StrictJSON

/// A call as the policy commands know it: written by hand, recorded, or made up.
public struct PolicyCall: Hashable, Sendable {
    /// One label of the caller.
    public struct Label: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// Its value.
        public var value: String
        /// Whether it is only the caller's own word, which makes no rule allow.
        public var isClaimed: Bool

        /// A label.
        public init(name: String, value: String, isClaimed: Bool = false) {
            self.name = name
            self.value = value
            self.isClaimed = isClaimed
        }
    }

    /// The message, JSON.
    public var message: [UInt8]
    /// The caller's name; nil for an anonymous one.
    public var subject: String?
    /// The caller's roles.
    public var roles: [String] = []
    /// The caller's tenant.
    public var tenant: String?
    /// The caller's labels.
    public var labels: [Label] = []
    /// The route.
    public var route = "default"
    /// Whether a server sent it.
    public var isFromServer = false

    /// A call by its message.
    public init(message: [UInt8]) { self.message = message }

    /// A call by its parts.
    ///
    /// - Parameters:
    ///   - params: JSON; nil for none.
    ///   - isNotification: whether nobody answers it; nil: as its name says.
    public init(method: String, params: String?, isNotification: Bool? = nil) {
        var bytes = Array(#"{"jsonrpc":"2.0","#.utf8)
        if !(isNotification ?? method.hasPrefix("notifications/")) { bytes += #""id":1,"#.utf8 }
        bytes += #""method":"#.utf8
        JSONText.appendString(method, to: &bytes)
        if let params { bytes += ",\"params\":\(params)".utf8 }
        bytes.append(UInt8(ascii: "}"))
        message = bytes
    }

    /// The params of a call of a tool or prompt.
    ///
    /// - Parameter arguments: JSON; nil for none.
    public static func params(name: String, arguments: String?) -> String {
        var bytes = Array(#"{"name":"#.utf8)
        JSONText.appendString(name, to: &bytes)
        if let arguments { bytes += ",\"arguments\":\(arguments)".utf8 }
        return String(decoding: bytes, as: UTF8.self) + "}"
    }

    /// The params of a request for a resource.
    public static func params(uri: String) -> String { #"{"uri":\#(json(uri))}"# }

    /// A text as JSON.
    public static func json(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONText.appendString(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Why a call cannot be decided about: it is no message that the gateway would read.
public struct UnreadableCall: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong with it.
    public let description: String
}

/// Decides about calls outside of the gateway, as the gateway would.
public struct PolicyRunner: ~Copyable {
    /// The policy.
    public let policy: CompiledPolicy
    private let library: UnicodeLibrary
    private var evaluator: PolicyEvaluator
    private var tape = JSONTape()

    /// A runner of one policy.
    ///
    /// - Throws: `PolicyError`.
    public init(_ model: PolicyModel, _ library: UnicodeLibrary) throws(PolicyError) {
        policy = try CompiledPolicy(model, library)
        self.library = library
        evaluator = PolicyEvaluator(library)
    }

    /// What the policy says of a call.
    ///
    /// - Throws: `UnreadableCall`.
    public mutating func decide(_ call: PolicyCall) throws(UnreadableCall) -> PolicyVerdict {
        let sender = call.isFromServer ? Peer.server : Peer.client
        let message = try read(call, sender)
        return evaluator.decide(
            policy, message, tape, call.message.span, caller: caller(call), route: PolicyText(call.route, library),
            from: sender)
    }

    /// What each rule makes of a call, up to the one that decides.
    ///
    /// - Throws: `UnreadableCall`.
    public mutating func trace(_ call: PolicyCall) throws(UnreadableCall) -> [RuleTrace] {
        let message = try read(call, call.isFromServer ? .server : .client)
        return evaluator.trace(
            policy, message, tape, call.message.span, caller: caller(call), route: PolicyText(call.route, library))
    }

    private mutating func read(_ call: PolicyCall, _ sender: Peer) throws(UnreadableCall) -> MessageSummary {
        do throws(JSONError) {
            try JSONParser().parse(call.message.span, into: &tape)
        } catch {
            throw UnreadableCall(description: "it is no strict JSON: \(error)")
        }
        do throws(GatewayError) {
            return try MessageSummary(tape, call.message.span, from: sender)
        } catch {
            throw UnreadableCall(description: "the gateway refuses it whatever the policy: \(error)")
        }
    }

    private func caller(_ call: PolicyCall) -> PolicyCaller {
        PolicyCaller(
            subject: call.subject.map { PolicyText($0, library) }, roles: call.roles.map { PolicyText($0, library) },
            tenant: call.tenant.map { PolicyText($0, library) },
            labels: call.labels.map { PolicyLabel(name: $0.name, value: $0.value, isRacy: $0.isClaimed, library) })
    }

    /// What records say of a request about a task that the gateway does not carry, whatever the policy.
    var unboundTaskReason: String { policy.reason(of: .unboundTask) }

    /// What decided, in words: the rule's name, or what holds without one.
    public func causeName(_ cause: PolicyCause) -> String { policy.name(of: cause) ?? PolicyRunner.words(cause) }

    private static func words(_ cause: PolicyCause) -> String {
        switch cause {
        case .rule(let index): "rule \(index)"
        case .responsePattern(let index): "response pattern \(index)"
        case .noRule: "(no rule)"
        case .allowedTools: "(allowed_tools)"
        case .handshake: "(handshake)"
        case .serverMessage: "(server message)"
        case .unboundTask: "(tasks)"
        case .disguisedMethod: "(disguised method)"
        case .answer: "(answer)"
        case .unsearchable: "(unreadable)"
        }
    }
}
