"""Records as others read them: filters, spreadsheets, terminals, and a log that is followed while it is rotated."""

import csv
import io
import json
import os
import signal
import subprocess

import pytest

from harness.eventually import eventually
from harness.gateway import unprivileged
from harness.http import Connection, call, tool_call
from harness.keys import ALICE, BOB, configuration, entry, shown
from harness.records import closed_files, files_of, log_of, records_of, write_policy

NASTY = "a\nb\r\"c\",\t'd' \x01\x1b]0;title\x07\x1b[2J \x7f\x9b \u200b\u202e\u2028\ufeff \U000e0041 \\n é 漢 \U0001f600"
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "\n=1"]


@pytest.fixture(scope="module")
def served(binary, session_directory, fast_upstream):
    """A stopped gateway after calls of two subjects, and what it recorded."""
    from harness.gateway import Gateway
    directory = os.path.join(session_directory, "export")
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    keys = configuration(directory, [entry("=alice", ALICE, tenant="acme"), entry("bob", BOB)], label_claims=["project"])
    gateway = Gateway(binary, directory, fast_upstream.url, *keys, *write_policy(directory)).start()
    tools = [("echo", ALICE), ("exec_x", ALICE), ("echo", BOB), *((text, BOB) for text in [NASTY, *FORMULAS, f"x {BOB}"])]
    with Connection(gateway.url) as connection:
        for number, (tool, key) in enumerate(tools):
            label = [("X-MCPGW-Label-project", "p1" if key == ALICE else "p2")]
            headers, body = tool_call(tool, {"text": NASTY, "key": key}, f"n-{number}", "legacy")
            connection.send("POST", headers=[*headers, *shown(key), *label], body=body)
            assert connection.receive().json()["id"] == f"n-{number}"
    gateway.stop()
    return gateway


def export(gateway, *options):
    result = subprocess.run(
        [gateway.binary, "audit", "export", *options, *files_of(gateway)], capture_output=True, timeout=60,
        **unprivileged())
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_everything_is_exported_as_it_stands_in_the_log(served):
    with open(log_of(served), "rb") as file:
        assert export(served, "--format", "jsonl") == file.read()


