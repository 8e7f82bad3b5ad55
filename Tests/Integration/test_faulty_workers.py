"""A worker that breaks the protocol, or does nothing at all, is restarted; nobody else is, and the gateway serves on.

The program under test is FaultyGateway: the product with one role replaced by one that misbehaves once (see its main.swift).
"""

import os
import shutil
import signal

import pytest

from harness.clients import Client
from harness.clients import call as call_message
from harness.eventually import eventually
from harness.gateway import NOBODY
from harness.http import Connection, call
from harness.load import Load
from harness.processes import peak_kilobytes
from harness.records import records_of, verify
from harness.reloading import GOOD, POLICY, File, asked, outcome
from harness.scripted import ScriptedUpstream

FAST = ("--supervision-ping-interval", "100ms", "--supervision-ping-timeout", "1s", "--supervision-start-timeout", "2s",
        "--connect-timeout", "500ms")
# The workers that have links, and those that have none.
LINKED = ("ingress", "route", "dialer")
UNLINKED = ("console", "recorder", "launcher")
# What the fault looks like to who sees it, in the worker's last exit.
AT_START = {"never-ready": "not ready in time", "exits": "status 3"}
TO_THE_SUPERVISOR = {"hangs": "hung", "bad-control": "condemned", "forbidden-control": "condemned: frame not permitted"}
ON_A_LINK = {
    "malformed": "condemned", "not-permitted": "condemned", "too-large": "condemned: frame length out of bounds",
    "credit": "condemned",
}
# What only one role can do wrong.
OF_ITS_ROLE = {
    ("ingress", "get-with-body"): "condemned: malformed payload",
    ("route", "data-on-dial"): "condemned: frame not permitted",
}


@pytest.fixture
def faulty(binary, directory, make_gateway, fast_upstream):
    """Makes a gateway in which the first process of a role has a fault."""
    program = os.environ.get("MCPGW_FAULTY", os.path.join(os.path.dirname(binary), "FaultyGateway"))
    if not os.access(program, os.X_OK):
        pytest.fail(f"no program at {program}: contrib/build makes it, MCPGW_FAULTY names another", pytrace=False)

    def make(role, fault, *options, upstream=None):
        # The supervisor's user must be able to remove the mark that arms the fault.
        place = os.path.join(directory, "faulty")
        os.mkdir(place)
        os.chmod(place, 0o777)
        copy = os.path.join(place, f"faulty-{role}-{fault}")
        shutil.copy(program, copy)
        with open(copy + ".armed", "w", encoding="ascii"):
            pass
        if os.geteuid() == 0:
            os.chown(copy + ".armed", NOBODY, NOBODY)
        gateway = make_gateway(upstream or fast_upstream.url, *FAST, *options)
        gateway.command[gateway.command.index(gateway.binary)] = copy
        gateway.armed = copy + ".armed"
        return gateway

    return make


def only_this_one_was_restarted(gateway, role, why):
    def restarted():
        status = gateway.all_running()
        workers = gateway.workers(status) if status else {}
        return workers and workers[role]["restarts"] >= 1 and workers
    workers = eventually(restarted, lambda: f"{role} is restarted: {gateway.try_status()}\n{gateway.log()}")
    assert not os.path.exists(gateway.armed), "the fault happened"
    assert why in workers[role]["last_exit"], workers[role]
    assert {name: worker["restarts"] for name, worker in workers.items() if name != role} == dict.fromkeys(
        set(workers) - {role}, 0), gateway.log()
    assert workers[role]["restarts"] == 1


def it_serves(gateway):
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json(), gateway.log()


@pytest.mark.parametrize("fault", AT_START)
@pytest.mark.parametrize("role", LINKED + UNLINKED)
def test_a_worker_that_fails_at_its_start_is_replaced(faulty, role, fault):
    gateway = faulty(role, fault).start()
    only_this_one_was_restarted(gateway, role, AT_START[fault])
    it_serves(gateway)


@pytest.mark.parametrize("fault", TO_THE_SUPERVISOR)
@pytest.mark.parametrize("role", LINKED + UNLINKED)
def test_a_worker_that_hangs_or_lies_to_the_supervisor_is_replaced(faulty, role, fault):
    gateway = faulty(role, fault).launch()
    only_this_one_was_restarted(gateway, role, TO_THE_SUPERVISOR[fault])
    it_serves(gateway)


@pytest.mark.parametrize("role", ["route", "console"])
def test_a_worker_that_reports_links_without_end_is_replaced(faulty, role):
    gateway = faulty(role, "reports-without-end").launch()
    only_this_one_was_restarted(gateway, role, "condemned: frame not permitted")
    it_serves(gateway)


@pytest.mark.parametrize("fault", ON_A_LINK)
@pytest.mark.parametrize("role", LINKED)
def test_a_worker_that_breaks_the_link_protocol_is_condemned_by_its_peer(faulty, role, fault):
    gateway = faulty(role, fault).launch()
    only_this_one_was_restarted(gateway, role, ON_A_LINK[fault])
    assert f"{role}" in gateway.log() and "broke the link protocol" in gateway.log()
    it_serves(gateway)
    with Load(gateway.url) as load:
        load.more_served()
    assert load.bad() == {}, load.samples


