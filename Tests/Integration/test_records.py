"""The audit log: what the ingress refuses is recorded once and in order, whatever is killed; what was changed is found."""

import hashlib
import json
import os
import signal

import pytest

from harness.eventually import eventually
from harness.http import Connection, tool_call

HEADERS = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]


def log_of(gateway):
    return os.path.join(gateway.state_directory, "audit.jsonl")


def read(gateway):
    """The whole lines of the log."""
    with open(log_of(gateway), "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def refuse(gateway, identifier):
    """A message that is no JSON-RPC message, so that the ingress refuses it; it says its id."""
    body = json.dumps({"jsonrpc": "1.0", "id": identifier, "method": "x"}).encode()
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=HEADERS, body=body)
        return connection.receive()


def refusals(gateway):
    return [line["id"] for line in read(gateway) if line["kind"] == "refusal" and "id" in line]


def test_a_refusal_is_one_line_of_json_with_what_was_refused(gateway):
    refuse(gateway, "one\nline \"quoted\" \u200b \u2028 \x01")
    eventually(lambda: refusals(gateway), "the refusal is in the log")
    line, = [line for line in read(gateway) if line["kind"] == "refusal"]
    assert line["id"] == "one\nline \"quoted\" \u200b \u2028 \x01"
    assert line["action"] == "block" and line["direction"] == "c2s" and line["auth"] == "anonymous"
    assert len(line["request_id"]) == 16 and line["seq"] >= 1 and len(line["prev"]) == 64 and ":" in line["src"]


def test_a_refused_call_is_recorded_with_its_method_and_tool(gateway):
    # Its header names another tool than its body: the ingress refuses it.
    headers, body = tool_call("named\nin the body", {}, "mismatch", "modern")
    headers = [(name, "other" if name == "Mcp-Name" else value) for name, value in headers]
    with Connection(gateway.url) as connection:
        connection.send("POST", headers=headers, body=body)
        assert "error" in connection.receive().json()
    eventually(lambda: "mismatch" in refusals(gateway), "the refusal is in the log")
    line, = [line for line in read(gateway) if line["kind"] == "refusal"]
    assert line["method"] == "tools/call" and line["tool_name"] == "named\nin the body" and line["action"] == "block"


@pytest.mark.parametrize("role", ["recorder", "ingress", "route"])
def test_refusals_are_recorded_once_and_in_order_under_kills(gateway, role):
    answered = []
    for number in range(200):
        try:
            if refuse(gateway, number).status:
                answered.append(number)
        except (OSError, ValueError, AssertionError):
            pass
        if number % 40 == 20:
            gateway.kill_and_wait(role)
    eventually(lambda: set(answered) <= set(refusals(gateway)), "every answered refusal is in the log")
    found = refusals(gateway)
    assert len(found) == len(set(found)), "nothing is there twice"
    assert found == sorted(found)
    gateway.stop()
    result = gateway.command_line("audit", "verify", log_of(gateway), "--public-key", public_key(gateway))
    assert result.returncode == 0 and "not proven" not in result.stdout, result.stdout + result.stderr


def public_key(gateway):
    key = gateway.command_line("audit", "key", "--state-dir", gateway.state_directory).stdout
    path = os.path.join(gateway.directory, "key.pub")
    with open(path, "w", encoding="ascii") as file:
        file.write(key)
    return path


def test_what_was_answered_is_recorded_when_the_supervisor_is_killed(gateway):
    for number in range(50):
        assert refuse(gateway, number).status
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()
    gateway.nothing_left()
    assert refusals(gateway) == list(range(50))
    again(gateway)
    assert refuse(gateway, 50).status
    eventually(lambda: refusals(gateway) == list(range(51)), "the chain goes on")
    gateway.stop()
    result = gateway.command_line("audit", "verify", log_of(gateway), "--public-key", public_key(gateway))
    assert result.returncode == 0, result.stdout + result.stderr


