import EpollLoop
import HTTP1
import NIOCore

/// One connection to the console: small GET requests, answered at once. On the control socket the kernel says who asks.
final class ConsoleConnection: StreamSocketDelegate {
    private let console: Console
    private let access: ConsoleAccess
    private var isControl: Bool { access == .control }
    private var parser = RequestParser()
    private var input = ByteBuffer()
    private var socket: StreamSocket?
    private var timer: LoopTimer?
    private var answered = false
    /// A reload was asked for; nothing more is read.
    private var isWaiting = false
    /// Longer than any reload: two limits of the supervisor, each once for the one before.
    private static let reloadLimit = TimeAmount.seconds(120)

    init(_ console: Console, _ access: ConsoleAccess) {
        self.console = console
        self.access = access
    }

    /// Serves an accepted connection, which it owns from now on.
    func begin(_ descriptor: Int32) {
        let limits = SocketLimits(reads: 2048...65536)
        socket = StreamSocket.serve(connection: descriptor, loop: console.loop, limits: limits, delegate: self)
        guard let socket else { return }
        timer = console.loop.schedule(in: .nanoseconds(Int64(console.generation.headTimeout))) { socket.close() }
        guard console.opened(self) else { return socket.close() }
        // Root and the daemon's own user; the peer's id comes from the kernel and cannot be forged.
        guard isControl else { return }
        let user = socket.peerUser
        guard let user, user == 0 || user == console.generation.owner else {
            return answer(
                Answer(status: 403, body: "only root and the daemon's own user may use the control socket\n"))
        }
    }

    func received(_ bytes: ByteBuffer) {
        guard input.readableBytes < 64 * 1024, !answered, !isWaiting else { return }
        input.writeImmutableBuffer(bytes)
        readRequest()
    }

    private func readRequest() {
        guard input.readableBytes > 0 else { return }
        do throws(HTTP1Error) {
            guard try parser.parseHead(input.readableBytesUInt8Span) else { return }
        } catch {
            return answer(Answer(status: error.status, body: "\(error.reason)\n"))
        }
        if isControl, parser.head.method == .post { return post() }
        guard parser.head.method == .get, parser.head.framing == .none || parser.head.framing == .length(0) else {
            return answer(Answer(status: 405, body: "only GET is served here\n", field: "Allow: GET"))
        }
        let target =
            input.getString(at: input.readerIndex + parser.head.target.lowerBound, length: parser.head.target.count)
            ?? ""
        let host =
            parser.head.first(.host).flatMap {
                input.getString(at: input.readerIndex + $0.lowerBound, length: $0.count)
            } ?? ""
        let path = String(target.prefix(while: { $0 != "?" }))
        let key = console.gate.check(parser.head, input.readableBytesUInt8Span, against: console.generation.keyDigest)
        // A page whose name was rebound to this host cannot show the key, so whoever shows it may use any name.
        if !isControl, key != .right && !isOwnName(host) || parser.head.fields.contains(.origin) {
            return answer(
                Answer(status: 403, body: "the Host header does not name this listener, or a web page asks\n"))
        }
        guard ConsoleGate.admits(path, access, key) else { return answer(.unauthenticated) }
        answer(console.answer(path, isControl: isControl))
    }

    /// A request on the control socket that changes something.
    private func post() {
        let target =
            input.getString(at: input.readerIndex + parser.head.target.lowerBound, length: parser.head.target.count)
            ?? ""
        guard target == "/reload", parser.head.framing == .none || parser.head.framing == .length(0) else {
            return answer(Answer(status: 404, body: "POST is served for /reload, without a body\n"))
        }
        isWaiting = true
        if let timer { console.loop.cancel(timer) }
        timer = console.loop.schedule(in: ConsoleConnection.reloadLimit) { [weak self] in self?.socket?.close() }
        console.reload(for: self)
    }

    /// Numeric addresses and localhost: a name could be a foreign page's, rebound to this host.
    private func isOwnName(_ host: String) -> Bool {
        if host == "[::1]" || host.hasPrefix("[::1]:") { return true }
        let name = host.prefix(while: { $0 != ":" })
        return name == "localhost" || (!name.isEmpty && name.allSatisfy { $0 == "." || ($0.isASCII && $0.isNumber) })
    }

    func answer(_ answer: Answer) {
        guard !answered else { return }
        answered = true
        var bytes = ByteBuffer()
        bytes.writeString("HTTP/1.1 \(answer.status) \(HTTPStatus.reason(answer.status))\r\n")
        bytes.writeString("Content-Type: \(answer.type)\r\nContent-Length: \(answer.body.utf8.count)\r\n")
        if let field = answer.field { bytes.writeString("\(field)\r\n") }
        bytes.writeString("X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
        bytes.writeString(answer.body)
        socket?.writeAndFlush(bytes)
        socket?.closeOutput()
    }

    func writabilityChanged(_ isWritable: Bool) {}

    func closed() {
        if let timer { console.loop.cancel(timer) }
        socket = nil
        console.closed(self)
    }
}

/// What the console answers.
struct Answer {
    var status = 200
    var type = "text/plain; charset=utf-8"
    var body: String
    /// A further header line.
    var field: String?
}
