"""The conformance checker from the package index, first at the server, then through the gateway."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.matrix_runs import Matrix
from harness.matrix_table import SERVERS

PROGRAM = os.path.join(os.path.dirname(sys.executable), "mcpcheck")


@pytest.fixture(scope="module")
def upstreams(binary, session_directory):
    own = os.path.join(session_directory, "mcpcheck")
    os.mkdir(own, 0o755)
    with Matrix(binary, own) as matrix:
        yield matrix


def report(url):
    """The checks by their names."""
    result = subprocess.run(
        [PROGRAM, "--json", "--probe", "all", "--legacy-probes", url], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120)
    assert result.returncode in (0, 1), result.stderr
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def findings(check):
    """What it found wrong, in whatever degree: the kind, and what it is about."""
    return {(one["code"], one["subject"]) for one in check["failures"] + check["warnings"]}


@pytest.mark.parametrize("server", [name for name, era in SERVERS.items() if era == "modern"])
def test_nothing_is_failed_and_nothing_is_worse_through_the_gateway(upstreams, server):
    addresses = [f"{upstreams.upstream(server).base()}/plain/mcp", upstreams.gateway(server, "plain").url]
    with ThreadPoolExecutor(2) as pool:
        direct, through = pool.map(report, addresses)
    assert set(through) == set(direct) and len(direct) == 8
    assert {name: check["summary"] for name, check in through.items() if check["status"] not in ("pass", "warn")} == {}
    for name, check in through.items():
        assert findings(check) <= findings(direct[name]), (name, check["summary"])
