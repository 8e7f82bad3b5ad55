"""What a reload takes over of a configuration file, what it refuses, and that what was begun before goes on as it was begun."""

import glob
import hashlib
import json
import os
import re
import signal
import socket

import pytest
from test_configuration import BAD

from harness.clients import Stream
from harness.eventually import eventually
from harness.http import Connection, tool_call
from harness.keys import ALICE, BOB, KeyedClient, entry, shown
from harness.reloading import GOOD, POLICY, File, asked, outcome, pids, reload
from harness.routes import Served, ask_modern, text
from harness.scripted import ScriptedUpstream

ANOTHER = "mcpgw_alice-the-next-0123456789"
LISTED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


@pytest.fixture
def echo():
    def answer(request):
        return request.text(request.params["arguments"]["text"])
    with ScriptedUpstream({"tools/call": answer}, sessions=False) as server:
        yield server


class Configured:
    """A gateway whose whole configuration stands in a file."""

    def __init__(self, make_gateway, directory, upstream, more=""):
        self.base = (f"upstream: {upstream}\n" if upstream else "") + "listen: 127.0.0.1:0\n"
        # A stream that does not end as it should is then silent, and the test does not wait for ever.
        self.base += "transport:\n  keep_alive: 1h\n"
        self.file = File(os.path.join(directory, "mcpgw.yaml"), self.base + more)
        self.gateway = make_gateway(None, "--config", self.file.path, listen=None).start()

    def change(self, more, base=None):
        """Writes the file anew and reloads; gives the command's status and output."""
        self.file.write((self.base if base is None else base) + more)
        result = reload(self.gateway)
        assert result.stderr == "", result.stderr
        return result.returncode, result.stdout

    def taken(self, more, *names):
        status, said = self.change(more)
        assert status == 0 and re.fullmatch(rf"generation \d+: changed: {', '.join(names)}\n", said), said


@pytest.fixture
def configured(make_gateway, directory):
    def make(upstream, more=""):
        return Configured(make_gateway, directory, upstream, more)
    return make


def records(gateway):
    with open(os.path.join(gateway.state_directory, "audit.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().split("\n")[:-1]]


def refused(one, status, said, place):
    """The old generation stays and serves, and command, log and status say why and where."""
    assert status == 1 and said.count("\n") == 1, said
    assert re.match(rf"not reloaded, generation 1 stays: .*{place}", said), said
    assert re.search(rf"error supervisor\[\d+\]: reload failed, generation 1 stays: .*{place}", one.gateway.log())
    shown_status = one.gateway.status()
    assert shown_status["generation"] == 1 and re.search(place, shown_status["reloads"]["last_failure"])
    with Connection(one.gateway.url) as connection:
        assert [outcome(asked(connection, what)) for what in ("heads", "fine")] == ["denied", "passed"]


# What is wrong


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_changes_nothing_and_the_log_says_where(configured, directory, echo, name):
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    one = configured(echo.url, f"policy: {policy.path}\n")
    bad, line, message = BAD[name]
    before = pids(one.gateway)
    # The daemon must have nothing else to complain of.
    status, said = one.change(bad if "upstream" in bad else f"{bad}\n{one.base.splitlines()[0]}\n", base="")
    refused(one, status, said, re.escape(f"{one.file.path}:{line}:") + r"\d+: ")
    assert message in said
    assert pids(one.gateway) == before
    one.taken(f"policy: {policy.path}\ndrain_timeout: 7s\n", "drain_timeout")


BAD_POLICIES = {
    "typo": ("version: v1\nrules:\n- {name: a, match: {tolls: [x], tools: [x]}, action: deny}", 3),
    "tab": ("version: v1\nrules:\n\t- {name: a, match: {tools: [x]}, action: deny}", 3),
    "anchor": ("version: v1\nrules:\n- &a {name: a, match: {tools: [x]}, action: deny}", 3),
    "duplicate key": ("version: v1\nmode: enforce\nmode: audit\nrules:\n- {name: a, match: {tools: [x]}, action: deny}", 3),
    "duplicate rule": ("version: v1\nrules:\n" + 2 * "- {name: a, match: {tools: [x]}, action: deny}\n", 4),
    "wrong type": ("version: v1\nrules: {}", 2),
    "unknown mode": ("version: v1\nmode: enforced\nrules:\n- {name: a, match: {tools: [x]}, action: deny}", 2),
    "empty list": ("version: v1\nrules: []", 2),
    "no expression": ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {x: '('}}, action: deny}", 3),
    "huge expression": ("version: v1\nrules:\n- {name: a, match: {argument_patterns: {x: '((a{1,100}){1,100}){1,100}'}}, "
                        "action: deny}", 3),
}


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_a_bad_policy_changes_nothing_and_the_log_says_where(configured, directory, echo, name):
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    one = configured(echo.url, f"policy: {policy.path}\n")
    bad, line = BAD_POLICIES[name]
    policy.write(bad)
    result = reload(one.gateway)
    refused(one, result.returncode, result.stdout, re.escape(f"{policy.path}:{line}:") + r"\d+: ")


