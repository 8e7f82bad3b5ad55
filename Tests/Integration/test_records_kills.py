"""What the audit log holds after any sequence of kills under load: each answered call once and in order, each lost one closed."""

import os
import random
import signal

import pytest

from harness.eventually import eventually
from harness.http import Connection, tool_call
from harness.records import Calls, check_account, closed_files, records_of, verify, write_policy

ROLES = ("recorder", "route", "ingress", "console", "dialer")


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("MCPGW_SEEDS", "1 2").split()])
def test_every_answered_call_is_recorded_once_after_any_sequence_of_kills(make_gateway, fast_upstream, directory, seed):
    print(f"seed {seed}")
    chance = random.Random(seed)
    gateway = make_gateway(
        fast_upstream.url, *write_policy(directory), "--supervision-crash-limit", "1000", "--audit-rotate-bytes",
        "64KiB", "--audit-sync", "50ms", "--supervision-backoff-max", "40ms").start()
    loads = []
    for life in range(3):
        if life > 0:
            gateway.launch()
            eventually(gateway.all_running, lambda: f"all run:\n{gateway.log()}")
        load = Calls(f"s{seed}.{life}").start(gateway.url)
        loads.append(load)
        eventually(lambda: load.count() > 50, "calls are answered")
        for _ in range(chance.randint(3, 5)):
            roles = chance.sample(ROLES, chance.choice([1, 1, 2, 3]))
            print(f"life {life}: kill {' '.join(roles)} after {load.count()} calls")
            gateway.kill_and_wait(*roles)
            goal = load.count() + chance.randint(0, 60)
            eventually(lambda: load.count() >= goal, lambda: f"calls are answered again:\n{gateway.log()[-3000:]}")
        if life < 2:
            # Under load, with requests on their way.
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.wait()
            load.stop()
            gateway.nothing_left()
        else:
            load.stop()
    gateway.stop()
    records = records_of(gateway)
    kinds = check_account(records, loads)
    print(f"{sum(load.count() for load in loads)} calls answered, records {dict(kinds)}, "
          f"{len(closed_files(gateway))} files closed")
    assert kinds["checkpoint"] >= 1 and closed_files(gateway)
    result = verify(gateway)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("victim", ["route", "supervisor"])
def test_calls_that_were_never_answered_are_closed_once(gateway, fast_upstream, victim):
    held = [Connection(gateway.url) for _ in range(5)]
    try:
        for number, connection in enumerate(held):
            headers, body = tool_call("hold", {}, f"held-{number}", "modern")
            connection.send("POST", headers=headers, body=body)
        eventually(lambda: fast_upstream.held() == len(held), "the calls wait at the upstream")
        if victim == "route":
            gateway.kill_and_wait("route")
            gateway.kill_and_wait("recorder")
            gateway.kill_and_wait("route")
            gateway.stop()
        else:
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.wait()
            gateway.nothing_left()
    finally:
        for connection in held:
            connection.close()
    records = records_of(gateway)
    forwarded = {record["request_id"]: record["id"] for record in records if record["kind"] == "request"}
    assert sorted(forwarded.values()) == [f"held-{number}" for number in range(5)]
    aborted = [record["request_id"] for record in records if record["kind"] == "aborted"]
    assert sorted(aborted) == sorted(forwarded), "each exactly once"
    assert verify(gateway).returncode == 0
