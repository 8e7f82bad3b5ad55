"""Event ids as clients get them: they lead back to their own stream, and nobody else anywhere."""

import pytest

from harness.clients import Client, Stream, call
from harness.http import Connection
from harness.scripted import ScriptedUpstream

EVENT = "secret-event-7"


@pytest.fixture
def cut():
    """An upstream whose calls break off after an event with an id, and whose GET streams answer what is resumed."""
    def break_off(answer):
        answer.begin_events()
        answer.raw_events(f"id: {EVENT}\ndata:\n\n".encode())
        upstream.asked = answer.id
        return answer.end_events()

    def resume(answer):
        answer.begin_events()
        if answer.headers.get("last-event-id") == EVENT:
            answer.event({"jsonrpc": "2.0", "id": upstream.asked, "result": {"content": []}})
        return answer.end_events()

    with ScriptedUpstream({"tools/call": break_off, "GET": resume}) as upstream:
        yield upstream


def event_id(client, identifier):
    """The id in the stream of a call that breaks off."""
    with client.stream(call(identifier=identifier)) as stream:
        block = stream.block()
        assert stream.messages() == []
    return block.split(b"id: ")[1].split(b"\n")[0].decode()


def listen(client, last):
    connection = Connection(client.url)
    connection.send("GET", headers=[*client.fields(), ("Last-Event-ID", last)])
    return Stream(connection)


def test_a_stream_is_taken_up_again_and_its_call_answered(make_gateway, cut):
    client = Client(make_gateway(cut.url).start().url)
    last = event_id(client, "my own id")
    assert EVENT not in last
    with listen(client, last) as stream:
        assert [message["id"] for message in stream.messages()] == ["my own id"]
    assert cut.of("GET")[-1].headers["last-event-id"] == EVENT


def test_a_killed_route_worker_does_not_lose_the_place(make_gateway, cut):
    gateway = make_gateway(cut.url).start()
    client = Client(gateway.url)
    last = event_id(client, 5)
    gateway.kill_and_wait("route")
    with listen(client, last) as stream:
        assert [message["id"] for message in stream.messages()] == [5]


@pytest.mark.parametrize("change", [
    lambda last: last,
    lambda last: last[:-1] + ("0" if last[-1] != "0" else "1"),
    lambda last: last.rsplit(".", 1)[0],
    lambda last: EVENT,
    lambda last: "",
    lambda last: "." * 100,
], ids=["as it is", "another tag", "no tag", "the upstream's own", "empty", "dots"])
def test_another_session_cannot_use_an_event_id(make_gateway, cut, change):
    url = make_gateway(cut.url).start().url
    owner, other = Client(url), Client(url)
    with listen(other, change(event_id(owner, 5))) as stream:
        assert stream.status == 200 and stream.messages() == []
    assert "last-event-id" not in cut.of("GET")[-1].headers
