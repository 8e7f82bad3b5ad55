"""Who asks: keys in every form, refusals without one, and that nothing of one subject is of use to another."""

import json
import os
import re
import subprocess
import time

import pytest

from harness.clients import TYPES, Stream, call, metric
from harness.http import Connection, tool_call
from harness.keys import ALICE, BOB, KeyedClient, configuration, entry, shown
from harness.scripted import ScriptedUpstream
from harness.servers import python

HERE = os.path.dirname(os.path.abspath(__file__))
CANCEL = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "same id"}}


@pytest.fixture
def upstream():
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(make_gateway, upstream, directory):
    entries = [
        entry("alice", ALICE, roles='["admin"]'), entry("bob", BOB), entry("alice", ALICE + "-second", tenant="acme")]
    return make_gateway(upstream.url, *configuration(directory, entries)).start()


def send(url, fields, method="POST", era="legacy"):
    headers, body = tool_call("echo", {"text": "x"}, 1, era)
    with Connection(url) as connection:
        connection.send(method, headers=[*headers, *fields], body=body if method == "POST" else b"")
        return connection.receive()


# Credentials


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("name, value", [
    ("X-API-Key", ALICE), ("x-api-key", BOB), ("Authorization", f"Bearer {ALICE}"), ("authorization", f"bearer {BOB}"),
    ("Authorization", f"ApiKey {ALICE}")])
def test_a_key_in_any_form_is_served_and_ends_here(gateway, upstream, name, value, era):
    upstream.has_sessions = False
    reply = send(gateway.url, [(name, value)], era=era)
    assert reply.status == 200 and "result" in reply.json()
    headers = upstream.of("tools/call")[-1].headers
    assert not {"x-api-key", "authorization"} & set(headers)
    assert not any(key in str(part) for key in (ALICE, BOB) for part in (headers, upstream.seen[-1].message))


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("fields, error", [
    ([], None),
    ([("X-API-Key", "")], "invalid_token"),
    ([("X-API-Key", ALICE[:-1])], "invalid_token"),
    ([("X-API-Key", ALICE + "x")], "invalid_token"),
    ([("X-API-Key", "A" * 5000)], "invalid_token"),
    ([("Authorization", f"Basic {ALICE}")], "invalid_token"),
    ([("Authorization", ALICE)], "invalid_token"),
    ([("X-API-Key", ALICE), ("Authorization", f"Bearer {ALICE}")], "invalid_request"),
    ([("X-API-Key", ALICE), ("Authorization", f"Bearer {BOB}")], "invalid_request"),
], ids=["none", "empty", "cut", "longer", "huge", "basic", "bare", "two kinds", "two subjects"])
def test_without_a_valid_key_nothing_passes(gateway, upstream, method, fields, error):
    before = metric(gateway, "mcpgw_requests_unauthenticated_total")
    reply = send(gateway.url, fields, method)
    assert (reply.status, upstream.seen) == (401, [])
    challenge = reply.headers["www-authenticate"]
    assert challenge == 'Bearer realm="mcpgw"' + (f', error="{error}"' if error else "")
    body = reply.json()
    assert body["error"]["code"] == -32600 and body["error"]["data"]["type"] == "unauthenticated" and "id" not in body
    assert metric(gateway, "mcpgw_requests_unauthenticated_total") == before + 1


@pytest.mark.parametrize("field", [("X-API-Key", ALICE), ("Authorization", f"Bearer {ALICE}")])
def test_a_repeated_field_is_refused_as_malformed(gateway, upstream, field):
    assert send(gateway.url, [field, field]).status == 400
    assert upstream.seen == []


def test_the_refusal_comes_before_the_body(gateway):
    with Connection(gateway.url) as connection:
        connection.socket.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.receive().status == 401


def test_a_key_ends_at_its_time_and_its_streams_with_it(make_gateway, upstream, directory):
    end = int(time.time()) + 12
    moment = time.strftime('"%Y-%m-%dT%H:%M:%SZ"', time.gmtime(end))
    entries = [entry("brief", ALICE, expires=moment), entry("bob", BOB)]
    gateway = make_gateway(upstream.url, *configuration(directory, entries)).start()
    brief, lasting = KeyedClient(gateway.url, ALICE), KeyedClient(gateway.url, BOB)
    with brief.listen() as ending, lasting.listen() as going_on:
        upstream.wait_stream(2)
        assert ending.messages() == []
        assert time.time() >= end
        assert brief.call().status == 401
        assert "result" in lasting.call().json()
        # The other's stream is still there: a message of the server comes through.
        other = next(one for one in upstream.streams if one.session == upstream.of("tools/call")[-1].session)
        other.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        assert going_on.message()["method"] == "notifications/tools/list_changed"


def test_where_no_keys_are_configured_what_clients_show_means_nothing(make_gateway, upstream):
    gateway = make_gateway(upstream.url).start()
    upstream.has_sessions = False
    assert send(gateway.url, [("X-API-Key", ALICE), ("Authorization", "Basic eA==")]).status == 200


