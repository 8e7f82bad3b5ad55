"""Event streams and what is mapped on them: each message reaches the one client it is for, whole, once, and in order."""

import json
import socket

import pytest

from harness.clients import Client, Stream, call, metric
from harness.eventually import eventually
from harness.scripted import ScriptedUpstream
from harness.streams import LARGE, LISTED, UNAVAILABLE, log, modern, streaming_upstream


def progress(token, value=1):
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": value}}


@pytest.fixture
def upstream():
    with streaming_upstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(make_gateway, upstream):
    return make_gateway(upstream.url).start()


def opened(upstream, client, identifier=1, token=None):
    """A call whose stream has begun on both sides, and the upstream's end of it."""
    count = len(upstream.of("tools/call"))
    stream = client.stream(call("stay", {}, identifier, token))
    assert stream.message()["params"]["number"] == 0
    return stream, upstream.wait("tools/call", count + 1)


def dropped(gateway):
    return metric(gateway, "mcpgw_messages_dropped_total")


# Comments and ends


@pytest.mark.parametrize("kind", ["a call", "server messages", "a modern call"])
def test_a_quiet_stream_is_kept_alive_by_comments(make_gateway, upstream, kind):
    gateway = make_gateway(upstream.url, "--keep-alive", "200ms").start()
    if kind == "a modern call":
        upstream.has_sessions = False
        headers, body = modern("stay")
        stream = Client(gateway.url, opens=False).start(body, headers)
        stream = Stream(stream)
    elif kind == "a call":
        stream = Client(gateway.url).stream(call("stay"))
    else:
        stream = Client(gateway.url).listen()
        upstream.wait_stream().event(log(0))
    with stream:
        assert b"data:" in stream.block()
        for _ in range(2):
            assert stream.line()[:1] in (b":", b"")


