"""What ends a stream or a call: clients that leave, time, stale connections; and what a client that does not read costs."""

import json

import pytest

from harness.clients import Client, Stream, call, leave, metric
from harness.eventually import eventually
from harness.http import tool_call
from harness.processes import status_fields
from harness.scripted import ScriptedUpstream, chunk
from harness.streams import LARGE, LISTED, UNAVAILABLE, log, modern, streaming_upstream


@pytest.fixture
def upstream():
    with streaming_upstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(make_gateway, upstream):
    return make_gateway(upstream.url).start()


# What comes at the end


@pytest.mark.parametrize("behind", ["a large event", "what the client has not taken"])
def test_an_answer_that_comes_with_the_end_of_its_stream_is_read_though_it_has_to_wait(make_gateway, behind):
    sizes = [LARGE] if behind == "a large event" else [LARGE // 10] * 300

    def together(answer):
        answer.begin_events()
        events = [b"data: " + json.dumps(log(number, size)).encode() + b"\n\n" for number, size in enumerate(sizes)]
        answer.raw_events(b"".join(events)[:-1])
        result = {"jsonrpc": "2.0", "id": answer.id, "result": {"content": []}}
        # The last byte of the event, the answer and the end of the body at once, so that they are read at once.
        answer.connection.sendall(
            chunk(b"\n") + chunk(b"data: " + json.dumps(result).encode() + b"\n\n") + chunk(b""))
        return True

    with ScriptedUpstream({"tools/call": together}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        connections = [client.start(call(identifier=number)) for number in range(8)]
        for number, connection in enumerate(connections):
            with Stream(connection) as stream:
                *before, last = stream.messages()
            assert [len(message["params"]["data"]) for message in before] == sizes
            assert last == {"jsonrpc": "2.0", "id": number, "result": {"content": []}}


# Clients that leave, and time


def hold(answer):
    return answer.wait_closed()


@pytest.mark.parametrize("when", ["before the head", "on the stream"])
def test_a_modern_client_that_leaves_ends_its_call_upstream(gateway, upstream, when):
    upstream.has_sessions = False
    ended = []

    def watched(answer):
        if when == "on the stream":
            answer.begin_events()
            answer.event(log(0))
        answer.wait_closed()
        ended.append(answer)
        return False
    upstream.handlers["tools/call"] = watched
    headers, body = modern("stay")
    connection = Client(gateway.url, opens=False).start(body, headers)
    upstream.wait("tools/call")
    if when == "on the stream":
        assert Stream(connection).message()["params"]["number"] == 0
    leave(connection)
    eventually(lambda: ended, "the upstream's call is ended")
    assert upstream.of("notifications/cancelled") == []


@pytest.mark.parametrize("when", ["before the head", "on the stream"])
def test_a_legacy_client_that_leaves_does_not_end_its_call(gateway, upstream, when):
    finished = []

    def slow(answer):
        if when == "on the stream":
            answer.begin_events()
            answer.event(log(0))
        upstream.wait_released()
        # Were the connection closed, this would fail somewhere.
        if when == "on the stream":
            for number in range(50):
                answer.event(log(number, 20_000))
            answer.last_event({"content": []})
        else:
            answer.text("late")
        finished.append(answer)
        return True
    upstream.handlers["tools/call"] = slow
    client = Client(gateway.url)
    connection = client.start(call())
    upstream.wait("tools/call")
    if when == "on the stream":
        assert Stream(connection).message()["params"]["number"] == 0
    leave(connection)
    eventually(lambda: metric(gateway, "mcpgw_connections_open") == 0, "the ingress sees that the client left")
    upstream.released.set()
    eventually(lambda: finished, "the call is finished")
    eventually(lambda: metric(gateway, "mcpgw_exchanges_in_flight", "route") == 0, "the answer is read to its end")
    # Over the same connection, if it was read to its end: no second one is opened for the next call.
    count = metric(gateway, "mcpgw_upstream_connections_total")
    upstream.handlers["tools/call"] = upstream.result
    assert "result" in client.call().json()
    assert metric(gateway, "mcpgw_upstream_connections_total") == count


@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 504)])
def test_an_upstream_that_is_silent_too_long_is_given_up(make_gateway, era, status):
    with ScriptedUpstream({"tools/call": hold}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url, "--request-timeout", "100ms").start()
        headers, body = tool_call("hold", {}, 5, era)
        with Client(gateway.url, opens=False).start(body, headers) as connection:
            reply = connection.receive()
        assert (reply.status, reply.json()["error"]["code"], reply.json()["id"]) == (status, UNAVAILABLE, 5)


