"""The console's HTTP: requests that two readers could take apart differently, foreign pages, and clients that only hold connections."""

import re
from contextlib import ExitStack

import pytest

from harness.eventually import eventually
from harness.http import Connection, get

FORMS = {
    "a bare LF": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "a bare LF at the end of the head": b"GET /healthz HTTP/1.1\r\nHost: localhost\n\n",
    "a length and chunks": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\nabcd",
    "a folded line": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n",
    "a body": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd",
    "another method": b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
}
HIDDEN = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def until_closed(connection):
    received = b""
    try:
        while data := connection.socket.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


@pytest.fixture
def url(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, "--transport-head-timeout", "1s").start()
    yield gateway.metrics_url
    assert gateway.restarts() == {}


def test_a_doubtful_request_is_refused_and_what_follows_it_is_not_read(url):
    for name, text in FORMS.items():
        with Connection(url) as connection:
            connection.socket.sendall(text + HIDDEN)
            received = until_closed(connection)
        statuses = re.findall(rb"HTTP/1\.1 (\d\d\d) ", received)
        assert len(statuses) == 1 and statuses[0] in (b"400", b"405", b"505"), (name, received[:200])
        assert b"mcpgw_" not in received, name
    assert get(url, "/healthz").status == 200


def test_a_foreign_name_or_page_is_refused(url):
    for field in [("Host", "evil.example"), ("Host", "127.0.0.1.evil.example"), ("Host", "localhost.evil.example:80"),
                  ("Host", ":80"), ("Origin", "http://evil.example"), ("Origin", "null")]:
        for path in ("/healthz", "/readyz", "/metrics"):
            reply = get(url, path, [field])
            assert reply.status == 403 and b"mcpgw_" not in reply.body, (field, path)
    for host in ("localhost", "localhost:9", "127.0.0.1", "[::1]:9"):
        assert get(url, "/healthz", [("Host", host)]).status == 200, host


def test_a_head_that_never_ends_is_given_up(url):
    with Connection(url) as connection:
        connection.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        assert until_closed(connection) == b""


def test_connections_that_ask_nothing_leave_the_console_usable(url):
    with ExitStack() as stack:
        idle = [stack.enter_context(Connection(url)) for _ in range(100)]
        # Those in the way are given up by their time at the latest.
        def healthy():
            try:
                return get(url, "/healthz").status == 200
            except ConnectionError:
                return False
        eventually(healthy, "health is told again")
        assert all(until_closed(one) == b"" for one in idle)
        assert get(url, "/metrics").status == 200
