"""A client of the legacy era by hand: one session, whose requests are written and whose streams are read byte by byte."""

import json
import socket

from .http import Connection

REVISION = "2025-11-25"
TYPES = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]


class Stream:
    """A reply as it comes, on a connection of its own."""

    def __init__(self, connection):
        self.connection = connection
        self.status = int(connection._line().split(" ", 2)[1])
        self.headers = {}
        while line := connection._line():
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.rest = b""
        self.is_ended = False

    def block(self):
        """The bytes up to the next empty line: an event or a comment. Nothing at the end of the stream."""
        while b"\n\n" not in self.rest:
            if not self._more():
                return None
        block, self.rest = self.rest.split(b"\n\n", 1)
        return block

    def line(self):
        """The next line: comments need no empty line behind them."""
        while b"\n" not in self.rest:
            assert self._more(), "the stream ended"
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def _more(self):
        if self.is_ended:
            return False
        size = int(self.connection._line(), 16)
        self.rest += self.connection._exactly(size)
        self.connection._line()
        self.is_ended = size == 0
        return not self.is_ended

    def message(self):
        """The next message; comments are passed over. Nothing at the end."""
        while (block := self.block()) is not None:
            data = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
            if data:
                return json.loads(b"\n".join(data))
        return None

    def messages(self):
        """All messages up to the end."""
        found = []
        while (message := self.message()) is not None:
            found.append(message)
        return found

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client:
    """One session, opened when it is made (`opens=False`: none). Every request has a connection of its own."""

    def __init__(self, url, revision=REVISION, capabilities=None, opens=True):
        self.url, self.revision, self.session = url, revision, None
        if opens:
            self.opening = self.post(hello(revision, capabilities), fields=TYPES)
            assert self.opening.status == 200, self.opening.body
            self.session = self.opening.headers.get("mcp-session-id")
            assert self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202

    def fields(self, session=None):
        fields = [*TYPES, ("MCP-Protocol-Version", self.revision)]
        session = session or self.session
        return fields + ([("Mcp-Session-Id", session)] if session else [])

    def start(self, message, fields=None, timeout=20.0):
        """Sends a message and returns the connection, without waiting for a reply."""
        connection = Connection(self.url, timeout)
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        connection.send("POST", headers=self.fields() if fields is None else fields, body=body)
        return connection

    def post(self, message, fields=None):
        with self.start(message, fields) as connection:
            return connection.receive()

    def call(self, text="x", identifier=1, session=None, tool="echo"):
        return self.post(call(tool, {"text": text}, identifier), self.fields(session))

    def stream(self, message):
        return Stream(self.start(message))

    def listen(self):
        """The stream of server messages."""
        connection = Connection(self.url)
        connection.send("GET", headers=self.fields())
        return Stream(connection)

    def request(self, method, fields=None):
        with Connection(self.url) as connection:
            connection.send(method, headers=self.fields() if fields is None else fields)
            return connection.receive()

    def delete(self):
        return self.request("DELETE")


def hello(revision=REVISION, capabilities=None):
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": {"name": "by hand", "version": "3"}}}


def call(tool="echo", arguments=None, identifier=1, token=None):
    params = {"name": tool, "arguments": arguments or {}}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}


def leave(connection):
    """Ends a connection as a client that is gone does: nothing it would still get can be delivered."""
    connection.socket.shutdown(socket.SHUT_RDWR)
    connection.close()


def metric(gateway, name, role=None):
    """A sample of a metric, summed over workers or of one role."""
    return sum(value for sample, value in gateway.metrics().items()
               if sample.split("{")[0] == name and (role is None or f'role="{role}"' in sample))
