"""Clients that take more than they give: each costs the gateway a bounded amount, and the others are served meanwhile."""

import json
import os
import signal
import socket
import threading

import pytest

from harness.eventually import eventually
from harness.http import Connection, call, tool_call
from harness.load import Load
from harness.processes import status_fields
from harness.raw_upstream import RawUpstream
from harness.refusal import Refusal
from test_bad_input import listen_fds

NO_ROOM = -31016
LARGE_ANSWER = 200_000


def request(connection, identifier, arguments=None, headers=(), era="modern", declared=None):
    """The bytes of a tools/call; its declared length may be another one."""
    fields, body = tool_call("echo", arguments or {}, identifier, era)
    fields = [("Host", connection.host), *fields, *headers, ("Content-Length", str(declared or len(body)))]
    return f"POST {connection.path} HTTP/1.1\r\n".encode() + b"".join(
        f"{name}: {value}\r\n".encode() for name, value in fields) + b"\r\n" + body


def no_news(connection):
    """Whether the server has neither answered nor closed."""
    connection.socket.setblocking(False)
    try:
        connection.socket.recv(1, socket.MSG_PEEK)
        return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.socket.settimeout(20)


def peak_kilobytes(pid):
    """The most memory that was ever resident."""
    return int(status_fields(pid)["VmHWM"].split()[0])


def it_serves(url, identifier="other"):
    with Connection(url) as connection:
        message = call(connection, "echo", identifier=identifier).json()
        assert message["id"] == identifier and "result" in message, message


def test_a_client_that_reads_late_costs_bounded_memory_and_gets_every_answer(make_gateway, fast_upstream):
    gateway = make_gateway(f"{fast_upstream.url}/{LARGE_ANSWER}").start()
    url, ingress, route = gateway.url, gateway.pid("ingress"), gateway.pid("route")
    count = 500
    with Connection(url) as greedy:
        padding = {"text": "x" * 8000}
        everything = b"".join(request(greedy, number, padding) for number in range(count))
        assert len(everything) > 4_000_000
        sender = threading.Thread(target=greedy.socket.sendall, args=(everything,), daemon=True)
        greedy.socket.settimeout(60)
        before = fast_upstream.served()
        sender.start()

        # It stands still when nothing of it reaches the upstream while others are served.
        def stands_still():
            seen = fast_upstream.served()
            for _ in range(20):
                it_serves(url)
            return seen > before and fast_upstream.served() == seen + 20
        eventually(stands_still, "the gateway stops serving who does not read")
        assert fast_upstream.served() - before < 20 * 1000, "not everything was asked of the upstream"
        assert peak_kilobytes(ingress) < 64 * 1024 and peak_kilobytes(route) < 64 * 1024

        for number in range(count):
            reply = greedy.receive()
            assert reply.status == 200 and reply.json()["id"] == number
            assert len(reply.body) > LARGE_ANSWER
        sender.join()
    assert peak_kilobytes(ingress) < 64 * 1024 and peak_kilobytes(route) < 64 * 1024
    assert gateway.restarts() == {}


def test_large_messages_that_become_whole_at_one_moment_are_all_answered(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, "--supervision-ping-timeout", "60s").start()
    url = gateway.url
    connections = [Connection(url, timeout=60) for _ in range(600)]
    try:
        whole = [request(one, number, {"text": "x" * 250_000}) for number, one in enumerate(connections)]
        for one, text in zip(connections, whole):
            one.socket.sendall(text[:-1])
        # The route takes nothing while they come: the ingress has them all at once.
        route = gateway.kill("route", signal.SIGSTOP)
        for one, text in zip(connections, whole):
            one.socket.sendall(text[-1:])
        eventually(
            lambda: gateway.metrics()['mcpgw_exchanges_in_flight{role="ingress",name="ingress"}'] == len(connections),
            lambda: f"all are on their way:\n{gateway.log()}")
        os.kill(route, signal.SIGCONT)
        results = 0
        for number, one in enumerate(connections):
            message = one.receive().json()
            assert message["id"] == number
            # The queue for the upstream's connections is bounded: what does not fit is told so.
            assert "result" in message or message["error"]["code"] == NO_ROOM, message
            results += "result" in message
        assert results >= 256, "as many as the queue holds"
    finally:
        for one in connections:
            one.close()
    assert gateway.restarts() == {}
    it_serves(url)


