"""What the records of a gateway say is enough to decide all of it again: under the same policy nothing changes, and nothing is left undecided."""

import json
import os

import pytest

from harness.clients import Client
from harness.eventually import eventually
from harness.keys import ALICE, BOB, configuration, entry, shown
from harness.records import records_of
from harness.scripted import ScriptedUpstream

# A rule of each kind, on both sides.
POLICY = """
version: v1
mode: enforce
rules:
  - {name: no-shell, match: {tools: ["exec_*"]}, action: deny}
  - {name: no-etc, match: {tools: ["read_*"], arguments: {path: ["/etc/*"]}}, action: deny}
  - {name: no-drops, match: {tools: ["query"], argument_patterns: {sql: ["(?i)drop\\\\s+table"]}}, action: deny}
  - {name: no-vault, match: {resources: ["vault://*"]}, action: deny}
  - {name: no-internal, match: {prompts: ["internal_*"]}, action: deny}
  - {name: no-bob, match: {tools: ["admin_*"], subjects: ["bob"]}, action: deny}
  - {name: no-interns, match: {tools: ["deploy"], roles: ["intern"]}, action: deny}
  - {name: no-banned, match: {methods: ["*"], labels: {team: ["banned*"]}}, action: deny}
  - {name: no-staging, match: {methods: ["vendor/*"], labels: {stage: ["route-*"]}}, action: deny}
  - {name: no-route, match: {methods: ["prompts/list"], routes: ["default"]}, action: deny}
  - {name: watched, match: {tools: ["noisy"]}, action: deny, mode: audit}
  - {name: no-vendor, match: {methods: ["notifications/vendor/secret", "vendor/secret"]}, action: deny}
  - {name: trusted, match: {tools: ["trusted_*"], labels: {team: ["trusted"]}}, action: allow}
  - {name: tools, match: {tools: ["echo", "read_*", "query", "admin_*", "deploy", "noisy"]}, action: allow}
  - {name: files, match: {resources: ["file:///srv/*"]}, action: allow}
  - {name: prompts, match: {prompts: ["open_*"]}, action: allow}
  - {name: rest, match: {methods: ["tools/list", "vendor/*", "notifications/*", "logging/setLevel"]}, action: allow}
"""
LONG = "read_" + "x" * 200
TOOLS = [
    ("echo", {"text": "a\\u0000\u202e\n\"", "deep": [{"a": [1, None, True]}]}), ("exec_sh", {}), ("read_file", {"path": "/srv/a"}),
    ("read_file", {"path": "/srv/../etc/passwd"}), ("read_file", {"path": ["/srv/a", "/etc/b"]}), ("query", {"sql": "select 1"}),
    ("query", {"sql": "DROP  table x"}), ("admin_x", {}), ("deploy", {}), ("noisy", {"n": 1}), ("trusted_x", {}), ("unknown", {}),
    (LONG, {"path": "/srv/long"}), ("éxec_\u0441", {}), ("", {})]
OTHERS = [
    ("prompts/get", {"name": "open_a", "arguments": {"x": "y"}}), ("prompts/get", {"name": "internal_a"}),
    ("resources/read", {"uri": "file:///srv/a"}), ("resources/read", {"uri": "vault://a"}), ("resources/read", {"uri": "other:b"}),
    ("resources/subscribe", {"uri": "file:///srv/a"}), ("resources/subscribe", {"uri": "vault://a"}),
    ("resources/unsubscribe", {"uri": "file:///srv/a"}), ("resources/unsubscribe", {"uri": "vault://a"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "open_a"}, "argument": {"name": "x", "value": "y"}}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "internal_a"}, "argument": {"name": "x", "value": "y"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "file:///srv/{x}"}, "argument": {"name": "x", "value": "y"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "vault://{x}"}, "argument": {"name": "x", "value": "y"}}),
    ("tools/list", {}), ("prompts/list", {}), ("resources/list", {}), ("ping", {}), ("logging/setLevel", {"level": "info"}),
    ("vendor/open", {"a": 1}), ("vendor/secret", {}), ("elsewhere/thing", {}), ("notifications/asked", {}),
    ("tasks/get", {"taskId": "t-1"}), ("tasks/list", {})]
NOTIFICATIONS = [
    ("notifications/roots/list_changed", {}), ("notifications/vendor/open", {"x": 1}), ("notifications/vendor/secret", {}),
    ("elsewhere/said", {}), ("vendor/said", {})]
CALLERS = [
    [], [("X-MCPGW-Label-Team", "trusted")], [("X-MCPGW-Label-Team", "banned-1")], shown(ALICE),
    [*shown(ALICE), ("X-MCPGW-Label-Team", "banned-2")], [*shown(BOB), ("X-MCPGW-Label-Team", "trusted")],
    [*shown(BOB), ("X-MCPGW-Label-Team", "banned-3")]]