def test_every_record_is_one_line_of_strict_visible_json(served):
    with open(log_of(served), "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b""
    for line in lines:
        text = line.decode("utf-8")
        assert not [c for c in text if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in "\u200b\u202e\u2028\ufeff\U000e0041"]
        assert len(text.splitlines()) == 1
    calls = {record["id"]: record for record in map(json.loads, lines) if record["kind"] == "request"}
    assert calls["n-3"]["tool_name"] == NASTY and calls["n-3"]["tool_args"]["text"] == NASTY
    assert calls["n-0"]["subject"] == "=alice"


def test_csv_has_a_line_for_each_record_and_no_formula_and_no_control_character(served):
    data = export(served, "--format", "csv").decode("utf-8")
    records = records_of(served)
    assert data.count("\r\n") == len(records) + 1 == len(data.splitlines())
    assert not [c for c in data if (ord(c) < 0x20 and c not in "\r\n") or 0x7f <= ord(c) < 0xa0]
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert [int(row["seq"]) for row in rows] == [record["seq"] for record in records]
    for row in rows:
        for name, cell in row.items():
            assert cell.lstrip(" ")[:1] not in ("=", "+", "-", "@", "＝", "\t", "\r"), (name, cell)
    names = {row["tool_name"] for row in rows if row["kind"] == "request"}
    assert "'=1+1" in names and "'\\uff1d1+1" in names and "'\\t=1" in names
    assert any(row["subject"] == "'=alice" for row in rows)
    named = next(row for row, record in zip(rows, records) if record.get("id") == "n-3" and record["kind"] == "request")
    assert json.loads(named["tool_args"])["text"] == NASTY


@pytest.mark.parametrize("options, wanted", [
    (["--action", "block"], lambda r: r.get("action") == "block"),
    (["--method", "tools/*"], lambda r: str(r.get("method")).startswith("tools/")),
    (["--tool", "exec_?"], lambda r: r.get("tool_name") == "exec_x"),
    (["--subject", "=alice"], lambda r: r.get("subject") == "=alice"),
    (["--upstream", "http://127.0.0.1:*"], lambda r: "upstream" in r),
    (["--route", "default"], lambda r: r.get("route") == "default"),
    (["--kind", "checkpoint"], lambda r: r["kind"] == "checkpoint"),
    (["--label", "project=p1"], lambda r: {**r.get("labels", {}), **r.get("claimed_labels", {})}.get("project") == "p1"),
    (["--since", "2000-01-01", "--until", "2999-01-01T00:00:00Z"], lambda r: True),
    (["--since", "2999-01-01"], lambda r: False),
    (["--until", "2000"], lambda r: False),
    (["--subject", "bob", "--tool", "echo"], lambda r: r.get("subject") == "bob" and r.get("tool_name") == "echo"),
    (["--tool", "nobody's"], lambda r: False),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_each_filter_takes_what_it_names(served, options, wanted):
    expected = [record["seq"] for record in records_of(served) if wanted(record)]
    found = [json.loads(line)["seq"] for line in export(served, *options).splitlines()]
    assert found == expected
    assert found or wanted({"kind": "none"}) is False
    rows = export(served, "--format", "csv", *options).decode().splitlines()
    assert len(rows) == len(expected) + 1


@pytest.mark.parametrize("options", [
    ["--format", "xml"], ["--label", "p1"], ["--since", "yesterday"], ["/nowhere/audit.jsonl"]])
def test_bad_options_end_with_two_and_a_reason(served, options):
    result = served.command_line("audit", "export", *options, *files_of(served))
    assert result.returncode == 2 and result.stderr.strip() and options[-1] in result.stderr


def test_a_keys_text_stands_nowhere_in_the_log(served):
    """A key came in a header, in an argument and in a tool's name, of which the records have the rest."""
    with open(log_of(served), "rb") as file:
        text = file.read().decode()
    assert ALICE not in text and BOB not in text
    assert any(record.get("tool_name") == "x [hidden]" for record in records_of(served))


def test_tail_shows_and_does_nothing_else(served, directory):
    """A log that somebody else wrote: what it holds must not reach the terminal's own commands."""
    path = os.path.join(directory, "foreign.jsonl")
    with open(path, "wb") as file:
        file.write(b'{"a":"\x1b]0;owned\x07\x1b[2J\x9b\xc2\x9b\x7f\xe2\x80\xae"}\n')
    os.chmod(path, 0o644)
    result = subprocess.run([served.binary, "audit", "tail", path], capture_output=True, timeout=60, **unprivileged())
    assert result.returncode == 0
    shown_text = result.stdout.decode("utf-8")
    assert not [c for c in shown_text[:-1] if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c == "\u202e"], shown_text


def test_tail_ends_with_two_where_there_is_no_log(served):
    result = served.command_line("audit", "tail", "/nowhere/audit.jsonl")
    assert result.returncode == 2 and "/nowhere" in result.stderr
    assert served.command_line("audit", "tail", "-n", "-1", log_of(served)).returncode != 0


def test_tail_shows_the_last_records(served):
    records = records_of(served)
    result = served.command_line("audit", "tail", "-n", "3", log_of(served))
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [r["seq"] for r in records[-3:]]


def test_tail_follows_through_rotations(make_gateway, fast_upstream, directory):
    gateway = make_gateway(
        fast_upstream.url, "--audit-rotate-bytes", "64KiB", "--audit-sync", "20ms").start()
    path = os.path.join(directory, "followed")
    with open(path, "wb") as output:
        tail = subprocess.Popen(
            [gateway.binary, "audit", "tail", "-f", "-n", "100000", log_of(gateway)], stdin=subprocess.DEVNULL,
            stdout=output, **unprivileged())

    def followed():
        with open(path, "rb") as file:
            return [json.loads(line)["seq"] for line in file.read().split(b"\n")[:-1]]

    try:
        def talk(files, name):
            numbers = iter(range(10_000))

            def enough():
                with Connection(gateway.url) as connection:
                    for _ in range(10):
                        assert call(connection, "echo", {"text": "x" * 8000}, f"{name}{next(numbers)}", "modern").status == 200
                return len(closed_files(gateway)) >= files
            eventually(enough, "files are closed")
        talk(1, "a")
        eventually(lambda: followed(), "it shows what is there")
        # Two files come and go while it does not run.
        tail.send_signal(signal.SIGSTOP)
        talk(4, "b")
        tail.send_signal(signal.SIGCONT)
        talk(5, "c")
        eventually(lambda: (shown := followed()) and shown[-1] == records_of(gateway)[-1]["seq"], "it shows the last")
        shown = followed()
        assert shown == list(range(shown[0], shown[0] + len(shown))), "none is missing, none twice"
    finally:
        tail.kill()
        tail.wait()
