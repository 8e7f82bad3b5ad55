import Configuration
import Link
import Worker

/// Everything that a route's worker makes of one generation. Never changes: an exchange keeps that of the generation which admitted it.
final class RouteSettings: Sendable {
    /// The generation's number.
    let number: UInt64
    let generation: RouteGeneration
    let policy: RoutePolicy
    /// The route's labels, for records.
    let labels: [Identity.Label]
    /// Bytes of a value that are recorded whole.
    let maximumValue: Int

    /// Builds everything that may fail.
    /// - Throws: `GenerationRefusal`.
    init(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) {
        self.number = number
        generation = try GenerationRefusal.decoding(RouteGeneration.self, bytes)
        do {
            policy = try RoutePolicy(generation)
        } catch {
            throw GenerationRefusal("the policy cannot be used: \(error)")
        }
        labels = generation.labels.map { Identity.Label(name: $0.name, value: $0.value) }
        maximumValue = Int(clamping: generation.maximumValue)
    }
}

/// From one generation to the next.
extension Route {
    /// The settings in force.
    var settings: RouteSettings { generations.current }
    /// The generation in force: for what is the worker's and not one exchange's.
    var generation: RouteGeneration { generations.current.generation }

    /// Makes ready for a generation. From here on the ingress may already admit under it.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        let next = try RouteSettings(bytes, number: number)
        // Another upstream would need other connections; the supervisor does not let it change.
        guard next.generation.name == generation.name, next.generation.authority == generation.authority,
            next.generation.target == generation.target, next.generation.eventKey == generation.eventKey
        else { throw GenerationRefusal("it is another route's") }
        // Sessions and lists of tools are one route's affair where there is one, and otherwise not.
        guard (next.policy.owners == nil) == (settings.policy.owners == nil) else {
            throw GenerationRefusal("it has other routes")
        }
        generations.prepare(next, number: number)
        return { [unowned self] in
            generations.commit(keeps: true)
            pool.generation = generation
            pool.dialing.generation = generation
            endOutdatedStreams()
        }
    }

    /// A stream ends when the policy that it was begun under is not in force any more (DESIGN 6): its client opens another, or takes it up again, and is
    /// decided about anew.
    private func endOutdatedStreams() {
        for exchange in exchanges where exchange.settings.generation.policyHash != generation.policyHash {
            exchange.endStream("the policy changed")
        }
    }

    /// The prepared generation is not to be served.
    public func abandon(_ number: UInt64) { generations.abandon() }

    /// The ingress has nothing any more that it admitted under this generation.
    public func release(_ number: UInt64) { generations.release(number) }
}