def test_no_key_stands_in_a_log_or_a_status(gateway, upstream):
    wrong = "mcpgw_wrong-0123456789abcdef"
    send(gateway.url, shown(ALICE))
    send(gateway.url, shown(wrong))
    gateway.kill_and_wait("ingress")
    send(gateway.url, shown(ALICE))
    said = gateway.log() + json.dumps(gateway.status()) + json.dumps(gateway.metrics())
    assert ALICE not in said and wrong not in said


def test_keys_are_known_again_after_the_ingress_was_killed(gateway):
    client = KeyedClient(gateway.url, ALICE)
    gateway.kill_and_wait("ingress", "route")
    assert "result" in client.call().json()
    assert send(gateway.url, []).status == 401


# Labels


@pytest.mark.parametrize("value, status", [
    ("red", 200), ("", 200), ("a" * 256, 200), ("a" * 257, 400), ("a\tb", 400)])
def test_labels_of_clients_are_bounded(make_gateway, upstream, directory, value, status):
    upstream.has_sessions = False
    options = configuration(directory, [entry("alice", ALICE)], label_claims=["team", "run_id"])
    gateway = make_gateway(upstream.url, *options).start()
    assert send(gateway.url, [*shown(ALICE), ("X-MCPGW-Label-Team", value)]).status == status
    assert send(gateway.url, [*shown(ALICE), ("X-MCPGW-Label-Other", value)]).status == 200
    two = [("X-MCPGW-Label-run-id", "1"), ("X-MCPGW-Label-Run_ID", "1")]
    assert send(gateway.url, [*shown(ALICE), *two]).status == 400
    assert not any(name.startswith("x-mcpgw") for one in upstream.seen for name in one.headers)


# Another subject


STRANGERS = [BOB, ALICE + "-second"]


@pytest.mark.parametrize("key", STRANGERS, ids=["another subject", "another tenant"])
def test_a_session_is_unknown_to_everyone_else(gateway, upstream, key):
    client = KeyedClient(gateway.url, ALICE)
    fields = [*TYPES, ("MCP-Protocol-Version", client.revision), ("Mcp-Session-Id", client.session), *shown(key)]
    before = len(upstream.seen)
    assert client.post(call(), fields).status == 404
    for method in ("GET", "DELETE"):
        assert client.request(method, fields).status == 404
    assert len(upstream.seen) == before
    # What the stranger tried to end goes on.
    assert "result" in client.call().json()


def test_a_session_without_its_key_is_unknown_too(gateway, upstream):
    client = KeyedClient(gateway.url, ALICE)
    fields = [*TYPES, ("MCP-Protocol-Version", client.revision), ("Mcp-Session-Id", client.session)]
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=fields, body=json.dumps(call()).encode())
        assert connection.receive().status == 401
    assert "result" in client.call().json()


def opened(upstream, client, identifier):
    """A call that has begun to answer with events; the upstream's end of it."""
    count = len(upstream.of("tools/call"))
    stream = client.stream(call(identifier=identifier, token="same token"))
    return stream, upstream.wait("tools/call", count + 1)


@pytest.fixture
def slow(upstream):
    def begin(answer):
        answer.begin_events()
        answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        return answer.wait_closed()
    upstream.handlers["tools/call"] = begin
    return upstream


def test_a_subject_cannot_cancel_the_call_of_another(gateway, slow):
    alice, bob = KeyedClient(gateway.url, ALICE), KeyedClient(gateway.url, BOB)
    with opened(slow, alice, "same id")[0]:
        assert bob.post(CANCEL).status == 202
        stolen = [*TYPES, ("MCP-Protocol-Version", alice.revision), ("Mcp-Session-Id", alice.session), *shown(BOB)]
        assert bob.post(CANCEL, stolen).status == 404
        assert slow.of("notifications/cancelled") == []
        assert alice.post(CANCEL).status == 202
        assert len(slow.of("notifications/cancelled")) == 1


@pytest.mark.parametrize("has_sessions", [True, False])
def test_a_subject_cannot_report_progress_or_answer_for_another(gateway, slow, has_sessions):
    slow.has_sessions = has_sessions
    alice, bob = KeyedClient(gateway.url, ALICE), KeyedClient(gateway.url, BOB)
    stream, end = opened(slow, alice, 5)
    with stream:
        stream.message()
        if has_sessions:
            end.event({"jsonrpc": "2.0", "id": "ask", "method": "roots/list"})
            asked = stream.message()["id"]
        else:
            asked = 1
        before = len(slow.seen)
        assert bob.post({"jsonrpc": "2.0", "id": asked, "result": {"roots": []}}).status == 202
        assert slow.of("answer") == []
        progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {
            "progressToken": end.token, "progress": 1}}
        bob.post(progress)
        assert all(one.session != end.session or not has_sessions for one in slow.seen[before:])
        if has_sessions:
            assert alice.post({"jsonrpc": "2.0", "id": asked, "result": {"roots": []}}).status == 202
            assert [one.id for one in slow.of("answer")] == ["ask"]


