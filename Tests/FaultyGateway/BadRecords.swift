import CKernel
import Glibc
import Segment
import Worker

/// What a worker that was taken over may put into its ring.
enum BadRecords {
    /// Commits it and wakes the recorder.
    static func commit(_ fault: Fault, _ ring: RingDescriptors) {
        guard let producer = try? RecordRingProducer(data: ring.data, progress: ring.progress) else { exit(4) }
        let time = "{\"timestamp\":\"2026-11-23T00:00:00.000000Z\",\"kind\":\"request\""
        switch fault {
        case .badRecord: append(time + "}\n" + time + "}", producer)
        case .forgedRecord: append(time + ",\"action\":\"allow\",\"seq\":1,\"prev\":\"\"}", producer)
        default:
            // The second word is the position up to which records are committed.
            if let words = unsafe ck_map(ring.data, 4096, true) {
                unsafe words.storeBytes(of: 1 << 40, toByteOffset: 8, as: UInt64.self)
            }
        }
        var byte: UInt8 = 1
        _ = unsafe send(ring.bell, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    private static func append(_ text: String, _ producer: RecordRingProducer) {
        let bytes = Array(text.utf8)
        _ = producer.append(bytes.span, effect: .none, request: 0, blocks: true)
    }
}
