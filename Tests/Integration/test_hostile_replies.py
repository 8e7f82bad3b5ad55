"""Replies of an upstream that lies about framing, types, ids and messages: the call gets an error of the gateway, nothing of the
reply reaches the client, and the next call, on whatever connection, gets its own answer."""

import json
import socket
import struct
import threading

import pytest

from harness.http import Connection, call, tool_call
from harness.processes import status_fields
from harness.raw_upstream import RawUpstream, wait_for_close
from test_hostile_framing import Shared, answer_to, http_reply
from test_hostile_upstreams import SECRET, UNUSABLE, events, head

LEAK = b'{"text":"%s"}' % SECRET.encode()


class Liar:
    """A gateway in front of an upstream that tells one lie, and then the truth."""

    def __init__(self, binary):
        self.lies = []
        self.shared = Shared(binary, lambda asked: (self.lies.pop() if self.lies else lambda one: http_reply(
            answer_to(one, b'{"true":1}')))(asked))

    def tell(self, lie, era="legacy"):
        """The reply to a call, and that of the next one."""
        self.lies = [lie]
        with Connection(self.shared.url) as connection:
            first = call(connection, "echo", identifier="asked", era=era)
            assert self.lies == [], "the upstream was asked"
            second = call(connection, "echo", identifier="next", era=era).json()
            assert second["id"] == "next" and second["result"] == {"true": 1}, second
        return first


@pytest.fixture(scope="module")
def liar(binary):
    one = Liar(binary)
    with one.shared:
        yield one


def refused(reply, era="legacy"):
    assert SECRET.encode() not in reply.body, reply.body[:300]
    message = reply.json()
    assert message.get("id") == "asked" and message["error"]["code"] == UNUSABLE and "result" not in message, message
    if reply.headers["content-type"] == "application/json":
        assert reply.status in ((200,) if era == "legacy" else (502, 503, 504))


def raw(status="200 OK", lines=(), body=b"", kind="Content-Type: application/json"):
    return "\r\n".join([f"HTTP/1.1 {status}", *([kind] if kind else []), *lines, "", ""]).encode("latin-1") + body


