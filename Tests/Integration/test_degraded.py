"""What is wrong but lets the rest work: the gateway runs, says what is degraded, and answers with errors."""

import os
import socket

import pytest

from harness.eventually import eventually
from harness.http import Connection, call, get


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def assert_degraded(gateway, named):
    """The route is degraded everywhere it can be seen; the gateway itself is healthy."""
    with Connection(gateway.url, timeout=60) as connection:
        reply = call(connection, "echo", identifier=5)
        assert reply.status == 200
        assert reply.json()["id"] == 5 and reply.json()["error"]["code"] == -31013
    with Connection(gateway.url, timeout=60) as connection:
        reply = call(connection, "echo", identifier=6, era="modern")
        assert reply.status == 503
        assert reply.json()["id"] == 6 and reply.json()["error"]["code"] == -31013
    status = eventually(lambda: gateway.degraded(now := gateway.status()) and now, "status says degraded")
    assert [route["state"] == "up" for route in status["routes"]] == [False]
    assert any(named in reason or "default" in reason for reason in gateway.degraded(status)), gateway.degraded(status)
    assert all(worker["state"] == "running" for worker in status["workers"])
    ready = get(gateway.metrics_url, "/readyz")
    assert ready.status == 503 and b"default" in ready.body
    assert get(gateway.metrics_url, "/healthz").status == 200


def test_an_upstream_that_refuses_degrades_its_route(make_gateway):
    port = unused_port()
    assert_degraded(make_gateway(f"http://127.0.0.1:{port}/mcp").start(), str(port))


def test_an_unknown_host_degrades_its_route(make_gateway):
    # Reserved never to exist (RFC 6761).
    assert_degraded(make_gateway("http://gateway-test.invalid/mcp").start(), "gateway-test.invalid")


def test_an_upstream_that_never_answers_a_connection_degrades_its_route(make_gateway):
    with socket.socket() as full:
        # A backlog that is full: further connections are not answered.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(full.getsockname())
                waiting.append(one)
            assert_degraded(make_gateway(f"http://127.0.0.1:{full.getsockname()[1]}/mcp").start(), "127.0.0.1")
        finally:
            for one in waiting:
                one.close()


def test_a_route_recovers_when_its_upstream_comes(make_gateway, upstream_program):
    from harness.servers import FastUpstream

    port = unused_port()
    gateway = make_gateway(f"http://127.0.0.1:{port}/mcp").start()
    assert_degraded(gateway, str(port))
    upstream = FastUpstream(upstream_program, "-p", str(port))
    try:
        def served():
            with Connection(gateway.url) as connection:
                return "result" in call(connection, "echo").json()
        eventually(served, "the route serves")
        eventually(lambda: not gateway.degraded(), "nothing is degraded")
        assert get(gateway.metrics_url, "/readyz").status == 200
    finally:
        upstream.stop()


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_never_taken_for_something_else(make_gateway, fast_upstream, closed):
    gateway = make_gateway(fast_upstream.url, launcher=("sh", "-c", f'exec "$@" {closed}', "sh")).start()
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()
    # What is printed by mistake must not end in a socket.
    if os.geteuid() == 0:
        for process in gateway.processes():
            for number in range(3):
                link = os.readlink(f"/proc/{process.pid}/fd/{number}")
                assert link == "/dev/null" or link == gateway.log_path or link.startswith("pipe:"), (process, number, link)
    gateway.kill_and_wait("route", "ingress")
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()
