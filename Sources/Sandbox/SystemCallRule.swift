/// A condition on one argument of a system call: `(argument & mask) == value`.
struct Condition: Sendable, Hashable {
    /// What an argument is compared with.
    enum Value: Sendable, Hashable {
        case number(UInt64)
        /// The id of the process that confines itself.
        case ownProcess
        /// The directory in which the recorder works; a number that is no descriptor's where there is none.
        case recordDirectory
    }

    let argument: UInt32
    let mask: UInt64
    let value: Value

    /// The whole argument has this value.
    static func argument(_ index: UInt32, is value: UInt64) -> Condition {
        Condition(argument: index, mask: .max, value: .number(value))
    }

    /// None of these bits is set.
    static func argument(_ index: UInt32, lacks bits: UInt64) -> Condition {
        Condition(argument: index, mask: bits, value: .number(0))
    }

    /// Of the bits in `mask`, exactly these are set.
    static func argument(_ index: UInt32, masked mask: UInt64, is bits: UInt64) -> Condition {
        Condition(argument: index, mask: mask, value: .number(bits))
    }

    /// The argument, an `int`, is the descriptor of the recorder's directory.
    static func recordDirectory(_ index: UInt32) -> Condition {
        Condition(argument: index, mask: 0xffff_ffff, value: .recordDirectory)
    }

    /// The argument is this process's own id.
    static func ownProcess(_ index: UInt32) -> Condition {
        Condition(argument: index, mask: .max, value: .ownProcess)
    }
}

/// One line of an allow-list: a call, the conditions under which the line applies (all of them), and what happens then.
struct SystemCallRule: Sendable, Hashable {
    let name: String
    let conditions: [Condition]
    /// `nil`: the call is allowed. Else it is refused with this errno, for calls that libraries try and can do without.
    let refusal: Int32?

    static func allow(_ name: String, _ conditions: Condition...) -> SystemCallRule {
        SystemCallRule(name: name, conditions: conditions, refusal: nil)
    }

    static func refuse(_ name: String, _ errno: Int32, _ conditions: Condition...) -> SystemCallRule {
        SystemCallRule(name: name, conditions: conditions, refusal: errno)
    }
}

/// What happens to a call that no line of a role's allow-list names.
enum UnlistedCall: Sendable {
    /// The process ends: the program makes no such call, so whoever made it is not the program.
    case endsProcess
    /// EPERM: name service modules of other makers run in the dialer, and what their libraries try at their start (libcap asks for its
    /// bounding set) must not end it on one host and not on another.
    case refused
}

/// Lines that belong together, under a name that `mcpgw sandbox` prints.
struct SystemCallGroup: Sendable {
    let name: String
    let rules: [SystemCallRule]

    init(_ name: String, _ rules: [SystemCallRule]) {
        self.name = name
        self.rules = rules
    }

    /// Calls that need no condition.
    init(_ name: String, allow names: String...) {
        self.init(name, names.map { .allow($0) })
    }
}