def test_a_stream_that_falls_silent_is_ended_with_an_answer(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--request-timeout", "100ms").start()
    with Client(gateway.url).stream(call("stay")) as stream:
        messages = stream.messages()
    assert messages[-1]["error"]["code"] == UNAVAILABLE


def test_what_is_heard_of_a_call_gives_it_more_time_but_not_for_ever(make_gateway):
    def steady(answer):
        answer.begin_events()
        number = 0
        while not upstream.released.wait(0.05):
            answer.event(log(number))
            number += 1
        return False

    with ScriptedUpstream({"tools/call": steady}) as upstream:
        # Long enough apart that only one of them can be the reason.
        gateway = make_gateway(upstream.url, "--request-timeout", "3s", "--request-limit", "5s").start()
        with Client(gateway.url).stream(call(identifier=9)) as stream:
            messages = stream.messages()
        assert messages[-1]["id"] == 9 and messages[-1]["error"]["code"] == UNAVAILABLE
        # More than the silence alone would have allowed, however slow the machine.
        assert len(messages) > 2


def test_a_stream_of_server_messages_has_no_time_limit(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--request-timeout", "100ms", "--request-limit", "200ms").start()
    client = Client(gateway.url)
    with client.listen() as stream:
        server = upstream.wait_stream()
        # A call that begins later is ended by both limits; the stream is not.
        with client.stream(call("stay")) as ended:
            assert "error" in ended.messages()[-1]
        server.event(LISTED)
        assert stream.message() == LISTED


# Connections that were kept too long


@pytest.mark.parametrize("method, times", [("tools/list", 2), ("ping", 2), ("resources/read", 2), ("prompts/get", 2),
                                           ("tools/call", 1), ("logging/setLevel", None), ("an/extension", 1)])
def test_what_may_run_twice_is_repeated_once_on_a_stale_connection_and_a_call_never(make_gateway, method, times):
    served = {}

    def answer(one):
        key = one.connection.fileno()
        served[key] = served.get(key, 0) + 1
        if one.method == "POST" and one.message["method"] == method and one.id != "warm":
            return False if served[key] > 1 else one.result({})
        return one.result({})

    with ScriptedUpstream(sessions=False) as upstream:
        for name in (method, "warm/up"):
            upstream.handlers[name] = answer
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url, opens=False)
        params = {"name": "echo", "uri": "file:///x", "level": "info", "arguments": {}}
        warm = {"jsonrpc": "2.0", "id": "warm", "method": "warm/up"}
        assert "result" in client.post(warm).json()
        reply = client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
        came = len(upstream.of(method))
        if times == 2:
            assert came == 2 and "result" in reply
            assert metric(gateway, "mcpgw_requests_repeated_total") == 1
        elif times == 1:
            assert came == 1 and reply["error"]["code"] == UNAVAILABLE
            assert metric(gateway, "mcpgw_requests_repeated_total") == 0
        else:
            assert came <= 2


def test_what_fails_on_two_stale_connections_is_not_sent_a_third_time(make_gateway):
    held = []

    def warm(answer):
        held.append(answer)
        if len(held) < 3:
            upstream.wait_released()
        else:
            upstream.released.set()
        return answer.result({})

    with ScriptedUpstream({"warm/up": warm, "tools/list": lambda _: False}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url, opens=False)
        # Three at once make three connections, which are kept.
        connections = [client.start({"jsonrpc": "2.0", "id": number, "method": "warm/up"}) for number in range(3)]
        for connection in connections:
            with connection:
                assert "result" in connection.receive().json()
        reply = client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()
        assert reply["error"]["code"] == UNAVAILABLE
        assert len(upstream.of("tools/list")) == 2


# A client that does not read


@pytest.mark.parametrize("kind", ["small events", "large events", "comments"])
def test_an_endless_stream_to_a_client_that_does_not_read_fills_no_memory(make_gateway, kind):
    sent = [0]

    def endless(answer):
        answer.begin_events()
        event = b"event: message\ndata: " + json.dumps(log(1, LARGE if kind == "large events" else 500)).encode() + b"\n\n"
        piece = b": a comment of the server that says nothing\n\n" if kind == "comments" else event
        piece *= max(1, 65536 // len(piece))
        while not upstream.released.is_set():
            answer.raw_events(piece)
            sent[0] += len(piece)
        return False

    def resident(role):
        return int(status_fields(gateway.pid(role))["VmRSS"].split()[0])

    with ScriptedUpstream({"tools/call": endless}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        before = {role: resident(role) for role in ("ingress", "route")}
        connections = [client.start(call(identifier=number)) for number in range(4)]
        upstream.wait("tools/call", 4)

        def stands_still():
            # A call of another client goes through both workers meanwhile: they are not blocked, they hold back.
            seen = sent[0]
            for _ in range(50):
                assert "result" in client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()
            return sent[0] == seen and sent[0] > 0
        eventually(stands_still, lambda: f"the upstream is held back, {sent[0]} bytes sent")
        # Each stream has its credit, one message and the buffers of its sockets; the kernel's are not counted here.
        for role in before:
            grown = resident(role) - before[role]
            assert grown <= 4 * 4096, f"the {role} grew by {grown} KB"
        # Nothing was lost: what waited comes when it is read.
        with Stream(connections[0]) as stream:
            for _ in range(40):
                stream.line()
        for connection in connections[1:]:
            connection.close()
        upstream.released.set()
        assert gateway.restarts() == {}
