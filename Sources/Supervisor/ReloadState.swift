import Configuration
import Glibc
import PollLoop
import Telemetry

/// Reads the configuration anew from where the present one came: the whole of it, and what the administrator should know of it.
public typealias ConfigurationSource = () throws(ConfigurationError) -> (
    configuration: Configuration, warnings: [String]
)

/// What the supervisor knows of reloads: the one in progress, those that wait for it, and what came of the last.
struct ReloadState {
    /// Who asked.
    enum Asker: Equatable {
        /// SIGHUP.
        case signal
        /// The console, under this number.
        case console(UInt64)
    }

    /// The reload in progress.
    struct Running {
        let generation: UInt64
        let configuration: Configuration
        let countedRules: CountedRules
        let warnings: [String]
        /// What changed, in words.
        let summary: String
        var change: GenerationChange<Topology.WorkerID>
        /// Ends the present phase.
        var timer: PollLoop.Timer?
    }

    let load: ConfigurationSource
    var running: Running?
    /// Who waits for the reload in progress.
    var askers: [Asker] = []
    /// Who asked after it had read the files: they are read once more.
    var nextAskers: [Asker] = []
    /// The newest number that was given. One that was refused is not used again.
    var lastGeneration: UInt64 = 1
    /// Earlier generations under which the ingress may still have requests in flight.
    var kept: Set<UInt64> = []
    /// What is shown of it.
    var shown: ProcessTable.Reloads

    /// Requests of the console that may wait at once; it has fewer connections.
    static let askerLimit = 256

    init(load: @escaping ConfigurationSource) {
        self.load = load
        shown = ProcessTable.Reloads(loadedAt: ReloadState.now)
    }

    /// Seconds since 1970 UTC.
    static var now: UInt64 { UInt64(max(0, time(nil))) }
}
