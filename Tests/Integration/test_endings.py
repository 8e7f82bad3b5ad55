"""Whatever ends an exchange, in whatever state: its client gets its own answer or a closed connection, and nothing of it stays behind.

Exchanges in every state are under way at once; then something ends, and what each client saw is compared with what it may see."""

import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import leave, metric
from harness.eventually import eventually
from harness.http import Connection, call
from harness.processes import descriptors
from harness.stages import StagedUpstream, Stages

# The ends of one gateway's exchanges in a test: what one leaves behind shows in the next. contrib/soak sets more.
ROUNDS = int(os.environ.get("MCPGW_ENDINGS", "2"))
UNAVAILABLE = "error -31013"
# What a worker's heap holds at rest, in bytes; the exchanges of a round hold several times as much.
RESTING_HEAP = 3 << 20
# Exchanges that are still with their client, and need nothing but the gateway.
UNSENT = {"half a head", "half a body", "half the chunks"}
DONE = {
    "half a head": "answer", "half a body": "answer", "half the chunks": "answer", "waiting": "answer",
    "waiting, with a large body": "answer", "waiting, modern": "answer", "half an answer": "answer", "streaming": "answer",
    "streaming, modern": "answer", "not reading": "answer", "not reading, modern": "answer", "reopening": "answer",
    "notification": "status 202", "listening": "events", "deleting": "status 200", "opening": "answer",
    "batch": "answer,answer", "batch of streams": "answer,answer,answer", "pipelined": "answer+answer+answer"}
# The upstream, or the route's worker, is gone without having answered.
FAILED = DONE | dict.fromkeys(set(DONE) - UNSENT - {"listening"}, UNAVAILABLE) | {
    "batch": f"answer,{UNAVAILABLE}", "batch of streams": ",".join([UNAVAILABLE] * 3),
    "pipelined": f"{UNAVAILABLE}+answer+answer"}


@pytest.fixture
def upstream():
    with StagedUpstream() as upstream:
        yield upstream


