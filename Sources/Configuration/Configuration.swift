/// One validated configuration of the daemon. Times are nanoseconds, sizes bytes; defaults are those of DESIGN 12.
public struct Configuration: Equatable, Sendable {
    /// One upstream and what belongs to it.
    public struct Route: Equatable, Sendable {
        /// The route's name in logs, metrics and status.
        public var name: String
        /// The server.
        public var upstream: UpstreamURL
        /// Globs for the names of the tools it owns (`match_tools`); the first route that matches has a tool.
        public var matchTools: [String]
        /// Labels of records and for policy.
        public var labels: [Authentication.Label]

        /// A route.
        public init(
            name: String, upstream: UpstreamURL, matchTools: [String] = ["*"], labels: [Authentication.Label] = []
        ) {
            self.name = name
            self.upstream = upstream
            self.matchTools = matchTools
            self.labels = labels
        }
    }

    /// How workers are watched and restarted.
    public struct Supervision: Equatable, Sendable {
        /// The wait before the first restart.
        public var backoffMinimum: UInt64 = 10_000_000
        /// The longest wait.
        public var backoffMaximum: UInt64 = 10_000_000_000
        /// So many crashes within the window mark a worker down.
        public var crashLimit = 10
        /// The window, and how long a worker that is down stays so before it is tried again.
        public var crashWindow: UInt64 = 60_000_000_000
        /// The time between pings.
        public var pingInterval: UInt64 = 1_000_000_000
        /// A worker silent for so long is killed.
        public var pingTimeout: UInt64 = 5_000_000_000
        /// A worker not ready after so long is killed.
        public var startTimeout: UInt64 = 5_000_000_000

        /// The defaults.
        public init() {}
    }

    /// Limits and time-outs of the message path.
    public struct Limits: Equatable, Sendable {
        /// The largest request body.
        public var requestBody: UInt64 = 4 << 20
        /// The largest reply.
        public var reply: UInt64 = 16 << 20
        /// The largest event of a stream.
        public var event: UInt64 = 16 << 20
        /// The time a client has to send a request's head.
        public var headTimeout: UInt64 = 10_000_000_000
        /// The time a body may stand still.
        public var bodyTimeout: UInt64 = 30_000_000_000
        /// The time an upstream may take for a reply, counted anew at each sign of progress.
        public var requestTimeout: UInt64 = 600_000_000_000
        /// The time a request may take, whatever its progress.
        public var requestLimit: UInt64 = 3_600_000_000_000
        /// The time between comments that keep an open stream alive.
        public var keepAlive: UInt64 = 15_000_000_000
        /// The time to connect to an upstream.
        public var connectTimeout: UInt64 = 5_000_000_000
        /// Upstream connections per route.
        public var upstreamConnections = 64
        /// How long an idle upstream connection is kept.
        public var upstreamIdle: UInt64 = 90_000_000_000
        /// Requests that may wait per route.
        public var queue = 256

        /// The defaults.
        public init() {}
    }

    /// The sessions of legacy clients.
    public struct Sessions: Equatable, Sendable {
        /// A session not used for so long is over (`session.ttl`).
        public var idle: UInt64 = 1_800_000_000_000
        /// A session this old is over however busy it is.
        public var lifetime: UInt64 = 86_400_000_000_000
        /// Whether other instances have the same key: sessions that they began are taken over.
        public var isShared = false

        /// The defaults.
        public init() {}
    }

    /// Where clients connect.
    public var listen = ListenAddress(host: "127.0.0.1", port: 9090)
    /// Where health and metrics are served.
    public var metricsAddress = ListenAddress(host: "127.0.0.1", port: 9091)
    /// The upstreams.
    public var routes: [Route]
    /// The account to become when started as root.
    public var user: String?
    /// State that outlives the process; nil if there is no place for it.
    public var stateDirectory: String?
    /// Whether the state directory was named: then the daemon does not start without it.
    public var stateIsRequired: Bool
    /// Sockets of the running process.
    public var runtimeDirectory: String
    /// The time in-flight requests have after SIGTERM.
    public var drainTimeout: UInt64 = 30_000_000_000
    /// Refuse to start with less confinement than promised.
    public var strictSandbox = false
    /// Supervision.
    public var supervision = Supervision()
    /// Limits.
    public var limits = Limits()
    /// Sessions.
    public var sessions = Sessions()
    /// The policy.
    public var policy = PolicyFile.none
    /// How a blocked tool call is told.
    public var denials = DenialForm.result
    /// Whether answers to denied calls name the rule (`disclose_rules`).
    public var disclosesRules = false
    /// Records.
    public var audit = Audit()
    /// Who may use the gateway.
    public var authentication = Authentication()
    /// How much each subject may ask; nil: as much as it likes.
    public var rateLimit: RateLimit?
    /// SHA-256 of the key of the management listener (`metrics.api_key`); nil if there is none.
    public var metricsKeyDigest: [UInt8]?

    /// A configuration with the embedded defaults.
    public init(
        routes: [Route], stateDirectory: String?, stateIsRequired: Bool = true, runtimeDirectory: String
    ) {
        self.routes = routes
        self.stateDirectory = stateDirectory
        self.stateIsRequired = stateIsRequired
        self.runtimeDirectory = runtimeDirectory
    }
}
