import CKernel
import Glibc
import HTTP1

/// Why the daemon could not be asked.
struct ControlError: Error {
    let message: String
}

/// Asks a running daemon over its control socket.
enum ControlClient {
    /// Bytes of an answer, at most.
    private static let longestAnswer = 16 << 20

    /// The body of a 200 answer.
    static func get(_ path: String, socket: String) throws(ControlError) -> [UInt8] {
        try ask("GET \(path)", socket: socket, seconds: 5)
    }

    /// The body of a 200 answer to a request of this line, which comes within so many seconds.
    static func ask(_ request: String, socket: String, seconds: Int32) throws(ControlError) -> [UInt8] {
        let descriptor = unsafe ck_connect_unix_start(socket)
        guard descriptor >= 0 else {
            let reason = unsafe String(cString: strerror(-descriptor))
            throw ControlError(
                message:
                    "no daemon answers at \(socket) (\(reason)); is it running, and is --config or --runtime-dir right?"
            )
        }
        defer { close(descriptor) }
        guard ControlPeer.isBelieved(descriptor, at: socket) else {
            throw ControlError(
                message:
                    "who listens at \(socket) is \(ControlPeer.name(descriptor)), who is not believed to be the daemon"
                    + " (neither root, nor you, nor a user to whom you gave the directory); is --config or --runtime-dir right?"
            )
        }
        let request = Array("\(request) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        guard unsafe write(descriptor, request, request.count) == request.count else {
            throw ControlError(message: "cannot ask the daemon at \(socket)")
        }
        let answer = try readAll(descriptor, socket, seconds)
        var parser = ResponseParser()
        guard (try? parser.parseHead(answer.span, requestMethod: .get)) == true else {
            throw ControlError(message: "the daemon at \(socket) gave no answer that can be read")
        }
        let body = Array(answer[parser.head.length...])
        guard parser.head.status == 200 else {
            let text = String(decoding: body, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
            throw ControlError(message: "the daemon at \(socket) refused: \(text)")
        }
        return body
    }

    private static func readAll(_ descriptor: Int32, _ socket: String, _ seconds: Int32) throws(ControlError) -> [UInt8]
    {
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&watched, 1, 1000 * seconds) > 0 else {
                throw ControlError(message: "the daemon at \(socket) does not answer")
            }
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count > 0 {
                answer += chunk[..<count]
                guard answer.count <= ControlClient.longestAnswer else {
                    throw ControlError(message: "what answers at \(socket) says more than any daemon does")
                }
            } else if count == 0 {
                return answer
            } else if errno != EAGAIN && errno != EINTR {
                return answer
            }
        }
    }
}
