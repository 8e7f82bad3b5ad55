"""A relay that copies every byte between a client and a server, and reads afterwards what was said in HTTP."""

import json
import socket
import threading
from urllib.parse import urlsplit


class Exchange:
    """One request and its answer, as they were on the wire. The answer of a connection that was cut may be short."""

    def __init__(self, connection, request, reply):
        self.connection = connection
        self.line, self.headers, self.body = request
        self.status_line, self.reply_headers, self.reply_body = reply or ("", [], b"")

    @property
    def method(self):
        return self.line.split(" ")[0]

    @property
    def status(self):
        return int(self.status_line.split(" ")[1]) if self.status_line else None

    def header(self, name):
        """The value of a field of the request; nothing if it is absent."""
        return next((value for field, value in self.headers if field.lower() == name), None)

    def reply_header(self, name):
        return next((value for field, value in self.reply_headers if field.lower() == name), None)

    def sent(self):
        """The JSON-RPC message of the request, if there is one."""
        return json.loads(self.body) if self.body else None

    def kind(self):
        return (self.reply_header("content-type") or "").partition(";")[0].strip()

    def texts(self):
        """The JSON texts of the answer, in order."""
        if self.kind() == "application/json" and self.reply_body:
            return [self.reply_body.decode()]
        return [event["data"] for event in self.events() if event.get("data")]

    def received(self):
        """The JSON-RPC messages of the answer, in order."""
        return [json.loads(text) for text in self.texts()]

    def events(self):
        """The whole events of an event stream: their fields by name, comments under an empty name."""
        if self.kind() != "text/event-stream":
            return []
        found = []
        text = self.reply_body.decode().replace("\r\n", "\n")
        for block in text.split("\n\n")[:-1]:
            event = {}
            for line in block.split("\n"):
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                event[name] = f"{event[name]}\n{value}" if name in event else value
            found.append(event)
        return found


class Recorder:
    """Listens on loopback and relays every connection to the server of `target`. Use it as a context manager."""

    def __init__(self, target):
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}{parts.path}"
        self.lock = threading.Lock()
        self.connections = []
        self.open = set()
        self.threads = []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            copies = (bytearray(), bytearray())
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.append(copies)
                self.open |= {client, server}
            directions = [(client, server, copies[0]), (server, client, copies[1])]
            # The last of the two that ends closes both sockets.
            left = [2]
            for direction in directions:
                self.threads.append(threading.Thread(target=self._relay, args=(*direction, left), daemon=True))
                self.threads[-1].start()

    def _relay(self, source, sink, copy, left):
        try:
            while data := source.recv(65536):
                with self.lock:
                    copy += data
                sink.sendall(data)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        with self.lock:
            left[0] -= 1
            if left[0] == 0:
                for one in (source, sink):
                    self.open.discard(one)
                    one.close()

    def exchanges(self):
        """All exchanges so far, in the order of their connections."""
        with self.lock:
            copies = [(bytes(sent), bytes(received)) for sent, received in self.connections]
        found = []
        for number, (sent, received) in enumerate(copies):
            requests = list(messages(sent, is_reply=False))
            replies = [reply for reply in messages(received, is_reply=True) if not reply[0].split(" ")[1].startswith("1")]
            for index, request in enumerate(requests):
                found.append(Exchange(number, request, replies[index] if index < len(replies) else None))
        return found


def messages(data, is_reply):
    """The HTTP messages in one direction of a connection: first line, fields, body. The last may be incomplete."""
    while b"\r\n\r\n" in data:
        head, data = data.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
        lower = {name.lower(): value for name, value in headers}
        if "chunked" in lower.get("transfer-encoding", "").lower():
            body, data = unchunk(data)
        elif "content-length" in lower:
            length = int(lower["content-length"])
            body, data = data[:length], data[length:]
        elif is_reply and line.split(" ")[1] not in ("202", "204", "304") and not line.split(" ")[1].startswith("1"):
            body, data = data, b""
        else:
            body = b""
        yield line, headers, body


def unchunk(data):
    """The content of chunks, and what follows them."""
    body = b""
    while b"\r\n" in data:
        size, rest = data.split(b"\r\n", 1)
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return body, rest.partition(b"\r\n")[2]
        body += rest[:length]
        data = rest[length + 2:]
    return body, b""
