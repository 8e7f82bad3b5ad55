/// What one policy may hold, so that compiling and matching it stay bounded.
enum PolicyLimits {
    /// Bytes of a glob.
    static let globBytes = 1024
    /// Bytes of one piece of a glob that holds `?`: such a piece is compared place by place.
    static let wildPieceBytes = 64
    /// Bytes of an RE2 expression.
    static let expressionBytes = 4096
    /// RE2 expressions in all.
    static let expressions = 2000
    /// Memory of one RE2 expression with its matchers.
    static let expressionMemory: Int64 = 4 << 20
    /// Memory of all response patterns with their matchers.
    static let responseMemory: Int64 = 64 << 20
    /// Rules.
    static let rules = 100_000
    /// Bytes of a name or reason.
    static let textBytes = 1024
    /// Names and indexes in an argument's path.
    static let pathSteps = 32
}
