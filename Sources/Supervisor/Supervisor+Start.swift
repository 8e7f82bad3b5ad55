import CKernel
import Configuration
import Glibc
import Segment

/// What happens once, before the first worker: descriptors, account, shared memory.
extension Supervisor {
    /// An account to become.
    struct Account {
        let name: String
        let uid: uid_t
        let gid: gid_t
    }

    /// Descriptors 0, 1 and 2 are open, so that no socket ever takes their numbers.
    static func openStandardDescriptors() {
        while true {
            let descriptor = unsafe open("/dev/null", O_RDWR)
            guard descriptor >= 0 else { return }
            if descriptor > 2 {
                close(descriptor)
                return
            }
        }
    }

    /// The account to become; nil when not started as root.
    static func account(_ configuration: Configuration) throws(StartError) -> Account? {
        guard geteuid() == 0 else {
            if let user = configuration.user {
                var (uid, gid): (uid_t, gid_t) = (0, 0)
                guard unsafe ck_find_user(user, &uid, &gid) == 0, uid == geteuid() else {
                    throw StartError("--user \(user): only root can become another user")
                }
            }
            return nil
        }
        guard let user = configuration.user else {
            throw StartError("started as root: name an unprivileged account to become with --user NAME")
        }
        var (uid, gid): (uid_t, gid_t) = (0, 0)
        let result = unsafe ck_find_user(user, &uid, &gid)
        guard result == 0 else {
            throw StartError("--user \(user)", code: -result, hint: "no such account; adduser --system --group \(user)")
        }
        guard uid != 0 else { throw StartError("--user \(user) is root; name an unprivileged account") }
        return Account(name: user, uid: uid, gid: gid)
    }

    /// Becomes the account for good; from here on nothing needs privilege.
    static func dropPrivileges(_ account: Account?) throws(StartError) {
        if let account {
            let result = unsafe ck_become_user(account.name, account.uid, account.gid)
            guard result == 0 else { throw StartError("cannot become user \(account.name)", code: -result) }
        }
        let result = ck_protect_memory()
        guard result == 0 else { throw StartError("cannot protect the process's memory", code: -result) }
        unsafe ck_set_name("mcpgw")
    }

    /// The segment in which the supervisor shows its state.
    static func makeProcessTable() throws(StartError) -> (segment: SnapshotSegment, readOnly: Int32) {
        do throws(SegmentError) {
            let descriptor = try SnapshotSegment.create()
            let readOnly = ck_reopen_read_only(descriptor)
            guard readOnly >= 0 else { throw SegmentError(action: "reopen a segment", code: -readOnly) }
            let segment = try SnapshotSegment(descriptor: descriptor, writable: true)
            close(descriptor)
            return (segment, readOnly)
        } catch {
            throw StartError("cannot \(error.action)", code: error.code)
        }
    }
}
