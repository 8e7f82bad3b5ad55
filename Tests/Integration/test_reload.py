"""Reload: all workers switch or none, no request fails, none is decided by a mixture, and a bad file changes nothing."""

import json
import os
import random
import re
import signal
import subprocess
import threading

import pytest

from harness.eventually import eventually
from harness.gateway import NOBODY
from harness.http import Connection, call, tool_call
from harness.reloading import BROKEN, GOOD, POLICY, File, Questions, asked, outcome, pids, reload
from harness.scripted import ScriptedUpstream


@pytest.fixture
def policy(directory):
    return File(os.path.join(directory, "policy.yaml"), GOOD[0])


@pytest.fixture
def echo():
    def answer(request):
        return request.text(request.params["arguments"]["text"])
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as server:
        yield server


@pytest.fixture
def reloadable(make_gateway, policy, echo):
    return make_gateway(echo.url, "--policy", policy.path, "--supervision-backoff-max", "20ms",
                        "--supervision-crash-limit", "10000").start()


def hang_up(gateway):
    """SIGHUP to the supervisor, and the wait for the end of that reload."""
    before = gateway.notify.receive().count("READY=1")
    gateway.terminate(signal.SIGHUP)
    eventually(lambda: gateway.notify.receive().count("READY=1") > before, lambda: f"READY=1 again\n{gateway.log()}")


