"""What the audit log holds after any sequence of kills under load: each answered call once and in order, each lost one closed."""

import os
import random
import signal
from collections import Counter, defaultdict

import pytest

from harness.eventually import eventually
from harness.records import Calls, closed_files, records_of, verify, write_policy

ROLES = ("recorder", "route", "ingress", "console", "dialer")


def check_account(records, loads):
    """Every answered call is recorded once, request before response; what was forwarded ends exactly once."""
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1)), "numbers without gaps"
    ours = {load.name for load in loads}
    requests, ends = {}, defaultdict(list)
    identifiers = Counter()
    for record in records:
        request = record.get("request_id")
        if record["kind"] == "request" and str(record.get("id")).rpartition("-")[0] in ours:
            assert request not in requests, "two exchanges with one id of the gateway's"
            requests[request] = record
            identifiers[record["id"]] += 1
        elif record["kind"] in ("response", "aborted") and request in requests:
            ends[request].append(record)
        elif record["kind"] in ("response", "aborted"):
            raise AssertionError(f"an end without a request before it: {record}")
    twice = {name: count for name, count in identifiers.items() if count > 1}
    assert not twice, "recorded more than once"
    for request, record in requests.items():
        wanted = 0 if record["action"] == "block" else 1
        assert len(ends[request]) == wanted, (record, ends[request])
    by_id = {record["id"]: record for record in requests.values()}
    for load in loads:
        for identifier, outcome in load.answered.items():
            if outcome == "denied":
                assert by_id[identifier]["action"] == "block", identifier
            elif outcome == "result":
                record = by_id[identifier]
                assert record["action"] == "allow", record
                end, = ends[record["request_id"]]
                assert end["kind"] == "response" and end["seq"] > record["seq"], (record, end)
        assert set(by_id) - load.sent <= {name for name in by_id if not name.startswith(load.name + "-")}
    return Counter(record["kind"] for record in records)


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("MCPGW_SEEDS", "1 2").split()])
def test_every_answered_call_is_recorded_once_after_any_sequence_of_kills(make_gateway, fast_upstream, directory, seed):
    print(f"seed {seed}")
    chance = random.Random(seed)
    gateway = make_gateway(
        fast_upstream.url, *write_policy(directory), "--supervision-crash-limit", "1000", "--audit-rotate-bytes",
        "1MiB", "--supervision-backoff-max", "40ms").start()
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
    assert kinds["checkpoint"] >= 1
    result = verify(gateway)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("victim", ["route", "supervisor"])
def test_calls_that_were_never_answered_are_closed_once(gateway, fast_upstream, victim):
    from harness.http import Connection, tool_call
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
