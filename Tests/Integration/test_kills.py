"""Kill each worker, and several at once, under load: what a kill does is fixed per role, and nothing else happens."""

import os
import signal

import pytest

from harness.eventually import eventually
from harness.gateway import counters
from harness.http import Connection, call, get, tool_call
from harness.load import Load
from harness.processes import of_session, reap

UPSTREAM_UNAVAILABLE = -31013


def hold(url, era, identifier):
    """A connection with a call on its way that the upstream never answers."""
    connection = Connection(url)
    headers, body = tool_call("hold", {}, identifier, era)
    connection.send("POST", headers=headers, body=body)
    return connection


@pytest.mark.parametrize("role", ["dialer", "recorder", "console", "launcher"])
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_killed_helper_delays_work_and_fails_nothing(gateway, role, era):
    if role not in gateway.workers():
        pytest.skip(f"no {role} runs here: there is one per stdio server")
    with Load(gateway.url, era=era) as load:
        load.more_served()
        gateway.kill_and_wait(role)
        load.more_served()
    assert load.bad() == {}, load.samples
    assert gateway.workers()[role]["restarts"] == 1


@pytest.mark.parametrize("era, status", [("legacy", 200), ("modern", 503)])
def test_a_killed_route_answers_its_calls_in_flight_and_serves_on(gateway, fast_upstream, era, status):
    url = gateway.url
    with Load(url, era=era) as load:
        load.more_served()
        held = [hold(url, era, f"held-{number}") for number in range(3)]
        eventually(lambda: fast_upstream.held() == len(held), "the calls wait at the upstream")
        gateway.kill_and_wait("route")
        for number, connection in enumerate(held):
            with connection:
                reply = connection.receive()
            assert reply.status == status
            message = reply.json()
            assert message["id"] == f"held-{number}"
            assert message["error"]["code"] == UPSTREAM_UNAVAILABLE
        load.more_served()
    assert set(load.bad()) <= {f"error {status} {UPSTREAM_UNAVAILABLE}"}, load.samples


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_killed_ingress_resets_its_connections_and_refuses_none(gateway, era):
    with Load(gateway.url, era=era) as load:
        load.more_served()
        gateway.kill_and_wait("ingress")
        load.more_served()
    assert set(load.bad()) <= {"reset"}, load.samples


def test_connections_made_while_the_ingress_restarts_are_served(make_gateway, fast_upstream):
    # The pause before a restart is long enough for the connection to be made while no ingress runs.
    gateway = make_gateway(
        fast_upstream.url, "--supervision-backoff-min", "1s", "--supervision-backoff-max", "1s").start()
    url = gateway.url
    pid = gateway.kill("ingress")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the killed ingress is reaped")
    with Connection(url) as connection:
        assert call(connection, "echo", identifier=7).json()["id"] == 7


@pytest.mark.parametrize("roles", [("route", "dialer"), ("ingress", "route"), ("recorder", "console", "dialer"),
                                   ("ingress", "route", "dialer", "recorder", "console")])
def test_workers_killed_together_come_back_and_nothing_hangs(gateway, roles):
    supervisor = gateway.process.pid
    with Load(gateway.url) as load:
        load.more_served()
        gateway.kill_and_wait(*roles)
        load.more_served()
    allowed = {f"error 503 {UPSTREAM_UNAVAILABLE}"} if "route" in roles else set()
    allowed |= {"reset"} if "ingress" in roles else set()
    assert set(load.bad()) <= allowed, load.samples
    status = gateway.status()
    assert status["pid"] == supervisor and gateway.process.poll() is None
    assert status["ready"] and gateway.degraded(status) == []


def test_every_kind_of_worker_killed_in_turn_leaves_the_supervisor_and_its_counters_alone(gateway):
    with Load(gateway.url) as load:
        load.more_served()
        before = counters(gateway.metrics())
        assert before, "there are counters"
        for role in gateway.workers():
            gateway.kill_and_wait(role)
            load.more_served()
            after = counters(gateway.metrics())
            fallen = {name: (value, after.get(name)) for name, value in before.items() if after.get(name, -1) < value}
            assert fallen == {}, f"after the {role} was killed"
            before = after
    assert {"hang", "refused", "wrong"}.isdisjoint(load.bad()), load.samples
    workers = gateway.workers()
    for role, worker in workers.items():
        assert worker["restarts"] == 1, role
        sample = f'mcpgw_worker_restarts_total{{role="{role}",name="{worker["name"]}"}}'
        assert gateway.metrics()[sample] == 1


def test_the_requests_counter_counts_across_a_crash_of_its_writers(gateway):
    def requests():
        return sum(value for name, value in gateway.metrics().items() if name.startswith("mcpgw_http_requests_total"))

    calls = 0
    with Connection(gateway.url) as connection:
        for _ in range(20):
            assert call(connection, "echo").status == 200
            calls += 1
    eventually(lambda: requests() >= calls, f"{calls} requests counted")
    counted = requests()
    for role in ("route", "ingress", "console"):
        gateway.kill_and_wait(role)
        assert requests() >= counted, f"after the {role} was killed"
    with Connection(gateway.url) as connection:
        assert call(connection, "echo").status == 200
    eventually(lambda: requests() > counted, "one request more is counted")


@pytest.mark.parametrize("under_load", [False, True])
def test_a_killed_supervisor_takes_everything_with_it(gateway, under_load):
    url = gateway.url
    session = gateway.process.pid
    assert len(of_session(session)) > len(gateway.workers())

    def end():
        os.kill(session, signal.SIGKILL)
        gateway.wait()

        def gone():
            reap(of_session(session))
            return not of_session(session)
        eventually(gone, lambda: f"everything gone, left: {of_session(session)}")

    if under_load:
        with Load(url) as load:
            load.more_served()
            end()
    else:
        end()
    with pytest.raises(ConnectionRefusedError):
        Connection(url)


def test_the_endpoints_of_the_console_answer_after_it_was_killed(gateway):
    url = gateway.metrics_url
    gateway.kill_and_wait("console")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert get(url, path).status == 200
