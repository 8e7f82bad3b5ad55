import CKernel
import Configuration
import Glibc
import Segment

/// The directory of the audit log: made if it is missing, locked, and handed to the recorder as a descriptor. Without one nothing is served:
/// what cannot be recorded must not pass.
struct RecordPlace {
    /// The directory, for the recorder.
    let directory: Int32
    /// Its lock; the recorder holds it too, so that no other daemon begins while it drains.
    let lock: Int32

    private static let purpose = "directory of the audit log"
    /// A recorder that lost its supervisor ends within a second.
    private static let patience = 30

    /// The directory and the file's name.
    private static func split(_ configuration: Configuration) throws(StartError) -> (path: String, name: String) {
        guard let file = configuration.audit.file else {
            throw StartError(
                "there is no place for the audit log: neither HOME nor XDG_STATE_HOME names one; name a file with --audit-log"
            )
        }
        let parts = file.split(separator: "/")
        guard file.hasPrefix("/"), let name = parts.last, !file.hasSuffix("/"), name != ".", name != "..",
            name.utf8.count <= 200
        else { throw StartError("the audit log '\(file)' (--audit-log) is not the path of a file") }
        return ("/" + parts.dropLast().joined(separator: "/"), String(name))
    }

    /// Makes the directory where it is missing; as root, for `owner`.
    static func prepare(
        _ configuration: Configuration, owner: (uid: uid_t, gid: gid_t)?
    ) throws(StartError) {
        try OwnDirectory.prepare(try split(configuration).path, purpose: purpose, owner: owner)
    }

    /// Checks, locks and opens the directory as the user the daemon runs as.
    init(_ configuration: Configuration) throws(StartError) {
        let (path, name) = try RecordPlace.split(configuration)
        let own = try OwnDirectory(
            path, purpose: RecordPlace.purpose, option: "--audit-log", lockName: name + ".lock",
            patience: RecordPlace.patience)
        lock = own.lock
        directory = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else {
            throw StartError("cannot open the directory of the audit log \(path)", code: errno)
        }
    }
}

/// The record ring of one worker, which outlives every process of it and of the recorder.
struct WorkerRing {
    /// What the producer writes, and the same read-only.
    let data: (writable: Int32, readOnly: Int32)
    /// What the recorder writes, and the same read-only.
    let progress: (writable: Int32, readOnly: Int32)
    /// The socket on which each wakes the other: the producer's end and the recorder's. A socket, because an event loop can watch one without `fstat`, and
    /// because its end tells the recorder that the producer is gone when the supervisor is.
    let bell: (producer: Int32, recorder: Int32)

    /// Makes a new ring.
    init() throws(SegmentError) {
        let made = try RecordRing.create(ring: UInt64.random(in: 1 ... .max))
        data = (made.data, try WorkerRing.readOnly(made.data))
        progress = (made.progress, try WorkerRing.readOnly(made.progress))
        var ends: [Int32] = [-1, -1]
        let result = unsafe ck_stream_pair(&ends, 4096)
        guard result == 0 else { throw SegmentError(action: "make a bell", code: -result) }
        bell = (ends[0], ends[1])
    }

    private static func readOnly(_ descriptor: Int32) throws(SegmentError) -> Int32 {
        let copy = ck_reopen_read_only(descriptor)
        guard copy >= 0 else { throw SegmentError(action: "reopen a segment", code: -copy) }
        return copy
    }
}
