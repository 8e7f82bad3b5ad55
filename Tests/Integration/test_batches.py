"""Batches, which exist only in sessions of 2025-03-26: many messages in one request, one answer to all of them."""

import json

import pytest

from harness.clients import Client, call, hello
from harness.scripted import ScriptedUpstream

REVISION = "2025-03-26"
NOTIFICATION = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
# More than one read, one frame and one credit.
HUGE = 1_500_000


def tool(answer):
    """What the tools of the upstream do."""
    name, text = answer.params["name"], answer.params.get("arguments", {}).get("text")
    if name == "fail":
        return answer.error(200, -32050, "as asked")
    if name == "break":
        answer.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        return False
    if name == "spread":
        body = json.dumps({"jsonrpc": "2.0", "id": answer.id, "result": {"content": []}}, indent=2).replace("\n", "\r\n")
        return answer.send(200, body.encode())
    if name == "huge":
        return answer.text("h" * HUGE)
    if name in ("events", "huge events"):
        answer.begin_events()
        for number in range(3):
            data = text if name == "events" else "h" * (HUGE // 3)
            message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {
                "level": "info", "logger": text, "data": data, "number": number}}
            event = f"event: message\ndata: {json.dumps(message)}\n\n".encode()
            # Cut where it hurts.
            for piece in (event[:9], event[9:-1], event[-1:]):
                answer.raw_events(piece)
        return answer.last_event({"content": [{"type": "text", "text": text}]})
    return answer.text(text)


@pytest.fixture
def upstream():
    with ScriptedUpstream({"tools/call": tool}, revision=REVISION) as upstream:
        yield upstream


@pytest.fixture
def client(make_gateway, upstream):
    return Client(make_gateway(upstream.url).start().url, REVISION)


def echoes(count):
    return [call("echo", {"text": f"text {number}"}, f"id {number}") for number in range(count)]


def refused(upstream, client, body, fields=None):
    """The error to a batch none of which may reach the upstream."""
    before = len(upstream.seen)
    reply = client.post(body, fields)
    answer = reply.json()
    assert len(upstream.seen) == before
    assert isinstance(answer, dict) and answer["error"]["code"] == -32600
    return reply


@pytest.mark.parametrize("count", [1, 2, 64])
def test_a_batch_is_answered_by_one_array_with_the_answer_to_each_call(client, upstream, count):
    reply = client.post(echoes(count))
    assert reply.status == 200 and reply.headers["content-type"].startswith("application/json")
    answers = reply.json()
    assert isinstance(answers, list)
    assert {answer["id"]: answer["result"]["content"][0]["text"] for answer in answers} == {
        f"id {number}": f"text {number}" for number in range(count)}
    # Each travels as a message of its own.
    assert len(answers) == len(upstream.of("tools/call")) == count


def test_answers_come_in_the_order_in_which_the_upstream_gave_them(make_gateway):
    def second_first(answer):
        if answer.params["arguments"]["text"] == "text 0":
            upstream.wait_released()
            return answer.text("text 0")
        answer.text("text 1")
        return True

    with ScriptedUpstream({"tools/call": second_first}, revision=REVISION) as upstream:
        client = Client(make_gateway(upstream.url).start().url, REVISION)
        connection = client.start(echoes(2))
        upstream.wait("tools/call", 2)
        # Another call goes through the same workers after it: by then the second answer is in.
        client.call("after")
        upstream.released.set()
        with connection:
            assert [answer["id"] for answer in connection.receive().json()] == ["id 1", "id 0"]


def test_ids_of_any_form_come_back_as_they_were(client):
    ids = [0, -1, 9007199254740993, "1", "", "ü\\\"", 1]
    answers = client.post([call("echo", {"text": "x"}, identifier) for identifier in ids]).json()
    assert sorted(map(repr, ids)) == sorted(repr(answer["id"]) for answer in answers)


@pytest.mark.parametrize("count", [0, 65, 5000])
def test_a_batch_of_none_or_of_too_many_is_refused_whole(client, upstream, count):
    assert refused(upstream, client, echoes(count)).status == 200


INITIALIZE = hello(REVISION)
MODERN = call("echo", {"text": "x"}, 9)
MODERN["params"]["_meta"] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


