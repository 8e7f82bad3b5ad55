import Testing

@testable import MCP

@Suite struct MethodTests {
    @Test func everyMethodIsFoundByItsNameAndByNothingElse() {
        for method in MCP.Method.allCases where method != .other {
            let name = Array("\(method.name)".utf8)
            #expect(found(name) == method)
            for index in name.indices {
                var other = name
                other[index] ^= 0x20
                #expect(found(other) != method)
            }
            #expect(found(name + [0x20]) == .other)
            #expect(found(name.dropLast()) != method)
        }
        #expect(found([]) == .other)
        #expect("\(MCP.Method.other.name)" == "")
    }

    private func found(_ name: some Sequence<UInt8>) -> MCP.Method { .named(Array(name).span) }

    @Test func aMethodHasASenderAndANameThatSaysWhatItIs() {
        for method in MCP.Method.allCases {
            #expect(method.maySend(.client) || method.maySend(.server))
            #expect(method.isNotification == "\(method.name)".hasPrefix("notifications/"))
        }
    }

    /// What runs, changes or opens something is sent once.
    @Test func onlyWhatReadsMayBeSentTwice() {
        let reading = ["/list", "/get", "/read", "/complete", "/discover", "ping"]
        for method in MCP.Method.allCases {
            let name = "\(method.name)"
            #expect(
                method.isSafeToRepeat == (reading.contains { name.hasSuffix($0) } && !method.isNotification), "\(name)")
        }
    }
}

@Suite struct ProtocolRevisionTests {
    @Test func revisionsAreFoundByTheirDates() {
        for revision in ProtocolRevision.allCases {
            #expect(found("\(revision.text)") == revision)
        }
        for text in ["", "2026-07-29", "2026-07-28 ", " 2026-07-28", "2026-7-28", "2024-10-07", "DRAFT-2026-v1", "x"] {
            #expect(found(text) == nil)
        }
    }

    private func found(_ text: String) -> ProtocolRevision? { ProtocolRevision(Array(text.utf8).span) }

    @Test func theyAreInOrderAndDivideIntoEras() {
        let texts = ProtocolRevision.allCases.map { "\($0.text)" }
        #expect(texts == texts.sorted())
        #expect(ProtocolRevision.allCases.filter(\.isModern) == [.v2026_07_28])
        #expect(ProtocolRevision.allCases.filter(\.allowsBatches) == [.v2025_03_26])
        #expect(ProtocolRevision.allCases.max() == .latest)
        #expect(ProtocolRevision.allCases.filter { $0.era == .legacy }.max() == .latestLegacy)
    }
}
