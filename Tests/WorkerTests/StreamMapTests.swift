import Link
import Testing

@testable import Worker

/// What the map keeps here.
private final class Kept {
    let number: Int

    init(_ number: Int = 0) { self.number = number }
}

@Suite struct StreamMapTests {
    private func stream(_ slot: UInt32, _ generation: UInt32) -> StreamID {
        StreamID(slot: slot, generation: generation)
    }

    @Test func whatIsKeptIsFoundByItsStreamOnly() {
        var map = StreamMap<Kept>()
        #expect(map[stream(3, 1)] == nil)
        #expect(map[.control] == nil)
        #expect(map.all.isEmpty)
        let kept = Kept()
        map.insert(kept, for: stream(3, 1))
        #expect(map[stream(3, 1)] === kept)
        #expect(map.count == 1)
        for other in [stream(3, 2), stream(3, 0), stream(2, 1), stream(4, 1), stream(2, 0), .control] {
            #expect(map[other] == nil, "\(other)")
            #expect(map.remove(other) == nil, "\(other)")
        }
        #expect(map[stream(3, 1)] === kept)
    }

    @Test func aStreamThatIsOverNeitherSeesNorTouchesTheNextInItsSlot() {
        var map = StreamMap<Kept>()
        let next = Kept()
        map.insert(Kept(), for: stream(0, 1))
        map.insert(next, for: stream(0, 2))
        #expect(map[stream(0, 1)] == nil)
        #expect(map.count == 1)
        #expect(map.remove(stream(0, 1)) == nil)
        #expect(map[stream(0, 2)] === next)
        #expect(map.count == 1)
        #expect(map.remove(stream(0, 2)) === next)
        #expect(map.remove(stream(0, 2)) == nil)
        #expect(map.count == 0)
    }

    /// A worker lives long: what it no longer keeps must be gone.
    @Test func nothingRemovedIsHeldOn() {
        var map = StreamMap<Kept>()
        weak var removed: Kept?
        weak var replaced: Kept?
        weak var cleared: Kept?
        do {
            let kept = (Kept(), Kept(), Kept())
            (removed, replaced, cleared) = kept
            map.insert(kept.0, for: stream(0, 1))
            map.insert(kept.1, for: stream(1, 1))
            map.insert(kept.2, for: stream(2, 1))
        }
        #expect(removed != nil && replaced != nil && cleared != nil)
        map.remove(stream(0, 1))
        map.insert(Kept(), for: stream(1, 2))
        #expect(removed == nil && replaced == nil && cleared != nil)
        #expect(map.count == 2)
        _ = map.removeAll()
        #expect(cleared == nil)
        #expect(map.count == 0)
    }

    /// Against a dictionary in which each slot has at most one stream.
    @Test(arguments: [1, 2, 3] as [UInt64]) func behavesLikeADictionaryOfTheLatestStreams(seed: UInt64) {
        var random = Generator(state: seed)
        var map = StreamMap<Kept>()
        var model: [StreamID: Int] = [:]
        for step in 0..<5000 {
            let id = stream(UInt32.random(in: 0..<6, using: &random), UInt32.random(in: 1..<4, using: &random))
            switch Int.random(in: 0..<40, using: &random) {
            case 0:
                #expect(sorted(map.removeAll()) == sorted(model), "seed \(seed)")
                model = [:]
            case 1..<16:
                map.insert(Kept(step), for: id)
                model = model.filter { $0.key.slot != id.slot }
                model[id] = step
            case 16..<28: #expect(map.remove(id)?.number == model.removeValue(forKey: id), "seed \(seed)")
            default: #expect(map[id]?.number == model[id], "seed \(seed)")
            }
            #expect(map.count == model.count, "seed \(seed)")
            #expect(sorted(map.all) == sorted(model), "seed \(seed)")
        }
    }

    private func sorted(_ list: [(stream: StreamID, element: Kept)]) -> [[Int]] {
        list.map { [Int($0.stream.slot), Int($0.stream.generation), $0.element.number] }.sorted { $0[0] < $1[0] }
    }

    private func sorted(_ model: [StreamID: Int]) -> [[Int]] {
        model.map { [Int($0.key.slot), Int($0.key.generation), $0.value] }.sorted { $0[0] < $1[0] }
    }

    /// SplitMix64: the same numbers everywhere.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }
}