@pytest.mark.parametrize("cut", [1, 8, 25, -2, -1])
@pytest.mark.parametrize("ends", ["closes", "ends the body", "resets"])
def test_half_an_event_never_reaches_the_client(make_gateway, cut, ends):
    def half(answer):
        answer.begin_events()
        whole = b"event: message\ndata: " + json.dumps(log(1)).encode() + b"\n\n"
        answer.raw_events(whole + whole[:cut])
        if ends == "ends the body":
            return answer.end_events()
        if ends == "resets":
            answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        return False

    with ScriptedUpstream({"tools/call": half}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        with client.stream(call(identifier="cut")) as stream:
            messages = stream.messages()
            assert stream.rest == b""
        assert messages[-1]["id"] == "cut" and messages[-1]["error"]["code"] == UNAVAILABLE
        # A reset may overtake what was sent before it.
        assert messages[:-1] in ([log(1)], [] if ends == "resets" else [log(1)])


def test_an_event_that_a_killed_worker_cuts_is_no_message_and_the_call_is_answered(make_gateway):
    size = 8 << 20

    def large(answer):
        answer.begin_events()
        answer.event(log(1))
        answer.event(log(2, size))
        return answer.wait_closed()

    with ScriptedUpstream({"tools/call": large}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        with Stream(client.start(call(identifier="cut"))) as stream:
            assert stream.message() == log(1)
            # The client reads only a part of the event, so that the rest waits in the workers.
            while len(stream.rest) < 65536:
                stream._more()
            gateway.kill_and_wait("route")
            blocks = []
            while (block := stream.block()) is not None:
                blocks.append(block)
        assert all(len(block) < size for block in blocks)
        readable = []
        for block in blocks:
            data = b"\n".join(line[5:].strip(b" ") for line in block.split(b"\n") if line.startswith(b"data:"))
            try:
                readable.append(json.loads(data))
            except ValueError:
                pass
        assert [(message["id"], message["error"]["code"]) for message in readable] == [("cut", UNAVAILABLE)]


def test_events_larger_than_one_reading_keep_their_place_among_small_ones(make_gateway):
    sizes = [0, LARGE, 0, 0, 4 * LARGE, LARGE, 0, LARGE, 10, 0]

    def mixed(answer):
        answer.begin_events()
        for number, size in enumerate(sizes):
            answer.event(log(number, size))
        return answer.last_event({"content": [{"type": "text", "text": "e" * LARGE}]})

    with ScriptedUpstream({"tools/call": mixed}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        streams = [client.stream(call(identifier=number)) for number in range(4)]
        for number, stream in enumerate(streams):
            with stream:
                messages = stream.messages()
            assert [(one["params"]["number"], len(one["params"]["data"])) for one in messages[:-1]] == list(enumerate(sizes))
            assert messages[-1]["id"] == number and len(messages[-1]["result"]["content"][0]["text"]) == LARGE


# Whose message it is


def test_progress_on_the_stream_of_server_messages_has_the_token_of_its_call(gateway, upstream):
    client, other = Client(gateway.url), Client(gateway.url)
    first, first_end = opened(upstream, client, 1, "7")
    second, second_end = opened(upstream, client, 2, 7)
    foreign, foreign_end = opened(upstream, other, 1, "of another session")
    with client.listen() as stream, first, second, foreign:
        server = upstream.wait_stream()
        before = dropped(gateway)
        server.event(progress(second_end.token, 1))
        server.event(progress(first_end.token, 2))
        # Of another session, of nobody, and the client's own spelling.
        for token in (foreign_end.token, 123456, "7", 7, str(first_end.token)):
            server.event(progress(token, 3))
        server.event(LISTED)
        assert [stream.message() for _ in range(3)] == [progress(7, 1), progress("7", 2), LISTED]
        eventually(lambda: dropped(gateway) == before + 5, lambda: f"5 dropped: {before}, {dropped(gateway)}")


def test_progress_after_the_end_of_its_call_is_dropped(gateway, upstream):
    client = Client(gateway.url)
    with client.listen() as stream:
        server = upstream.wait_stream()
        call_stream, end = opened(upstream, client, 1, "token")
        end.last_event({"content": []})
        assert call_stream.message()["id"] == 1
        call_stream.close()
        server.event(progress(end.token))
        server.event(LISTED)
        assert stream.message() == LISTED
        assert dropped(gateway) == 1


def test_a_cancellation_reaches_the_call_of_its_own_client_only(gateway, upstream):
    clients = [Client(gateway.url) for _ in range(2)]
    calls = [opened(upstream, client, "same id") for client in clients]
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "same id"}}
    for client, (_, end) in reversed(list(zip(clients, calls))):
        assert client.post(cancel).status == 202
        sent = upstream.of("notifications/cancelled")[-1]
        assert (sent.session, sent.params["requestId"]) == (end.session, end.id)
    assert len(upstream.of("notifications/cancelled")) == 2
    # An id that is not in flight there, and one that only looks the same.
    for identifier in ("unknown", 1, calls[0][1].id):
        assert clients[0].post({**cancel, "params": {"requestId": identifier}}).status == 202
    assert len(upstream.of("notifications/cancelled")) == 2
    for stream, _ in calls:
        stream.close()


def test_without_sessions_nobody_can_cancel_the_call_of_another(gateway, upstream):
    upstream.has_sessions = False
    clients = [Client(gateway.url, opens=False) for _ in range(2)]
    calls = [opened(upstream, client, 5) for client in clients]
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    assert clients[0].post(cancel).status == 202
    assert upstream.of("notifications/cancelled") == []
    for stream, _ in calls:
        stream.close()


def test_a_servers_request_is_answered_by_its_own_session_and_once(gateway, upstream):
    owner, other = Client(gateway.url), Client(gateway.url)
    stream, end = opened(upstream, owner, 1)
    with stream:
        # Its id is that of the call in flight: both directions count for themselves.
        end.event({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
        asked = stream.message()
        assert asked["method"] == "roots/list"
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}
        for wrong in (other, Client(gateway.url)):
            assert wrong.post(reply).status == 202
        for identifier in (str(asked["id"]), 1, asked["id"] + 1):
            assert owner.post({**reply, "id": identifier}).status == 202
        assert upstream.of("answer") == []
        assert dropped(gateway) == 5
        for _ in range(2):
            assert owner.post(reply).status == 202
        answers = upstream.of("answer")
        assert [(answer.session, answer.id) for answer in answers] == [(end.session, 1)]
        assert dropped(gateway) == 6


@pytest.mark.parametrize("name", ["an answer to another call", "a second answer", "an answer without a call"])
def test_an_answer_nobody_waits_for_is_dropped(gateway, upstream, name):
    client = Client(gateway.url)
    stream, end = opened(upstream, client, "mine")
    other, other_end = opened(upstream, client, "another")
    wrong = {"jsonrpc": "2.0", "id": {"an answer to another call": other_end.id, "a second answer": end.id}.get(name, 1),
             "result": {"content": ["wrong"]}}
    right = {"jsonrpc": "2.0", "id": end.id, "result": {"content": []}}
    with stream, other:
        for message in ([right, wrong] if name == "a second answer" else [wrong, right]):
            end.event(message)
        end.end_events()
        assert stream.messages() == [{**right, "id": "mine"}]
        assert dropped(gateway) == 1


def test_listening_clients_get_their_own_ids_back(gateway, upstream):
    upstream.has_sessions = False
    name = "io.modelcontextprotocol/subscriptionId"

    def event(method, subscription):
        return {"jsonrpc": "2.0", "method": method, "params": {"_meta": {name: subscription}}}

    def listen(answer):
        answer.begin_events()
        answer.event(event("notifications/subscriptions/acknowledged", answer.id))
        return answer.wait_closed()
    upstream.handlers["subscriptions/listen"] = listen
    streams = []
    for identifier in ("listen-1", 1, "1"):
        headers, body = modern()
        message = json.loads(body) | {"id": identifier, "method": "subscriptions/listen"}
        message["params"] = {"_meta": message["params"]["_meta"], "notifications": {"toolsListChanged": True}}
        headers = [(field, "subscriptions/listen" if field == "Mcp-Method" else value)
                   for field, value in headers if field != "Mcp-Name"]
        stream = Stream(Client(gateway.url, opens=False).start(message, headers))
        assert stream.status == 200
        acknowledged = stream.message()
        assert repr(acknowledged["params"]["_meta"][name]) == repr(identifier)
        streams.append((stream, upstream.wait("subscriptions/listen", len(streams) + 1), identifier))
    for stream, end, identifier in streams:
        for _, other, _ in streams:
            if other is not end:
                end.event(event("notifications/tools/list_changed", other.id))
        end.event(event("notifications/tools/list_changed", end.id))
        end.event({"jsonrpc": "2.0", "id": end.id, "result": {"_meta": {name: end.id}}})
        end.end_events()
        with stream:
            changed, result = stream.messages()
        assert repr(changed["params"]["_meta"][name]) == repr(identifier)
        assert repr(result["id"]) == repr(result["result"]["_meta"][name]) == repr(identifier)
    assert dropped(gateway) == 6
