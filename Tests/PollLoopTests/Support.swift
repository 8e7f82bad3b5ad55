import CKernel
import Glibc
import Link

@testable import PollLoop

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

/// The two ends of a pair of sockets.
struct Ends {
    let ours: Int32
    let peer: Int32

    static func stream(buffer: Int32 = 256 * 1024) -> Ends {
        var pair: [Int32] = [-1, -1]
        precondition(unsafe ck_stream_pair(&pair, buffer) == 0)
        return Ends(ours: pair[0], peer: pair[1])
    }

    static func packets() -> Ends {
        var pair: [Int32] = [-1, -1]
        precondition(unsafe ck_packet_pair(&pair) == 0)
        return Ends(ours: pair[0], peer: pair[1])
    }
}

extension PollLoop {
    /// Serves what is ready now, once: the wait is over at once and then `stop` is due.
    func turn() {
        after(0) { [unowned self] in stop() }
        run()
    }

    /// The watches that want to write, read out of the loop's own table.
    var writingWatches: Int {
        var count = 0
        for entry in Mirror(reflecting: self).descendant("entries").map({ Mirror(reflecting: $0).children })
            ?? .init([])
        {
            if Mirror(reflecting: entry.value).descendant("value", "writing") as? Bool == true { count += 1 }
        }
        return count
    }

    /// How many descriptors are watched.
    var watches: Int {
        Mirror(reflecting: self).descendant("entries").map { Mirror(reflecting: $0).children.count } ?? -1
    }
}

/// A frame as it stands on the wire.
func wire(_ type: FrameType, stream: StreamID = .control, _ payload: [UInt8] = []) -> [UInt8] {
    let words = FrameHead(type: type, length: payload.count, stream: stream).words
    var bytes: [UInt8] = []
    for word in [words.0, words.1] {
        for shift in 0..<UInt64(8) { bytes.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
    }
    return bytes + payload
}

/// Writes all bytes to a socket that has room for them.
func put(_ descriptor: Int32, _ bytes: [UInt8]) {
    precondition(unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
}

/// Takes what can be read now.
func take(_ descriptor: Int32, maximum: Int = .max) -> [UInt8] {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while all.count < maximum {
        let count = unsafe read(descriptor, &chunk, min(chunk.count, maximum - all.count))
        guard count > 0 else { break }
        all += chunk[..<count]
    }
    return all
}

/// Whether the other end has closed the connection.
func isAtEnd(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    return unsafe read(descriptor, &byte, 1) == 0
}

/// A frame with its payload, as a test compares it.
struct Received: Equatable {
    let type: FrameType
    let stream: StreamID
    let payload: [UInt8]

    init(_ type: FrameType, stream: StreamID = .control, _ payload: [UInt8] = []) {
        self.type = type
        self.stream = stream
        self.payload = payload
    }

    init(_ head: FrameHead, _ payload: Span<UInt8>) {
        var bytes: [UInt8] = []
        for index in payload.indices { bytes.append(payload[index]) }
        self.init(head.type, stream: head.stream, bytes)
    }
}

/// The open sockets, pipes and null devices of this process, which is all that these tests open. Only meaningful where no other test runs
/// beside: inside an exit test. The Swift runtime opens timers and files for itself at any time; those are left out.
func openDescriptors() -> Set<Int32> {
    guard let directory = unsafe opendir("/proc/self/fd") else { return [] }
    defer { unsafe closedir(directory) }
    let own = unsafe dirfd(directory)
    var found: Set<Int32> = []
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
            unsafe String(decoding: $0.prefix(while: { $0 != 0 }), as: UTF8.self)
        }
        guard let number = Int32(name), number != own else { continue }
        var target = [CChar](repeating: 0, count: 64)
        _ = unsafe readlink("/proc/self/fd/\(number)", &target, target.count)
        let text = String(decoding: target.prefix(while: { $0 != 0 }).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.hasPrefix("socket:") || text.hasPrefix("pipe:") || text == "/dev/null" { found.insert(number) }
    }
    return found
}