CHUNKED = "Transfer-Encoding: chunked"
# What stands around a good answer; `n` is its length.
FRAMINGS = {
    "length and chunks": lambda b: raw(lines=[f"Content-Length: {len(b)}", CHUNKED], body=b),
    "chunks and length": lambda b: raw(lines=[CHUNKED, f"Content-Length: {len(b)}"], body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(b), b)),
    "chunks twice": lambda b: raw(lines=[CHUNKED, CHUNKED], body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(b), b)),
    "an unknown coding": lambda b: raw(lines=["Transfer-Encoding: gzip, chunked"], body=b),
    "two equal lengths": lambda b: raw(lines=[f"Content-Length: {len(b)}"] * 2, body=b),
    "a length with a plus": lambda b: raw(lines=[f"Content-Length: +{len(b)}"], body=b),
    "a list of lengths": lambda b: raw(lines=[f"Content-Length: {len(b)}, {len(b)}"], body=b),
    "a folded line": lambda b: raw(lines=["X: y", " z", f"Content-Length: {len(b)}"], body=b),
    "a space before a colon": lambda b: raw(lines=[f"Content-Length : {len(b)}"], body=b),
    "bare LFs": lambda b: raw(lines=[f"Content-Length: {len(b)}"]).replace(b"\r\n", b"\n") + b,
    "a bare CR": lambda b: raw(lines=["X: y\rz", f"Content-Length: {len(b)}"], body=b),
    "a NUL": lambda b: raw(lines=["X: \x00", f"Content-Length: {len(b)}"], body=b),
    "HTTP/1.0": lambda b: raw(lines=[f"Content-Length: {len(b)}"], body=b).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a status of two digits": lambda b: raw("20 OK", [f"Content-Length: {len(b)}"], b),
    "a status of 600": lambda b: raw("600 OK", [f"Content-Length: {len(b)}"], b),
    "a protocol switch": lambda b: raw("101 Switching Protocols", ["Upgrade: x", "Connection: upgrade"], b),
    "two content types": lambda b: raw(lines=["Content-Type: text/event-stream", f"Content-Length: {len(b)}"], body=b),
    "two sessions": lambda b: raw(
        lines=["Mcp-Session-Id: a", "Mcp-Session-Id: b", f"Content-Length: {len(b)}"], body=b),
    "no content type": lambda b: raw(lines=[f"Content-Length: {len(b)}"], body=b, kind=None),
    "another content type": lambda b: raw(lines=[f"Content-Length: {len(b)}"], body=b, kind="Content-Type: text/plain"),
    "JSON in UTF-16": lambda b: raw(
        lines=[f"Content-Length: {2 * len(b)}"], body=b.decode().encode("utf-16-le"),
        kind="Content-Type: application/json; charset=utf-16"),
    "a bad chunk size": lambda b: raw(lines=[CHUNKED], body=b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(b), b)),
    "a chunk longer than its size": lambda b: raw(lines=[CHUNKED], body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(b) - 1, b)),
    "a chunk extension": lambda b: raw(lines=[CHUNKED], body=b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(b), b)),
    "a trailer": lambda b: raw(lines=[CHUNKED], body=b"%x\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(b), b)),
    "a head without end": lambda b: raw(lines=[f"X-{n}: y" for n in range(200)], body=b),
    "a long head": lambda b: raw(lines=["X: " + "y" * 70_000], body=b),
    "no body where one is due": lambda b: raw("204 No Content"),
    "an empty body": lambda b: raw(lines=["Content-Length: 0"]),
    "a redirect": lambda b: raw("307 Temporary Redirect", ["Location: http://127.0.0.1:1/", f"Content-Length: {len(b)}"], b),
}


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_reply_in_doubtful_framing_is_no_reply(liar, kind):
    refused(liar.tell(lambda asked: FRAMINGS[kind](answer_to(asked, LEAK))))


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "405 X", "413 X", "429 X", "500 X", "503 X"])
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/xml"])
def test_a_page_of_an_error_is_not_passed_on(liar, status, kind):
    page = f"<html><body>{SECRET}</body></html>".encode()
    reply = liar.tell(lambda _: http_reply(page, kind, status))
    # The status may be carried, in the gateway's own words.
    assert reply.status in (200, int(status[:3]))
    assert reply.headers["content-type"] == "application/json" and SECRET.encode() not in reply.body
    answer = reply.json()
    assert answer["id"] == "asked" and answer["error"]["code"] in (UNUSABLE, -32600, -31012, -31015), answer


def spelt(asked):
    return json.dumps(json.loads(asked.body)["id"]).encode()


