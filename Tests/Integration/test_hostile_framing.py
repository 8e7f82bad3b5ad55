"""Requests that two readers could take apart differently, on a raw socket: each is refused with its status, the connection is
closed, no byte of it reaches the upstream, and nobody else notices."""

import io
import json
import os
import re
import shutil
import socket
import tempfile

import pytest

from harness.gateway import Gateway
from harness.http import Connection, call, tool_call
from harness.raw_upstream import RawUpstream, read_request

MARK = "smuggled"


class Tap(io.RawIOBase):
    """What arrives on a socket, each byte counted and kept."""

    def __init__(self, connection, seen):
        self.connection, self.seen = connection, seen

    def readable(self):
        return True

    def readinto(self, buffer):
        count = self.connection.recv_into(buffer)
        self.seen += bytes(buffer[:count])
        return count


class Witness(RawUpstream):
    """An upstream that keeps every byte it is sent. `reply(request)` makes the bytes of an answer."""

    def __init__(self, reply=None):
        super().__init__(lambda request, connection: connection.sendall((reply or echo)(request)) or True)
        self.seen = bytearray()

    def _serve(self, connection):
        stream = io.BufferedReader(Tap(connection, self.seen))
        try:
            while (request := read_request(stream)) and self.answer(request, connection):
                pass
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
                connection.close()


