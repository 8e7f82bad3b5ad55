"""A mixed load with clients that leave at random costs nothing that lasts: descriptors and memory end where they began."""

import contextlib
import os
import random
import socket
import threading
import time
from collections import Counter

import pytest

from harness.clients import Client, call, leave, metric
from harness.eventually import eventually
from harness.http import Connection, tool_call
from harness.processes import descriptors
from harness.scripted import Answer, ScriptedUpstream

# Seconds; contrib/soak sets more.
SECONDS = float(os.environ.get("MCPGW_MIXED_LOAD_SECONDS", "60"))
SEED = int(os.environ.get("MCPGW_MIXED_LOAD_SEED", str(random.SystemRandom().randrange(1 << 32))))
CLIENTS = 8
# Kilobytes of its heap that a worker may have in use more than before: buffers that it keeps on purpose come and go, so each half is
# looked at twice, and what a leak adds is in the least of the second half's looks too.
GROWTH = 512
LARGE = 600_000
ROLES = ("ingress", "route", "dialer", "recorder", "console")


def answer(request):
    """The upstream's tools: the size and the form of the answer stand in the arguments."""
    wanted = request.params.get("arguments", {})
    text = "t" * wanted.get("size", 10)
    if request.params["name"] == "silent":
        return request.wait_closed()
    if request.params["name"] == "events":
        request.begin_events()
        for number in range(wanted["count"]):
            request.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {
                "level": "info", "data": text, "number": number}})
        return request.last_event({"content": [{"type": "text", "text": text}]})
    return request.text(text)


