"""Every request ends with one answer, whatever a server does with its streams and sessions around it."""

import json

import pytest

from harness.clients import TYPES, Client, Stream, call, hello, leave, metric
from harness.eventually import eventually
from harness.http import Connection
from harness.scripted import ScriptedUpstream

UNAVAILABLE = -31013
PING = {"jsonrpc": "2.0", "id": "up", "method": "ping"}


def opening(gateway):
    """An initialize under way."""
    connection = Connection(gateway.url)
    connection.send("POST", headers=TYPES, body=json.dumps(hello()).encode())
    return connection


def listening(client):
    connection = Connection(client.url)
    connection.send("GET", headers=client.fields())
    return connection


def test_a_stream_that_waits_for_its_head_ends_with_its_session(make_gateway):
    with ScriptedUpstream({"GET": lambda answer: answer.wait_closed()}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        with listening(client) as waiting:
            upstream.wait("GET")
            assert client.delete().status == 200
            assert waiting.receive().status == 404


def test_an_initialize_that_ends_after_a_priming_event_is_answered(make_gateway):
    def prime(answer):
        answer.begin_events(["Mcp-Session-Id: s-1"])
        answer.raw_events(b"id: 1\ndata:\n\n")
        return answer.end_events()

    with ScriptedUpstream({"initialize": prime}) as upstream, opening(make_gateway(upstream.url).start()) as asked:
        reply = asked.receive()
        assert (reply.json()["id"], reply.json()["error"]["code"]) == (0, UNAVAILABLE)
        assert "mcp-session-id" not in reply.headers


def test_a_server_that_asks_before_it_agrees_is_answered_and_agrees(make_gateway):
    def ask(answer):
        answer.begin_events(["Mcp-Session-Id: s-1"])
        answer.event(PING)
        eventually(lambda: upstream.of("answer"), "the ping is answered")
        return answer.last_event({"protocolVersion": "2025-11-25", "capabilities": {},
                                  "serverInfo": {"name": "s", "version": "1"}})

    handlers = {"initialize": ask, "answer": lambda answer: answer.send(202)}
    with ScriptedUpstream(handlers) as upstream, opening(make_gateway(upstream.url).start()) as asked:
        stream = Stream(asked)
        assert [message["id"] for message in stream.messages()] == [0]
        assert stream.headers["mcp-session-id"]
        assert upstream.of("answer")[0].message == {"jsonrpc": "2.0", "id": "up", "result": {}}


@pytest.mark.parametrize("session", [True, False])
def test_a_call_is_answered_once_though_its_stream_stays_open(make_gateway, session):
    def linger(answer):
        answer.begin_events()
        for _ in range(2):
            answer.event({"jsonrpc": "2.0", "id": answer.id, "result": {"content": []}})
        return answer.wait_closed()

    with ScriptedUpstream({"tools/call": linger}, sessions=session) as upstream:
        gateway = make_gateway(upstream.url, "--request-timeout", "1s").start()
        with Client(gateway.url).stream(call(identifier=7)) as stream:
            assert [message["id"] for message in stream.messages()] == [7]


def test_a_session_whose_end_the_server_cannot_confirm_is_over_all_the_same(make_gateway):
    with ScriptedUpstream({"DELETE": lambda answer: answer.send(500, b"<p>no</p>", "text/html")}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        with client.listen() as stream:
            client.delete()
            assert stream.messages() == []
        assert client.call().status == 404


def test_an_error_for_another_request_is_no_answer(make_gateway):
    def other(answer):
        return answer.send(200, b'{"jsonrpc":"2.0","id":12345,"error":{"code":-5,"message":"for somebody else"}}')

    with ScriptedUpstream({"tools/call": other}) as upstream:
        reply = Client(make_gateway(upstream.url).start().url).call(identifier=7).json()
        assert (reply["id"], reply["error"]["code"]) == (7, UNAVAILABLE)


def test_a_notification_has_no_stream(make_gateway):
    def events(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        return answer.wait_closed()

    with ScriptedUpstream({"notifications/roots/list_changed": events}) as upstream:
        client = Client(make_gateway(upstream.url).start().url)
        reply = client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
        assert (reply.status, reply.body) == (202, b"")


def test_a_lost_session_is_lost_for_a_batch_too(make_gateway):
    with ScriptedUpstream(revision="2025-03-26") as upstream:
        client = Client(make_gateway(upstream.url).start().url, revision="2025-03-26")
        with client.listen():
            upstream.wait_stream()
            upstream.lose_sessions()
            assert client.post([call(identifier=1), call(identifier=2)]).status == 404


def test_without_a_session_nobody_is_asked(make_gateway):
    def ask(answer):
        answer.begin_events()
        answer.event(PING)
        return answer.last_event({"content": []})

    with ScriptedUpstream({"tools/call": ask}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url).start()
        with Client(gateway.url).stream(call(identifier=7)) as stream:
            assert [message.get("method", message["id"]) for message in stream.messages()] == [7]
        assert metric(gateway, "mcpgw_messages_dropped_total") == 1


UNANSWERED = {
    "an answer": lambda answer: answer.text("late"),
    "an error": lambda answer: answer.error(200, -32000, "late"),
    "another status": lambda answer: answer.send(500, b"<p>no</p>", "text/html"),
    "no JSON": lambda answer: answer.send(200, b"{"),
    "a stream without an answer": lambda answer: answer.begin_events() or answer.end_events(),
    "a closed connection": lambda _: False,
    "nothing": lambda answer: answer.wait_closed(),
}


@pytest.mark.parametrize("left_by", ["its client", "the ingress"])
@pytest.mark.parametrize("ends", UNANSWERED)
def test_a_call_that_nobody_waits_for_any_more_is_over_however_it_ends(make_gateway, left_by, ends):
    def late(answer):
        upstream.wait_released()
        return UNANSWERED[ends](answer)

    with ScriptedUpstream({"tools/call": late}) as upstream:
        gateway = make_gateway(upstream.url, "--request-timeout", "2s").start()
        connection = Client(gateway.url).start(call())
        upstream.wait("tools/call")
        if left_by == "its client":
            leave(connection)
            eventually(lambda: metric(gateway, "mcpgw_connections_open") == 0, "the ingress sees that the client left")
        else:
            gateway.kill_and_wait("ingress")
            connection.close()
        upstream.released.set()
        eventually(lambda: metric(gateway, "mcpgw_exchanges_in_flight", "route") == 0, "nothing is in flight")
