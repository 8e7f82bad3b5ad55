"""Nothing that policy denies reaches the upstream, however it is written. The techniques are data (evasion/cases.py)."""

import json
import os

import pytest

from evasion.cases import CASES, HARMLESS, POLICY
from harness.clients import TYPES
from harness.http import Connection
from harness.scripted import ScriptedUpstream


@pytest.fixture(scope="module")
def upstream():
    def remember(answer):
        return answer.text("done")

    handlers = {name: remember for name in (
        "tools/call", "resources/read", "resources/subscribe", "resources/unsubscribe", "prompts/get", "completion/complete",
        "custom/danger", "answer")}
    with ScriptedUpstream(handlers) as server:
        server.has_sessions = False
        yield server


@pytest.fixture
def gateway(make_gateway, directory, upstream):
    path = os.path.join(directory, "policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(POLICY)
    os.chmod(path, 0o644)
    return make_gateway(upstream.url, "--policy", path).start()


def post(gateway, body, fields=()):
    names = {name.lower() for name, _ in fields}
    headers = [(name, value) for name, value in TYPES if name.lower() not in names] + list(fields)
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=headers, body=body)
        return connection.receive()


def test_there_are_enough_techniques():
    techniques = [technique for technique, _, _ in CASES]
    assert len(set(techniques)) >= 60 and len(CASES) >= 120
    assert max(techniques.count(name) for name in set(techniques)) <= 5
    assert len({(body, fields) for _, body, fields in CASES}) == len(CASES), "a case is there twice"


def test_no_denied_call_arrives(gateway, upstream):
    passed = []
    for technique, body, fields in CASES:
        before = len(upstream.seen)
        reply = post(gateway, body, fields)
        assert reply.status < 500, (technique, reply.status)
        if len(upstream.seen) != before:
            passed.append((technique, body[:200], upstream.seen[-1].request.body[:200]))
    assert not passed, f"{len(passed)} of {len(CASES)}: " + "\n".join(map(str, passed))
    assert not gateway.restarts()


def test_what_is_harmless_arrives(gateway, upstream):
    for body in HARMLESS:
        before = len(upstream.seen)
        reply = post(gateway, body.encode())
        assert reply.status == 200 and "result" in json.loads(reply.body), (body, reply.body)
        assert len(upstream.seen) == before + 1, body