@pytest.mark.parametrize("which, mode, size, why", [
    ("policy", 0o620, 0, "chmod go-w"), ("configuration", 0o602, 0, "chmod go-w"),
    ("policy", 0o600, 10241, "larger than 10MiB"), ("configuration", 0o600, 10241, "larger than 10MiB"),
    ("key", 0o644, 0, "chmod go-r")])
def test_a_file_that_others_can_change_or_that_is_too_large_changes_nothing(
        configured, directory, echo, which, mode, size, why):
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    key = File(os.path.join(directory, "key"), ALICE)
    more = f"policy: {policy.path}\nmetrics:\n  api_key: ${{file:{key.path}}}\n"
    one = configured(echo.url, more)
    comment = size * ("# " + 1021 * "x" + "\n")
    changed = {"policy": (policy, GOOD[1] + comment), "configuration": (one.file, one.base + more + comment),
               "key": (key, ALICE + "-changed")}
    file, content = changed[which]
    file.write(content, mode)
    result = reload(one.gateway)
    refused(one, result.returncode, result.stdout, re.escape(why))
    assert file.path in result.stdout and ALICE not in result.stdout + one.gateway.log()
    file.write(content if not size else content[:-1024 * size])
    assert reload(one.gateway).returncode == 0


@pytest.mark.parametrize("option, more", [
    ("metrics.addr", "metrics:\n  addr: 127.0.0.1:1\n"), ("state_dir", "state_dir: other\n"),
    ("session", "session:\n  ttl: 5m\n"), ("audit_log", "audit_log: other.jsonl\n"),
    ("audit.signing_key", "audit:\n  signing_key: " + 40 * "k" + "\n")])
def test_what_cannot_change_while_it_runs_is_refused_by_name(make_gateway, directory, echo, option, more):
    path = os.path.join(directory, "mcpgw.yaml")
    gateway = make_gateway(None, "--config", path, listen=None, metrics=None)
    base = f"upstream: {echo.url}\nlisten: 127.0.0.1:0\n"
    kept = {"metrics.addr": "metrics:\n  addr: 127.0.0.1:0\n", "state_dir": f"state_dir: {gateway.state_directory}\n"}
    start = "".join(line for name, line in kept.items() if name != option)
    file = File(path, base + start + kept.get(option, ""))
    at = gateway.command.index("--state-dir")
    del gateway.command[at:at + 2]
    gateway.start()
    file.write(base + start + more)
    result = reload(gateway)
    assert result.returncode == 1, result.stdout
    assert re.search(rf"stays: {option}(, audit_log)? cannot change while the daemon runs; restart it$", result.stdout)
    with Connection(gateway.url) as connection:
        assert outcome(asked(connection, "fine")) == "passed"


def test_another_server_or_route_is_refused(configured, echo):
    one = configured(echo.url)
    status, said = one.change("", base=one.base.replace("/mcp", "/other"))
    assert status == 1 and "the upstream of route default cannot change" in said, said


