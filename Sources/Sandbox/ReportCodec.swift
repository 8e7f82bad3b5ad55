import Roles

// The report on a link: version 1, role, Landlock ABI, number of cells; then a cell of three bytes for every facility in ascending order:
// raw value, state, detail. Everything else is refused: the sender is a worker, and the supervisor prints what it says.

extension ConfinementReport {
    private static let version: UInt8 = 1

    /// The report as bytes for a frame.
    public func encode() -> [UInt8] {
        var bytes: [UInt8] = [Self.version, role.rawValue, landlockABI, UInt8(Facility.allCases.count)]
        for facility in Facility.allCases {
            let (state, detail): (UInt8, UInt8) =
                switch self[facility] {
                case .notPromised: (0, 0)
                case .byConstruction: (1, 0)
                case .enforced: (2, 0)
                case .missing(.refused(let errno)): (3, errno)
                case .missing(.landlockABI(let needed)): (4, needed)
                case .missing(.switchedOff): (5, 0)
                case .missing(.needs(let other)): (6, other.rawValue)
                }
            bytes += [facility.rawValue, state, detail]
        }
        return bytes
    }

    /// Decodes the report of a worker of this role. `nil` when a byte is not as `encode` writes it, or when the report claims another
    /// set of promises than the table has.
    public init?(decoding bytes: [UInt8], from role: Role) {
        let facilities = Facility.allCases
        guard bytes.count == 4 + 3 * facilities.count, bytes[0] == Self.version, bytes[1] == role.rawValue,
            bytes[3] == UInt8(facilities.count)
        else { return nil }
        let sandbox = Sandbox.of(role)
        self.init(sandbox: sandbox, landlockABI: bytes[2])
        for (index, facility) in facilities.enumerated() {
            let cell = 4 + 3 * index
            guard bytes[cell] == facility.rawValue,
                let state = FacilityState(code: bytes[cell + 1], detail: bytes[cell + 2]),
                state.answers(sandbox.promise(facility))
            else { return nil }
            self[facility] = state
        }
    }
}

extension FacilityState {
    fileprivate init?(code: UInt8, detail: UInt8) {
        switch (code, detail) {
        case (0, 0): self = .notPromised
        case (1, 0): self = .byConstruction
        case (2, 0): self = .enforced
        case (3, 1...): self = .missing(.refused(errno: detail))
        case (4, 1...): self = .missing(.landlockABI(needed: detail))
        case (5, 0): self = .missing(.switchedOff)
        case (6, _):
            guard let other = Facility(rawValue: detail) else { return nil }
            self = .missing(.needs(other))
        default: return nil
        }
    }

    /// The state is one that a process can be in under this promise.
    fileprivate func answers(_ promise: Promise) -> Bool {
        switch (promise, self) {
        case (.none, .notPromised): true
        case (.byConstruction, .byConstruction), (.byConstruction, .enforced): true
        case (.required, .enforced), (.required, .missing): true
        case (.whereOffered, .enforced), (.whereOffered, .missing): true
        default: false
        }
    }
}
