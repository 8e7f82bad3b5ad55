import Configuration
import Crypto
import Glibc

/// The place of what outlives the daemon. Where nobody named one and the usual one cannot be used, the daemon does without and says so.
struct StateDirectory {
    /// The directory, checked and locked, once it is open.
    private(set) var directory: OwnDirectory?
    /// Why there is none, or why nothing can be kept in it.
    private(set) var problem: String?

    private let path: String?
    private let isRequired: Bool
    private static let purpose = "state directory"

    /// The place that a configuration names.
    init(_ configuration: Configuration) {
        path = configuration.stateDirectory
        isRequired = configuration.stateIsRequired
        if path == nil {
            problem = "no state directory: neither HOME nor XDG_STATE_HOME names a place; use --state-dir"
        }
    }

    /// Makes the directory where it is missing; as root, for `owner`.
    /// - Throws: `StartError` if a directory that is required cannot be made.
    mutating func prepare(owner: (uid: uid_t, gid: gid_t)?) throws(StartError) {
        guard let path, problem == nil else { return }
        do throws(StartError) {
            try OwnDirectory.prepare(path, purpose: StateDirectory.purpose, owner: owner)
        } catch {
            try doWithout(error)
        }
    }

    /// Checks and locks the directory as the user the daemon runs as.
    /// - Throws: `StartError` if it is required and cannot be used, is in use, or is not safe.
    mutating func open() throws(StartError) {
        guard let path, problem == nil else { return }
        do throws(StartError) {
            directory = try OwnDirectory(path, purpose: StateDirectory.purpose, option: "--state-dir")
        } catch {
            try doWithout(error)
        }
    }

    /// The keys that seal session ids, newest first; without a directory, one that ends with this process.
    /// - Throws: `StartError` if a key's file is not safe, or if one cannot be kept in a directory that is required.
    mutating func sessionKeys() throws(StartError) -> [[UInt8]] {
        if let directory {
            do throws(StartError) {
                return try KeyFile.session.load(in: directory)
            } catch {
                try doWithout(error)
            }
        }
        var key: [UInt8] = []
        SecureRandom.append(IngressGeneration.keyLength, to: &key)
        return [key]
    }

    /// The secret of the key that signs checkpoints of the audit log; without a directory, one that ends with this process.
    /// - Throws: as `sessionKeys`.
    mutating func auditKey() throws(StartError) -> [UInt8] {
        if let directory {
            do throws(StartError) {
                if let key = try KeyFile.audit.load(in: directory).first { return key }
            } catch {
                try doWithout(error)
            }
        }
        var key: [UInt8] = []
        SecureRandom.append(RecorderGeneration.checkpointKeyLength, to: &key)
        return key
    }

    /// What the kernel says where a directory cannot be written; anything else (another's directory, a running daemon) is never passed over.
    private static let unwritable: Set<Int32> = [EACCES, EPERM, EROFS, ENOENT, ENOTDIR, ENOSPC, EDQUOT]

    private mutating func doWithout(_ error: StartError) throws(StartError) {
        guard !isRequired, let code = error.code, StateDirectory.unwritable.contains(code) else { throw error }
        problem = error.description
    }
}
