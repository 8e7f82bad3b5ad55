"""Nothing that policy denies reaches the upstream, however it is written. The techniques are data (evasion/cases.py)."""

import base64
import json
import os
import re

import pytest

from evasion.cases import CASES, HARMLESS, POLICY
from evasion.naive import bypassed
from harness.clients import TYPES, Client
from harness.http import MODERN, Connection
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


def test_every_technique_gets_past_a_naive_matcher():
    ways = {}
    for technique, body, fields in CASES:
        ways.setdefault(technique, set()).update(bypassed(body, fields))
    held = [technique for technique, names in ways.items() if not names and "control" not in technique]
    assert not held, held
    # Most of them get past the one that reads the message as its server does.
    assert sum("last wins" in names for names in ways.values()) >= 60, len(ways)


META = {
    "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}


def field_value(text):
    """A header's value for any text (MCP 2026-07-28, Value Encoding)."""
    if re.fullmatch("[!-~]+", text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def modern(body):
    """The same message in the modern era, with the headers that fit it as the last of equal members has it; nothing if it has no `params` to be one."""
    text = body.decode("utf-8", "surrogateescape")
    if text.count('"params":{') != 1:
        return None
    text = text.replace('"params":{', f'"params":{{"_meta":{json.dumps(META)},').replace(",}", "}")
    fields = [("MCP-Protocol-Version", MODERN)]
    try:
        message = json.loads(text)
        message = message[0] if isinstance(message, list) else message
        name = message["params"].get("name", message["params"].get("uri"))
        fields.append(("Mcp-Method", field_value(message["method"])))
        if isinstance(name, str):
            fields.append(("Mcp-Name", field_value(name)))
    except (ValueError, UnicodeEncodeError):
        pass
    return text.encode("utf-8", "surrogateescape"), fields


def test_no_denied_call_of_the_modern_era_arrives(gateway, upstream):
    passed, decided, sent = [], 0, 0
    for technique, body, fields in CASES:
        made = None if fields else modern(body)
        if not made:
            continue
        before = len(upstream.seen)
        reply = post(gateway, made[0], made[1])
        assert reply.status < 500, (technique, reply.status)
        sent += 1
        # Denied for what it is, not refused because its headers do not fit.
        decided += any(word in reply.body for word in (b"policy_denied", b"-31010", b"Unknown tool"))
        if len(upstream.seen) != before:
            passed.append((technique, made[0][:300], upstream.seen[-1].request.body[:200]))
    assert not passed, f"{len(passed)} of {sent}: " + "\n".join(map(str, passed))
    assert sent >= 120 and decided >= 100, (sent, decided)
    assert not gateway.restarts()


def test_what_is_harmless_arrives_in_the_modern_era(gateway, upstream):
    for body in HARMLESS:
        before = len(upstream.seen)
        reply = post(gateway, *modern(body.encode()))
        assert reply.status == 200 and "result" in json.loads(reply.body), (body, reply.body)
        assert len(upstream.seen) == before + 1, body


def test_no_denied_call_arrives_within_a_batch(make_gateway, directory):
    path = os.path.join(directory, "policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(POLICY)
    os.chmod(path, 0o644)
    arrived = []

    def remember(answer):
        arrived.append(answer.request.body)
        return answer.text("done")
    names = ("tools/call", "resources/read", "resources/subscribe", "resources/unsubscribe", "prompts/get", "completion/complete", "custom/danger")
    with ScriptedUpstream({name: remember for name in names}, revision="2025-03-26") as server:
        client = Client(make_gateway(server.url, "--policy", path).start().url, revision="2025-03-26")
        harmless = HARMLESS[0].replace('"id":1', '"id":"first"')
        passed, served = [], 0
        for technique, body, fields in CASES:
            if fields:
                continue
            del arrived[:]
            with Connection(client.url) as connection:
                connection.send("POST", headers=client.fields(), body=b"[" + harmless.encode() + b"," + body + b"]")
                reply = connection.receive()
            assert reply.status < 500, (technique, reply.status)
            others = [one for one in arrived if b"sudo is a word" not in one]
            served += len(arrived) - len(others)
            if others:
                passed.append((technique, body[:200], others[0][:200]))
    assert not passed, f"{len(passed)}: " + "\n".join(map(str, passed))
    # The harmless one beside it is served, where the batch can be read at all.
    assert served >= 80, served
