import CKernel
import Glibc
import NIOCore
import Testing

@testable import EpollLoop

/// A listener on a free port of the loopback.
struct TCPListener {
    let descriptor: Int32
    let port: UInt16

    init() {
        descriptor = unsafe ck_listen_tcp("127.0.0.1", 0, 1024)
        precondition(descriptor >= 0)
        var text = [CChar](repeating: 0, count: 64)
        var port: UInt16 = 0
        precondition(unsafe ck_local_address(descriptor, &text, text.count, &port) > 0)
        self.port = port
    }

    func connect() -> Int32 {
        var address = ck_address()
        precondition(unsafe ck_numeric_address("127.0.0.1", port, &address))
        let descriptor = unsafe ck_connect_start(&address)
        precondition(descriptor >= 0)
        return descriptor
    }
}

/// Two ends of a TCP connection.
struct TCPEnds {
    let ours: Int32
    let peer: Int32

    init() {
        let listener = TCPListener()
        peer = listener.connect()
        ours = accept(listener.descriptor, nil, nil)
        close(listener.descriptor)
    }
}

@Suite(.timeLimit(.minutes(2))) struct ListenerTests {
    @Test func tenThousandConnectionsLeaveNothingBehind() async {
        await #expect(processExitsWith: .success) {
            let before = openDescriptors()
            let loop = makeLoop()
            let listening = TCPListener()
            var closed = 0
            var highest: Int32 = 0
            let listener = Listener.serve(
                listening.descriptor, loop: loop,
                accepted: { descriptor in
                    highest = max(highest, descriptor)
                    let notes = Notes()
                    let socket = StreamSocket.serve(
                        connection: descriptor, loop: loop, limits: SocketLimits(reads: 2048...65536), delegate: notes)
                    notes.onReceived = { socket?.writeAndFlush($0) }
                    notes.onClosed = { closed += 1 }
                }, failed: { _ in exit(9) })
            // A hundred at once; some close first, some are closed, some are reset.
            var connected = 0
            while connected < 10_000 {
                let peers = (0..<100).map { _ in listening.connect() }
                connected += peers.count
                for peer in peers { put(peer, [1]) }
                for (index, peer) in peers.enumerated() {
                    if index % 3 == 0 { loop.serve { !take(peer).isEmpty } }
                    if index % 3 == 1 { shutdown(peer, Int32(SHUT_WR)) }
                    close(peer)
                }
                loop.serve { closed == connected }
            }
            listener?.close()
            #expect(loop.memberCount == 0)
            #expect(openDescriptors() == before)
            #expect(highest < 300)
        }
    }

    @Test func withoutADescriptorLeftItWaitsAndGoesOn() async {
        await #expect(processExitsWith: .success) {
            let loop = makeLoop()
            let listening = TCPListener()
            var accepted: [Int32] = []
            var failures = 0
            let listener = Listener.serve(
                listening.descriptor, loop: loop, accepted: { accepted.append($0) }, failed: { _ in failures += 1 })
            let peer = listening.connect()
            // As many as there are.
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 256
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var fillers: [Int32] = []
            while case let filler = dup(peer), filler >= 0 { fillers.append(filler) }
            for _ in 0..<3 { loop.serveOnce() }
            #expect(accepted.isEmpty && failures == 0)
            for filler in fillers { close(filler) }
            let start = NIODeadline.now()
            loop.serve { !accepted.isEmpty }
            #expect(NIODeadline.now() - start > .milliseconds(500), "it pauses instead of spinning")
            #expect(failures == 0)
            listener?.close()
        }
    }

    @Test func aListenerThatTheKernelClosesSaysSo() {
        let loop = makeLoop()
        let listening = TCPListener()
        var failures: [Int32] = []
        let listener = Listener.serve(
            listening.descriptor, loop: loop, accepted: { _ in }, failed: { failures.append($0) })
        shutdown(listening.descriptor, Int32(SHUT_RDWR))
        loop.serve { !failures.isEmpty }
        #expect(failures == [EINVAL])
        #expect(listener?.isOpen == false)
        #expect(loop.memberCount == 0)
    }

    @Test func aClosedListenerAcceptsNothing() {
        let loop = makeLoop()
        let listening = TCPListener()
        var accepted = 0
        let listener = Listener.serve(
            listening.descriptor, loop: loop, accepted: { _ in accepted += 1 }, failed: { _ in accepted -= 100 })
        let peer = listening.connect()
        listener?.close()
        loop.serveOnce()
        #expect(accepted == 0)
        close(peer)
    }

    @Test func aUserIsKnownOnAUnixSocketOnly() {
        let loop = makeLoop()
        let ends = Ends()
        let socket = Notes().serve(ends.ours, loop)
        #expect(socket.peerUser == geteuid())
        socket.close()
        #expect(socket.peerUser == nil)
        close(ends.peer)
    }
}
