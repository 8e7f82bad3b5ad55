"""Upstreams that answer what no client should see: each call gets an error of the gateway, and nobody is restarted."""

import gzip
import json
import threading

import pytest

from harness.eventually import eventually
from harness.http import Connection, call, tool_call
from harness.raw_upstream import RawUpstream, wait_for_close

UNUSABLE = -31013
SECRET = "words-of-the-upstream"
RESULT = b'{"jsonrpc":"2.0","id":"asked","result":{"text":"%s"}}' % SECRET.encode()


def head(status, kind, *fields):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def whole(status, kind, body, *fields):
    return head(status, kind, f"Content-Length: {len(body)}", *fields) + body


def endless(kind, *fields, chunked=False):
    """An answer that never ends, and never pauses."""
    piece = (SECRET + " ").encode() * 1000
    if chunked:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)

    def answer(_, connection):
        connection.sendall(head("200 OK", kind, *fields))
        while True:
            connection.sendall(piece)
    return answer


def once(text, closes=False):
    def answer(_, connection):
        connection.sendall(text)
        return not closes
    return answer


def half(text):
    """An answer that stops before its end, on a connection that stays open."""
    def answer(_, connection):
        connection.sendall(text)
        wait_for_close(connection)
    return answer


PAGE = f"<html><body>{SECRET}</body></html>".encode()
UNUSABLE_ANSWERS = {
    "endless text": endless("text/plain"),
    "endless text in chunks": endless("text/plain", "Transfer-Encoding: chunked", chunked=True),
    "endless JSON": endless("application/json"),
    "text that never comes": half(head("200 OK", "text/plain", "Content-Length: 1000")),
    "a page": once(whole("200 OK", "text/html", PAGE)),
    "a page of a failed server": once(whole("500 Internal Server Error", "text/html", PAGE)),
    "compressed JSON": once(whole("200 OK", "application/json", gzip.compress(RESULT), "Content-Encoding: gzip")),
    "compressed events": once(whole(
        "200 OK", "text/event-stream", gzip.compress(b"data: " + RESULT + b"\n\n"), "Content-Encoding: gzip")),
    "no JSON": once(whole("200 OK", "application/json", f"{{'text': '{SECRET}'}}".encode())),
    "JSON with a name twice": once(whole("200 OK", "application/json", RESULT.replace(b'"id"', b'"id":1,"id"'))),
    "half a JSON": once(head("200 OK", "application/json", "Content-Length: 1000") + RESULT, closes=True),
    "two lengths": once(head("200 OK", "application/json", "Content-Length: 5", "Content-Length: 6") + RESULT, closes=True),
    "nothing": once(b"", closes=True),
    "no HTTP": once(f"220 {SECRET}\r\n".encode(), closes=True),
}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("kind", UNUSABLE_ANSWERS)
def test_an_unusable_answer_becomes_an_error_and_none_of_it_reaches_the_client(make_gateway, kind, era):
    with RawUpstream(UNUSABLE_ANSWERS[kind]) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Connection(gateway.url) as connection:
            # Twice: the first must leave nothing behind.
            for _ in range(2):
                reply = call(connection, "echo", identifier="asked", era=era)
                assert reply.status in ((200,) if era == "legacy" else (502, 503))
                message = json.loads(reply.body)
                assert message["id"] == "asked" and message["error"]["code"] == UNUSABLE, message
                assert SECRET.encode() not in reply.body
        assert gateway.restarts() == {}
        gateway.terminate()
        assert gateway.wait() == 0


def events(body):
    """The data of every complete event (HTML, 9.2.6), an incomplete one at the end being none."""
    data, found = [], []
    for line in body.decode("utf-8", errors="replace").split("\n"):
        if line == "":
            if data:
                found.append("\n".join(data))
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    return found


BEFORE = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n'


@pytest.mark.parametrize("framing", ["chunked", "counted"])
@pytest.mark.parametrize("broken", [
    b"data: " + RESULT[:40], b"data: ", b"da", b"event: mess", b"", b"data: {\"a\":\ndata: ", b": comment",
    "data: \u20ac".encode()[:-1]])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_stream_that_breaks_off_inside_an_event_ends_with_an_error_for_its_call(make_gateway, broken, era, framing):
    text = BEFORE + broken
    if framing == "chunked":
        answer = head("200 OK", "text/event-stream", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(text), text)
    else:
        answer = head("200 OK", "text/event-stream", "Content-Length: 100000") + text
    with RawUpstream(once(answer, closes=True)) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Connection(gateway.url) as connection:
            for number in range(2):
                # `receive` needs the last chunk, and the connection serves on.
                reply = call(connection, "echo", identifier=f"call-{number}", era=era)
                assert reply.status == 200 and reply.headers["content-type"] == "text/event-stream"
                found = events(reply.body)
                assert json.loads(found[0])["method"] == "notifications/message"
                message = json.loads(found[-1])
                assert message["id"] == f"call-{number}" and message["error"]["code"] == UNUSABLE
        assert gateway.restarts() == {}


def test_event_streams_of_clients_leave_the_upstream_connections_to_calls(make_gateway):
    streams = 70
    ended = threading.Semaphore(0)

    def answer(asked, connection):
        if asked.method == "GET":
            connection.sendall(head("200 OK", "text/event-stream") + b": here\n\n")
            wait_for_close(connection)
            ended.release()
            return False
        identifier = json.loads(asked.body)["id"]
        connection.sendall(whole(
            "200 OK", "application/json", json.dumps({"jsonrpc": "2.0", "id": identifier, "result": {}}).encode()))
        return True

    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        url = gateway.url
        listening = [Connection(url) for _ in range(streams)]
        try:
            for one in listening:
                one.send("GET", headers=[("Accept", "text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")])
            for one in listening:
                # The head and the first event, of a body that does not end.
                while b": here" not in one.buffer:
                    one._more()
                assert one.buffer.startswith(b"HTTP/1.1 200 ")
            for number in range(100):
                with Connection(url) as connection:
                    assert call(connection, "echo", identifier=number).json() == {
                        "jsonrpc": "2.0", "id": number, "result": {}}
        finally:
            for one in listening:
                one.close()
        # A client that leaves takes its stream with it, upstream too.
        for _ in range(streams):
            assert ended.acquire(timeout=20), "an upstream's stream outlived its client"
        assert gateway.restarts() == {}
