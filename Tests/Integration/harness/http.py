"""A plain HTTP/1.1 client on a socket: a test sees what a library would hide (resets, refusals, half replies)."""

import json
import socket
from urllib.parse import urlsplit

MODERN = "2026-07-28"


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        """The JSON body, or that of the last event of an event stream."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[5:].strip() for line in self.body.decode().splitlines() if line.startswith("data:")]
            return json.loads(events[-1])
        return json.loads(self.body)


class Connection:
    """One connection to a server, kept alive between requests."""

    def __init__(self, url, timeout=20.0):
        parts = urlsplit(url)
        self.host, self.path = parts.netloc, parts.path or "/"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        self.buffer = b""

    def send(self, method, path=None, headers=(), body=b""):
        named = {name.lower() for name, _ in headers}
        lines = [f"{method} {path or self.path} HTTP/1.1"]
        if "host" not in named:
            lines.append(f"Host: {self.host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection before the reply was whole")
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self):
        status = int(self._line().split(" ", 2)[1])
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self._line().split(";")[0], 16):
                body += self._exactly(size)
                self._line()
            while self._line():
                pass
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        elif status in (202, 204, 304):
            body = b""
        else:
            body = self.buffer
            while data := self.socket.recv(65536):
                body += data
            self.buffer = b""
        return Reply(status, headers, body)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tool_call(tool, arguments, identifier, era):
    """Headers and body of one legal tools/call without a session, as a client of that era sends it."""
    params = {"name": tool, "arguments": arguments}
    headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    if era == "modern":
        headers += [("MCP-Protocol-Version", MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)]
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
    else:
        headers += [("MCP-Protocol-Version", "2025-11-25")]
    message = {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}
    return headers, json.dumps(message).encode()


def call(connection, tool, arguments=None, identifier=1, era="legacy"):
    headers, body = tool_call(tool, arguments or {}, identifier, era)
    connection.send("POST", headers=headers, body=body)
    return connection.receive()


def get(url, path, headers=()):
    with Connection(url) as connection:
        connection.send("GET", path, headers)
        return connection.receive()
