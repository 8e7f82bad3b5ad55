"""Sessions that end, or are opened again, while something of theirs is under way: nothing is sent outside its session, and what
comes late ends nothing that came after it."""

import threading

import pytest

from harness.clients import Client, call, metric
from harness.eventually import DEADLINE, eventually
from harness.http import Connection
from harness.scripted import ScriptedUpstream

# Connections to the upstream that carry calls, at most.
CONNECTIONS = 64
SUBSCRIBE = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": {"uri": "file:///x"}}


def in_flight(gateway):
    return metric(gateway, "mcpgw_exchanges_in_flight", "route")


@pytest.mark.parametrize("what", ["a call", "a notification", "an answer"])
def test_a_late_refusal_of_a_lost_session_ends_nothing_of_the_one_in_its_place(make_gateway, what):
    """What a killed ingress left under way is in nobody's way when a lost session is opened again, and is refused afterwards."""
    name, message = {
        "a call": ("tools/call", call("stay", identifier=77)),
        "a notification": ("notifications/roots/list_changed",
                           {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
        "an answer": ("answer", None)}[what]

    def late(answer):
        if len(upstream.of(name)) == 1:
            upstream.wait_released()
            return answer.error(404, -32600, "Session not found")
        return answer.text("again") if answer.id is not None else answer.send(202)

    def tool(answer):
        if answer.params["name"] == "stay":
            return late(answer)
        if answer.params["name"] == "echo":
            return answer.text("x")
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "id": "up", "method": "ping"})
        return answer.last_event({"content": []})

    with ScriptedUpstream() as upstream:
        upstream.handlers |= {name: late, "tools/call": tool}
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        if what == "an answer":
            with client.stream(call("ask")) as stream:
                asked, _ = stream.messages()
            message = {"jsonrpc": "2.0", "id": asked["id"], "result": {}}
        with client.start(message):
            upstream.wait(name)
            gateway.kill_and_wait("ingress")
        assert in_flight(gateway) == 1
        upstream.lose_sessions()
        assert "result" in client.call("noticed").json()
        assert metric(gateway, "mcpgw_sessions_reopened_total") == 1
        upstream.released.set()
        eventually(lambda: in_flight(gateway) == 0, "what was under way is over")
        # The session in its place lives, and no third one was needed.
        assert "result" in client.call("after").json()
        assert len(upstream.of("initialize")) == 2 and len(upstream.live) == 1
        assert metric(gateway, "mcpgw_sessions_reopened_total") == 1


@pytest.mark.parametrize("how", ["its client ends it", "the upstream has lost it"])
def test_what_waits_for_a_connection_is_not_sent_after_its_session(make_gateway, how):
    freed = threading.Semaphore(0)

    def tool(answer):
        if answer.params["name"] == "hold":
            assert freed.acquire(timeout=4 * DEADLINE)
        return answer.text("x")

    with ScriptedUpstream({"tools/call": tool}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client, other = Client(gateway.url), Client(gateway.url)
        if how == "the upstream has lost it":
            # Something depends on it, so that none is opened in its place.
            assert "result" in client.post(SUBSCRIBE).json()
        # All connections are taken, by another client's calls.
        held = [other.start(call("hold", identifier=number)) for number in range(CONNECTIONS)]
        upstream.wait("tools/call", CONNECTIONS)
        waiting = []
        try:
            if how == "its client ends it":
                waiting.append(Connection(gateway.url))
                waiting[0].send("DELETE", headers=client.fields())
            else:
                waiting.append(client.start(call("first")))
            eventually(lambda: in_flight(gateway) == CONNECTIONS + 1, "what ends the session waits")
            waiting.append(client.start(call("second")))
            eventually(lambda: in_flight(gateway) == CONNECTIONS + 2, "what comes after it waits")
            if how == "the upstream has lost it":
                upstream.live.discard(upstream.of("resources/subscribe")[0].session)
            freed.release()
            ended, late = [connection.receive().status for connection in waiting]
        finally:
            freed.release(CONNECTIONS)
            for connection in waiting:
                connection.close()
        assert (ended, late) == (200 if how == "its client ends it" else 404, 404)
        assert [answer.params["name"] for answer in upstream.of("tools/call")[CONNECTIONS:]] == (
            [] if how == "its client ends it" else ["first"])
        for connection in held:
            with connection:
                assert "result" in connection.receive().json()
        assert len(upstream.of("initialize")) == 2
        assert client.call().status == 404 and "result" in other.call().json()