@pytest.mark.parametrize("name, remedy", [("mcp", "auth.api_keys"), ("metrics", "metrics.api_key")])
def test_a_socket_that_other_hosts_reach_does_not_become_open_to_anybody(make_gateway, directory, echo, name, remedy):
    held = {"mcp": keys(entry("alice", ALICE)), "metrics": f"metrics:\n  api_key: {ANOTHER}\n"}
    own = {"mcp": "", "metrics": "listen: 127.0.0.1:0\n"}[name]
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))
        one.listen()
        file = File(os.path.join(directory, "mcpgw.yaml"), f"upstream: {echo.url}\n" + own + held[name])
        gateway = make_gateway(
            None, "--config", file.path, inherited=[one], environment={"LISTEN_FDS": "1", "LISTEN_FDNAMES": name},
            listen=None, **({"metrics": None} if name == "metrics" else {})).start()
        file.write(f"upstream: {echo.url}\n" + own)
        result = reload(gateway)
        assert result.returncode == 1 and remedy in result.stdout and "other hosts" in result.stdout, result.stdout
        path = "/mcp" if name == "mcp" else "/metrics"
        with Connection(f"http://127.0.0.1:{one.getsockname()[1]}{path}") as connection:
            connection.send("GET", path)
            assert connection.receive().status == 401


# Where the daemon is found


def test_status_and_reload_find_the_daemon_by_its_configuration(make_gateway, directory, echo):
    path = os.path.join(directory, "mcpgw.yaml")
    gateway = make_gateway(None, "--config", path, listen=None)
    place = gateway.runtime_directory
    file = File(path, f"upstream: {echo.url}\nlisten: 127.0.0.1:0\nruntime_dir: {place}\n")
    at = gateway.command.index("--runtime-dir")
    del gateway.command[at:at + 2]
    gateway.start()
    for environment, arguments in ({}, ["--config", file.path]), ({"MCPGW_CONFIG": file.path}, []):
        gateway.environment = {"PATH": os.environ["PATH"], **environment}
        result = gateway.command_line("status", *arguments)
        assert result.returncode == 0 and "ready" in result.stdout, result
        result = gateway.command_line("reload", *arguments)
        assert (result.returncode, result.stdout) == (0, "generation 1: nothing changed\n"), result
    # What has become wrong in the file is what the daemon is asked about.
    file.write(f"upstream: {echo.url}\nlisten: nowhere\nruntime_dir: {place}\n")
    result = gateway.command_line("reload", "--config", file.path)
    assert result.returncode == 1 and f"{file.path}:2:9: " in result.stdout, result
    file.write("runtime_dir: x\n\ty: 1\n")
    result = gateway.command_line("reload", "--config", file.path)
    assert result.returncode == 2 and f"{file.path}:2:1: " in result.stderr and "give --runtime-dir" in result.stderr


@pytest.mark.root
def test_started_as_root_it_looks_for_the_same_defaults_in_a_reload(make_gateway, directory, echo):
    os.chmod(directory, 0o755)
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    os.chown(policy.path, 0, 0)
    os.chmod(policy.path, 0o644)
    # Root's directories are the system's: it gets its own.
    own = 'for place in /var/lib /var/log /run; do mount -t tmpfs none $place; done; exec "$@"'
    gateway = make_gateway(
        echo.url, "--policy", policy.path, "--user", "nobody", as_root=True,
        launcher=["unshare", "--mount", "--propagation", "private", "sh", "-c", own, "sh"])
    at = gateway.command.index("--state-dir")
    del gateway.command[at:at + 4]
    gateway.start()
    for text, said in (GOOD[0], "generation 1: nothing changed"), (GOOD[1], "generation 2: changed: policy"):
        with open(policy.path, "w", encoding="utf-8") as file:
            file.write(text)
        gateway.terminate(signal.SIGHUP)
        eventually(lambda said=said: f"reloaded, {said}\n" in gateway.log(), lambda: gateway.log())


# Each exchange under its own generation


