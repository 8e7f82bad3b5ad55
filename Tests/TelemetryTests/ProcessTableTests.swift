import Link
import Roles
import Testing

@testable import Telemetry

@Suite struct ProcessTableTests {
    private static let states = (0...UInt8.max).compactMap(ProcessTable.WorkerState.init)

    private func table(_ random: inout SeededRandom) -> ProcessTable {
        ProcessTable(
            supervisor: Int32(bitPattern: random.number()), generation: random.number(), startedAt: random.number(),
            ready: Bool.random(using: &random), draining: Bool.random(using: &random),
            workers: random.list { random in
                ProcessTable.Worker(
                    role: Role.allCases.randomElement(using: &random) ?? .route, index: random.number(),
                    name: random.text(),
                    pid: Int32(bitPattern: random.number()), state: Self.states.randomElement(using: &random) ?? .down,
                    restarts: random.number(), lastExit: random.text(),
                    confinement: random.list { UInt8(truncatingIfNeeded: $0.next()) })
            },
            routes: random.list { random in
                ProcessTable.Route(name: random.text(), upstream: random.text(maximum: 400))
            },
            listeners: random.list { random in
                ProcessTable.Listener(name: random.text(), address: random.text(), served: Bool.random(using: &random))
            },
            degraded: random.list { $0.text() })
    }

    private func decode(_ bytes: [UInt8]) throws(LinkViolation) -> ProcessTable {
        try ProcessTable(decoding: bytes.span)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func everyTableSurvivesEncodingAndDecoding(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let table = table(&random)
            #expect(try decode(table.encode()) == table, "seed \(seed)")
        }
    }

    @Test(arguments: [11, 12] as [UInt64])
    func truncatedAndExtendedBytesAreRefused(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<10 {
            let bytes = table(&random).encode()
            for count in bytes.indices {
                #expect(throws: LinkViolation.badPayload) { try decode(Array(bytes[..<count])) }
            }
            for byte in [0, 1, 0xFF] as [UInt8] {
                #expect(throws: LinkViolation.badPayload) { try decode(bytes + [byte]) }
            }
        }
    }

    @Test(arguments: [21, 22] as [UInt64])
    func damagedBytesAreRefusedOrMeanExactlyTheirBytes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<5 {
            let good = table(&random).encode()
            for position in good.indices {
                var bytes = good
                bytes[position] ^= UInt8.random(in: 1...255, using: &random)
                do throws(LinkViolation) {
                    let again = try decode(bytes).encode()
                    #expect(again == bytes, "seed \(seed) byte \(position)")
                } catch {
                    #expect(error == .badPayload)
                }
            }
        }
    }

    @Test(arguments: [31, 32] as [UInt64])
    func anyBytesAreRefusedOrMeanExactlyTheirBytes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0..<120, using: &random)).map { _ in
                UInt8(truncatingIfNeeded: random.next() & 0x81)
            }
            do throws(LinkViolation) {
                let again = try decode(bytes).encode()
                #expect(again == bytes, "seed \(seed)")
            } catch {
                #expect(error == .badPayload)
            }
        }
    }

    /// An attacker who owns the writer must not make the console reserve memory for rows that are not there.
    @Test func lyingCountsAreRefused() {
        let empty = ProcessTable(
            supervisor: 1, generation: 2, startedAt: 3, ready: true, draining: false, workers: [], routes: [],
            listeners: [],
            degraded: []
        ).encode()
        // The four counts are the last sixteen bytes.
        for count in 0..<4 {
            for lie in [1, 0x0100_0000, .max] as [UInt32] {
                var bytes = empty
                for byte in 0..<4 {
                    bytes[bytes.count - 16 + count * 4 + byte] = UInt8(truncatingIfNeeded: lie >> UInt32(byte * 8))
                }
                #expect(throws: LinkViolation.badPayload) { try decode(bytes) }
            }
        }
    }

    @Test func rolesAndStatesThatDoNotExistAreRefused() throws {
        let table = ProcessTable(
            supervisor: 0, generation: 0, startedAt: 0, ready: false, draining: false,
            workers: [
                ProcessTable.Worker(
                    role: .supervisor, index: 0, name: "", pid: 0, state: .starting, restarts: 0, lastExit: "",
                    confinement: [])
            ], routes: [], listeners: [], degraded: [])
        let bytes = table.encode()
        // Fixed fields, those of reloads, the count of workers, then the role; index, empty name and pid stand before the state.
        let role = 4 + 8 + 8 + 1 + 1 + (3 * 8 + 4) + 4
        let state = role + 1 + 2 + 4 + 4
        for value in 0...UInt8.max {
            for position in [role, state] {
                var changed = bytes
                changed[position] = value
                let exists =
                    position == role ? Role(rawValue: value) != nil : ProcessTable.WorkerState(rawValue: value) != nil
                let decoded = try? decode(changed)
                #expect((decoded != nil) == exists)
                #expect(
                    decoded.map { position == role ? $0.workers[0].role.rawValue : $0.workers[0].state.rawValue }
                        ?? value == value)
            }
        }
    }

    @Test func everyStateHasAWordOfItsOwn() {
        #expect(Self.states.count == 6)
        #expect(Set(Self.states.map(\.name)).count == Self.states.count)
    }
}
