import CKernel
import Crypto
import Glibc
import Link

@testable import Segment
@testable import Sessions

let library: CryptoLibrary = {
    do { return try CryptoLibrary.load() } catch { fatalError("\(error)") }
}()

/// SplitMix64, so that a printed seed repeats a failure.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// A table's memory that notes every store, so that a test can stop after any of them as a SIGKILL would.
final class RecordingMemory: TableMemory {
    var stores: [(offset: Int, value: UInt64)] = []

    override func store(_ offset: Int, _ value: UInt64) {
        stores.append((offset, value))
        super.store(offset, value)
    }

    /// All words.
    var content: [UInt64] { stride(from: 0, to: size, by: 8).map { load($0) } }

    /// Another memory with this content.
    static func holding(_ content: [UInt64]) throws -> RecordingMemory {
        let descriptor = try TableMemory.create("mcpgw-test", size: content.count * 8)
        defer { close(descriptor) }
        let memory = try RecordingMemory(descriptor)
        for (index, word) in content.enumerated() where word != 0 { memory.store(index * 8, word) }
        memory.stores = []
        return memory
    }

    /// The contents that a successor could find if this writer were killed during the stores noted, the last being all of them.
    func contentsIfKilled(after content: [UInt64]) -> [[UInt64]] {
        var content = content
        var contents = [content]
        for store in stores {
            content[store.offset / 8] = store.value
            contents.append(content)
        }
        return contents
    }
}

func recordingMemory(_ descriptor: Int32) throws -> RecordingMemory {
    defer { close(descriptor) }
    let memory = try RecordingMemory(descriptor)
    memory.stores = []
    return memory
}

extension SessionGrant {
    static func sample(
        _ random: inout SeededRandom, created: UInt64, lifetime: UInt64 = 86_400
    ) -> SessionGrant {
        SessionGrant(
            uuid: SessionUUID(low: random.next(), high: random.next()),
            revision: UInt8(truncatingIfNeeded: random.next()),
            capabilities: SessionCapabilities(rawValue: UInt32(truncatingIfNeeded: random.next())), created: created,
            expires: created + lifetime)
    }
}

/// The error that `body` throws, or nil.
func segmentError(_ body: () throws(SegmentError) -> Void) -> SegmentError? {
    do throws(SegmentError) {
        try body()
        return nil
    } catch {
        return error
    }
}