def test_a_request_whose_head_came_before_is_decided_by_the_policy_of_then(configured, directory, echo):
    """The ingress admitted it under one generation, and the route has the next in force when the body comes."""
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    one = configured(echo.url, f"policy: {policy.path}\n")
    hashes = {}
    with Connection(one.gateway.url) as early:
        headers, body = tool_call("echo", {"text": "fine"}, "early", "modern")
        lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        early.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body[:10])
        # Both kinds of bytes have come when a request on another connection is answered after them.
        with Connection(one.gateway.url) as other:
            assert outcome(asked(other, "fine", "first")) == "passed"
        policy.write(POLICY.format(request="fine", reply="never"))
        assert reload(one.gateway).returncode == 0
        with Connection(one.gateway.url) as other:
            assert outcome(asked(other, "fine", "late")) == "denied"
        early.socket.sendall(body[10:])
        assert outcome(early.receive().json()) == "passed"
    def recorded():
        found = records(one.gateway)
        return any((line["kind"], line.get("id")) == ("response", "early") for line in found) and found
    for line in eventually(recorded, "the records"):
        if line["kind"] in ("request", "response"):
            hashes.setdefault(line["id"], set()).add(line["policy_hash"])
    assert hashes["early"] == hashes["first"] and len(hashes["early"]) == 1
    assert hashes["late"].isdisjoint(hashes["early"])


def test_calls_go_to_the_route_that_owned_their_tool_when_they_were_admitted(configured):
    with Served("left", "moving", sessions=False) as left, Served("right", "moving", sessions=False) as right:
        def routes(first, second):
            return (f"routing:\n  routes:\n  - {{name: left, match_tools: [{first}], upstream: '{left.url}'}}\n"
                    f"  - {{name: right, match_tools: [{second}], upstream: '{right.url}'}}\n")
        one = configured(None, routes("moving", "'*'"))
        headers, body = tool_call("moving", {"text": "x"}, 1, "modern")
        with Connection(one.gateway.url) as early:
            lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers]
            early.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            assert text(ask_modern(one.gateway.url, "tools/call", {"name": "moving", "arguments": {}})) == "left:moving"
            one.taken(routes("other", "'*'"), "routing.routes")
            assert text(ask_modern(one.gateway.url, "tools/call", {"name": "moving", "arguments": {}})) == "right:moving"
            early.socket.sendall(body)
            assert text(early.receive()) == "left:moving"


# What goes on


def test_rules_go_on_counting_by_their_names(configured, directory, echo):
    policy = File(os.path.join(directory, "policy.yaml"), GOOD[0])
    one = configured(echo.url, f"policy: {policy.path}\n")

    def counted():
        found = {}
        for name, value in one.gateway.metrics().items():
            if match := re.fullmatch(r'mcpgw_rule_decisions_total\{rule="([^"]*)",route="default"\}', name):
                found[match[1]] = value
        return found

    def ask(*texts):
        with Connection(one.gateway.url) as connection:
            return [outcome(asked(connection, what)) for what in texts]
    assert ask("heads", "fine", "fine") == ["denied", "passed", "passed"]
    eventually(lambda: counted() == {"no-heads": 1, "rest": 2}, lambda: f"{counted()}")
    # The same names at other places, and one that is new.
    lines = GOOD[1].splitlines(keepends=True)
    policy.write("".join(lines[:3] + ["  - {name: new, match: {tools: [none]}, action: deny}\n"] + lines[3:]))
    assert reload(one.gateway).returncode == 0
    assert ask("tails", "fine") == ["denied", "passed"]
    eventually(lambda: counted() == {"no-heads": 1, "rest": 3, "no-tails": 1}, lambda: f"{counted()}")
    os.kill(one.gateway.pid("route"), signal.SIGKILL)
    eventually(one.gateway.all_running, "the route runs again")
    policy.write(GOOD[0])
    assert reload(one.gateway).returncode == 0
    assert ask("heads", "fine") == ["denied", "passed"]
    eventually(lambda: counted() == {"no-heads": 2, "rest": 4, "no-tails": 1}, lambda: f"{counted()}")


