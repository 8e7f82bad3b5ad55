import CKernel
import Glibc
import NIOCore

@testable import EpollLoop

/// A delegate that notes what it is told, and does what a test wants of it.
final class Notes: StreamSocketDelegate {
    var text: [UInt8] = []
    /// The sizes of what came.
    var sizes: [Int] = []
    var writability: [Bool] = []
    var closings = 0
    var onReceived: (ByteBuffer) -> Void = { _ in }
    var onWritability: (Bool) -> Void = { _ in }
    var onClosed: () -> Void = {}
    weak var socket: StreamSocket?

    func received(_ bytes: ByteBuffer) {
        text += Array(bytes.readableBytesView)
        sizes.append(bytes.readableBytes)
        onReceived(bytes)
    }

    func writabilityChanged(_ isWritable: Bool) {
        writability.append(isWritable)
        onWritability(isWritable)
    }

    func closed() {
        closings += 1
        onClosed()
    }

    /// Serves a descriptor with these notes.
    func serve(
        _ descriptor: Int32, _ loop: EpollLoop, limits: SocketLimits = SocketLimits(reads: 2048...65536)
    ) -> StreamSocket {
        guard let socket = StreamSocket.serve(descriptor, loop: loop, limits: limits, delegate: self) else {
            preconditionFailure("the kernel refuses")
        }
        self.socket = socket
        return socket
    }
}

/// The two ends of a pair of sockets.
struct Ends {
    let ours: Int32
    let peer: Int32

    init(buffer: Int32 = 256 * 1024) {
        var pair: [Int32] = [-1, -1]
        precondition(unsafe ck_stream_pair(&pair, buffer) == 0)
        ours = pair[0]
        peer = pair[1]
    }
}

func makeLoop() -> EpollLoop {
    guard let loop = EpollLoop() else { preconditionFailure("no descriptors left") }
    return loop
}

extension EpollLoop {
    /// Serves what is ready now, once.
    func serveOnce() {
        schedule(in: .zero) { [unowned self] in stop() }
        run()
    }

    /// Serves until something is so; the tests' own time limit ends what never is.
    func serve(until isDone: () -> Bool) {
        while !isDone() { serveOnce() }
    }
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
        let count = unsafe recv(descriptor, &chunk, min(chunk.count, maximum - all.count), Int32(MSG_DONTWAIT))
        guard count > 0 else { break }
        all += chunk[..<count]
    }
    return all
}

/// Whether the other end has ended the stream.
func isAtEnd(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    return unsafe recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) == 0
}

/// Bytes that show where they stand.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 131 &+ ($0 >> 9)) }
}

/// Open sockets and event descriptors of this process. Only meaningful where no other test runs beside: inside an exit test.
func openDescriptors() -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { return -1 }
    defer { unsafe closedir(directory) }
    var count = 0
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
            unsafe String(decoding: $0.prefix(while: { $0 != 0 }), as: UTF8.self)
        }
        var target = [CChar](repeating: 0, count: 64)
        _ = unsafe readlink("/proc/self/fd/\(name)", &target, target.count)
        let text = String(decoding: target.prefix(while: { $0 != 0 }).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.hasPrefix("socket:") { count += 1 }
    }
    return count
}