def lines_of(gateway):
    with open(log_of(gateway), "rb") as file:
        return file.read().splitlines(keepends=True)


MANIPULATIONS = {
    "edit": lambda lines: lines[:5] + [lines[5].replace(b'"block"', b'"allow"')] + lines[6:],
    "delete": lambda lines: lines[:5] + lines[6:],
    "delete the first": lambda lines: lines[1:],
    "insert": lambda lines: lines[:5] + [lines[4]] + lines[5:],
    "swap": lambda lines: lines[:5] + [lines[6], lines[5]] + lines[7:],
    "cut the tail": lambda lines: lines[:-3],
    "cut within a line": lambda lines: lines[:-1] + [lines[-1][:-20]],
    "cut everything": lambda lines: [],
    "a line of another's": lambda lines: lines + [b'{"timestamp":"2026-01-01T00:00:00.000000Z"}\n'],
    "no json": lambda lines: lines[:3] + [b"hello\n"] + lines[3:],
    "forge the chain": lambda lines: forge(lines, 5),
}


def forge(lines, place):
    """Changes a line and makes the chain fit again, as somebody without the keys can."""
    result, head = [], None
    for number, line in enumerate(lines):
        record = line.rstrip(b"\n")
        if number == place:
            record = record.replace(b'"block"', b'"allow"')
        if head and number > place:
            start = record.index(b',"prev":"') + 9
            record = record[:start] + head.encode() + record[start + 64:]
        head = hashlib.sha256(record).hexdigest()
        result.append(record + b"\n")
    return result


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_manipulation_is_found(gateway, name):
    for number in range(12):
        refuse(gateway, number)
    gateway.stop()
    key = public_key(gateway)
    assert gateway.command_line("audit", "verify", log_of(gateway), "--public-key", key).returncode == 0
    before = lines_of(gateway)
    changed = MANIPULATIONS[name](before)
    assert changed != before
    with open(log_of(gateway), "wb") as file:
        file.writelines(changed)
    result = gateway.command_line("audit", "verify", log_of(gateway), "--public-key", key)
    found = result.returncode == 1 or (name == "delete the first" and "before number 2" in result.stdout)
    assert found, result.stdout + result.stderr


def end(gateway):
    """Ends the daemon in order, so that it can be started again."""
    gateway.terminate()
    assert gateway.wait() == 0
    gateway.nothing_left()


def again(gateway):
    """Starts it again, whose readiness was told once already."""
    gateway.launch()
    eventually(gateway.all_running, lambda: f"all workers run:\n{gateway.log()}")


def test_an_edited_log_is_kept_and_a_new_chain_begins(gateway):
    for number in range(12):
        refuse(gateway, number)
    end(gateway)
    edited = MANIPULATIONS["edit"](lines_of(gateway))
    with open(log_of(gateway), "wb") as file:
        file.writelines(edited)
    again(gateway)
    refuse(gateway, "after")
    eventually(lambda: "after" in refusals(gateway), "it goes on")
    kept = [name for name in os.listdir(gateway.state_directory) if name.endswith(".foreign")]
    assert len(kept) == 1
    with open(os.path.join(gateway.state_directory, kept[0]), "rb") as file:
        assert file.read().splitlines(keepends=True) == edited
    first = read(gateway)[0]
    assert first["kind"] == "recovery" and first["prev"] == "0" * 64 and "begins anew" in first["reason"]


def test_a_torn_line_is_cut_off_and_said(gateway):
    refuse(gateway, 1)
    end(gateway)
    with open(log_of(gateway), "ab") as file:
        file.write(b'{"timestamp":"2026-11-2')
    again(gateway)
    refuse(gateway, 2)
    eventually(lambda: 2 in refusals(gateway), "it goes on")
    recovery, = [line for line in read(gateway) if line["kind"] == "recovery"]
    assert recovery["detail"]["bytes"] == 23
    gateway.stop()
    assert gateway.command_line("audit", "verify", log_of(gateway)).returncode == 0