@pytest.mark.parametrize("bad", [INITIALIZE, MODERN, [call()], 5, {"jsonrpc": "2.0", "id": 1}])
def test_one_message_that_may_not_be_there_refuses_the_batch(client, upstream, bad):
    for batch in ([bad], [*echoes(2), bad], [bad, *echoes(2)]):
        refused(upstream, client, batch)
    assert len(client.post(echoes(2)).json()) == 2


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-06-18", "2025-11-25"])
def test_other_revisions_have_no_batches(make_gateway, revision):
    with ScriptedUpstream({"tools/call": tool}, revision=revision) as upstream:
        client = Client(make_gateway(upstream.url).start().url, revision)
        refused(upstream, client, echoes(2))
        assert "result" in client.call().json()


def test_without_a_session_there_are_no_batches(make_gateway):
    with ScriptedUpstream({"tools/call": tool}, sessions=False, revision=REVISION) as upstream:
        client = Client(make_gateway(upstream.url).start().url, REVISION, opens=False)
        refused(upstream, client, echoes(2))
        assert "result" in client.call().json()


@pytest.mark.parametrize("count", [1, 3, 64])
def test_a_batch_of_notifications_is_accepted_and_each_goes_on(client, upstream, count):
    reply = client.post([NOTIFICATION] * count)
    assert (reply.status, reply.body) == (202, b"")
    assert len(upstream.of("notifications/roots/list_changed")) == count


def test_notifications_among_calls_have_no_answer(client, upstream):
    answers = client.post([NOTIFICATION, *echoes(2), NOTIFICATION]).json()
    assert {answer["id"] for answer in answers} == {"id 0", "id 1"} and len(answers) == 2
    assert len(upstream.of("notifications/roots/list_changed")) == 2


def test_a_call_that_fails_does_not_spoil_the_others(client):
    batch = [call("echo", {"text": "a"}, "a"), call("fail", {}, "server's"), call("break", {}, "gateway's"),
             call("echo", {"text": "b"}, "b")]
    answers = {answer["id"]: answer for answer in client.post(batch).json()}
    assert set(answers) == {"a", "server's", "gateway's", "b"}
    assert "result" in answers["a"] and "result" in answers["b"]
    assert answers["server's"]["error"]["code"] == -32050
    assert answers["gateway's"]["error"]["code"] == -31013


@pytest.mark.parametrize("kind", ["events", "huge events"])
def test_streams_of_several_calls_become_one_of_whole_events(client, kind):
    names = [f"call {number}" for number in range(6)]
    batch = [call(kind, {"text": name}, name) for name in names]
    batch[3:3] = [call("echo", {"text": "plain"}, "plain"), call("spread", {}, "spread"), call("fail", {}, "failed"), NOTIFICATION]
    with client.stream(batch) as stream:
        assert stream.status == 200 and stream.headers["content-type"].startswith("text/event-stream")
        messages = stream.messages()
        assert stream.rest == b""
    answers = {message["id"]: message for message in messages if "id" in message}
    assert set(answers) == {*names, "plain", "spread", "failed"}
    assert len([message for message in messages if "id" in message]) == len(answers)
    assert answers["failed"]["error"]["code"] == -32050
    for name in names:
        own = [message for message in messages
               if message.get("id") == name or message.get("params", {}).get("logger") == name]
        # In the order of its own stream, and whole.
        assert [message.get("params", {}).get("number", "answer") for message in own] == [0, 1, 2, "answer"]
        if kind == "huge events":
            assert all(len(message["params"]["data"]) == HUGE // 3 for message in own[:3])


def test_huge_answers_are_one_array(client):
    batch = [call("huge", {}, number) for number in range(5)] + echoes(2)
    answers = {answer["id"]: answer["result"]["content"][0]["text"] for answer in client.post(batch).json()}
    assert len(answers) == 7 and all(answers[number] == "h" * HUGE for number in range(5))


def test_a_client_that_leaves_a_batch_harms_nobody(make_gateway):
    def late(answer):
        if answer.params["name"] == "late":
            upstream.wait_released()
        return answer.text("x")

    with ScriptedUpstream({"tools/call": late}, revision=REVISION) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url, REVISION)
        client.start([call("late", {}, number) for number in range(10)]).close()
        upstream.wait("tools/call", 10)
        assert len(client.post(echoes(20)).json()) == 20
        upstream.released.set()
        assert len(client.post(echoes(20)).json()) == 20
        assert gateway.restarts() == {}
