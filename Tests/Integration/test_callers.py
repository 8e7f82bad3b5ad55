"""Who may be nobody, and what policy believes of the labels that a client gives itself."""

import json
import os
import socket

import pytest

from harness.clients import TYPES
from harness.http import Connection, tool_call
from harness.keys import ALICE, BOB, configuration, entry, shown
from harness.scripted import ScriptedUpstream
from test_policy import modern_request

POLICY = """
version: v1
rules:
  - {name: banned, match: {tools: ["*"], labels: {team: ["banned*"]}}, action: deny}
  - {name: trusted, match: {tools: ["echo"], labels: {team: ["trusted"]}}, action: allow}
  - {name: listing, match: {methods: ["tools/list"]}, action: allow}
  - {name: open, match: {tools: ["open"]}, action: allow}
"""
TRUSTED, BANNED = ("X-MCPGW-Label-Team", "trusted"), ("X-MCPGW-Label-Team", "banned-1")


def listing(answer):
    return answer.result({"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "open")]})


@pytest.fixture
def upstream():
    with ScriptedUpstream({"tools/list": listing}, sessions=False) as upstream:
        yield upstream


@pytest.fixture
def guarded(make_gateway, upstream, directory):
    """A gateway with the policy, and keys with labels of their own if any are given."""
    def make(entries=()):
        path = os.path.join(directory, "policy.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(POLICY)
        os.chmod(path, 0o644)
        options = configuration(directory, entries, label_claims=["team"])
        return make_gateway(upstream.url, *options, "--policy", path).start()
    return make


def ask(gateway, tool, fields, era):
    """Whether a call passes."""
    headers, body = tool_call(tool, {"text": "x"}, 1, era)
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=[*headers, *fields], body=body)
        return "result" in (said := connection.receive().json()) and not said["result"].get("isError")


def listed(gateway, fields, era):
    headers, body = modern_request("tools/list")
    if era == "legacy":
        headers, body = [*TYPES, ("MCP-Protocol-Version", "2025-11-25")], b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=[*headers, *fields], body=body)
        return [tool["name"] for tool in connection.receive().json()["result"]["tools"]]


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("authenticated", [True, False], ids=["with keys", "anonymous"])
def test_what_a_client_says_of_itself_denies_and_never_allows(guarded, upstream, authenticated, era):
    gateway = guarded([entry("alice", ALICE)] if authenticated else [])
    key = shown(ALICE) if authenticated else []
    # Without a label, and with the one that an allow rule names: the same.
    for fields in ([*key], [*key, TRUSTED]):
        assert not ask(gateway, "echo", fields, era) and listed(gateway, fields, era) == ["open"]
        assert ask(gateway, "open", fields, era)
    calls = len(upstream.of("tools/call"))
    assert not ask(gateway, "open", [*key, BANNED], era) and listed(gateway, [*key, BANNED], era) == []
    assert len(upstream.of("tools/call")) == calls == 2


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_label_of_a_key_allows_and_no_header_replaces_it(guarded, era):
    gateway = guarded([
        entry("alice", ALICE, labels="{team: trusted}"), entry("bob", BOB, labels="{Team: banned-2}")])
    assert ask(gateway, "echo", shown(ALICE), era) and listed(gateway, shown(ALICE), era) == ["echo", "open"]
    # Neither to be trusted nor to be banned.
    assert ask(gateway, "echo", [*shown(ALICE), BANNED], era)


def test_the_record_tells_the_label_of_a_denied_call(guarded):
    gateway = guarded([entry("alice", ALICE)])
    assert not ask(gateway, "open", [*shown(ALICE), BANNED], "modern")
    gateway.stop()
    with open(os.path.join(gateway.state_directory, "audit.jsonl"), encoding="utf-8") as file:
        denied = next(record for record in map(json.loads, file) if record.get("action") == "block")
    assert denied["rule"] == "banned" and denied["subject"] == "alice"
    assert denied["claimed_labels"] == {"team": "banned-1"} and "labels" not in denied


# Anonymous use


def test_being_nobody_is_logged(make_gateway, upstream, directory):
    assert "no auth: " in make_gateway(upstream.url).start().log()
    keyed = make_gateway(upstream.url, *configuration(directory, [entry("alice", ALICE)])).start()
    assert "no auth: " not in keyed.log() and "no policy: " in keyed.log()


def over_unix(path, fields):
    """The status of a call over a Unix socket."""
    headers, body = tool_call("echo", {"text": "x"}, 1, "modern")
    connection = Connection.__new__(Connection)
    connection.host, connection.path, connection.buffer = "localhost", "/mcp", b""
    connection.socket = socket.socket(socket.AF_UNIX)
    with connection:
        connection.socket.settimeout(20)
        connection.socket.connect(path)
        connection.send("POST", headers=[*headers, *fields], body=body)
        return connection.receive().status


@pytest.mark.parametrize("keyed", [False, True])
def test_a_unix_socket_may_be_used_by_nobody_unless_credentials_are_asked_for(make_gateway, upstream, directory, keyed):
    path = os.path.join(directory, "mcp.sock")
    options = configuration(directory, [entry("alice", ALICE)]) if keyed else []
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)
        os.chmod(path, 0o666)
        one.listen()
        make_gateway(
            upstream.url, *options, listen=None, inherited=[one],
            environment={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "mcp"}).start()
        assert over_unix(path, []) == (401 if keyed else 200)
        assert over_unix(path, shown(ALICE)) == 200


@pytest.mark.parametrize("text", ["auth: {}", "auth:", "auth: {required: true}", "auth: {required: false}", "auth: {api_keys: []}"])
def test_an_auth_section_that_lets_in_nobody_or_anybody_is_refused(refusal, directory, text):
    [_, path] = configuration(directory)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    assert path + ":1:" in refusal.proxy("--config", path)
