"""The service manager's side: notify socket, watchdog, socket activation."""

import os
import socket

import pytest

from harness.eventually import eventually
from harness.http import Connection, call, get, tool_call

def listener():
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen(64)
    return one


def activated(make_gateway, upstream, sockets, names, **environment):
    """A gateway that is handed its listeners as systemd does it."""
    return make_gateway(
        upstream, listen=None, metrics=None, inherited=sockets,
        environment={"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, **environment})


def test_ready_is_said_when_all_workers_run_and_every_listener_is_served(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url).start()
    status = gateway.status()
    assert all(worker["state"] == "running" for worker in status["workers"])
    assert all(one["served"] for one in status["listeners"])
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()
    messages = gateway.notify.receive()
    assert messages.count("READY=1") == 1
    assert any(message.startswith("STATUS=") and len(message) > len("STATUS=") for message in messages), messages
    assert not any(message.startswith("WATCHDOG=") for message in messages)


def test_stopping_is_said_after_ready(gateway):
    gateway.terminate()
    assert gateway.wait() == 0
    messages = gateway.notify.receive()
    assert messages.index("READY=1") < messages.index("STOPPING=1")


def test_the_status_says_when_a_worker_is_missing(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, "--supervision-backoff-min", "1s", "--supervision-backoff-max", "1s").start()

    def statuses():
        return [message for message in gateway.notify.receive() if message.startswith("STATUS=")]
    before = statuses()
    gateway.kill("route")
    eventually(lambda: len(statuses()) > len(before), "another status")
    eventually(lambda: any("route" in status for status in statuses()[len(before):]), lambda: f"route in {statuses()}")


def test_a_manager_that_reads_nothing_stops_neither_supervision_nor_the_end(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, "--supervision-crash-limit", "1000", "--supervision-backoff-max", "10ms", manager_reads=False)
    gateway.launch()
    # The kernel keeps some ten datagrams: each restart brings more than one.
    eventually(gateway.all_running, "all run")
    for _ in range(20):
        gateway.kill_and_wait("recorder")
    gateway.terminate()
    assert gateway.wait() == 0


def test_the_watchdog_is_fed_by_a_supervisor_that_was_asked_to(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, own_pid="WATCHDOG_PID", environment={"WATCHDOG_USEC": "200000"}).start()
    eventually(lambda: gateway.notify.receive().count("WATCHDOG=1") >= 5, "five signs of life")


def test_the_watchdog_of_another_process_is_left_alone(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, environment={"WATCHDOG_USEC": "50000", "WATCHDOG_PID": str(os.getpid())}).start()
    # Long enough for some signs of life.
    for _ in range(5):
        gateway.kill_and_wait("recorder")
    assert "WATCHDOG=1" not in gateway.notify.receive()


def test_a_connection_made_before_start_is_served_through_the_passed_socket(make_gateway, fast_upstream):
    with listener() as mcp, listener() as metrics:
        port = mcp.getsockname()[1]
        with Connection(f"http://127.0.0.1:{port}/mcp") as early:
            headers, body = tool_call("echo", {}, "early", "modern")
            early.send("POST", headers=headers, body=body)
            gateway = activated(make_gateway, fast_upstream.url, [mcp, metrics], "mcp:metrics").start()
            assert early.receive().json()["id"] == "early"
        assert gateway.address("mcp") == f"127.0.0.1:{port}"
        assert gateway.address("metrics") == f"127.0.0.1:{metrics.getsockname()[1]}"
        assert get(gateway.metrics_url, "/readyz").status == 200


def test_names_and_not_places_say_what_a_passed_socket_is_for(make_gateway, fast_upstream):
    with listener() as metrics, listener() as mcp:
        gateway = activated(make_gateway, fast_upstream.url, [metrics, mcp], "metrics:mcp").start()
        assert gateway.address("mcp") == f"127.0.0.1:{mcp.getsockname()[1]}"
        with Connection(gateway.url) as connection:
            assert "result" in call(connection, "echo").json()


def test_a_passed_socket_outlives_the_gateway(make_gateway, fast_upstream):
    with listener() as mcp, listener() as metrics:
        first = activated(make_gateway, fast_upstream.url, [mcp, metrics], "mcp:metrics").start()
        first.terminate()
        assert first.wait() == 0
        with Connection(f"http://127.0.0.1:{mcp.getsockname()[1]}/mcp") as between:
            headers, body = tool_call("echo", {}, "between", "legacy")
            between.send("POST", headers=headers, body=body)
            activated(make_gateway, fast_upstream.url, [mcp, metrics], "mcp:metrics").start()
            assert between.receive().json()["id"] == "between"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_real_socket_activation_of_systemd_serves_the_connection_that_started_it(make_gateway, fast_upstream, era):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    gateway = make_gateway(fast_upstream.url, listen=None)
    gateway.command[:0] = ["systemd-socket-activate", "-l", address, "--fdname=mcp",
                           "-E", f"NOTIFY_SOCKET={gateway.notify.path}"]
    gateway.launch()

    def connected():
        try:
            return Connection(f"http://{address}/mcp")
        except ConnectionRefusedError:
            return None
    with eventually(connected, "systemd-socket-activate listens") as connection:
        assert call(connection, "echo", identifier="first", era=era).json()["id"] == "first"
    gateway.wait_ready()
    assert gateway.address("mcp") == address
