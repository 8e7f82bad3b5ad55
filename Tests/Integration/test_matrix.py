"""Every feature of the protocol, between real clients and real servers of both generations: with the gateway as without it.

`harness/matrix_table.py` says what is run and why something is not; `clients/scenario.py` what a client does; `servers/` what it
talks to; `harness/matrix_checks.py` what each feature must have shown.
"""

import os

import pytest

from harness import matrix_checks
from harness.matrix_runs import Matrix
from harness.matrix_table import CLIENTS, FEATURES, SERVERS, VARIANTS, cases, reason_against


@pytest.fixture(scope="module")
def matrix(binary, session_directory, request):
    own = os.path.join(session_directory, "matrix")
    os.mkdir(own, 0o755)
    with Matrix(binary, own) as matrix:
        asked = [item.callspec.params for item in request.session.items
                 if item.function is test_a_client_sees_through_the_gateway_what_it_sees_directly]
        # In the order of the tests, each once.
        matrix.start(list(dict.fromkeys((one["client"], one["server"]) for one in asked)))
        yield matrix


@pytest.mark.parametrize("client, server, variant, feature", cases())
def test_a_client_sees_through_the_gateway_what_it_sees_directly(matrix, client, server, variant, feature):
    direct, through = matrix.seen(client, server, variant)
    modern = CLIENTS[client]["mode"] != "legacy"
    assert "run" not in direct, direct["run"]
    assert not isinstance(direct[feature], str), f"without the gateway: {direct[feature]}"
    getattr(matrix_checks, feature)(direct[feature], modern)
    # A run that broke off says why.
    assert through.get(feature, through.get("run")) == direct[feature]


def test_every_feature_of_every_pair_is_run_or_left_out_for_a_reason():
    run = set(cases())
    for client in CLIENTS:
        for server in SERVERS:
            for variant in VARIANTS:
                for feature in FEATURES:
                    reason = reason_against(client, server, variant, feature)
                    assert (reason is None) == ((client, server, variant, feature) in run)
    # Each feature is run by each client whose era has it, and each server meets each.
    assert {feature for *_, feature in run} == set(FEATURES)
    assert {(server, feature) for _, server, _, feature in run} == {
        (server, feature) for server in SERVERS for feature in FEATURES
        if not (SERVERS[server] == "legacy" and feature in ("rounds", "listen"))}