class MixedLoad:
    """Clients of both eras, each of which does one thing after the other, until told to stop."""

    def __init__(self, url, seed):
        self.url = url
        self.outcomes = Counter()
        self.unexpected = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(seed * 1000 + number),), daemon=True)
                        for number in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def _run(self, choice):
        deeds = (self.modern, self.legacy_session, self.legacy_session, self.without_session)
        while not self.stopping.is_set() and len(self.unexpected) < 10:
            deed = choice.choice(deeds)
            try:
                deed(choice)
            except Exception as error:  # Whatever it is, it is the outcome of the test.
                with self.lock:
                    self.unexpected.append(f"{deed.__name__}: {type(error).__name__}: {error}")

    def note(self, outcome):
        with self.lock:
            self.outcomes[outcome] += 1

    @staticmethod
    def wanted(choice):
        """A tool and its arguments, and the size of a text that is sent along."""
        if choice.random() < 0.3:
            arguments = {"count": choice.randrange(20), "size": choice.choice((10, 3000, LARGE // 2)) if
                         choice.random() < 0.2 else 100}
            return "events", arguments
        size = LARGE if choice.random() < 0.05 else choice.randrange(5000)
        arguments = {"size": size}
        if choice.random() < 0.05:
            arguments["text"] = "s" * LARGE
        return "echo", arguments

    def one(self, choice, start, identifier):
        """One call: read to its end, left in the middle of the answer, or left before it."""
        tool, arguments = self.wanted(choice)
        fate = choice.random()
        if fate < 0.06:
            # Never the legacy era's: its calls would be waited for after the client has gone, as they have to.
            tool = "silent" if start.era == "modern" else tool
            leave(start(tool, arguments, identifier))
            return self.note("left before the answer")
        connection = start(tool, arguments, identifier)
        if fate < 0.15:
            connection.socket.recv(choice.randrange(1, 2000))
            leave(connection)
            return self.note("left in the middle")
        with connection:
            reply = connection.receive()
        message = reply.json()
        assert reply.status == 200 and message["id"] == identifier, (reply.status, reply.body[:500])
        assert len(message["result"]["content"][0]["text"]) == arguments["size"] if "size" in arguments else True
        self.note(f"answered by {tool}")

    def modern(self, choice):
        def start(tool, arguments, identifier):
            headers, body = tool_call(tool, arguments, identifier, "modern")
            connection = Connection(self.url, 60)
            connection.send("POST", headers=headers, body=body)
            return connection
        start.era = "modern"
        for _ in range(choice.randrange(1, 10)):
            self.one(choice, start, choice.choice((choice.randrange(10), str(choice.randrange(10)))))

    def legacy_session(self, choice, opens=True):
        client = Client(self.url, opens=opens)

        def start(tool, arguments, identifier):
            return client.start(call(tool, arguments, identifier, choice.choice((None, "token", 7))), timeout=60)
        start.era = "legacy"
        listens = opens and choice.random() < 0.5
        stream = client.listen() if listens else None
        for _ in range(choice.randrange(1, 10)):
            self.one(choice, start, choice.choice((choice.randrange(10), str(choice.randrange(10)))))
        ends = opens and choice.random() < 0.7
        if stream and (choice.random() < 0.5 or not ends):
            leave(stream.connection)
            self.note("a stream left")
            stream = None
        if ends:
            assert client.delete().status == 200
            self.note("a session deleted")
        elif opens:
            self.note("a session abandoned")
        if stream:
            assert stream.messages() == []
            stream.close()
            self.note("a stream ended with its session")

    def without_session(self, choice):
        self.legacy_session(choice, opens=False)


class Upstream(ScriptedUpstream):
    """Serves requests with and without a session, and keeps no account of what it was asked."""

    def _answer(self, request, connection):
        one = Answer(request, connection)
        if one.session and one.session not in self.live:
            return one.error(404, -32600, "Session not found")
        handler = self.handlers.get(one.name) or (self.result if one.id is not None else self.accept)
        return handler(one)

    def stream(self, answer):
        answer.begin_events()
        return answer.wait_closed()

    def cut(self):
        """Ends every connection."""
        with self.server.lock:
            for connection in self.server.open:
                # Its peer may have ended it already.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.server.threads:
            thread.join(1)
        self.server.threads = [thread for thread in self.server.threads if thread.is_alive()]


def heap_kilobytes(gateway, role):
    """What a worker's heap has in use, once that has been the same for longer than the worker takes to look again."""
    value, since = metric(gateway, "mcpgw_heap_bytes", role), time.monotonic()

    def is_settled():
        nonlocal value, since
        now = metric(gateway, "mcpgw_heap_bytes", role)
        if now != value:
            value, since = now, time.monotonic()
        return time.monotonic() - since > 2.5
    eventually(is_settled, lambda: f"the {role}'s heap settles: {value}", deadline=60)
    return int(value) // 1024


def standing(gateway):
    """What must be as before once nothing is in flight."""
    try:
        return {role: sorted(link.split(":[")[0] for link in descriptors(gateway.pid(role)).values()) for role in ROLES}
    except PermissionError:
        return {}


def quiet(gateway, upstream, before):
    """Waits until nothing is in flight and no connection is left but the one that shows that the upstream is there."""
    upstream.cut()
    for name in ("mcpgw_exchanges_in_flight", "mcpgw_connections_open"):
        eventually(lambda: metric(gateway, name) == 0, lambda: f"{name} is 0: {metric(gateway, name)}", deadline=60)
    eventually(lambda: standing(gateway) == before,
               lambda: f"descriptors as before:\n{before}\n{standing(gateway)}", deadline=60)
    return {role: heap_kilobytes(gateway, role) for role in ("ingress", "route")}


@pytest.mark.slow
def test_a_mixed_load_with_random_disconnects_leaves_nothing_behind(make_gateway):
    keeps_nothing(make_gateway)


@pytest.mark.slow
@pytest.mark.root
def test_a_mixed_load_with_random_disconnects_leaves_the_descriptors_as_they_were(make_gateway):
    # Those of a worker are root's to read.
    before = keeps_nothing(make_gateway)
    assert all(before[role] for role in ROLES)


def keeps_nothing(make_gateway):
    """Runs the load and looks at what it leaves. Returns what was open before, role by role, if this user may know."""
    print(f"seed {SEED}, {SECONDS:g} s")
    with Upstream({"tools/call": answer}) as upstream:
        gateway = make_gateway(upstream.url).start()
        pids = {role: gateway.pid(role) for role in ROLES}
        eventually(lambda: len(upstream.server.open) == 1, "the connection that shows that the upstream is there")
        before = standing(gateway)
        memory, outcomes = [], Counter()
        # The first half warms up; growth is what the second half adds to the first.
        for part, share in enumerate((0.25, 0.25, 0.25, 0.25)):
            with MixedLoad(gateway.url, SEED + part) as load:
                load.stopping.wait(SECONDS * share) or load.stopping.set()
            assert load.unexpected == [], f"seed {SEED}"
            assert not any(thread.is_alive() for thread in load.threads), f"a client hangs, seed {SEED}"
            outcomes += load.outcomes
            memory.append(quiet(gateway, upstream, before))
        print(dict(outcomes), memory)
        expected = {"answered by echo", "answered by events", "left before the answer", "left in the middle",
                    "a session deleted", "a session abandoned", "a stream left", "a stream ended with its session"}
        assert set(outcomes) == expected
        for role in memory[0]:
            first, second = [max(look[role] for look in memory[:2]), min(look[role] for look in memory[2:])]
            grown = second - first
            assert grown <= GROWTH, f"the {role} grew by {grown} KB in the second half, seed {SEED}: {memory}"
        assert {role: gateway.pid(role) for role in ROLES} == pids
        assert gateway.restarts() == {}
        return before