@pytest.fixture
def stages(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--drain-timeout", "10m").start()
    stages = Stages(gateway, upstream)
    stages.gateway = gateway
    return stages


def outcomes(asked):
    """What each client sees in the end; all read at once."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(lambda one: one.outcome(), asked.values())))


def differences(seen, expected):
    """What no client may see; `expected` names one outcome, or several that may be."""
    wrong = {}
    for stage, outcome in seen.items():
        allowed = expected[stage]
        if outcome not in (allowed if isinstance(allowed, set) else {allowed}):
            wrong[stage] = outcome, allowed
    return wrong


def at_rest(gateway):
    """Nothing is in flight, no client is connected, and no worker holds what belonged to either."""
    for name, role in (("mcpgw_exchanges_in_flight", "ingress"), ("mcpgw_exchanges_in_flight", "route"),
                       ("mcpgw_connections_open", "ingress")):
        eventually(lambda: metric(gateway, name, role) == 0, lambda: f"{name} of the {role}: {metric(gateway, name, role)}")
    for role in ("ingress", "route"):
        eventually(lambda: metric(gateway, "mcpgw_heap_bytes", role) < RESTING_HEAP,
                   lambda: f"heap of the {role}: {metric(gateway, 'mcpgw_heap_bytes', role)}")
    assert "charged to" not in gateway.log(), gateway.log()


def descriptor_counts(gateway, upstream):
    """How many descriptors each worker has, beside the route's connections to the upstream. Nothing without root."""
    try:
        counts = {role: len(descriptors(worker["pid"])) for role, worker in gateway.workers().items()}
    except PermissionError:
        return {}
    counts["route"] -= len(upstream.server.open)
    return counts


def keeps_no_more(gateway, upstream, before):
    """No worker has more descriptors than before. The first count may have the console's answer to who asked for it."""
    def holds():
        now = descriptor_counts(gateway, upstream)
        return now.keys() == before.keys() and all(now[role] <= before[role] for role in now)

    eventually(holds, lambda: f"{descriptor_counts(gateway, upstream)}, before {before}")


def serves(gateway):
    with Connection(gateway.url) as connection:
        return "result" in call(connection, "echo", {"text": "after"}, era="modern").json()


def nobody_is_blamed(gateway):
    assert "broke the link protocol" not in gateway.log() and "condemned" not in gateway.log(), gateway.log()


def abort(connection):
    """Ends a connection with a reset."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


ENDINGS = {
    # What happens, what each client may see of it, and whether the upstream goes on before or after that is read.
    "nothing": ((), "answer", DONE),
    "the dialer is killed": (("dialer",), "answer", DONE),
    "the recorder is killed": (("recorder",), "answer", DONE),
    "the console is killed": (("console",), "answer", DONE),
    "the route is killed": (("route",), "answer", FAILED),
    "the ingress is killed": (("ingress",), "answer", dict.fromkeys(DONE, "closed")),
    "ingress and route are killed": (("ingress", "route"), "answer", dict.fromkeys(DONE, "closed")),
    "all workers are killed": (
        ("ingress", "route", "dialer", "recorder", "console"), "answer", dict.fromkeys(DONE, "closed")),
    # A session that it has lost and does not open again is over.
    "the upstream closes": ((), "close", FAILED | {"reopening": "error -32600"}),
    "the upstream resets": ((), "reset", FAILED | {"reopening": "error -32600"}),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_in_the_middle_of_everything(stages, upstream, ending):
    gateway = stages.gateway
    killed, then, expected = ENDINGS[ending]
    before = None
    for _ in range(ROUNDS):
        asked = stages.begin()
        if killed:
            gateway.kill_and_wait(*killed)
        upstream.go(then)
        for one in asked.values():
            one.finish_sending()
        seen = outcomes(asked)
        assert differences(seen, expected) == {}, gateway.log()
        at_rest(gateway)
        assert serves(gateway)
        at_rest(gateway)
        before = before or descriptor_counts(gateway, upstream)
        keeps_no_more(gateway, upstream, before)
        stages.again()
    assert gateway.restarts() == dict.fromkeys(killed, ROUNDS)
    nobody_is_blamed(gateway)


@pytest.mark.parametrize("how", [leave, abort])
def test_all_clients_leave_in_the_middle_of_everything(stages, upstream, how):
    gateway = stages.gateway
    before = None
    for _ in range(ROUNDS):
        asked = stages.begin()
        for one in asked.values():
            how(one.connection)
        eventually(lambda: metric(gateway, "mcpgw_connections_open") == 0, "the ingress sees that all have left")
        upstream.go()
        at_rest(gateway)
        assert serves(gateway)
        at_rest(gateway)
        before = before or descriptor_counts(gateway, upstream)
        keeps_no_more(gateway, upstream, before)
        stages.again()
    assert gateway.restarts() == {}
    nobody_is_blamed(gateway)


# What a drain leaves out: a stream that has no end of its own is ended by the gateway.
DRAINED = DONE | {"pipelined": {"answer+closed", "answer+answer+closed", "answer+answer+answer"}}


@pytest.mark.parametrize("kill", [None, "route", "ingress", "dialer", "recorder", "console"])
def test_a_drain_in_the_middle_of_everything(stages, upstream, kill):
    gateway = stages.gateway
    asked = stages.begin()
    pid = gateway.pid(kill) if kill else None
    gateway.terminate()
    gateway.notify.wait_for("STOPPING=1")
    # The stream of server messages ends when the ingress hears of the drain.
    listening = asked.pop("listening")
    assert listening.outcome() == "events"
    if kill:
        os.kill(pid, 9)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), f"the {kill} is gone")
    upstream.go()
    for one in asked.values():
        one.finish_sending()
    seen = outcomes(asked)
    lost = {"route": {UNAVAILABLE, "closed"}, "ingress": {"closed"}}.get(kill)
    if lost is None:
        assert differences(seen, DRAINED) == {}, gateway.log()
    else:
        assert not [stage for stage, outcome in seen.items() if "HANGS" in outcome], seen
    assert gateway.wait() == 0, gateway.log()
    gateway.nothing_left()
    assert "charged to" not in gateway.log(), gateway.log()
    nobody_is_blamed(gateway)


def test_a_drain_that_takes_too_long_ends_everything_in_order(make_gateway, upstream):
    gateway = make_gateway(upstream.url, "--drain-timeout", "2s").start()
    asked = Stages(gateway, upstream).begin()
    gateway.terminate()
    seen = outcomes(asked)
    assert gateway.wait() == 0, gateway.log()
    gateway.nothing_left()
    assert not [stage for stage, outcome in seen.items() if "HANGS" in outcome], seen
    answered = {stage for stage, outcome in seen.items() if UNAVAILABLE in outcome}
    # Whoever waits and reads is told; who has not asked yet, or does not read, is cut off.
    assert answered >= {"waiting", "waiting, modern", "half an answer", "streaming", "streaming, modern"}, seen
    nobody_is_blamed(gateway)


def test_a_killed_supervisor_leaves_no_client_waiting(stages):
    asked = stages.begin()
    stages.gateway.process.kill()
    seen = outcomes(asked)
    assert not [stage for stage, outcome in seen.items() if "HANGS" in outcome], seen
    stages.gateway.nothing_left()
