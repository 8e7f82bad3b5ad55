/// The numbers that stand for ids on their way to servers and clients. Each says which route made it, so that an answer to a server's request finds the way back.
public struct RouteNumber: Sendable {
    /// Routes at most.
    public static let routes = 1024

    private var last: UInt64

    /// The numbers of one route's worker: a random start, so that a restarted worker's are not its predecessor's; below 2^53, where every JSON reader is exact.
    public init(route: UInt16) {
        last = UInt64.random(in: 1..<(1 << 20)) << 32 + UInt64(route) % UInt64(RouteNumber.routes)
    }

    /// The next number.
    public mutating func next() -> UInt64 {
        last += UInt64(RouteNumber.routes)
        return last
    }

    /// The route whose worker made a number.
    public static func route(of number: UInt64) -> Int { Int(number % UInt64(RouteNumber.routes)) }
}
