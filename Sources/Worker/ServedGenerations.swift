/// What a role has made of the generations that may be asked for: the one in force, the prepared one, and earlier ones until they are released.
///
/// The workers switch one after the other, so a peer may already, or still, speak of another generation than the one in force here.
public struct ServedGenerations<Settings> {
    /// Earlier generations kept at most: then the oldest is forgotten, and what still names it is refused.
    public static var keptLimit: Int { 64 }

    /// What is in force.
    public private(set) var current: Settings
    /// The number of what is in force.
    public private(set) var number: UInt64
    private var prepared: (number: UInt64, settings: Settings)?
    private var earlier: [(number: UInt64, settings: Settings)] = []

    /// The generation that the worker was started under.
    public init(_ settings: Settings, number: UInt64) {
        current = settings
        self.number = number
    }

    /// The newest generation that anybody may speak of.
    public var newest: UInt64 { prepared?.number ?? number }

    /// What a generation means; nil if it is not known here, or no longer.
    @inlinable
    public func find(_ number: UInt64) -> Settings? { number == self.number ? current : findOther(number) }

    @usableFromInline
    func findOther(_ number: UInt64) -> Settings? {
        if let prepared, prepared.number == number { return prepared.settings }
        return earlier.first { $0.number == number }?.settings
    }

    /// Keeps what is ready to be switched to.
    public mutating func prepare(_ settings: Settings, number: UInt64) { prepared = (number, settings) }

    /// Forgets what was prepared.
    public mutating func abandon() { prepared = nil }

    /// Switches to what was prepared. What was in force is kept if `keeps`.
    public mutating func commit(keeps: Bool) {
        guard let next = prepared else { return }
        prepared = nil
        if keeps {
            earlier.append((number, current))
            if earlier.count > ServedGenerations.keptLimit { earlier.removeFirst() }
        }
        (number, current) = next
    }

    /// Forgets an earlier generation; the one in force stays.
    public mutating func release(_ number: UInt64) { earlier.removeAll { $0.number == number } }
}
