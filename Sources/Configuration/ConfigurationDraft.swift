/// What the options say, before defaults that depend on several of them are filled in.
struct ConfigurationDraft: Sendable {
    /// Everything that one option alone decides.
    var configuration = Configuration(routes: [], stateDirectory: nil, runtimeDirectory: "")
    /// `upstream`.
    var upstream: UpstreamURL?
    /// `routing.routes`, without the one that `upstream` makes.
    var routes: [Configuration.Route] = []
    /// `state_dir`.
    var stateDirectory: String?
    /// `runtime_dir`.
    var runtimeDirectory: String?
    /// `policy`: the file.
    var policy: String?
    /// `audit_log`.
    var auditLog: String?
    /// `auth.required`.
    var isAuthenticationRequired: Bool?
    /// `rate_limit.requests_per_second`, in thousandths.
    var milliRate: UInt64?
    /// `rate_limit.burst`.
    var burst: Int?
    /// `telemetry.otlp_endpoint`.
    var telemetryEndpoint: String?
    /// Where values go of which nothing is made yet.
    var unused = Unused()

    /// Values that were read to see whether they can be.
    struct Unused: Sendable {
        var text: String?
        var texts: [String] = []
        var secret: [UInt8] = []
        var time: UInt64 = 0
        var number = 0
        var truth = false
        var word = ""
    }
}