# Bodies that are no answer to the call.
BODIES = {
    "another id": lambda a: b'{"jsonrpc":"2.0","id":987654321,"result":%s}' % LEAK,
    "the id as a string, or as a number": lambda a: b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (
        b"7" if spelt(a).startswith(b'"') else b'"' + spelt(a) + b'"', LEAK),
    "the id as a fraction": lambda a: b'{"jsonrpc":"2.0","id":%s.0,"result":%s}' % (spelt(a).strip(b'"')[:3], LEAK),
    "a null id": lambda a: b'{"jsonrpc":"2.0","id":null,"result":%s}' % LEAK,
    "no id": lambda a: b'{"jsonrpc":"2.0","result":%s}' % LEAK,
    "the id twice": lambda a: b'{"jsonrpc":"2.0","id":%s,"id":%s,"result":%s}' % (spelt(a), spelt(a), LEAK),
    "the id twice, once escaped": lambda a: b'{"jsonrpc":"2.0","id":%s,"\\u0069d":1,"result":%s}' % (spelt(a), LEAK),
    "a result and an error": lambda a: b'{"jsonrpc":"2.0","id":%s,"result":%s,"error":{"code":1,"message":""}}' % (spelt(a), LEAK),
    "a method beside a result": lambda a: b'{"jsonrpc":"2.0","id":%s,"method":"ping","result":%s}' % (spelt(a), LEAK),
    "a method beside an error": lambda a: b'{"jsonrpc":"2.0","id":%s,"method":"ping","error":{"code":1,"message":"%s"}}' % (
        spelt(a), SECRET.encode()),
    "neither result nor error": lambda a: b'{"jsonrpc":"2.0","id":%s,"x":%s}' % (spelt(a), LEAK),
    "Result": lambda a: b'{"jsonrpc":"2.0","id":%s,"result":{},"Result":%s}' % (spelt(a), LEAK),
    "RESULT alone": lambda a: b'{"jsonrpc":"2.0","id":%s,"RESULT":%s}' % (spelt(a), LEAK),
    "ID beside id": lambda a: b'{"jsonrpc":"2.0","id":%s,"ID":1,"result":%s}' % (spelt(a), LEAK),
    "a wide result": lambda a: b'{"jsonrpc":"2.0","id":%s,"result":{},"\xef\xbd\x92esult":%s}' % (spelt(a), LEAK),
    "an error that is text": lambda a: b'{"jsonrpc":"2.0","id":%s,"error":"%s"}' % (spelt(a), SECRET.encode()),
    "no version": lambda a: b'{"id":%s,"result":%s}' % (spelt(a), LEAK),
    "another version": lambda a: b'{"jsonrpc":"1.0","id":%s,"result":%s}' % (spelt(a), LEAK),
    "two answers in a batch": lambda a: b"[%s,%s]" % (answer_to(a, LEAK), answer_to(a, LEAK)),
    "a batch of one": lambda a: b"[%s]" % answer_to(a, LEAK),
    "a byte order mark": lambda a: b"\xef\xbb\xbf" + answer_to(a, LEAK),
    "NaN": lambda a: answer_to(a, b'{"text":"%s","x":NaN}' % SECRET.encode()),
    "overlong UTF-8": lambda a: answer_to(a, b'{"text":"%s\xc0\xaf"}' % SECRET.encode()),
    "a raw surrogate": lambda a: answer_to(a, b'{"text":"%s\xed\xa0\x80"}' % SECRET.encode()),
    "12,000 arrays": lambda a: answer_to(a, b'{"text":"%s","x":%s1%s}' % (SECRET.encode(), b"[" * 12_000, b"]" * 12_000)),
    "a member twice": lambda a: answer_to(a, b'{"text":"","text":"%s"}' % SECRET.encode()),
    "the request itself": lambda a: a.body,
    "text": lambda a: b'"%s"' % SECRET.encode(),
    "nothing": lambda a: b"",
}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("kind", BODIES)
def test_a_reply_that_is_no_answer_to_the_call_is_no_reply(liar, kind, era):
    refused(liar.tell(lambda asked: http_reply(BODIES[kind](asked)), era), era)


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "nothing"])
def test_an_event_that_is_no_answer_to_the_call_does_not_pass_as_one(liar, kind):
    reply = liar.tell(lambda asked: http_reply(b"data: " + BODIES[kind](asked) + b"\n\n", "text/event-stream"))
    refused(reply)


@pytest.mark.parametrize("rest", [b"X", b"\r\n", b"\x00" * 100, None])
def test_what_follows_a_reply_is_an_answer_to_nobody(liar, rest):
    def lie(asked):
        extra = http_reply(answer_to(asked, LEAK)) if rest is None else rest
        return http_reply(answer_to(asked, b'{"true":1}')) + extra
    reply = liar.tell(lie)
    assert reply.json() == {"jsonrpc": "2.0", "id": "asked", "result": {"true": 1}}


def test_a_second_answer_in_a_stream_reaches_nobody(liar):
    reply = liar.tell(lambda asked: http_reply(
        b"data: " + answer_to(asked, b'{"true":1}') + b"\n\ndata: " + answer_to(asked, LEAK) + b"\n\n", "text/event-stream"))
    assert SECRET.encode() not in reply.body
    assert [json.loads(one) for one in events(reply.body)] == [{"jsonrpc": "2.0", "id": "asked", "result": {"true": 1}}]


@pytest.mark.parametrize("text, kept", [
    (rb"\ud83d", "\ufffd"), (rb"a\ude00b", "a\ufffdb"), (rb"\ude00\ud83d", "\ufffd\ufffd"), (rb"\ud83d\ude00", "\U0001f600")])