@pytest.mark.parametrize("has_sessions", [True, False], ids=["with sessions", "without sessions"])
def test_an_event_id_leads_nobody_else_to_the_stream(make_gateway, directory, has_sessions):
    def break_off(answer):
        answer.begin_events()
        answer.raw_events(b"id: secret-event\ndata:\n\n")
        return answer.end_events()

    def resume(answer):
        answer.begin_events()
        return answer.end_events()

    with ScriptedUpstream({"tools/call": break_off, "GET": resume}, sessions=has_sessions) as upstream:
        entries = [entry("alice", ALICE), entry("bob", BOB)]
        gateway = make_gateway(upstream.url, *configuration(directory, entries)).start()
        alice, bob = KeyedClient(gateway.url, ALICE), KeyedClient(gateway.url, BOB)
        with alice.stream(call(identifier=7)) as stream:
            last = re.search(rb"id: (.*)", stream.block())[1].decode()
            assert stream.messages() == []
        for client, seen in ((bob, None), (alice, "secret-event")):
            with Stream(client.resume(last)) as stream:
                stream.messages()
            assert upstream.of("GET")[-1].headers.get("last-event-id") == seen


# Real clients


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("key, fits", [(ALICE, True), ("", False), (ALICE + "x", False)], ids=["key", "no key", "wrong key"])
def test_an_sdk_client_is_served_with_its_key_only(gateway, upstream, era, key, fits):
    upstream.handlers["tools/list"] = lambda answer: answer.result({"tools": []})
    ran = subprocess.run(
        [python(era), os.path.join(HERE, "clients", "keyed.py"), gateway.url, key], capture_output=True, text=True,
        timeout=60, stdin=subprocess.DEVNULL)
    said = json.loads(ran.stdout.splitlines()[-1])
    if fits:
        assert said == {"text": "hello"}, ran.stderr
    else:
        assert "error" in said and upstream.seen == []


# The commands


def test_a_new_key_fits_the_configuration_that_is_printed_with_it(make_gateway, upstream, directory):
    upstream.has_sessions = False
    gateway = make_gateway(upstream.url)
    made = [gateway.command_line("keys", "new", "--name", 'a "quoted" name') for _ in range(2)]
    keys = [re.search(r"^mcpgw_[A-Za-z0-9_-]{43}$", one.stdout, re.M)[0] for one in made]
    assert keys[0] != keys[1] and all(one.returncode == 0 and one.stderr == "" for one in made)
    snippet = made[0].stdout[made[0].stdout.index("auth:"):]
    assert '- name: "a \\"quoted\\" name"' in snippet
    hashed = subprocess.run(
        [gateway.binary, "keys", "hash"], input=keys[0] + "\n", capture_output=True, text=True, timeout=60)
    assert hashed.returncode == 0 and re.fullmatch(r"sha256:[0-9a-f]{64}\n", hashed.stdout)
    assert f'hash: "{hashed.stdout.strip()}"' in snippet
    options = configuration(directory)
    with open(options[1], "w", encoding="utf-8") as file:
        file.write(snippet)
    gateway.command += options
    gateway.start()
    assert send(gateway.url, shown(keys[0])).status == 200
    assert send(gateway.url, shown(keys[1])).status == 401


@pytest.mark.parametrize("given", [b"", b"\n", b"short", b"two words of some length", b"x" * 1025, b"k" * 20 + b"\nmore\n",
                                   "sch\u00f6ne lange wörter".encode(), b"k" * 20 + b"\0"])
def test_what_is_no_key_is_not_hashed(binary, given):
    ran = subprocess.run([binary, "keys", "hash"], input=given, capture_output=True, timeout=60)
    assert ran.returncode == 2 and ran.stdout == b"" and len(ran.stderr.splitlines()) == 1
    assert not given.strip() or given not in ran.stderr


@pytest.mark.parametrize("arguments", [["hash", ALICE], ["new", "--name", ""], ["new", "--name", "a\nb"], ["new", "x"]])
def test_wrong_arguments_of_keys_are_refused(binary, arguments):
    ran = subprocess.run([binary, "keys", *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert ran.returncode == 2 and ran.stdout == ""


def test_a_key_typed_at_a_terminal_is_not_shown(binary):
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execv(binary, [binary, "keys", "hash"])
    said = b""
    typed = False
    try:
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            said += piece
            if b"Key: " in said and not typed:
                typed = True
                os.write(terminal, ALICE.encode() + b"\n")
    finally:
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0
    assert re.search(rb"sha256:[0-9a-f]{64}", said) and ALICE.encode() not in said
