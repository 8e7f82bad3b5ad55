/// What Landlock takes away from a role (landlock(7), include/uapi/linux/landlock.h), as values for any ABI.
struct LandlockRights: Sendable, Hashable {
    /// Rights on files and directories that are denied unless a rule gives them.
    let files: UInt64
    /// TCP rights that are denied.
    let network: UInt64
    /// Scopes: what may not be reached outside the worker.
    let scopes: UInt64

    /// The newest ABI whose rights this module knows. A newer kernel is used as this one.
    static let newestABI = 7

    static let readFile: UInt64 = 1 << 2
    static let readDirectory: UInt64 = 1 << 3
    /// Write and read files, list, remove and make regular files, cut them (ABI 3).
    static let recordFiles: UInt64 = 1 << 1 | readFile | readDirectory | 1 << 5 | 1 << 8 | 1 << 14
    static let bindTCP: UInt64 = 1 << 0
    static let connectTCP: UInt64 = 1 << 1

    /// Everything that a kernel of this ABI can deny, except TCP connections where the role makes them.
    init(abi: Int, connects: Bool) {
        switch abi {
        case ..<1: files = 0
        case 1: files = (1 << 13) - 1  // execute ... make symbolic link
        case 2: files = (1 << 14) - 1  // + link or rename between directories (before, always denied)
        case 3, 4: files = (1 << 15) - 1  // + truncate
        default: files = (1 << 16) - 1  // + ioctl on devices
        }
        network = abi < 4 ? 0 : connects ? LandlockRights.bindTCP : LandlockRights.bindTCP | LandlockRights.connectTCP
        scopes = abi < 6 ? 0 : 0b11  // abstract Unix sockets, signals
    }

    /// The lowest ABI that has each facility.
    static func neededABI(for facility: Facility) -> Int? {
        switch facility {
        case .landlockFiles: 1
        case .landlockTCP: 4
        case .landlockScopes: 6
        default: nil
        }
    }
}