def nothing_mixed_is_on_record(gateway):
    """Each exchange has one policy from its request to its answer, and each policy its own way to stop "heads" and "tails"."""
    def recorded():
        with open(os.path.join(gateway.state_directory, "audit.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().split("\n")[:-1]]
    policies, rules, answers = {}, {}, 0
    for line in recorded():
        if line["kind"] not in ("request", "response"):
            continue
        policies.setdefault(line["request_id"], set()).add(line["policy_hash"])
        if line["action"] == "block":
            answers += line["kind"] == "response"
            rules.setdefault(line["policy_hash"], set()).add((line["kind"], line["rule"]))
    assert all(len(hashes) == 1 for hashes in policies.values())
    ways = [{("request", "no-heads"), ("response", "no-tails")}, {("request", "no-tails"), ("response", "no-heads")}]
    assert sorted(map(sorted, rules.values())) == sorted(map(sorted, ways)), rules
    assert answers > 0


def test_a_hundred_reloads_under_load_fail_no_request_and_mix_nothing(reloadable, policy):
    before = pids(reloadable)
    with Questions(reloadable.url) as questions:
        for number in range(100):
            policy.write(BROKEN[number // 2 % len(BROKEN)] if number % 2 else GOOD[(number // 2 + 1) % 2])
            hang_up(reloadable)
        goal = questions.total() + 50
        eventually(lambda: questions.total() > goal, "more answers")
    assert set(questions.outcomes) == {("heads", "denied"), ("tails", "denied"), ("fine", "passed")}, questions.outcomes
    assert pids(reloadable) == before, "a worker was restarted"
    samples = reloadable.metrics()
    assert samples["mcpgw_generation"] == 51, reloadable.log()
    assert samples["mcpgw_reload_failures_total"] == 50
    nothing_mixed_is_on_record(reloadable)
    print(f"answers: {dict(questions.outcomes)}")


def test_the_new_policy_decides_as_soon_as_the_command_has_ended(reloadable, policy):
    other = POLICY.format(request="fine", reply="never")
    with Connection(reloadable.url) as connection:
        for number in range(20):
            policy.write(other if number % 2 == 0 else GOOD[0])
            result = reload(reloadable)
            assert result.returncode == 0, result.stdout + result.stderr
            assert result.stdout == f"generation {number + 2}: changed: policy\n"
            assert outcome(asked(connection, "fine")) == ("denied" if number % 2 == 0 else "passed")


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_changes_nothing_and_says_where(reloadable, policy, text):
    policy.write(text)
    result = reload(reloadable)
    assert result.returncode == 1, result
    place = re.escape(policy.path) + r":\d+:\d+: "
    assert re.fullmatch(f"not reloaded, generation 1 stays: .*{place}.*\n", result.stdout), result.stdout
    status = reloadable.status()
    assert status["generation"] == 1 and status["reloads"]["failures"] == 1
    assert re.search(place, status["reloads"]["last_failure"])
    assert re.search(rf"error supervisor\[\d+\]: reload failed, generation 1 stays: .*{place}", reloadable.log())
    shown = reloadable.command_line("status", "--runtime-dir", reloadable.runtime_directory).stdout
    assert "last failure" in shown and policy.path in shown
    with Connection(reloadable.url) as connection:
        assert [outcome(asked(connection, text)) for text in ("heads", "tails", "fine")] == ["denied", "denied", "passed"]


def test_a_file_that_is_gone_changes_nothing(reloadable, policy):
    os.unlink(policy.path)
    result = reload(reloadable)
    assert result.returncode == 1 and policy.path in result.stdout, result.stdout
    assert reloadable.status()["generation"] == 1


def test_an_unchanged_file_is_no_new_generation(reloadable):
    result = reload(reloadable)
    assert (result.returncode, result.stdout) == (0, "generation 1: nothing changed\n")


def test_requests_in_flight_end_under_the_policy_that_admitted_them(make_gateway, policy):
    release, waiting = threading.Event(), threading.Event()

    def answer(request):
        text = request.params["arguments"]["text"]
        if text == "slow":
            waiting.set()
            assert release.wait(60)
        return request.text("tails" if text == "slow" else text)
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as upstream:
        gateway = make_gateway(upstream.url, "--policy", policy.path).start()
        connection = Connection(gateway.url)
        headers, body = tool_call("echo", {"text": "slow"}, 1, "modern")
        connection.send("POST", headers=headers, body=body)
        assert waiting.wait(60)
        policy.write(GOOD[1])
        assert reload(gateway).returncode == 0
        with Connection(gateway.url) as other:
            message = call(other, "echo", {"text": "tails"}, 2, "modern").json()
            assert outcome(message) == "denied"
        release.set()
        # The reply says "tails", which only the first policy looks for in replies.
        assert outcome(connection.receive().json()) == "denied"
        connection.close()
        gateway.stop()


def test_reloads_among_kills_end_with_one_generation(reloadable, policy):
    random.seed(7)
    for number in range(30):
        policy.write(GOOD[(number + 1) % 2])
        role = random.choice(["ingress", "route", "dialer", "recorder", "launcher", "console"])
        worker = reloadable.workers(reloadable.all_running() or eventually(reloadable.all_running, "all run"))[role]
        reloadable.terminate(signal.SIGHUP)
        os.kill(worker["pid"], signal.SIGKILL)
        eventually(lambda: reloadable.all_running(), lambda: f"all run again\n{reloadable.log()}")
    eventually(lambda: (reloadable.all_running() or {}).get("generation") == 31, lambda: f"31\n{reloadable.log()}")
    # Which of the two serves cannot be told from outside by what passes, but that no worker has the other can.
    with Questions(reloadable.url, connections=2) as questions:
        eventually(lambda: questions.total() > 60, "answers")
    assert set(questions.outcomes) == {("heads", "denied"), ("tails", "denied"), ("fine", "passed")}, questions.outcomes


@pytest.mark.parametrize("role", ["ingress", "route", "recorder", "console"])
def test_a_worker_killed_while_it_prepares_is_not_waited_for(make_gateway, policy, echo, role):
    gateway = make_gateway(
        echo.url, "--policy", policy.path, "--supervision-start-timeout", "60s", "--supervision-ping-timeout", "60s").start()
    pid = gateway.kill(role, signal.SIGSTOP)
    policy.write(POLICY.format(request="fine", reply="never"))
    before = len(gateway.notify.receive())
    gateway.terminate(signal.SIGHUP)
    eventually(lambda: "RELOADING=1" in gateway.notify.receive()[before:], "the reload begins")
    assert "READY=1" not in gateway.notify.receive()[before:]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: "READY=1" in gateway.notify.receive()[before:], lambda: f"the end of it\n{gateway.log()}")
    eventually(lambda: (gateway.all_running() or {}).get("generation") == 2, lambda: f"generation 2\n{gateway.log()}")
    with Connection(gateway.url) as connection:
        assert [outcome(asked(connection, text)) for text in ("fine", "heads")] == ["denied", "passed"]


def test_a_daemon_that_stops_in_the_middle_of_a_reload_stops(make_gateway, policy, echo):
    gateway = make_gateway(
        echo.url, "--policy", policy.path, "--supervision-start-timeout", "60s", "--supervision-ping-timeout", "60s",
        "--drain-timeout", "1s").start()
    gateway.kill("recorder", signal.SIGSTOP)
    policy.write(GOOD[1])
    gateway.terminate(signal.SIGHUP)
    eventually(lambda: "RELOADING=1" in gateway.notify.receive(), "the reload begins")
    gateway.terminate()
    assert gateway.wait() == 0
    assert "reload failed, generation 1 stays: the daemon stops" in gateway.log()
    gateway.nothing_left()


def test_a_worker_that_hangs_makes_the_reload_fail_and_the_old_policy_stay(make_gateway, policy, echo):
    gateway = make_gateway(
        echo.url, "--policy", policy.path, "--supervision-start-timeout", "1s", "--supervision-ping-timeout", "1m").start()
    before = pids(gateway)
    gateway.kill("route", signal.SIGSTOP)
    policy.write(GOOD[1])
    try:
        result = reload(gateway)
    finally:
        os.kill(before["route"], signal.SIGCONT)
    assert result.returncode == 1 and "route/default did not answer in time" in result.stdout, result.stdout
    assert gateway.status()["generation"] == 1
    # Its late answer is no offence, and the next reload finds it ready.
    assert reload(gateway).returncode == 0, gateway.log()
    assert pids(gateway) == before
    with Connection(gateway.url) as connection:
        assert outcome(asked(connection, "fine")) == "passed"


def test_a_hang_up_to_all_processes_reloads_once_and_restarts_none(reloadable, policy):
    before = pids(reloadable)
    policy.write(GOOD[1])
    session = str(reloadable.process.pid)
    found = subprocess.run(["pgrep", "-s", session, "mcpgw"], capture_output=True, text=True, check=True).stdout.split()
    assert len(found) == len(before) + 1, found
    subprocess.run(["kill", "-HUP", *found], check=True)
    eventually(lambda: reloadable.status()["generation"] == 2, lambda: f"generation 2\n{reloadable.log()}")
    assert pids(reloadable) == before
    assert reloadable.log().count("reloaded, generation") == 1


def test_the_service_manager_hears_of_the_beginning_and_of_the_end(reloadable, policy):
    for text, status in ((GOOD[1], 0), (BROKEN[0], 1)):
        policy.write(text)
        start = len(reloadable.notify.receive())
        assert reload(reloadable).returncode == status
        eventually(lambda: "READY=1" in reloadable.notify.receive()[start:], lambda: f"the end of it\n{reloadable.log()}")
        said = reloadable.notify.receive()[start:]
        kinds = [line.split("=")[0] for line in said if not line.startswith("STATUS=")]
        assert kinds == ["RELOADING", "MONOTONIC_USEC", "READY"], said
        microseconds = int(next(line for line in said if line.startswith("MONOTONIC_USEC=")).split("=")[1])
        with open("/proc/uptime", encoding="ascii") as file:
            assert 0 < microseconds <= 1_000_000 * (float(file.read().split()[0]) + 86_400 * 3650)


def test_the_command_says_when_no_daemon_answers(gateway, directory):
    result = gateway.command_line("reload", "--runtime-dir", os.path.join(directory, "none"))
    assert result.returncode == 2 and "no daemon answers" in result.stderr


def test_many_who_ask_at_once_all_hear_of_it(reloadable, policy):
    policy.write(GOOD[1])
    commands = [
        subprocess.Popen([reloadable.binary, "reload", "--runtime-dir", reloadable.runtime_directory],
                         env=reloadable.environment, cwd="/", stdout=subprocess.PIPE, text=True, **reloadable.user)
        for _ in range(12)]
    answers = [command.communicate(timeout=60)[0] for command in commands]
    assert all(command.returncode == 0 for command in commands), answers
    assert all(answer.startswith("generation 2: ") for answer in answers), answers
    assert reloadable.status()["generation"] == 2


@pytest.mark.root
def test_another_user_may_not_reload(reloadable, policy):
    policy.write(GOOD[1])
    os.chmod(reloadable.runtime_directory, 0o755)
    os.chmod(os.path.join(reloadable.runtime_directory, "control.sock"), 0o777)
    command = [reloadable.binary, "reload", "--runtime-dir", reloadable.runtime_directory]
    result = subprocess.run(
        command, cwd="/", capture_output=True, text=True, timeout=60, user=NOBODY - 1, group=NOBODY - 1, extra_groups=[])
    assert result.returncode == 2 and "only root and the daemon's own user" in result.stderr, result
    assert reloadable.status()["generation"] == 1
    assert subprocess.run(command, cwd="/", capture_output=True, timeout=60).returncode == 0, "root may"
