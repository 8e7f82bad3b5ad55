import Roles

/// Why a facility that the table promises is not enforced in a process.
public enum Shortfall: Sendable, Hashable {
    /// The kernel or the host's settings said no; the number is an errno.
    case refused(errno: UInt8)
    /// The kernel's Landlock is too old.
    case landlockABI(needed: UInt8)
    /// The caller switched it off (a sanitised build and its address space).
    case switchedOff
    /// It rests on another facility, which is missing.
    case needs(Facility)
}

/// What one process found about one facility of its sandbox.
public enum FacilityState: Sendable, Hashable {
    case enforced
    case byConstruction
    case missing(Shortfall)
    case notPromised
}

/// What `confine` achieved in one process: a state for every facility. It travels from a worker to the supervisor in a frame.
public struct ConfinementReport: Sendable, Hashable {
    /// The role that was confined.
    public let role: Role
    /// The Landlock ABI that was used; 0 when the kernel has none.
    public let landlockABI: UInt8
    private var states: [Facility: FacilityState]

    /// A report in which every promised facility is still missing. `confine` fills it in.
    init(sandbox: Sandbox, landlockABI: UInt8) {
        role = sandbox.role
        self.landlockABI = landlockABI
        states = [:]
        for facility in Facility.allCases {
            states[facility] =
                switch sandbox.promise(facility) {
                case .none: .notPromised
                case .byConstruction: .byConstruction
                case .required, .whereOffered: .missing(.switchedOff)
                }
        }
    }

    /// The report of a role that only construction confines: the supervisor's.
    public init(byConstruction role: Role) {
        self.init(sandbox: .of(role), landlockABI: 0)
    }

    /// The state of one facility.
    public subscript(facility: Facility) -> FacilityState {
        get { states[facility] ?? .notPromised }
        set { states[facility] = newValue }
    }

    /// The table promises it to this role, by mechanism or by construction.
    public func promises(_ facility: Facility) -> Bool { self[facility] != .notPromised }

    /// Facilities that are enforced.
    public var enforced: Int { Facility.allCases.count { self[$0] == .enforced } }

    /// Facilities that are promised to be enforced (those by construction are not counted).
    public var promised: Int { enforced + missing.count }

    /// What is promised and not enforced, in table order.
    public var missing: [(facility: Facility, why: Shortfall)] {
        Facility.allCases.compactMap { facility in
            guard case .missing(let why) = self[facility] else { return nil }
            return (facility, why)
        }
    }

    /// What is missing and what `strict` does not accept to be missing.
    public var missingRequired: [Facility] {
        let sandbox = Sandbox.of(role)
        return missing.map(\.facility).filter { sandbox.promise($0) == .required }
    }
}

extension Shortfall: CustomStringConvertible {
    /// A few words for tables and logs.
    public var description: String {
        switch self {
        case .refused(let errno): "\(errnoName(Int32(errno)))"
        case .landlockABI(let needed): "needs Landlock ABI \(needed)"
        case .switchedOff: "switched off"
        case .needs(let facility): "needs \(facility.name)"
        }
    }
}
