import Configuration
import Crypto
import Identity
import Worker

/// Everything that the ingress makes of one generation. Never changes: a request keeps that of the generation which admits it, from its head on.
final class IngressSettings {
    /// The generation's number.
    let number: UInt64
    let generation: IngressGeneration
    /// Which route a message belongs to; nil where there is one.
    let routing: Routing?
    /// Who asks. No other role has the keys.
    let authenticator: Authenticator
    /// Where it is found as long as it is in use: a weak reference would cost more at every use of this object.
    final class Place {
        fileprivate(set) unowned var settings: IngressSettings?
    }

    let place = Place()
    /// Nobody uses it any more.
    private let ended: (UInt64) -> Void

    /// Builds everything that may fail.
    /// - Throws: `GenerationRefusal`.
    init(_ bytes: [UInt8], number: UInt64, ended: @escaping (UInt64) -> Void) throws(GenerationRefusal) {
        self.number = number
        self.ended = ended
        generation = try GenerationRefusal.decoding(IngressGeneration.self, bytes)
        do {
            routing = try Routing(generation)
        } catch {
            throw GenerationRefusal("names cannot be compared: \(error)")
        }
        do {
            authenticator = try Authenticator(
                try CryptoLibrary.load(), isRequired: generation.requiresAuthentication, keys: generation.keys,
                labelClaims: generation.labelClaims)
        } catch {
            throw GenerationRefusal("nobody can be authenticated: \(error)")
        }
        place.settings = self
    }

    deinit {
        place.settings = nil
        ended(number)
    }
}

/// What the first settings call, which are made before there is an ingress.
final class LaterEnd {
    var call: ((UInt64) -> Void)?
}

/// The generations under which requests are in flight, so that routes need not keep the others.
struct UsedGenerations {
    private var used: [UInt64: IngressSettings.Place] = [:]

    /// The generation that the worker was started under.
    init(_ settings: IngressSettings) { began(settings) }

    /// A generation came into force.
    mutating func began(_ settings: IngressSettings) { used[settings.number] = settings.place }

    /// The settings of a generation that is still in use.
    func find(_ number: UInt64) -> IngressSettings? { used[number]?.settings }

    /// A generation is used no more. False: it never was, since its reload was given up.
    mutating func ended(_ number: UInt64) -> Bool { used.removeValue(forKey: number) != nil }
}

/// From one generation to the next.
extension Ingress {
    /// The generation in force: for what is the worker's and not one request's.
    var generation: IngressGeneration { settings.generation }

    /// The settings of the generation that admitted a request.
    func settings(of number: UInt64) -> IngressSettings {
        number == settings.number ? settings : usedGenerations.find(number) ?? settings
    }

    /// Makes ready for a generation; requests whose heads come after the switch are admitted under it.
    public func prepare(_ bytes: [UInt8], number: UInt64) throws(GenerationRefusal) -> () -> Void {
        let next = try IngressSettings(bytes, number: number, ended: noteEnded)
        guard next.generation.routes.map(\.name) == generation.routes.map(\.name) else {
            throw GenerationRefusal("it has other routes")
        }
        return { [unowned self] in
            usedGenerations.began(next)
            settings = next
            access.adopt(next.generation)
        }
    }

    /// What to do when nobody uses a generation any more: in a turn of its own, since that may be in the middle of anything.
    var noteEnded: (UInt64) -> Void {
        // Strongly: an ingress lives as long as its process.
        { [self] number in
            loop.execute { [self] in
                if usedGenerations.ended(number) { supervision.released(number) }
            }
        }
    }
}
