"""Exchanges brought into every state in which something may end them, and what their clients see of that end."""

import json
import socket
import struct
import threading

from .clients import TYPES, Client, call, hello
from .eventually import DEADLINE, eventually
from .http import Connection, tool_call
from .scripted import ScriptedUpstream, chunk

REVISION = "2025-03-26"
# Larger than a frame, a read and a credit, and read on the helper thread.
LARGE = 600_000
# A stream that no client buffers: its reader has to read.
FLOOD_EVENTS, FLOOD_EVENT = 120, 100_000


def note(number, size=0):
    return {"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": "d" * size, "logger": str(number)}}


class StagedUpstream(ScriptedUpstream):
    """Brings every request to the point for which its tool is named, and waits there for `go`."""

    def __init__(self):
        tools = {"echo": self.result, "hold": self.hold, "half": self.half, "stream": self.stream_call, "flood": self.flood}
        super().__init__({
            "tools/call": lambda answer: tools[answer.params["name"]](answer), "initialize": self.open, "GET": self.listen,
            "DELETE": self.end, "notifications/roots/list_changed": self.hold}, revision=REVISION)
        # A modern client's requests belong to no session.
        self.live.add(None)
        self.reached = set()
        self.gate = threading.Event()
        self.ending = "answer"

    def __exit__(self, *details):
        self.gate.set()
        super().__exit__(*details)

    def go(self, ending="answer"):
        """Lets everything that waits go on to its `answer`, or `close` or `reset` its connection."""
        self.ending = ending
        self.gate.set()

    def again(self):
        self.gate, self.ending = threading.Event(), "answer"

    def has_reached(self, *texts):
        eventually(lambda: self.reached.issuperset(texts), lambda: f"{set(texts) - self.reached} at the upstream")

    def waits(self, answer, text=None):
        """Whether the request is to be answered in the end."""
        with self.lock:
            self.reached.add(text or answer.params.get("arguments", {}).get("text"))
        assert self.gate.wait(4 * DEADLINE), "never let go"
        if self.ending == "reset":
            answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return self.ending == "answer"

    def hold(self, answer):
        if answer.id is None:
            return self.waits(answer, "notification") and answer.send(202)
        return self.waits(answer) and self.result(answer)

    def half(self, answer):
        text = answer.params["arguments"]["text"] + "h" * LARGE
        body = json.dumps({"jsonrpc": "2.0", "id": answer.id, "result": {"content": [{"type": "text", "text": text}]}}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        answer.connection.sendall(head + body[:LARGE // 2])
        if not self.waits(answer):
            return False
        answer.connection.sendall(body[LARGE // 2:])
        return True

    def stream_call(self, answer):
        answer.begin_events()
        answer.event(note(answer.params["arguments"]["text"]))
        return self.waits(answer) and answer.last_event(self.content(answer))

    def flood(self, answer):
        answer.begin_events()
        event = f"data: {json.dumps(note(answer.params['arguments']['text'], FLOOD_EVENT))}\n\n".encode()
        answer.connection.sendall(chunk(event))
        with self.lock:
            self.reached.add(answer.params["arguments"]["text"])
        for _ in range(FLOOD_EVENTS - 1):
            answer.connection.sendall(chunk(event))
        return self.waits(answer) and answer.last_event(self.content(answer))

    def content(self, answer):
        return {"content": [{"type": "text", "text": answer.params["arguments"]["text"]}]}

    def listen(self, answer):
        answer.begin_events()
        answer.event(note("listening"))
        return self.waits(answer, "listening") and answer.end_events()

    def end(self, answer):
        return self.waits(answer, "deleting") and self.delete(answer)

    def open(self, answer):
        name = answer.params["clientInfo"]["name"]
        # The gateway's own, which opens a lost session again, and a client's that is to wait.
        if name in ("mcpgw", "slow") and not self.waits(answer, {"mcpgw": "reopening", "slow": "opening"}[name]):
            return False
        return self.initialize(answer)


class Asked:
    """A request under way, whose client knows what may come of it: nothing but its own."""

    def __init__(self, url, sent, ids, mark, rest=b"", replies=1):
        self.connection = Connection(url)
        self.connection.socket.sendall(sent)
        self.ids, self.mark, self.rest, self.replies = ids, mark, rest, replies

    def finish_sending(self):
        """Sends the rest of the request; the other side may be gone."""
        try:
            self.connection.socket.sendall(self.rest)
        except OSError:
            pass

    def outcome(self):
        """`answer`, `error CODE`, `status N` or `events`, joined by `+` where there are several; `closed` where the connection ended
        before. Anything that belongs to somebody else fails."""
        found = []
        try:
            for _ in range(self.replies):
                found.append(self.judge(self.connection.receive()))
        except TimeoutError:
            found.append("HANGS")
        except OSError:
            found.append("closed")
        finally:
            self.connection.close()
        return "+".join(found)

    def judge(self, reply):
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            lines = [line for line in reply.body.split(b"\n") if line.startswith(b"data:") and line != b"data:"]
            # An event that was cut off ends with a NUL, so that nobody takes it for whole; an error follows it.
            messages = [json.loads(line[5:]) for line in lines if not line.endswith(b"\0")]
            assert len(messages) == len(lines) or "error" in messages[-1], f"{self.mark} got {lines[-1][-300:]}"
        else:
            messages = json.loads(reply.body) if reply.body else []
            messages = messages if isinstance(messages, list) else [messages]
        kinds = [self.kind(message) for message in messages]
        kinds = [kind for kind in kinds if kind != "note"]
        if not messages:
            return f"status {reply.status}"
        return ",".join(sorted(kinds)) or "events"

    def kind(self, message):
        if "method" in message:
            assert message["params"]["logger"] == self.mark, f"{self.mark} got {str(message)[:300]}"
            return "note"
        assert "id" not in message or message["id"] in self.ids, f"{self.mark} got {str(message)[:300]}"
        if "error" in message:
            return f"error {message['error']['code']}"
        for content in message["result"].get("content", []):
            assert content["text"].rstrip("h") == self.mark, f"{self.mark} got {str(message)[:300]}"
        return "answer"


def request(host, method, fields, body=b"", chunked=False):
    lines = [f"{method} /mcp HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        body = chunk(body[:len(body) // 2]) + chunk(body[len(body) // 2:]) + b"0\r\n\r\n"
    elif method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Stages:
    """One exchange of each state, all at once. `begin` returns them by name."""

    def __init__(self, gateway, upstream):
        self.url, self.upstream = gateway.url, upstream
        self.host = self.url.split("/")[2]
        self.round = 0

    def begin(self):
        self.round += 1
        client, ending, lost = (Client(self.url, REVISION) for _ in range(3))
        fields = client.fields()
        self.lose(lost)
        asked = {
            "half a head": self.post("half a head", "echo", fields, until=40),
            "half a body": self.post("half a body", "echo", fields, until=0.5, size=LARGE),
            "half the chunks": self.post("half the chunks", "echo", fields, until=0.5, size=LARGE, chunked=True),
            "waiting": self.post("waiting", "hold", fields),
            "waiting, with a large body": self.post("waiting, with a large body", "hold", fields, size=LARGE),
            "waiting, modern": self.modern("waiting, modern", "hold"),
            "half an answer": self.post("half an answer", "half", fields),
            "streaming": self.post("streaming", "stream", fields),
            "streaming, modern": self.modern("streaming, modern", "stream"),
            "not reading": self.post("not reading", "flood", fields),
            "not reading, modern": self.modern("not reading, modern", "flood"),
            "reopening": self.post("reopening", "echo", lost.fields()),
            "notification": Asked(self.url, request(self.host, "POST", fields, json.dumps(
                {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}).encode()), [], None),
            "listening": Asked(self.url, request(self.host, "GET", fields), [], "listening"),
            "deleting": Asked(self.url, request(self.host, "DELETE", ending.fields()), [], None),
            "opening": self.opening(),
            "batch": self.batch("batch", ["hold", "echo"], fields),
            "batch of streams": self.batch("batch of streams", ["stream", "hold", "stream"], fields),
            "pipelined": self.pipelined(fields),
        }
        texts = [self.text(name) for name in asked if not name.startswith("half ") or name == "half an answer"]
        special = {"reopening", "notification", "listening", "deleting", "opening"}
        self.upstream.has_reached(
            *(text for text in texts if text.split("#")[0] not in special), *special)
        # What was sent before this is read before this.
        assert "result" in client.call("in between").json()
        return asked

    def again(self):
        self.upstream.reached.clear()
        self.upstream.again()

    def text(self, name):
        return f"{name}#{self.round}"

    def lose(self, client):
        """Makes the upstream forget the session of a client."""
        opened = self.upstream.of("notifications/initialized")[-1].session
        self.upstream.live.discard(opened)

    def message(self, name, tool, identifier=None, size=0):
        return call(tool, {"text": self.text(name), "more": "m" * size}, identifier or self.text(name))

    def post(self, name, tool, fields, until=None, size=0, chunked=False):
        whole = request(self.host, "POST", fields, json.dumps(self.message(name, tool, size=size)).encode(), chunked)
        cut = len(whole) if until is None else int(len(whole) * until) if isinstance(until, float) else until
        return Asked(self.url, whole[:cut], [self.text(name)], self.text(name), rest=whole[cut:])

    def modern(self, name, tool):
        fields, body = tool_call(tool, {"text": self.text(name)}, self.text(name), "modern")
        return Asked(self.url, request(self.host, "POST", fields, body), [self.text(name)], self.text(name))

    def opening(self):
        message = hello(REVISION)
        message["params"]["clientInfo"]["name"] = "slow"
        return Asked(self.url, request(self.host, "POST", TYPES, json.dumps(message).encode()), [0], None)

    def batch(self, name, tools, fields):
        ids = [f"{self.text(name)}.{number}" for number in range(len(tools))]
        body = [self.message(name, tool, identifier) for tool, identifier in zip(tools, ids)]
        return Asked(self.url, request(self.host, "POST", fields, json.dumps(body).encode()), ids, self.text(name))

    def pipelined(self, fields):
        name = "pipelined"
        bodies = [self.message(name, tool, f"{self.text(name)}.{number}") for number, tool in enumerate(["hold", "echo", "echo"])]
        sent = b"".join(request(self.host, "POST", fields, json.dumps(body).encode()) for body in bodies)
        return Pipelined(self.url, sent, [body["id"] for body in bodies], self.text(name), replies=len(bodies))


class Pipelined(Asked):
    """Several requests on one connection: their answers come in their order."""

    def kind(self, message):
        assert message["id"] == self.ids.pop(0), f"{self.mark} got {message} out of turn"
        self.ids.append(message["id"])
        return super().kind(message)
