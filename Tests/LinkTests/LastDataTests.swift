import Testing

@testable import Link

/// `lastData` saves a frame and means nothing new: in every state of a stream it is what `data` and `end` would be.
@Suite struct LastDataTests {
    @Test(arguments: [LinkSide.opener, .acceptor])
    func inEveryStateItIsDataAndThenEnd(side: LinkSide) throws {
        var taken = 0
        for state in StreamState.all(side) {
            var split = try #require(try state.table(side), "\(state.name)")
            var joined = try #require(try state.table(side), "\(state.name)")
            for count in [1, FrameHead.maximumData, FrameHead.maximumData, FrameHead.maximumData] {
                let separate = outcome(of: [.data, .end], &split, count)
                let together = outcome(of: [.lastData], &joined, count)
                #expect(separate == together, "\(state.name)")
                if case .success = together { taken += 1 }
                #expect(split.isActive(StreamState.id) == joined.isActive(StreamState.id), "\(state.name)")
                #expect(split.activeCount == joined.activeCount, "\(state.name)")
            }
        }
        #expect(taken > 0)
    }

    private func outcome(
        of types: [FrameType], _ table: inout StreamTable, _ count: Int
    ) -> Result<[StreamOutcome], LinkViolation> {
        var outcomes: [StreamOutcome] = []
        do throws(LinkViolation) {
            for type in types {
                let length = type == .end ? 0 : count
                outcomes.append(try table.receive(FrameHead(type: type, length: length, stream: StreamState.id)))
                if type == .lastData { outcomes.append(try table.endOfLastData(StreamState.id)) }
            }
        } catch {
            return .failure(error)
        }
        return .success(outcomes)
    }
}
