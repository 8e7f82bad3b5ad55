"""The processes as the system sees them."""

import os
import shutil

import pytest

from harness.eventually import eventually
from harness.gateway import LOG_LINE, NOBODY
from harness.http import Connection, call, get
from harness.processes import Process, status_fields


def test_every_process_is_named_after_its_role_and_is_a_child_of_the_supervisor(gateway):
    supervisor = Process(gateway.process.pid)
    assert supervisor.name == "mcpgw"
    assert {process.name for process in gateway.processes()} == {
        "mcpgw", *(f"mcpgw-{role}" for role in gateway.workers())}
    for role, worker in gateway.workers().items():
        process = Process(worker["pid"])
        assert (process.name, process.parent) == (f"mcpgw-{role}", supervisor.pid)


def test_the_supervisor_has_one_thread_and_no_zombie_stays(gateway):
    for role in ("route", "ingress", "console"):
        gateway.kill_and_wait(role)
    assert status_fields(gateway.process.pid)["Threads"] == "1"
    assert [process for process in gateway.processes() if process.state == "Z"] == []


def test_status_shows_the_whole(gateway):
    status = gateway.status()
    assert status["pid"] == gateway.process.pid and status["ready"] is True and status["generation"] == 1
    assert {"ingress", "route", "dialer", "recorder", "console"} <= set(gateway.workers(status))
    assert all(worker["state"] == "running" and worker["restarts"] == 0 for worker in status["workers"])
    assert [(route["name"], route["state"]) for route in status["routes"]] == [("default", "up")]
    assert {listener["name"]: listener["served"] for listener in status["listeners"]} == {
        "mcp": True, "metrics": True, "control": True}
    assert gateway.degraded(status) == []
    version = gateway.command_line("version")
    assert version.returncode == 0 and status["version"] in version.stdout


def test_status_for_people_names_every_worker_and_route(gateway):
    result = gateway.command_line("status", "--runtime-dir", gateway.runtime_directory)
    assert result.returncode == 0, result.stderr
    for word in [*gateway.workers(), "default", gateway.status()["routes"][0]["upstream"]]:
        assert word in result.stdout


def test_health_readiness_and_metrics_answer(gateway):
    url = gateway.metrics_url
    assert get(url, "/healthz").status == 200
    assert get(url, "/readyz").status == 200
    assert get(url, "/nothing-here").status == 404
    samples = gateway.metrics()
    for role, worker in gateway.workers().items():
        labels = f'{{role="{role}",name="{worker["name"]}"}}'
        assert samples[f"mcpgw_worker_up{labels}"] == 1
        assert samples[f"mcpgw_worker_restarts_total{labels}"] == 0


def test_every_line_on_standard_error_says_when_how_bad_who_and_what(gateway):
    pid = gateway.kill("route")
    eventually(gateway.all_running, "all run again")
    gateway.terminate()
    gateway.wait()
    lines = gateway.log().splitlines()
    assert lines and [line for line in lines if not LOG_LINE.match(line)] == []
    assert any(f"supervisor[{gateway.process.pid}]" in line and "ready" in line for line in lines), lines
    assert any(str(pid) in line and "supervisor[" in line for line in lines), "the killed worker is named"


def test_a_program_replaced_while_it_runs_restarts_workers_of_the_old_one(make_gateway, binary, directory, fast_upstream):
    copy = os.path.join(directory, "mcpgw")
    shutil.copy(binary, copy)
    gateway = make_gateway(fast_upstream.url)
    gateway.command[gateway.command.index(gateway.binary)] = copy
    gateway.start()
    replacement = os.path.join(directory, "replacement")
    shutil.copy("/bin/false", replacement)
    os.rename(replacement, copy)
    gateway.kill_and_wait("route", "ingress", "console")
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()


@pytest.mark.root
def test_started_as_root_every_process_becomes_the_named_user(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, "--user", "nobody", as_root=True).start()
    for process in gateway.processes():
        fields = status_fields(process.pid)
        # All four ids: nothing to go back to.
        assert set(fields["Uid"].split()) == {str(NOBODY)} == set(fields["Gid"].split()), process
        assert fields["Groups"].split() in ([], [str(NOBODY)]), process
        assert int(fields["CapEff"], 16) == 0 == int(fields["CapPrm"], 16), process
    gateway.kill_and_wait("route", "ingress")
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()


@pytest.mark.root
def test_the_control_socket_answers_only_its_own_user_and_root(gateway):
    for path in (gateway.directory, gateway.runtime_directory):
        os.chmod(path, 0o755)
    os.chmod(os.path.join(gateway.runtime_directory, "control.sock"), 0o777)
    arguments = ("status", "--json", "--runtime-dir", gateway.runtime_directory)
    gateway.user = {"user": NOBODY - 1, "group": NOBODY - 1, "extra_groups": []}
    stranger = gateway.command_line(*arguments)
    assert stranger.returncode != 0 and "workers" not in stranger.stdout
    gateway.user = {}
    assert gateway.command_line(*arguments).returncode == 0
