import HTTP1
import NIOCore

/// One connection to the console: small GET requests, answered at once. On the control socket the kernel says who asks.
final class ConsoleConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let console: Console
    private let isControl: Bool
    private var parser = RequestParser()
    private var input = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var identified = false
    private var answered = false

    init(_ console: Console, isControl: Bool) {
        self.console = console
        self.isControl = isControl
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(console.generation.headTimeout)))
        {
            channel.close(promise: nil)
        }
        guard console.opened(self) else { return channel.close(promise: nil) }
        guard isControl else { return identified = true }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        PeerCredentials.readUser(channel) { user in
            let (connection, context) = bound.value
            connection.identify(user, context)
        }
    }

    /// Root and the daemon's own user; the peer's id comes from the kernel and cannot be forged.
    private func identify(_ user: UInt32?, _ context: ChannelHandlerContext) {
        guard let user, user == 0 || user == console.generation.owner else {
            return answer(
                context, Answer(status: 403, body: "only root and the daemon's own user may use the control socket\n"))
        }
        identified = true
        readRequest(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var chunk = unwrapInboundIn(data)
        guard input.readableBytes < 64 * 1024, !answered else { return }
        input.writeBuffer(&chunk)
        if identified { readRequest(context) }
    }

    private func readRequest(_ context: ChannelHandlerContext) {
        guard input.readableBytes > 0 else { return }
        do throws(HTTP1Error) {
            guard try parser.parseHead(input.readableBytesUInt8Span) else { return }
        } catch {
            return answer(context, Answer(status: error.status, body: "\(error.reason)\n"))
        }
        guard parser.head.method == .get, parser.head.framing == .none || parser.head.framing == .length(0) else {
            return answer(context, Answer(status: 405, body: "only GET is served here\n", field: "Allow: GET"))
        }
        let target =
            input.getString(at: input.readerIndex + parser.head.target.lowerBound, length: parser.head.target.count)
            ?? ""
        let host =
            parser.head.first(.host).flatMap {
                input.getString(at: input.readerIndex + $0.lowerBound, length: $0.count)
            } ?? ""
        if !isControl, !isOwnName(host) || parser.head.fields.contains(.origin) {
            return answer(
                context, Answer(status: 403, body: "the Host header does not name this listener, or a web page asks\n"))
        }
        answer(context, console.answer(String(target.prefix(while: { $0 != "?" })), isControl: isControl))
    }

    /// Numeric addresses and localhost: a name could be a foreign page's, rebound to this host.
    private func isOwnName(_ host: String) -> Bool {
        if host == "[::1]" || host.hasPrefix("[::1]:") { return true }
        let name = host.prefix(while: { $0 != ":" })
        return name == "localhost" || (!name.isEmpty && name.allSatisfy { $0 == "." || ($0.isASCII && $0.isNumber) })
    }

    private func answer(_ context: ChannelHandlerContext, _ answer: Answer) {
        guard !answered else { return }
        answered = true
        var bytes = ByteBuffer()
        bytes.writeString("HTTP/1.1 \(answer.status) \(HTTPStatus.reason(answer.status))\r\n")
        bytes.writeString("Content-Type: \(answer.type)\r\nContent-Length: \(answer.body.utf8.count)\r\n")
        if let field = answer.field { bytes.writeString("\(field)\r\n") }
        bytes.writeString("X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
        bytes.writeString(answer.body)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        console.closed(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// What the console answers.
struct Answer {
    var status = 200
    var type = "text/plain; charset=utf-8"
    var body: String
    /// A further header line.
    var field: String?
}