def test_what_a_subject_has_used_of_its_limit_stays_used(configured, echo):
    def limit(burst):
        return f"rate_limit:\n  requests_per_second: 0.001\n  burst: {burst}\n"
    one = configured(echo.url, limit(3))
    with Connection(one.gateway.url) as connection:
        def ask(count):
            return [outcome(asked(connection, "fine")) for _ in range(count)]
        assert ask(4) == 3 * ["passed"] + ["error -31012"]
        one.taken(limit(3) + "drain_timeout: 7s\n", "drain_timeout")
        assert ask(1) != ["passed"]
        one.taken(limit(5), "rate_limit", "drain_timeout")
        assert ask(3)[:2] == ["passed", "passed"] and ask(1) != ["passed"]
        one.taken("", "rate_limit")
        assert ask(10) == 10 * ["passed"]


def keys(*entries):
    return "auth:\n  api_keys:\n" + "\n".join(entries) + "\n"


def test_keys_are_exchanged_and_the_streams_of_a_revoked_one_end(configured):
    with ScriptedUpstream() as upstream:
        one = configured(upstream.url, keys(entry("alice", ALICE), entry("bob", BOB)))
        alice, bob = KeyedClient(one.gateway.url, ALICE), KeyedClient(one.gateway.url, BOB)
        with alice.listen() as ending, bob.listen() as going_on:
            upstream.wait_stream(2)
            one.taken(keys(entry("bob", BOB, roles="[admin]"), entry("alice", ANOTHER)), "auth")
            assert alice.call().status == 401
            assert ending.messages() == []
            assert "result" in bob.call().json()
            other = next(stream for stream in upstream.streams if stream.session == upstream.of("tools/call")[-1].session)
            other.event(LISTED)
            assert going_on.message()["method"] == LISTED["method"]
        # The session is its subject's, whichever key that has.
        alice.key = ANOTHER
        assert "result" in alice.call().json()
        one.taken("", "auth")
        assert "result" in KeyedClient(one.gateway.url, "whatever").call().json()
    assert one.gateway.restarts() == {}


def test_the_streams_of_nobody_end_when_everybody_must_be_somebody(configured):
    with ScriptedUpstream(sessions=False) as upstream:
        one = configured(upstream.url)
        with Connection(one.gateway.url) as connection:
            connection.send("GET", headers=[("Accept", "text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")])
            stream = Stream(connection)
            assert stream.status == 200
            upstream.wait_stream(1)
            one.taken(keys(entry("alice", ALICE)), "auth")
            assert stream.messages() == []
        with Connection(one.gateway.url) as connection:
            headers, body = tool_call("echo", {"text": "x"}, 1, "modern")
            connection.send("POST", headers=headers + shown(ALICE), body=body)
            assert connection.receive().status == 200


def test_the_recorder_takes_over_its_settings_and_the_chain_goes_on(configured, echo):
    one = configured(echo.url, "audit:\n  sync: 1h\n")
    before = pids(one.gateway)

    def closed():
        return glob.glob(os.path.join(one.gateway.state_directory, "audit.jsonl.2*"))

    def ask(count):
        with Connection(one.gateway.url) as connection:
            for number in range(count):
                assert outcome(asked(connection, "fine" + 2000 * "x", number)) == "passed"
    ask(200)
    assert closed() == []
    one.taken("audit:\n  rotate_bytes: 64KiB\n  max_value_bytes: 1KiB\n", "audit")
    ask(50)
    eventually(closed, "the log goes on in a new file")
    calls = [line for line in records(one.gateway) if line["kind"] == "request"]
    files = sorted(closed()) + [os.path.join(one.gateway.state_directory, "audit.jsonl")]
    digest = hashlib.sha256(("fine" + 2000 * "x").encode()).hexdigest()
    assert calls == [] or any(digest in json.dumps(line) for line in calls)
    assert pids(one.gateway) == before
    one.gateway.stop()
    result = one.gateway.command_line("audit", "verify", *files)
    assert result.returncode == 0, result.stdout + result.stderr