def http_reply(body, kind="application/json", status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answer_to(request, result):
    """The JSON-RPC answer to a request, whatever id it came with."""
    return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (json.dumps(json.loads(request.body)["id"]).encode(), result)


def echo(request):
    return http_reply(answer_to(request, b"{}"))


class Shared:
    """One gateway for the tests of a module, in front of a witness."""

    def __init__(self, binary, reply=None):
        self.directory = tempfile.mkdtemp(prefix="mcpgw-")
        os.chmod(self.directory, 0o755)
        self.witness = Witness(reply)
        self.gateway = Gateway(binary, self.directory, self.witness.url)

    def __enter__(self):
        self.witness.__enter__()
        self.gateway.start()
        self.url = self.gateway.url
        return self

    def __exit__(self, *error):
        try:
            restarts = self.gateway.restarts()
            self.gateway.stop()
            assert restarts == {}
        finally:
            self.witness.__exit__(*error)
            shutil.rmtree(self.directory, ignore_errors=True)

    def serves(self, identifier="another"):
        with Connection(self.url) as connection:
            message = call(connection, "echo", identifier=identifier).json()
            assert message["id"] == identifier and "result" in message, message


@pytest.fixture(scope="module")
def shared(binary):
    with Shared(binary) as one:
        yield one


def until_closed(connection):
    """Everything the server sends until it closes."""
    received = b""
    try:
        while data := connection.socket.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def heads(received):
    """The status of every answer."""
    return re.findall(rb"HTTP/1\.1 (\d\d\d) ", received)


def request(lines, body=b"", line="POST /mcp HTTP/1.1", host="127.0.0.1"):
    fields = [f"Host: {host}"] if host is not None else []
    fields += ["Content-Type: application/json", "Accept: application/json, text/event-stream", *lines]
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1") + body


def plain(identifier):
    """A good request; the upstream sees the tool's name."""
    _, body = tool_call("echo", {}, identifier, "legacy")
    return request([f"Content-Length: {len(body)}"], body)


def hidden():
    """A second request where some reader takes it for one."""
    _, body = tool_call(MARK, {}, 666, "legacy")
    return request([f"Content-Length: {len(body)}", f"X-Mark: {MARK}"], body)


def chunks(text, end=b"0\r\n\r\n"):
    return b"%x\r\n%s\r\n" % (len(text), text) + end


BODY = tool_call(MARK, {}, 1, "legacy")[1]
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
# Field lines that make framing doubtful, and the status that refuses them.
LINES = {
    "length before chunks": ([LENGTH, CHUNKED], 400),
    "chunks before length": ([CHUNKED, LENGTH], 400),
    "zero length and chunks": (["Content-Length: 0", CHUNKED], 400),
    "chunks twice": ([CHUNKED, CHUNKED], 400),
    "chunks and identity": ([CHUNKED, "transfer-encoding: identity"], 400),
    "chunks in a list": (["Transfer-Encoding: gzip, chunked"], 501),
    "chunks not last": (["Transfer-Encoding: chunked, identity"], 501),
    "an unknown coding": (["Transfer-Encoding: xchunked"], 501),
    "a quoted coding": (['Transfer-Encoding: "chunked"'], 501),
    "no coding": (["Transfer-Encoding:"], 501),
    "a coding behind a vertical tab": (["Transfer-Encoding:\x0bchunked", LENGTH], 400),
    "a coding before a tab": (["Transfer-Encoding: chunked\t"], 501),
    "a space before the colon": (["Transfer-Encoding : chunked", LENGTH], 400),
    "a folded line": (["X: y", " Transfer-Encoding: chunked", LENGTH], 400),
    "a folded value": (["Transfer-Encoding:", " chunked", LENGTH], 501),
    "a bare LF in a line": (["X: y\nTransfer-Encoding: chunked", LENGTH], 400),
    "a bare CR in a line": (["X: y\rTransfer-Encoding: chunked", LENGTH], 400),
    "a NUL in a value": (["X: a\x00b", LENGTH], 400),
    "a NUL in a name": (["Transfer-Encoding\x00: chunked", LENGTH], 400),
    "a byte above ASCII in a name": (["Transfer-Encod\xefng: chunked", LENGTH], 400),
    "a line without a colon": (["Transfer-Encoding chunked", LENGTH], 400),
    "a field without a name": ([": chunked", LENGTH], 400),
    "a length with a plus": ([f"Content-Length: +{len(BODY)}"], 400),
    "a negative length": (["Content-Length: -1"], 400),
    "a length with a leading zero": ([f"Content-Length: 0{len(BODY)}"], 400),
    "a hexadecimal length": (["Content-Length: 0x10"], 400),
    "a list of equal lengths": ([f"Content-Length: {len(BODY)}, {len(BODY)}"], 400),
    "two equal lengths": ([LENGTH, LENGTH], 400),
    "two lengths": (["Content-Length: 0", LENGTH], 400),
    "an empty length": (["Content-Length:"], 400),
    "a length beyond 64 bits": (["Content-Length: 18446744073709551616"], 400),
    "a length with a fraction": ([f"Content-Length: {len(BODY)}.0"], 400),
    "another expectation": (["Expect: 200-ok", LENGTH], 417),
    "a Connection that is no list": (["Connection: close keep-alive", LENGTH], 400),
    "two origins": (["Origin: http://localhost", "Origin: http://localhost", LENGTH], 400),
    "two content types": (["Content-Type: text/plain", LENGTH], 400),
    "two hosts": (["Host: 127.0.0.1", LENGTH], 400),
    "two sessions": (["Mcp-Session-Id: a", "Mcp-Session-Id: b", LENGTH], 400),
    "two versions": (["MCP-Protocol-Version: 2025-11-25", "Mcp-Protocol-Version: 2025-06-18", LENGTH], 400),
    "two methods": (["Mcp-Method: ping", "Mcp-Method: tools/call", LENGTH], 400),
    "two names": (["Mcp-Name: a", "Mcp-Name: b", LENGTH], 400),
}
# Whole messages.
WHOLE = {
    "no host": (request([LENGTH], BODY, host=None), 400),
    "a host with a space": (request([LENGTH], BODY, host="127.0.0.1 x"), 400),
    "HTTP/1.0": (request([LENGTH], BODY, line="POST /mcp HTTP/1.0"), 505),
    "chunks in HTTP/1.0": (request([CHUNKED], chunks(BODY), line="POST /mcp HTTP/1.0"), 505),
    "a bare LF as the end of the head": (request([LENGTH], BODY).replace(b"\r\n\r\n", b"\n\n", 1), 400),
    "a bare LF before the end of the head": (request([LENGTH], BODY).replace(b"\r\n\r\n", b"\r\n\n", 1), 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /mcp\r\n", 400),
    "an empty line first": (b"\r\n" + request([LENGTH], BODY), 400),
    "a space first": (b" " + request([LENGTH], BODY), 400),
    "a bare LF after the request line": (request([LENGTH], BODY).replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n", 1), 400),
    "a tab in the request line": (request([LENGTH], BODY, line="POST\t/mcp HTTP/1.1"), 400),
    "two spaces in the request line": (request([LENGTH], BODY, line="POST  /mcp HTTP/1.1"), 400),
    "a fragment": (request([LENGTH], BODY, line="POST /mcp#x HTTP/1.1"), 400),
    "a whole URI": (request([LENGTH], BODY, line="POST http://127.0.0.1/mcp HTTP/1.1"), 400),
    "CONNECT": (request([LENGTH], BODY, line="CONNECT 127.0.0.1:80 HTTP/1.1"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
    "a chunk extension": (request([CHUNKED], b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a bare LF in a chunk extension": (request([CHUNKED], b"%x;a\nb\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a bare LF after a chunk extension": (request([CHUNKED], b"%x;\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a space after a chunk size": (request([CHUNKED], b"%x \r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a signed chunk size": (request([CHUNKED], b"+%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a chunk size with 0x": (request([CHUNKED], b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a chunk size beyond 64 bits": (request([CHUNKED], b"1%016x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "no chunk size": (request([CHUNKED], b"\r\n" + chunks(BODY)), 400),
    "a bare LF after a chunk size": (request([CHUNKED], b"%x\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a bare LF after a chunk": (request([CHUNKED], b"%x\r\n%s\n0\r\n\r\n" % (len(BODY), BODY)), 400),
    "a chunk longer than its size": (request([CHUNKED], b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY) - 1, BODY)), 400),
    "a trailer": (request([CHUNKED], chunks(BODY, b"0\r\nX-Trailer: a\r\n\r\n")), 400),
    "a trailer that is a length": (request([CHUNKED], chunks(BODY, b"0\r\nContent-Length: 5\r\n\r\n")), 400),
    "a GET with a body": (request([LENGTH], BODY, line="GET /mcp HTTP/1.1"), 400),
    "a DELETE with chunks": (request([CHUNKED], chunks(BODY), line="DELETE /mcp HTTP/1.1"), 400),
    "no length": (request([], BODY), 400),
    "too many fields": (request([f"X-{n}: {MARK}" for n in range(200)] + [LENGTH], BODY), 431),
    "too long a field": (request([f"X: {MARK * 10_000}", LENGTH], BODY), 431),
    "too long a name": (request([f"{MARK * 10_000}: 1", LENGTH], BODY), 431),
    "too long a target": (request([LENGTH], BODY, line=f"POST /{MARK * 2000} HTTP/1.1"), 414),
    "too long a method": (request([LENGTH], BODY, line=f"{'P' * 100} /mcp HTTP/1.1"), 400),
}
FORMS = {name: (request(lines, b"0\r\n\r\n"), status) for name, (lines, status) in LINES.items()} | WHOLE


@pytest.mark.parametrize("place", ["first", "behind a good one"])
@pytest.mark.parametrize("form", FORMS)
def test_a_doubtful_request_is_refused_and_ends_the_connection(shared, form, place):
    text, status = FORMS[form]
    before = len(shared.witness.seen)
    with Connection(shared.url) as connection:
        if place != "first":
            connection.socket.sendall(plain("good") + text + hidden())
            good = connection.receive()
            assert good.status == 200 and good.json()["id"] == "good"
            received = connection.buffer
        else:
            connection.socket.sendall(text + hidden())
            received = b""
        received += until_closed(connection)
    assert received.startswith(b"HTTP/1.1 %d " % status), received[:300]
    # One answer, which says that it is the last.
    assert len(heads(received)) == 1 and b"connection: close" in received.lower(), received
    assert MARK.encode() not in received
    if place == "first":
        assert len(shared.witness.seen) == before, "no byte goes on"
    shared.serves()
    assert MARK.encode() not in shared.witness.seen[before:]


def test_nobody_is_let_out_of_http_1_by_an_upgrade(shared):
    upgrade = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"]
    _, body = tool_call("echo", {}, "first", "legacy")
    before = len(shared.witness.seen)
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([*upgrade, f"Content-Length: {len(body)}"], body) + plain("second"))
        for identifier in ("first", "second"):
            reply = connection.receive()
            assert reply.status == 200 and reply.json()["id"] == identifier
    seen = bytes(shared.witness.seen[before:]).lower()
    assert seen.count(b"post /mcp") == 2 and b"upgrade" not in seen and b"http2-settings" not in seen


def test_each_of_many_pipelined_requests_is_answered_once_and_in_order(shared):
    with Connection(shared.url) as connection:
        connection.socket.sendall(b"".join(plain(number) for number in range(50)))
        assert [connection.receive().json()["id"] for _ in range(50)] == list(range(50))


def test_chunks_of_any_size_make_the_same_message(shared):
    body = tool_call("echo", {"text": "\u20ac" * 50}, "chunked", "legacy")[1]
    with Connection(shared.url) as connection:
        for size in (1, 2, 7, len(body)):
            pieces = [body[at:at + size] for at in range(0, len(body), size)]
            connection.socket.sendall(request([CHUNKED], b"".join(chunks(one, b"") for one in pieces) + b"0\r\n\r\n"))
            assert connection.receive().json()["id"] == "chunked"


def test_a_request_that_comes_byte_by_byte_is_one_request(shared):
    with Connection(shared.url) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in plain("slow"):
            connection.socket.sendall(bytes([byte]))
        assert connection.receive().json()["id"] == "slow"


def test_a_client_that_waits_for_continue_is_told_to_go_on(shared):
    body = tool_call("echo", {}, "waited", "legacy")[1]
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([f"Content-Length: {len(body)}", "Expect: 100-continue"]))
        assert connection._line() == "HTTP/1.1 100 Continue" and connection._line() == ""
        connection.socket.sendall(body)
        assert connection.receive().json()["id"] == "waited"


@pytest.mark.parametrize("lines", [["Content-Length: 4194305"], ["Content-Length: 5", "Content-Encoding: gzip"]])
def test_a_client_that_waits_for_continue_is_refused_before_it_sends(shared, lines):
    with Connection(shared.url) as connection:
        connection.socket.sendall(request([*lines, "Expect: 100-continue"]))
        received = until_closed(connection)
    assert received.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 415 ")) and b" 100 " not in received


@pytest.mark.slow
def test_a_request_that_stops_on_its_way_is_given_up(shared):
    begun = [b"POST /mcp HT", request([LENGTH])[:-2], request([LENGTH], BODY[:-1]), request([CHUNKED], chunks(BODY, b"0\r\n"))]
    before = len(shared.witness.seen)
    connections = [Connection(shared.url, timeout=60) for _ in begun]
    for connection, text in zip(connections, begun):
        connection.socket.sendall(text)
    for connection, text in zip(connections, begun):
        with connection:
            received = until_closed(connection)
        assert received.startswith(b"HTTP/1.1 408 ") and len(heads(received)) == 1, (text, received)
    assert len(shared.witness.seen) == before


@pytest.mark.slow
def test_a_head_that_drips_is_given_up_though_it_never_stops(shared):
    with Connection(shared.url, timeout=0.2) as connection:
        connection.socket.sendall(b"POST /mcp HTTP/1.1\r\nX: ")
        received = None
        for _ in range(300):
            try:
                connection.socket.sendall(b"y")
                received = connection.socket.recv(65536)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                received = b""
                break
    assert received is not None, "a minute and more is longer than a head may take"
    assert received == b"" or received.startswith(b"HTTP/1.1 408 ")
    shared.serves()
