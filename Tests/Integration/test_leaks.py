"""Restarting workers over and over costs the supervisor nothing."""

import os
import signal

import pytest

from harness.eventually import eventually
from harness.processes import descriptors, resident_kilobytes, status_fields

# contrib/soak sets more.
RESTARTS = int(os.environ.get("MCPGW_RESTARTS", "500"))
ROLES = ("route", "ingress", "dialer", "recorder", "console")


def restart(gateway, times):
    """Kills workers one after the other, each as soon as all run."""
    for number in range(times):
        role = ROLES[number % len(ROLES)]
        before = gateway.workers()[role]
        os.kill(before["pid"], signal.SIGKILL)

        def succeeded():
            status = gateway.all_running()
            return status and gateway.workers(status)[role]["pid"] != before["pid"]
        eventually(succeeded, lambda: f"the {role} runs again after restart {number}: {gateway.log()[-2000:]}")


def standing(gateway):
    """What must be the same after any number of restarts."""
    supervisor = gateway.process.pid
    seen = {
        "processes": sorted(process.name for process in gateway.processes()),
        "threads of the supervisor": status_fields(supervisor)["Threads"],
    }
    try:
        # The kinds, without the numbers of sockets; a memfd shows as a link to its name.
        for process in gateway.processes():
            kinds = sorted(link.split(":[")[0] for link in descriptors(process.pid).values())
            seen[f"descriptors of {process.name}"] = kinds
    except PermissionError:
        pass
    return seen


@pytest.mark.slow
def test_restarts_leak_nothing(make_gateway, fast_upstream):
    gateway = make_gateway(
        fast_upstream.url, "--supervision-crash-limit", "1000000", "--supervision-backoff-min", "1ms",
        "--supervision-backoff-max", "1ms").start()
    # Caches and lazily made things first: the second half is compared with the first.
    restart(gateway, RESTARTS // 2)
    before, memory = standing(gateway), resident_kilobytes(gateway.process.pid)
    restart(gateway, RESTARTS - RESTARTS // 2)
    after = standing(gateway)
    assert after == before
    if os.geteuid() == 0:
        assert "descriptors of mcpgw" in after, after.keys()
    grown = resident_kilobytes(gateway.process.pid) - memory
    assert grown <= 128, f"the supervisor grew by {grown} KB in {RESTARTS // 2} restarts"
    assert sum(worker["restarts"] for worker in gateway.workers().values()) == RESTARTS
