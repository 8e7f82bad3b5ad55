"""An MCP upstream whose every answer a test decides, and which remembers every request. It speaks as a correct server does where
the test says nothing."""

import json
import threading
import uuid

from .eventually import DEADLINE, eventually
from .raw_upstream import RawUpstream, wait_for_close

REVISION = "2025-11-25"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Answer:
    """One request, and what the upstream says to it, piece by piece."""

    def __init__(self, request, connection):
        self.request, self.connection = request, connection
        self.method, self.headers = request.method, request.headers
        self.session = request.headers.get("mcp-session-id")
        self.message = json.loads(request.body) if request.body else {}
        self.id = self.message.get("id")
        self.params = self.message.get("params", {})

    @property
    def name(self):
        """The method of the message, or of HTTP where there is no message; `answer` for an answer of the client."""
        return self.message.get("method", "answer") if self.method == "POST" else self.method

    @property
    def token(self):
        return self.params.get("_meta", {}).get("progressToken")

    def send(self, status, body=b"", kind="application/json", fields=()):
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields]
        self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return True

    def result(self, result, fields=()):
        return self.send(200, json.dumps({"jsonrpc": "2.0", "id": self.id, "result": result}).encode(), fields=fields)

    def text(self, text):
        return self.result({"content": [{"type": "text", "text": text}]})

    def error(self, status, code, message):
        body = {"jsonrpc": "2.0", "error": {"code": code, "message": message}}
        body["id"] = "server-error" if self.id is None else self.id
        return self.send(status, json.dumps(body).encode())

    def begin_events(self, fields=()):
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", *fields]
        self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")

    def raw_events(self, data):
        self.connection.sendall(chunk(data))

    def event(self, message, fields=()):
        head = "".join(f"{field}\n" for field in fields)
        self.raw_events(f"{head}event: message\ndata: {json.dumps(message)}\n\n".encode())

    def last_event(self, result):
        """The answer to the request, and the end of the stream."""
        self.event({"jsonrpc": "2.0", "id": self.id, "result": result})
        return self.end_events()

    def end_events(self):
        self.connection.sendall(b"0\r\n\r\n")
        return True

    def wait_closed(self):
        """Waits until the gateway closes the connection."""
        wait_for_close(self.connection)
        return False


class ScriptedUpstream:
    """`handlers` answer the methods they are named for (`tools/call`, `GET`, `answer`, ...): each gets an `Answer`, and the
    connection ends if it returns false. Use it as a context manager."""

    def __init__(self, handlers=None, sessions=True, revision=REVISION):
        self.handlers = {"initialize": self.initialize, "GET": self.stream, "DELETE": self.delete, "answer": self.accept}
        self.handlers |= handlers or {}
        self.has_sessions, self.revision = sessions, revision
        self.lock = threading.Lock()
        self.seen = []
        self.live = set()
        self.streams = []
        # For handlers that wait until the test says so; the end of the test lets go of them.
        self.released = threading.Event()
        self.server = RawUpstream(self._answer)
        self.url = self.server.url

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *details):
        self.released.set()
        self.server.__exit__(*details)

    def _answer(self, request, connection):
        answer = Answer(request, connection)
        with self.lock:
            self.seen.append(answer)
            known = not self.has_sessions or answer.name == "initialize" or answer.session in self.live
        if not known:
            if answer.session:
                return answer.error(404, -32600, "Session not found")
            return answer.error(400, -32600, "Bad Request: Missing session ID")
        handler = self.handlers.get(answer.name)
        if handler is None:
            handler = self.result if answer.id is not None else self.accept
        return handler(answer)

    def initialize(self, answer):
        fields = []
        if self.has_sessions:
            session = uuid.uuid4().hex
            with self.lock:
                self.live.add(session)
            fields = [f"Mcp-Session-Id: {session}"]
        return answer.result(
            {"protocolVersion": self.revision, "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}},
            fields)

    def result(self, answer):
        return answer.text(str(answer.params.get("arguments", {}).get("text")))

    def accept(self, answer):
        return answer.send(202)

    def stream(self, answer):
        answer.begin_events()
        with self.lock:
            self.streams.append(answer)
        return answer.wait_closed()

    def delete(self, answer):
        with self.lock:
            self.live.discard(answer.session)
        return answer.send(200)

    def lose_sessions(self):
        """Forgets every session, as a restart would."""
        with self.lock:
            self.live.clear()

    def of(self, name):
        """The requests of that name so far."""
        with self.lock:
            return [answer for answer in self.seen if answer.name == name]

    def wait(self, name, count=1):
        """Waits until so many of that name have come, and returns the last of them."""
        eventually(lambda: len(self.of(name)) >= count, lambda: f"{count} of {name}; came: {[one.name for one in self.seen]}")
        return self.of(name)[count - 1]

    def wait_stream(self, count=1):
        """Waits for so many streams of server messages, and returns the last of them."""
        eventually(lambda: len(self.streams) >= count, f"{count} streams at the upstream")
        return self.streams[count - 1]

    def wait_released(self):
        assert self.released.wait(4 * DEADLINE), "never released"
