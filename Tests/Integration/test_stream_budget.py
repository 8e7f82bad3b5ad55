"""What event streams hold in a worker at once is bounded over all of them, and given back."""

import json
import threading

import pytest

from harness.clients import Client, Stream, call
from harness.eventually import DEADLINE
from harness.processes import resident_kilobytes
from harness.scripted import ScriptedUpstream

NO_ROOM = -31016
# Bytes of messages that a worker holds at once, and more than the memory it has beside them.
BUDGET = 256 << 20
BESIDE = 96 << 20
# An event below the limit of 16 MiB, and more of them than fit.
EVENT = 12 << 20
TOO_MANY = 30


def log(text):
    return {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": text}}


def large_event():
    return b"event: message\ndata: " + json.dumps(log("d" * EVENT)).encode() + b"\n\n"


def serves(client):
    return "result" in client.call().json()


def test_unfinished_events_of_many_streams_have_one_bound_and_who_is_beyond_it_is_told(make_gateway):
    """Each is within the limit of an event; together they are beyond what the worker may hold."""
    event = large_event()
    sent = threading.Semaphore(0)

    def half(answer):
        if answer.params["name"] == "echo":
            return answer.text("x")
        answer.begin_events()
        try:
            answer.raw_events(event[:-1])
        finally:
            # Given up meanwhile, or not.
            sent.release()
        upstream.wait_released()
        answer.raw_events(event[-1:])
        return answer.last_event({"content": []})

    with ScriptedUpstream({"tools/call": half}) as upstream:
        gateway = make_gateway(upstream.url).start()
        client = Client(gateway.url)
        for _ in range(2):
            connections = [client.start(call("half", identifier=number)) for number in range(TOO_MANY)]
            for _ in range(TOO_MANY):
                assert sent.acquire(timeout=DEADLINE)
            # Some are answered at once; the others wait for the rest of their event, and others are served.
            held = resident_kilobytes(gateway.pid("route")) << 10
            assert held < BUDGET + BESIDE, f"the route holds {held >> 20} MiB"
            upstream.released.set()
            answers = []
            for connection in connections:
                with Stream(connection) as stream:
                    answers.append(stream.messages() if stream.status == 200 else None)
            refused = [found for found in answers if "error" in found[-1]]
            assert all(found[-1]["error"]["code"] == NO_ROOM and len(found) == 1 for found in refused), refused
            whole = [found for found in answers if "error" not in found[-1]]
            assert all(len(found) == 2 and len(found[0]["params"]["data"]) == EVENT for found in whole)
            # As many as the budget has room for, and not one more; the second time as many as the first.
            assert 0 < len(refused) and len(whole) * EVENT <= BUDGET, (len(refused), len(whole))
            assert len(whole) >= BUDGET // (2 * EVENT), (len(refused), len(whole))
            assert serves(client)
            upstream.released.clear()
        assert gateway.restarts() == {}


@pytest.mark.parametrize("kind", ["calls", "server messages"])
def test_a_stream_that_is_quiet_after_a_large_event_takes_no_room_from_others(make_gateway, kind):
    event = large_event()

    def one_event(answer):
        if answer.method == "POST" and answer.params["name"] == "echo":
            return answer.text("x")
        answer.begin_events()
        answer.raw_events(event)
        return answer.wait_closed()

    with ScriptedUpstream({"tools/call": one_event, "GET": one_event}) as upstream:
        gateway = make_gateway(upstream.url).start()
        clients = [Client(gateway.url) for _ in range(TOO_MANY)]
        streams = []
        try:
            for client in clients:
                stream = client.listen() if kind == "server messages" else client.stream(call("large"))
                streams.append(stream)
                message = stream.message()
                assert "error" not in message, f"the stream number {len(streams)}: {message}"
                assert len(message["params"]["data"]) == EVENT
            assert all(serves(client) for client in clients)
            held = resident_kilobytes(gateway.pid("route")) << 10
            assert held < BUDGET, f"the route holds {held >> 20} MiB"
        finally:
            for stream in streams:
                stream.close()
        assert gateway.restarts() == {}
