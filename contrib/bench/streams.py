"""What an idle open stream costs: event streams opened by GET and by POST, on which nothing comes."""

import socket
import time
from urllib.parse import urlsplit

import costs
from harness.eventually import eventually
from harness.http import Connection, get, tool_call
from measure import table

COUNT = 1000
# KB of private memory per stream, at most.
TARGET = 20
EVENTS = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")]


class Refused(Exception):
    """The gateway opens no further stream."""


def begin_session(url):
    """The headers that name a new session; none if the server keeps no sessions."""
    body = (b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
            b'"clientInfo":{"name":"bench","version":"1"}}}')
    with Connection(url) as connection:
        connection.send("POST", headers=[("Content-Type", "application/json"), *EVENTS[:1]], body=body)
        reply = connection.receive()
        if reply.status != 200 or "result" not in reply.json():
            raise Refused(f"initialize: {reply.status} {reply.body[:300]}")
        session = reply.headers.get("mcp-session-id")
        named = [("Mcp-Session-Id", session)] if session else []
        connection.send(
            "POST", headers=[("Content-Type", "application/json"), *EVENTS, *named],
            body=b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        connection.receive()
    return named


def open_stream(url, method, number):
    """A connection with an answer that stays open. Its socket keeps a small buffer: thousands of them stand on this side too."""
    session = begin_session(url)
    connection = Connection(url)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if method == "GET":
        connection.send("GET", headers=[*EVENTS, *session])
    else:
        headers, body = tool_call("wait", {}, number, "legacy")
        connection.send("POST", headers=[*headers, *session], body=body)
    while b"\r\n\r\n" not in connection.buffer:
        connection._more()
    if not connection.buffer.startswith(b"HTTP/1.1 200") or b"text/event-stream" not in connection.buffer.lower():
        raise Refused(f"{method}: {connection.buffer[:300]!r}")
    return connection


def settled(gateway):
    """The memory once the workers' clean-up, which comes every second, has had its turn."""
    time.sleep(2)
    return costs.memory(gateway)


def open_streams(url, method, count):
    """As many as there can be, and why there are not all."""
    opened = []
    for number in range(count):
        try:
            opened.append(open_stream(url, method, number))
        except Refused as refused:
            return opened, f"{method}: only {len(opened)} of {count} streams could be opened; then {refused}"
    return opened, None


def per_stream(gateways, upstream, method, count):
    """KB per stream by role, and what hindered; nothing if this user may not see the memory of the workers."""
    with gateways.make("/stream") as gateway:
        for number in range(8):
            open_stream(gateway.url, method, number).close()
        before = settled(gateway)
        if not before:
            return None, None
        opened, hindrance = open_streams(gateway.url, method, count)
        origin = "http://" + urlsplit(upstream.url).netloc
        eventually(lambda: int(get(origin, "/streams").body) >= len(opened), f"{len(opened)} streams at the upstream")
        after = settled(gateway)
        for stream in opened:
            stream.close()
    return {role: (after[role] - before[role]) / len(opened) for role in before}, hindrance


def show(gateways, upstream, count=COUNT):
    """Prints the table; says what could not be measured."""
    rows, hindrances = [], []
    for method in ("GET", "POST"):
        seen, hindrance = per_stream(gateways, upstream, method, count)
        if not seen:
            print("\nSKIPPED 1: memory of idle streams, only root may read smaps_rollup of the workers")
            return
        hindrances += [hindrance] if hindrance else []
        total = sum(seen.values())
        parts = ", ".join(f"{role} {size:.1f}" for role, size in seen.items() if abs(size) >= 0.05)
        met = total <= TARGET and not hindrance
        rows.append([f"opened by {method}", f"{total:.1f}", parts, f"{TARGET}", "yes" if met else "no"])
    table(
        f"Memory of an idle open stream: private KB of all processes for {count}, each with a session and connection of its own",
        ["stream", "KB", "of it", "at most", "met"], rows)
    for hindrance in hindrances:
        print(f"\n{hindrance}")
