"""What stands still for a while, or for ever, holds nobody else up: a supervisor, a reader of the log, an upstream."""

import fcntl
import os
import signal
import threading

import pytest

from harness.eventually import DEADLINE, eventually
from harness.http import Connection, call, tool_call
from harness.load import Load

PINGS = ("--supervision-ping-interval", "50ms", "--supervision-ping-timeout", "500ms")


def route_in_flight(gateway):
    samples = {name: value for name, value in gateway.metrics().items()
               if name.startswith("mcpgw_exchanges_in_flight{") and 'role="route"' in name}
    assert len(samples) == 1, samples
    return next(iter(samples.values()))


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_call_in_flight_when_the_ingress_dies_is_forgotten_once_it_is_over(make_gateway, fast_upstream, era):
    # The end must come because nothing is in flight, not because the patience is over.
    gateway = make_gateway(fast_upstream.url, "--drain-timeout", "10m").start()
    connections = [Connection(gateway.url) for _ in range(3)]
    try:
        for number, connection in enumerate(connections):
            headers, body = tool_call("hold", {}, number, era)
            connection.send("POST", headers=headers, body=body)
        eventually(lambda: fast_upstream.held() == 3, "the calls wait at the upstream")
        eventually(lambda: route_in_flight(gateway) == 3, "the route counts them")
        gateway.kill_and_wait("ingress")
    finally:
        for connection in connections:
            connection.close()
    if era == "legacy":
        # Read to its end, whoever asked: the upstream is not made to believe that it was cancelled.
        assert fast_upstream.held() == 3
        assert route_in_flight(gateway) == 3
    fast_upstream.release()
    eventually(lambda: route_in_flight(gateway) == 0, lambda: f"nothing in flight; {gateway.metrics()}")
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()
    assert gateway.restarts() == {"ingress": 1}
    gateway.terminate()
    try:
        assert gateway.wait(DEADLINE) == 0
    finally:
        # Where that failed: a second signal ends it at once.
        gateway.terminate()


def test_a_supervisor_that_was_stopped_for_a_while_holds_it_against_no_worker(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, *PINGS, own_pid="WATCHDOG_PID", environment={"WATCHDOG_USEC": "200000"}).start()
    pids = {role: worker["pid"] for role, worker in gateway.workers().items()}

    def signs_of_life():
        return gateway.notify.receive().count("WATCHDOG=1")
    with Load(gateway.url, connections=2) as load:
        for _ in range(2):
            load.more_served()
            gateway.terminate(signal.SIGSTOP)
            # The stimulus: three times the silence that a worker is permitted.
            threading.Event().wait(1.5)
            gateway.terminate(signal.SIGCONT)
            seen = signs_of_life()
            eventually(lambda: signs_of_life() >= seen + 10, "the supervisor watches again")
    assert load.bad() == {}, load.samples
    assert gateway.restarts() == {}, gateway.log()
    assert {role: worker["pid"] for role, worker in gateway.workers().items()} == pids


def test_a_worker_that_hangs_while_the_supervisor_is_stopped_is_found_afterwards(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, *PINGS).start()
    pid = gateway.pid("recorder")
    gateway.terminate(signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    # The stimulus: twice the silence that a worker is permitted.
    threading.Event().wait(1)
    gateway.terminate(signal.SIGCONT)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the hung worker is gone")
    eventually(gateway.all_running, "all run again")
    assert gateway.restarts() == {"recorder": 1}


def full_pipe():
    """A pipe that takes no byte more, and whose writers wait: its reading and its writing end."""
    reading, writing = os.pipe()
    flags = fcntl.fcntl(writing, fcntl.F_GETFL)
    fcntl.fcntl(writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    fcntl.fcntl(writing, fcntl.F_SETFL, flags)
    return reading, writing


@pytest.mark.parametrize("kind", ["full", "without a reader"])
def test_a_log_that_nobody_reads_stops_neither_start_nor_restarts_nor_the_end(make_gateway, fast_upstream, kind):
    reading, writing = full_pipe()
    if kind != "full":
        os.close(reading)
    try:
        gateway = make_gateway(fast_upstream.url)
        gateway.launch(stderr=writing)
        gateway.wait_ready()
        # Each start and each end is worth some lines.
        for role in gateway.workers():
            gateway.kill_and_wait(role)
            with Connection(gateway.url) as connection:
                assert "result" in call(connection, "echo").json()
        gateway.terminate()
        assert gateway.wait() == 0
    finally:
        os.close(writing)
        if kind == "full":
            os.close(reading)


def test_a_log_that_is_read_again_goes_on_and_says_what_is_missing(make_gateway, fast_upstream):
    reading, writing = full_pipe()
    try:
        gateway = make_gateway(fast_upstream.url)
        gateway.launch(stderr=writing)
        gateway.wait_ready()
        gateway.kill_and_wait("recorder")
        text = bytearray()

        def read_on():
            while data := os.read(reading, 65536):
                text.extend(data)
        os.close(writing)
        reader = threading.Thread(target=read_on, daemon=True)
        reader.start()
        gateway.kill_and_wait("recorder")
        gateway.terminate()
        assert gateway.wait() == 0
        reader.join(DEADLINE)
        lines = text.decode(errors="replace").lstrip("x").splitlines()
        assert any("dropped" in line for line in lines), lines
        assert any("recorder" in line for line in lines), lines
    finally:
        os.close(reading)
