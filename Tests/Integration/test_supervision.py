"""Supervision: restarts, hung workers, crash loops, signals, draining."""

import os
import signal

import pytest

from harness.eventually import eventually
from harness.http import Connection, call, get, tool_call
from harness.load import Load
from harness.processes import status_fields

FAST = ("--supervision-backoff-min", "1ms", "--supervision-backoff-max", "5ms")
WORKERS = ("ingress", "route", "dialer", "recorder", "console")


def held_call(url, upstream, era="legacy"):
    """A connection with a call on its way that waits at the upstream."""
    connection = Connection(url)
    headers, body = tool_call("hold", {}, "held", era)
    connection.send("POST", headers=headers, body=body)
    eventually(lambda: upstream.held() == 1, "the call waits at the upstream")
    return connection


def late_call(url):
    """A connection that was made while the gateway drains, with a call sent; nothing if it was refused."""
    try:
        connection = Connection(url)
        headers, body = tool_call("echo", {}, "late", "legacy")
        connection.send("POST", headers=headers, body=body)
        return connection
    except ConnectionError:
        return None


def test_a_crash_loop_marks_the_route_down_and_leaves_the_others_running(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, "--supervision-crash-limit", "3", *FAST).start()
    url, metrics = gateway.url, gateway.metrics_url
    others = {role: worker["pid"] for role, worker in gateway.workers().items() if role != "route"}

    def crash_or_down():
        route = gateway.workers()["route"]
        if route["state"] == "running":
            os.kill(route["pid"], signal.SIGKILL)
        return route["state"] == "down" and route
    route = eventually(crash_or_down, lambda: f"the route is down: {gateway.workers()['route']}")
    assert route["restarts"] <= 3

    status = gateway.status()
    assert {role: worker["pid"] for role, worker in gateway.workers(status).items() if role != "route"} == others
    assert [one["state"] for one in status["routes"]] == ["down"]
    assert any("default" in reason or "route" in reason for reason in gateway.degraded(status)), gateway.degraded(status)
    assert get(metrics, "/healthz").status == 200
    ready = get(metrics, "/readyz")
    assert ready.status == 503 and b"default" in ready.body
    with Connection(url) as connection:
        assert call(connection, "echo").json()["error"]["code"] == -31013


def test_a_worker_that_waits_for_its_restart_is_shown_as_such(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, "--supervision-backoff-min", "3s", "--supervision-backoff-max", "3s").start()
    gateway.kill("recorder")
    eventually(lambda: gateway.workers()["recorder"]["state"] == "backoff", "the recorder waits")
    recorder = eventually(
        lambda: (worker := gateway.workers()["recorder"])["state"] == "running" and worker, "the recorder runs again")
    assert recorder["restarts"] == 1 and "9" in recorder["last_exit"]


@pytest.mark.parametrize("role", WORKERS)
def test_a_hung_worker_is_killed_and_restarted(make_gateway, fast_upstream, role):
    gateway = make_gateway(
        fast_upstream.url, "--supervision-ping-interval", "50ms", "--supervision-ping-timeout", "500ms").start()
    pid = gateway.kill(role, signal.SIGSTOP)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), f"the hung {role} is gone")
    status = eventually(gateway.all_running, "all run again")
    assert gateway.workers(status)[role]["restarts"] == 1
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()


@pytest.mark.parametrize("role", WORKERS)
def test_workers_ignore_hangup_and_interrupt(gateway, role):
    before = gateway.workers()
    pid = before[role]["pid"]
    ignored = int(status_fields(pid)["SigIgn"], 16)
    for number in (signal.SIGHUP, signal.SIGINT):
        assert ignored & (1 << (number - 1)), f"{signal.Signals(number).name} is ignored"
        os.kill(pid, number)
    with Load(gateway.url, connections=2) as load:
        load.more_served()
    assert load.bad() == {}, load.samples
    assert gateway.workers()[role]["pid"] == pid


def test_hangup_to_the_supervisor_ends_nothing(gateway):
    before = {role: worker["pid"] for role, worker in gateway.workers().items()}
    gateway.terminate(signal.SIGHUP)
    with Load(gateway.url, connections=2) as load:
        load.more_served()
    assert load.bad() == {}, load.samples
    assert {role: worker["pid"] for role, worker in gateway.workers().items()} == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_ends_it_in_order(gateway, number):
    os.killpg(gateway.process.pid, number)
    # It reaches the workers too (`kill -- -PGID`, Ctrl-C): whatever they do, the end is in order.
    assert gateway.wait() == 0
    gateway.nothing_left()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_termination_lets_calls_in_flight_end_and_leaves_late_ones_not_hanging(gateway, fast_upstream, era):
    url = gateway.url
    with held_call(url, fast_upstream, era) as connection:
        gateway.terminate()
        gateway.notify.wait_for("STOPPING=1")

        newcomer = late_call(url)
        assert gateway.process.poll() is None
        fast_upstream.release()
        reply = connection.receive()
        assert reply.status == 200 and reply.json()["id"] == "held" and "result" in reply.json()
    assert gateway.wait() == 0
    if newcomer:
        # It came before the ingress heard of the end and was served, or it ends with the gateway; it never hangs.
        with newcomer:
            try:
                assert newcomer.receive().json()["id"] == "late"
            except ConnectionError:
                pass


def test_termination_ends_calls_that_outlast_the_drain_timeout(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, "--drain-timeout", "200ms").start()
    with held_call(gateway.url, fast_upstream) as connection:
        gateway.terminate()
        try:
            assert connection.receive().json()["error"]["code"] == -31013
        except ConnectionResetError:
            pass
        assert gateway.wait() == 0


def test_a_second_signal_does_not_wait_for_the_drain(gateway, fast_upstream):
    with held_call(gateway.url, fast_upstream):
        gateway.terminate()
        gateway.notify.wait_for("STOPPING=1")
        gateway.terminate()
        gateway.wait()
    gateway.nothing_left()


def test_a_drain_under_load_fails_no_call_that_was_taken(gateway):
    with Load(gateway.url) as load:
        load.more_served()
        gateway.terminate()
        assert gateway.wait() == 0
    # Idle connections are closed and new ones refused; a call that was read is answered.
    assert set(load.bad()) <= {"refused", "reset"}, load.samples