@pytest.mark.parametrize("role, fault", OF_ITS_ROLE)
def test_a_worker_that_sends_a_body_where_none_belongs_is_condemned_by_its_peer(faulty, role, fault):
    gateway = faulty(role, fault).launch()
    only_this_one_was_restarted(gateway, role, OF_ITS_ROLE[role, fault])
    it_serves(gateway)


@pytest.mark.parametrize("role, fault", [
    *((role, fault) for role in ("ingress", "route", "recorder", "console")
      for fault in ("prepares-twice", "prepares-another", "commits-unasked", "releases-unasked")),
    ("ingress", "reloads-unasked"), ("route", "reloads-unasked")])
def test_a_worker_that_answers_a_reload_out_of_turn_is_replaced_and_the_others_switch(faulty, directory, role, fault):
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    gateway = faulty(role, fault, "--policy", policy.path).launch()
    # It may serve nothing until then, so that the gateway never says that it is ready.
    eventually(lambda: gateway.log().count("] ready\n") == 6, lambda: f"six workers\n{gateway.log()}")
    policy.write(POLICY.format(request="fine", reply="never"))
    gateway.terminate(signal.SIGHUP)
    only_this_one_was_restarted(gateway, role, "condemned: frame not permitted")
    eventually(lambda: gateway.status()["generation"] == 2, lambda: f"generation 2\n{gateway.log()}")
    with Connection(gateway.url) as connection:
        assert [outcome(asked(connection, text)) for text in ("fine", "heads")] == ["denied", "passed"]


@pytest.mark.parametrize("fault", ["bad-record", "forged-record", "damaged-ring"])
@pytest.mark.parametrize("role", ["ingress", "route"])
def test_a_worker_that_commits_what_is_no_record_is_condemned_and_the_log_stays_whole(faulty, role, fault):
    gateway = faulty(role, fault).launch()
    only_this_one_was_restarted(gateway, role, "condemned")
    it_serves(gateway)
    assert "committed what is no record" in gateway.log()

    def of_kind(kind):
        return [record for record in records_of(gateway) if record["kind"] == kind]
    eventually(lambda: of_kind("response"), "its successor's records are taken")
    recovery, = of_kind("recovery")
    assert "committed what is no record" in recovery["reason"]
    assert all(record["timestamp"] != "2026-11-23T00:00:00.000000Z" for record in records_of(gateway))
    gateway.stop()
    result = verify(gateway)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_route_that_never_ends_an_event_alone_does_not_fill_the_ingress(faulty):
    """In a batch the ingress joins the events of several streams: what it has written of them it keeps no longer."""
    with ScriptedUpstream(revision="2025-03-26") as upstream:
        gateway = faulty("route", "cut-events", upstream=upstream.url)
        os.rename(gateway.armed, gateway.armed + ".later")
        client = Client(gateway.start().url, revision="2025-03-26")
        os.rename(gateway.armed + ".later", gateway.armed)
        gateway.kill_and_wait("route")
        assert not os.path.exists(gateway.armed)
        with client.stream([call_message(identifier=1), call_message(identifier=2)]) as stream:
            before = peak_kilobytes(gateway.pid("ingress"))
            for _ in range(2000):
                assert stream.block() is not None
            grown = peak_kilobytes(gateway.pid("ingress")) - before
        # 128 MB have passed.
        assert grown < 24 << 10, f"the ingress grew by {grown} KB"
        assert gateway.restarts() == {"route": 1}


def test_a_route_that_accuses_its_peers_again_and_again_is_restarted_itself(faulty):
    gateway = faulty("route", "accuses").launch()

    def restarted():
        status = gateway.all_running()
        workers = gateway.workers(status) if status else {}
        return workers and workers["route"]["restarts"] and workers
    workers = eventually(restarted, lambda: f"the route is restarted: {gateway.try_status()}\n{gateway.log()}")
    assert "accuses its peers too often" in workers["route"]["last_exit"]
    others = {name: worker["restarts"] for name, worker in workers.items() if name != "route"}
    assert max(others.values()) <= 3 and set(others) >= {"ingress", "dialer"}, others
    it_serves(gateway)


@pytest.mark.parametrize("role", ["ingress", "dialer"])
def test_a_route_that_is_accused_again_and_again_is_restarted_and_its_accuser_is_not(faulty, role):
    """Else a few routes in an attacker's hands would have the worker restarted that all the others need."""
    gateway = faulty(role, "accuses", "--supervision-crash-limit", "6").launch()

    def accused():
        status = gateway.try_status()
        workers = gateway.workers(status) if status else {}
        return workers and workers["route"]["state"] == "down" and workers
    workers = eventually(accused, lambda: f"the route is down: {gateway.try_status()}\n{gateway.log()}")
    assert "condemned: malformed payload" in workers["route"]["last_exit"], workers
    assert workers[role]["restarts"] == 0 and workers[role]["state"] == "running", workers


def test_a_dialer_that_answers_pings_but_no_dials_is_replaced(faulty):
    gateway = faulty("dialer", "silent").launch()
    only_this_one_was_restarted(gateway, "dialer", "condemned: no answer in time")
    it_serves(gateway)


def test_a_dialer_that_announces_a_descriptor_and_sends_none_is_replaced(faulty):
    gateway = faulty("dialer", "missing-descriptor").launch()
    only_this_one_was_restarted(gateway, "dialer", "condemned: announced descriptor missing")
    it_serves(gateway)
