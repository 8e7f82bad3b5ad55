import HTTP1
import Link
import MCP
import NIOCore
import Records

/// Records what the ingress itself refuses. What is refused before anybody is known is counted per listener and reason, so that a flood of it costs little.
final class RefusalRecords {
    private struct Key: Hashable {
        let listener: String
        let status: Int
        let reason: String
    }

    /// Records of unknown clients' refusals in a second, at most.
    private static let rate = 10
    /// Kinds of them that are told apart.
    private static let kindLimit = 256
    /// Bytes of a value that are recorded: all of them are the gateway's own, or short.
    private static let maximumValue = 4096

    private let desk: RecordDesk
    private var counts: [Key: UInt64] = [:]
    /// How many may be written before the next second begins.
    private var left = rate
    private var second = NIODeadline.now()

    init(_ desk: RecordDesk) { self.desk = desk }

    /// A request that was refused for its head, or because it did not come in time.
    func note(_ refusal: Refusal, listener: String) {
        var key = Key(listener: listener, status: refusal.status, reason: refusal.reason)
        if counts.count >= RefusalRecords.kindLimit, counts[key] == nil {
            key = Key(listener: listener, status: refusal.status, reason: "others")
        }
        counts[key, default: 0] += 1
        flush(.now())
    }

    /// Writes what may be written by now; called twice a second too.
    func flush(_ now: NIODeadline) {
        guard !counts.isEmpty else { return }
        if now - second >= .seconds(1) {
            second = now
            left = RefusalRecords.rate
        }
        while left > 0, let (key, count) = counts.first {
            left -= 1
            let record = desk.begin(.refusal, .clientToServer, maximumValue: RefusalRecords.maximumValue)
            record.text(.action, "block")
            record.text(.reason, key.reason)
            record.number(.status, UInt64(key.status))
            record.text(.listener, key.listener)
            record.number(.count, count)
            // What the ring has no room for is counted on, and written later.
            guard (try? desk.commit(blocks: false)) != nil else { return }
            counts[key] = nil
        }
    }

    /// A message that was read and not passed on. It is refused whether or not the record finds room; the ring's counter shows the latter.
    func note(
        _ error: GatewayError, _ open: RequestOpen, callID: [UInt8]?, method: Method? = nil, toolName: [UInt8]? = nil,
        listener: String? = nil
    ) {
        let record = desk.begin(.refusal, .clientToServer, maximumValue: RefusalRecords.maximumValue)
        if let method { record.text(.method, method.name) }
        if let callID { record.json(.id, callID.span) }
        if let toolName { record.json(.toolName, toolName.span) }
        record.text(.action, "block")
        record.text(.reason, error.message)
        record.identity(open.identity)
        record.request(open.requestID)
        record.number(.size, open.bodyLength)
        if let listener { record.text(.listener, listener) }
        // A refusal is a denial too: what is held back on a full disk is for it. Otherwise no sync of its own.
        _ = try? desk.commit(blocks: desk.isStopped, effect: .answers)
    }
}
