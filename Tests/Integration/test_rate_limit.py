"""How much each subject may ask: what is refused and how each kind of message and client hears of it."""

import json
import time

import pytest

from harness.clients import call, metric
from harness.eventually import eventually
from harness.http import Connection, tool_call
from harness.keys import ALICE, BOB, KeyedClient, configuration, entry, shown
from harness.scripted import ScriptedUpstream

# One token in 1000 seconds: within a test none comes back.
NEVER = "0.001"
NOTICE = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


@pytest.fixture
def upstream():
    with ScriptedUpstream(sessions=False) as upstream:
        yield upstream


@pytest.fixture
def limited(make_gateway, upstream, directory):
    """A gateway with a limit."""
    def make(burst, rate=NEVER, keys=True):
        entries = [entry("alice", ALICE), entry("bob", BOB)] if keys else []
        return make_gateway(upstream.url, *configuration(directory, entries, (rate, burst))).start()
    return make


def send(url, key=ALICE, era="legacy", identifier=1, message=None, method="POST"):
    headers, body = tool_call("echo", {"text": "x"}, identifier, era)
    if message is not None:
        body = json.dumps(message).encode()
        headers = [(name, value) for name, value in headers if not name.startswith("Mcp-")]
        if era == "modern":
            headers.append(("Mcp-Method", message["method"]))
    with Connection(url) as connection:
        connection.send(method, headers=[*headers, *(shown(key) if key else [])], body=body if method == "POST" else b"")
        return connection.receive()


def is_limited(error):
    data = error["data"]
    assert (error["code"], data["type"]) == (-31012, "rate_limited")
    assert 0 < data["retry_after_ms"] <= 1_000_000
    return data["retry_after_ms"]


def test_a_legacy_client_is_told_in_the_answer(limited, upstream):
    gateway = limited(3)
    replies = [send(gateway.url, identifier=f"id {number}") for number in range(5)]
    assert [reply.status for reply in replies] == [200] * 5
    assert ["result" in reply.json() for reply in replies] == [True] * 3 + [False] * 2
    for number in (3, 4):
        assert replies[number].json()["id"] == f"id {number}"
        is_limited(replies[number].json()["error"])
        assert "retry-after" not in replies[number].headers
    assert len(upstream.of("tools/call")) == 3
    assert metric(gateway, "mcpgw_messages_rate_limited_total") == 2


def test_a_modern_client_is_told_by_the_status(limited, upstream):
    gateway = limited(1)
    assert send(gateway.url, era="modern").status == 200
    reply = send(gateway.url, era="modern", identifier=9)
    assert reply.status == 429 and reply.json()["id"] == 9
    wait = is_limited(reply.json()["error"])
    assert 0 <= int(reply.headers["retry-after"]) * 1000 - wait < 1000
    assert len(upstream.of("tools/call")) == 1


def test_a_notification_is_dropped(limited, upstream):
    gateway = limited(1)
    send(gateway.url)
    reply = send(gateway.url, message=NOTICE)
    assert (reply.status, reply.body) == (202, b"")
    assert upstream.of(NOTICE["method"]) == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_other_methods_get_the_status(limited, upstream, method):
    gateway = limited(1)
    send(gateway.url)
    reply = send(gateway.url, method=method)
    assert reply.status == 429 and int(reply.headers["retry-after"]) >= 1
    is_limited(reply.json()["error"])
    assert upstream.of(method) == []


def test_a_session_that_cannot_be_deleted_for_the_moment_goes_on(make_gateway, directory):
    with ScriptedUpstream() as upstream:
        options = configuration(directory, [entry("alice", ALICE)], ("1", 4))
        client = KeyedClient(make_gateway(upstream.url, *options).start().url, ALICE)
        while client.call().json().get("result"):
            pass
        if client.delete().status == 429:
            assert len(upstream.live) == 1
            assert eventually(lambda: client.call().json().get("result"), "a token comes back")


def test_each_message_of_a_batch_costs_a_token(make_gateway, directory):
    with ScriptedUpstream(revision="2025-03-26") as upstream:
        options = configuration(directory, [entry("alice", ALICE)], (NEVER, 6))
        gateway = make_gateway(upstream.url, *options).start()
        # initialize and initialized cost two.
        client = KeyedClient(gateway.url, ALICE, revision="2025-03-26")
        messages = [call(identifier=number) for number in range(3)] + [NOTICE] + [call(identifier=9), NOTICE]
        answers = {one["id"]: one for one in client.post(messages).json()}
        assert set(answers) == {0, 1, 2, 9}
        assert all("result" in answers[number] for number in range(3))
        is_limited(answers[9]["error"])
        assert len(upstream.of(NOTICE["method"])) == 1 and len(upstream.of("tools/call")) == 3
        reply = client.post([NOTICE, NOTICE])
        assert (reply.status, reply.body) == (202, b"")


def test_an_answer_to_the_server_is_never_refused(make_gateway, directory):
    def ask(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "id": "question", "method": "roots/list"})
        upstream.wait("answer")
        return answer.last_event({"content": []})

    with ScriptedUpstream({"tools/call": ask}) as upstream:
        options = configuration(directory, [entry("alice", ALICE)], (NEVER, 3))
        client = KeyedClient(make_gateway(upstream.url, *options).start().url, ALICE)
        with client.stream(call(identifier=1)) as stream:
            asked = stream.message()
            is_limited(client.call().json()["error"])
            assert client.post({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}).status == 202
            assert "result" in stream.message()


def test_subjects_do_not_use_up_each_others_limit(limited):
    gateway = limited(2)
    for key in (ALICE, BOB):
        assert ["result" in send(gateway.url, key).json() for _ in range(3)] == [True, True, False]


def test_who_is_anonymous_is_one_subject(limited):
    gateway = limited(2, keys=False)
    assert ["result" in send(gateway.url, key).json() for key in (None, ALICE, BOB)] == [True, True, False]


def test_who_is_not_known_uses_up_nothing(limited):
    gateway = limited(1)
    assert [send(gateway.url, key).status for key in (None, ALICE + "x") * 3] == [401] * 6
    assert "result" in send(gateway.url).json()


def test_what_cannot_be_read_costs_too(limited):
    gateway = limited(2)
    assert all("error" in send(gateway.url, message=broken).json() for broken in ({"no": "message"}, {"jsonrpc": "1.0"}))
    is_limited(send(gateway.url).json()["error"])


def test_whoever_waits_as_long_as_it_was_told_is_served(limited):
    gateway = limited(1, rate="2")
    assert "result" in send(gateway.url).json()
    for _ in range(3):
        wait = is_limited(send(gateway.url).json()["error"])
        assert wait <= 500
        # The time is what is tested here.
        time.sleep(wait / 1000)
        assert "result" in send(gateway.url).json()


def test_the_rate_holds_over_time(limited, upstream):
    gateway = limited(5, rate="20")
    headers, body = tool_call("echo", {"text": "x"}, 1, "legacy")
    start = time.monotonic()
    served = 0
    with Connection(gateway.url) as connection:
        while time.monotonic() - start < 2:
            connection.send("POST", headers=[*headers, *shown(ALICE)], body=body)
            served += "result" in connection.receive().json()
    elapsed = time.monotonic() - start
    # Never more than the burst and the rate; not much less either.
    assert 20 * 2 * 0.6 <= served <= 5 + 20 * elapsed
    assert len(upstream.of("tools/call")) == served