def answer(request):
    if request.name == "tools/call" and request.params.get("name") == "noisy":
        request.begin_events()
        request.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        return request.last_event({"content": []})
    return request.result({"content": [], "tools": [], "resources": [], "contents": [], "messages": [], "completion": {"values": []}})


def message(method, params, identifier=None):
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if identifier is None else {"id": identifier})


def talk(client, name, fields, batches):
    """Everything as one caller."""
    calls = [("tools/call", {"name": tool, "arguments": arguments}) for tool, arguments in TOOLS]
    messages = [message(method, params, f"{name}-{number}") for number, (method, params) in enumerate([*calls, *OTHERS])]
    messages += [message(method, params) for method, params in NOTIFICATIONS]
    if batches:
        for start in range(0, len(messages), 7):
            client.post(messages[start:start + 7], [*client.fields(), *fields])
    else:
        for one in messages:
            client.post(one, [*client.fields(), *fields])


@pytest.mark.parametrize("authenticated", [True, False], ids=["with keys", "anonymous"])
def test_what_was_recorded_is_decided_the_same_again(make_gateway, directory, authenticated):
    keys = [entry("alice", ALICE, labels="{team: trusted}", roles="[intern]"), entry("bob", BOB, roles="[reader, writer]")]
    path = os.path.join(directory, "policy.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(POLICY)
    os.chmod(path, 0o644)
    options = configuration(directory, keys if authenticated else [], label_claims=["team"])
    names = ("tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe", "completion/complete",
             "tools/list", "resources/list", "vendor/open", "vendor/secret")
    callers = [caller for caller in CALLERS if bool(caller and caller[0][0] == "X-API-Key") == authenticated]
    with ScriptedUpstream(dict.fromkeys(names, answer), revision="2025-03-26") as upstream:
        gateway = make_gateway(upstream.url, *options, "--policy", path, "--audit-sync", "20ms").start()
        for number, fields in enumerate(callers):
            client = Client(gateway.url, "2025-03-26", opens=False)
            opening = client.post(message("initialize", {
                "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}, 0), [
                    *client.fields(), *fields])
            client.session = opening.headers.get("mcp-session-id")
            talk(client, f"s{number}", fields, False)
            talk(client, f"b{number}", fields, True)
        eventually(lambda: len(answered(records_of(gateway))) >= 20, "answers are recorded")
        gateway.stop()
    records = records_of(gateway)
    log = os.path.join(gateway.state_directory, "audit.jsonl")
    result = gateway.command_line("policy", "replay", log, "--policy", path, "--format", "json")
    report = json.loads(result.stdout)
    found = {name: report[name] for name in ("newly_blocked", "newly_allowed", "undecidable", "unreadable_lines")}
    assert found == dict.fromkeys(found, 0), json.dumps(report["groups"], indent=1)[:4000]
    assert report["same"] + report["other_reason"] == report["calls"]
    assert report["same"] >= 60 * len(callers), report["same"]
    assert result.returncode == 0
    # Tasks are refused to callers who are told apart, whatever the policy.
    assert bool(report["other_reason"]) == authenticated
    rules = {record["rule"] for record in records if "rule" in record}
    wanted = {"no-shell", "no-etc", "no-drops", "no-vault", "no-internal", "no-route", "watched", "no-vendor", "tools", "files", "prompts", "rest", "no-banned"}
    wanted |= {"no-bob", "no-interns", "trusted"} if authenticated else set()
    assert wanted <= rules, wanted - rules
    check_answers(records)
    # The claim is not taken for what it says it is, in the gateway or here.
    claimed = [record for record in records if record.get("claimed_labels") == {"team": "trusted"} and record.get("tool_name") == "trusted_x"]
    assert claimed and all(record["action"] == "block" for record in claimed if record["kind"] == "request")


def answered(records):
    return [record for record in records if record["kind"] == "response"]


def check_answers(records):
    """Answers name what their requests name."""
    names = ("tool_name", "prompt", "resource", "method")
    asked = {(record["request_id"], record.get("id")): record for record in records if record["kind"] == "request"}
    answers = [record for record in answered(records) if record["direction"] == "s2c" and record.get("id") not in (None, 0)]
    for record in answers:
        request = asked[record["request_id"], record["id"]]
        assert [record.get(name) for name in names] == [request.get(name) for name in names], (record, request)
    for name in names:
        assert any(name in record for record in answers), name
    assert any(record.get("tool_name") == LONG for record in answers)
    assert {"resources/subscribe", "resources/unsubscribe", "completion/complete"} <= {
        record["method"] for record in answers if "resource" in record}
    assert any(record["method"] == "completion/complete" and record.get("prompt") == "open_a" for record in answers)
    assert any(record["method"] == "vendor/open" for record in answers)