def test_a_lone_surrogate_of_a_server_becomes_the_replacement_character(liar, text, kept):
    reply = liar.tell(lambda asked: http_reply(answer_to(asked, b'{"n":1.50,"text":"%s"}' % text)))
    assert reply.json()["result"]["text"] == kept and b'"n":1.50' in reply.body


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_reply_without_a_length_lasts_until_its_connection_closes(make_gateway, kind):
    def answer(asked, connection):
        body = answer_to(asked, b'{"true":1}')
        connection.sendall(head("200 OK", kind) + (b"data: %s\n\n" % body if kind != "application/json" else body))
        return False
    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Connection(gateway.url) as connection:
            for number in range(3):
                assert call(connection, "echo", identifier=number).json() == {
                    "jsonrpc": "2.0", "id": number, "result": {"true": 1}}


@pytest.mark.parametrize("kind, lines", [
    ("application/json", ["Content-Length: 1000"]), ("application/json", []), ("application/json", [CHUNKED]),
    ("text/event-stream", ["Content-Length: 1000"]), ("text/event-stream", []), ("text/event-stream", [CHUNKED])])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_an_upstream_that_resets_in_the_middle_costs_its_call_only(make_gateway, kind, lines, era):
    def answer(asked, connection):
        piece = (b"data: " if kind == "text/event-stream" else b"") + answer_to(asked, LEAK)[:-5]
        if CHUNKED in lines:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        connection.sendall(head("200 OK", kind, *lines) + piece)
        # Closing now is a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Connection(gateway.url) as connection:
            for _ in range(2):
                refused(call(connection, "echo", identifier="asked", era=era), era)
        assert gateway.restarts() == {}


def test_interim_replies_without_end_are_given_up(make_gateway):
    ended = threading.Event()

    def answer(_, connection):
        try:
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        finally:
            ended.set()
    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Connection(gateway.url) as connection:
            refused(call(connection, "echo", identifier="asked"))
        assert ended.wait(20)


def test_a_few_interim_replies_are_skipped(liar):
    reply = liar.tell(lambda asked: b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 3 + http_reply(answer_to(asked, b'{"a":1}')))
    assert reply.json()["result"] == {"a": 1}


@pytest.mark.parametrize("framing", ["event", "event of many lines", "json"])
def test_a_hundred_megabytes_in_one_message_are_not_held(make_gateway, framing):
    size, piece = 100 << 20, b"x" * (1 << 20)
    line = b"\ndata: " if framing == "event of many lines" else b""

    def answer(asked, connection):
        kind = "application/json" if framing == "json" else "text/event-stream"
        connection.sendall(head("200 OK", kind) + (b"" if framing == "json" else b"data: "))
        connection.sendall(answer_to(asked, LEAK)[:-2] + b',"x":"')
        for _ in range(size // len(piece)):
            connection.sendall(piece + line)
        connection.sendall(b'"}}' + (b"" if framing == "json" else b"\n\n"))
        return False
    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        route, ingress = gateway.pid("route"), gateway.pid("ingress")
        with Connection(gateway.url, timeout=60) as connection:
            refused(call(connection, "echo", identifier="asked"))
        for pid in (route, ingress):
            assert int(status_fields(pid)["VmHWM"].split()[0]) < 96 * 1024
        assert gateway.restarts() == {}


def test_an_upstream_that_hangs_in_the_middle_holds_no_other_call_up(make_gateway):
    def answer(asked, connection):
        if json.loads(asked.body)["params"]["name"] == "hang":
            connection.sendall(head("200 OK", "application/json", "Content-Length: 1000") + b'{"jsonrpc"')
            wait_for_close(connection)
            return False
        connection.sendall(http_reply(answer_to(asked, b"{}")))
        return True
    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        hanging = [Connection(gateway.url) for _ in range(10)]
        try:
            for one in hanging:
                headers, body = tool_call("hang", {}, 1, "modern")
                one.send("POST", headers=headers, body=body)
            with Connection(gateway.url) as connection:
                for number in range(20):
                    assert call(connection, "echo", identifier=number).json()["result"] == {}
        finally:
            for one in hanging:
                one.close()
