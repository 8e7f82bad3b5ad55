"""How much goes through at once and for how long: the connections to a server and the queue before them, redirects, and sizes at
their limits."""

import json
import threading
from contextlib import ExitStack

import pytest

from harness.clients import metric
from harness.eventually import eventually
from harness.http import Connection, call, tool_call
from harness.raw_upstream import RawUpstream, wait_for_close
from harness.scripted import ScriptedUpstream

ERAS = ["legacy", "modern"]
UNAVAILABLE, CAPACITY = -31013, -31016
MB = 1 << 20


def send(connection, era, tool="echo", identifier=1, **arguments):
    headers, body = tool_call(tool, arguments, identifier, era)
    connection.send("POST", headers=headers, body=body)


def code(reply):
    return reply.json()["error"]["code"]


def holding():
    """A server whose tool `hold` answers when the test lets go."""
    def answer(one):
        if one.params["name"] == "hold":
            upstream.wait_released()
        return one.text("done")

    upstream = ScriptedUpstream({"tools/call": answer}, sessions=False)
    return upstream


@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 503)])
def test_a_request_beyond_the_queue_is_refused_at_once_and_those_in_it_are_served(make_gateway, era, status):
    with holding() as upstream, ExitStack() as stack:
        gateway = make_gateway(
            upstream.url, "--transport-upstream-connections", "1", "--transport-queue", "1").start()
        first, second, third = (stack.enter_context(Connection(gateway.url)) for _ in range(3))
        send(first, era, "hold", "first")
        upstream.wait("tools/call")
        send(second, era, "echo", "second")
        eventually(lambda: metric(gateway, "mcpgw_exchanges_in_flight", "route") == 2, "the second waits")
        send(third, era, "echo", "third")
        refused = third.receive()
        assert (refused.status, code(refused), refused.json()["id"]) == (status, CAPACITY, "third")
        assert len(upstream.of("tools/call")) == 1
        upstream.released.set()
        assert [one.receive().json()["id"] for one in (first, second)] == ["first", "second"]
        assert call(third, "echo", era=era).status == 200


@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 503)])
def test_a_request_that_waits_too_long_for_a_connection_is_never_sent(make_gateway, era, status):
    with holding() as upstream, ExitStack() as stack:
        # The wait is three times the time to connect.
        gateway = make_gateway(
            upstream.url, "--transport-upstream-connections", "1", "--transport-connect-timeout", "200ms").start()
        first, second = (stack.enter_context(Connection(gateway.url)) for _ in range(2))
        send(first, era, "hold", "first")
        upstream.wait("tools/call")
        send(second, era, "echo", "second")
        refused = second.receive()
        assert (refused.status, code(refused), refused.json()["id"]) == (status, CAPACITY, "second")
        upstream.released.set()
        assert first.receive().json()["id"] == "first"
        assert [one.params["name"] for one in upstream.of("tools/call")] == ["hold"]


def test_an_idle_connection_is_kept_for_its_time_and_then_closed(make_gateway):
    served, closed = [], threading.Event()

    def answer(request, connection):
        served.append(connection)
        body = json.dumps({"jsonrpc": "2.0", "id": json.loads(request.body)["id"], "result": {}}).encode()
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        if len(served) == 2:
            wait_for_close(connection)
            closed.set()
        return len(served) < 2

    with RawUpstream(answer) as upstream:
        gateway = make_gateway(upstream.url, "--transport-upstream-idle", "1s").start()
        with Connection(gateway.url) as connection:
            assert [call(connection, "echo").status for _ in range(2)] == [200, 200]
            assert served[0] is served[1], "one connection for both"
            assert closed.wait(10), "still open"
            assert call(connection, "echo").status == 200
            assert len(served) == 3 and served[2] is not served[0]
        assert gateway.restarts() == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("era", ERAS)
def test_a_redirect_is_not_followed_nor_told(make_gateway, era, status):
    with ScriptedUpstream(sessions=False) as elsewhere:
        fields = [f"Location: {elsewhere.url}"]
        redirect = ScriptedUpstream({"tools/call": lambda one: one.send(status, fields=fields)}, sessions=False)
        with redirect:
            gateway = make_gateway(redirect.url).start()
            with Connection(gateway.url) as connection:
                reply = call(connection, "echo", era=era)
            assert (reply.status, code(reply)) == (200 if era == "legacy" else 503, UNAVAILABLE)
            assert "location" not in reply.headers and elsewhere.url.encode() not in reply.body
            assert len(redirect.of("tools/call")) == 1 and not elsewhere.seen


@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 504)])
def test_a_server_that_never_reads_costs_its_call_and_no_memory(make_gateway, era, status):
    def answer(request, connection):
        raise AssertionError("never read")

    class Deaf(RawUpstream):
        def _serve(self, connection):
            held.wait(30)
            with self.lock:
                self.open.discard(connection)
                connection.close()

    held = threading.Event()
    with Deaf(answer) as upstream, ExitStack() as stack:
        gateway = make_gateway(
            upstream.url, "--transport-request-timeout", "2s", "--transport-max-request-bytes", "16MiB").start()
        try:
            before = {role: metric(gateway, "mcpgw_heap_bytes", role) for role in ("ingress", "route")}
            connection = stack.enter_context(Connection(gateway.url))
            send(connection, era, text="x" * (12 * MB))
            refused = connection.receive()
            assert (refused.status, code(refused)) == (status, UNAVAILABLE)
            for role, heap in before.items():
                eventually(lambda: metric(gateway, "mcpgw_heap_bytes", role) < heap + 4 * MB,
                           lambda: f"heap of the {role}: {heap}, {metric(gateway, 'mcpgw_heap_bytes', role)}")
            assert gateway.restarts() == {}
        finally:
            held.set()


@pytest.mark.parametrize("framing", ["json", "event"])
@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 502)])
def test_a_reply_of_the_limit_passes_and_one_byte_more_does_not(make_gateway, era, status, framing):
    limit = 64 * 1024

    def answer(one):
        empty = json.dumps({"jsonrpc": "2.0", "id": one.id, "result": {"text": ""}})
        text = empty.replace('""', '"' + "x" * (one.params["arguments"]["size"] - len(empty)) + '"').encode()
        if framing == "json":
            return one.send(200, text)
        one.begin_events()
        one.raw_events(b"data: " + text + b"\n\n")
        return one.end_events()

    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        gateway = make_gateway(
            upstream.url, "--transport-max-reply-bytes", str(limit), "--transport-max-event-bytes", str(limit)).start()
        with Connection(gateway.url) as connection:
            whole = call(connection, "echo", {"size": limit}, era=era)
            assert whole.status == 200 and len(whole.json()["result"]["text"]) > limit - 100
            refused = call(connection, "echo", {"size": limit + 1}, era=era)
            assert code(refused) == UNAVAILABLE
            # The head of a stream is sent before its first event.
            assert refused.status == (status if framing == "json" else 200)
