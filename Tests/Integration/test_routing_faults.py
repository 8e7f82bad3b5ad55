"""A worker in an attacker's hands neither speaks for another route nor brings a call where it does not belong.

The program under test is FaultyGateway: the product with one worker replaced by one that misbehaves once (see its main.swift).
"""

import os
import shutil

import pytest

from harness.eventually import eventually
from harness.gateway import NOBODY
from harness.routes import Served, ask_modern, names, options_of


@pytest.fixture
def shell():
    with Served("shell", "exec_a", sessions=False) as server:
        yield server


@pytest.fixture
def rest():
    with Served("rest", "echo", sessions=False) as server:
        yield server


@pytest.fixture
def faulty(binary, directory, make_gateway, shell, rest):
    program = os.environ.get("MCPGW_FAULTY", os.path.join(os.path.dirname(binary), "FaultyGateway"))
    if not os.access(program, os.X_OK):
        pytest.fail(f"no program at {program}: contrib/build makes it, MCPGW_FAULTY names another", pytrace=False)

    def make(role, fault):
        place = os.path.join(directory, "faulty")
        os.mkdir(place)
        os.chmod(place, 0o777)
        copy = os.path.join(place, f"faulty-{role}-{fault}")
        shutil.copy(program, copy)
        with open(copy + ".armed", "w", encoding="ascii"):
            pass
        if os.geteuid() == 0:
            os.chown(copy + ".armed", NOBODY, NOBODY)
        routes = options_of(("shell", ["exec_*"], shell.url), ("rest", ["*"], rest.url))
        gateway = make_gateway(None, *routes)
        gateway.command[gateway.command.index(gateway.binary)] = copy
        return gateway
    return make


@pytest.mark.parametrize("fault", ["broken-items", "foreign-items"])
def test_a_route_cannot_speak_for_another_in_the_list(faulty, fault):
    gateway = faulty("route", fault).start()
    # One of the two routes is the faulty one.
    listed = names(ask_modern(gateway.url, "tools/list"))
    assert listed in (["exec_a"], ["echo"])
    eventually(lambda: gateway.all_running() and gateway.restarts().get("route", 0) + sum(
        worker["restarts"] for worker in gateway.status()["workers"] if worker["role"] == "route") >= 1, "the worker is replaced")
    assert any("condemned" in worker["last_exit"] for worker in gateway.status()["workers"] if worker["role"] == "route")
    eventually(lambda: names(ask_modern(gateway.url, "tools/list")) == ["exec_a", "echo"], "both are listed again")


def test_a_call_that_the_ingress_brings_to_the_wrong_route_goes_no_further(faulty, shell, rest):
    # It serves no client, so that the gateway is never ready.
    gateway = faulty("ingress", "misroutes").launch()
    shell.wait("tools/call")
    # The other worker has read it when its counters say that it has answered.
    eventually(lambda: gateway.metrics()['mcpgw_exchanges_answered_total{role="route",name="rest"}'] >= 1, "the other has answered")
    assert rest.of("tools/call") == [] and shell.called_tools() == ["exec_a"]