def test_half_sent_bodies_fill_a_budget_and_no_more_and_give_it_back(gateway):
    url = gateway.url
    budget, declared = 256 << 20, 4_000_000
    fit = budget // declared
    hoarders = [Connection(url) for _ in range(fit + 13)]
    try:
        for number, one in enumerate(hoarders):
            one.socket.sendall(request(one, number, declared=declared))
        surplus = eventually(
            lambda: len(refused := [one for one in hoarders if not no_news(one)]) >= 13 and refused, "13 are refused")
        assert len(surplus) == 13
        for one in surplus:
            reply = one.receive()
            assert reply.status == 503 and reply.json()["error"]["code"] == NO_ROOM

        with Connection(url) as late:
            late.socket.sendall(request(late, "late", declared=declared))
            reply = late.receive()
            assert reply.status == 503 and reply.json()["error"]["code"] == NO_ROOM
            assert reply.headers["connection"] == "close"
        # What there is still room for is served.
        it_serves(url)
        assert all(no_news(one) for one in hoarders if one not in surplus)
    finally:
        for one in hoarders:
            one.close()

    def room_again():
        with Connection(url) as connection:
            reply = call(connection, "echo", {"text": "x" * 3_900_000}, "large")
            return "result" in reply.json() or reply
    eventually(lambda: room_again() is True, "a large message is served again")
    # All of it came back, not just enough for one.
    again = [Connection(url) for _ in range(fit)]
    try:
        for number, one in enumerate(again):
            one.socket.sendall(request(one, number, declared=declared))
        it_serves(url)
        assert all(no_news(one) for one in again)
    finally:
        for one in again:
            one.close()
    assert gateway.restarts() == {}


def test_connections_beyond_the_limit_are_closed_and_the_full_table_stops_no_restart(make_gateway, fast_upstream):
    # Little more than the gateway needs to start; the limit of connections follows from it.
    limit = 256
    gateway = make_gateway(fast_upstream.url, launcher=["prlimit", f"--nofile={limit}:{limit}"]).start()
    url = gateway.url
    connections = [Connection(url) for _ in range(limit + 30)]
    try:
        served = []
        for number, one in enumerate(connections):
            try:
                message = call(one, "echo", identifier=number).json()
                assert message.get("id") == number and "result" in message, message
                served.append(one)
            except ConnectionError:
                pass
        assert limit // 2 < len(served) < limit, f"{len(served)} served"
        assert served == connections[:len(served)], "those that came first"

        for role in ("route", "dialer"):
            gateway.kill_and_wait(role)
            for one in served:
                assert "result" in call(one, "echo").json()
        assert gateway.restarts() == {"route": 1, "dialer": 1}
        served.pop().close()

        def served_again():
            try:
                with Connection(url) as one:
                    return "result" in call(one, "echo").json()
            except ConnectionError:
                return False
        eventually(served_again, "a place that became free is taken")
    finally:
        for one in connections:
            one.close()
    with Load(url) as load:
        load.more_served()
    assert gateway.restarts() == {"route": 1, "dialer": 1}


def sized_answer(asked, connection):
    """An answer of the size the call asks for."""
    call = json.loads(asked.body)
    size = call["params"]["arguments"]["size"]
    text = b'{"jsonrpc":"2.0","id":%d,"result":{"text":"' % call["id"] + b"x" * size + b'"}}'
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
    return True


def test_a_reader_that_pauses_before_the_last_answer_gets_every_byte(make_gateway):
    # Sizes around what the kernel holds for a socket: one of them waits in the gateway when it has the whole answer.
    sizes = range(250_000, 6_000_000, 250_000)
    with RawUpstream(sized_answer) as upstream:
        gateway = make_gateway(upstream.url).start()
        url = gateway.url
        connections = [Connection(url) for _ in sizes]
        try:
            for size, one in zip(sizes, connections):
                one.socket.sendall(request(one, 1, {"size": size}, headers=[("Connection", "close")]))
            for one in connections:
                eventually(lambda: not no_news(one), "the answer begins")
            # The stimulus: they read nothing for some seconds.
            threading.Event().wait(3.5)
            for size, one in zip(sizes, connections):
                reply = one.receive()
                assert reply.headers["connection"] == "close"
                assert len(reply.json()["result"]["text"]) == size
                assert one.socket.recv(1) == b""
        finally:
            for one in connections:
                one.close()
        assert gateway.restarts() == {}


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
@pytest.mark.parametrize("use", ["mcp", "metrics"])
def test_a_passed_socket_that_other_hosts_can_reach_is_refused(binary, directory, family, address, use):
    with socket.socket(family) as one:
        try:
            one.bind((address, 0))
        except OSError as error:
            pytest.skip(f"no {address} here: {error}")
        one.listen()
        port = one.getsockname()[1]
        message = Refusal(binary, directory).proxy(**listen_fds("1", one.fileno(), names=use))
        shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        assert shown in message and "ListenStream=" in message
