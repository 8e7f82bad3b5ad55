"""Audit logs that somebody else wrote to: what they say is not believed further than it can be true, and not shown raw."""

import hashlib
import json
import os
import re

import pytest

from harness.eventually import eventually
from test_records import again, end, forge, lines_of, log_of, public_key, read, refusals, refuse


def foreign_files(gateway):
    return [name for name in os.listdir(gateway.state_directory) if name.endswith(".foreign")]


@pytest.mark.parametrize("content", [b"x" * (9 << 20), b"x" * (9 << 20) + b"\n"], ids=["no line end", "one line end"])
@pytest.mark.parametrize("is_new", [True, False], ids=["no checkpoint before", "a checkpoint before"])
def test_a_large_file_without_lines_is_put_aside(gateway, content, is_new):
    if is_new:
        end(gateway)
        for name in os.listdir(gateway.state_directory):
            if name.startswith("audit.jsonl."):
                os.unlink(os.path.join(gateway.state_directory, name))
    else:
        refuse(gateway, 1)
        end(gateway)
    with open(log_of(gateway), "wb") as file:
        file.write(content)
    again(gateway)
    refuse(gateway, "after")
    eventually(lambda: "after" in refusals(gateway), "it goes on")
    kept, = foreign_files(gateway)
    with open(os.path.join(gateway.state_directory, kept), "rb") as file:
        assert file.read() == content
    assert all(line["seq"] for line in read(gateway))


def test_a_forged_place_in_a_ring_hides_no_record(gateway):
    """Whoever can write to the log says that a worker's ring is recorded to its end of time."""
    refuse(gateway, "before")
    eventually(lambda: "before" in refusals(gateway), "it is in the log")
    last = lines_of(gateway)[-1].rstrip(b"\n")
    ring = next(line["src"] for line in read(gateway) if line["kind"] == "refusal").split(":")[0]
    forged = {"timestamp": "2026-11-23T00:00:00.000000Z", "kind": "request", "seq": json.loads(last)["seq"] + 1,
              "prev": hashlib.sha256(last).hexdigest(), "src": f"{ring}:9223372036854775807"}
    with open(log_of(gateway), "ab") as file:
        file.write(json.dumps(forged, separators=(",", ":")).encode() + b"\n")
    gateway.kill_and_wait("recorder")
    refuse(gateway, "after")
    eventually(lambda: "after" in refusals(gateway), lambda: f"it is recorded all the same\n{gateway.log()}")
    assert "somebody else wrote to the audit log" in gateway.log()


def test_a_closed_file_that_was_written_anew_is_found(gateway):
    """Somebody without the keys writes a whole chain and gives it the name of a file that the recorder closed."""
    for number in range(12):
        refuse(gateway, number)
    gateway.stop()
    key = public_key(gateway)
    lines = [line for line in lines_of(gateway) if b'"signature"' not in line]
    again_numbered = []
    for number, line in enumerate(lines, 1):
        record = json.loads(line) | {"seq": number, "prev": "0" * 64}
        again_numbered.append(json.dumps(record, separators=(",", ":")).encode() + b"\n")
    path = os.path.join(gateway.directory, f"audit.jsonl.20260101T000000Z.{len(lines)}")
    with open(path, "wb") as file:
        file.writelines(forge(again_numbered, 0))
    result = gateway.command_line("audit", "verify", path, "--public-key", key)
    assert result.returncode == 1 and "does not end with a checkpoint" in result.stdout + result.stderr


@pytest.mark.parametrize("command", [("tail",), ("export", "--format", "csv")], ids=["tail", "csv"])
def test_nothing_in_a_log_moves_the_terminal(gateway, command):
    refuse(gateway, "\x1b]0;pwned\x07 \x9b31m \u202e \u2028")
    eventually(lambda: refusals(gateway), "it is in the log")
    last = lines_of(gateway)[-1].rstrip(b"\n")
    raw = {"timestamp": "2026-11-23T00:00:00.000000Z", "kind": "request", "seq": json.loads(last)["seq"] + 1,
           "prev": hashlib.sha256(last).hexdigest(), "method": "\x9b31m\u202e\x7f"}
    with open(log_of(gateway), "ab") as file:
        file.write(json.dumps(raw, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    gateway.stop()
    shown = gateway.command_line("audit", *command, *(["-n", "100"] if command == ("tail",) else []), log_of(gateway)).stdout
    assert "31m" in shown
    moving = [character for character in shown if character not in "\r\n" and (
        ord(character) < 32 or 0x7f <= ord(character) < 0xa0 or character in "\u202e\u2028")]
    assert moving == []


def told(gateway):
    """The heads of the chain that the daemon's log has, the newest last."""
    return re.findall(r"audit log: line (\d+), ([0-9a-f]{64})", gateway.log())


def test_an_older_copy_of_the_log_is_found_by_what_the_journal_knows(gateway):
    refuse(gateway, 3)
    end(gateway)
    names = ("audit.jsonl", "audit.jsonl.state")
    older = {name: open(os.path.join(gateway.state_directory, name), "rb").read() for name in names}
    first = told(gateway)[-1]
    again(gateway)
    refuse(gateway, 3)
    end(gateway)
    second = told(gateway)[-1]
    assert int(second[0]) > int(first[0])
    key = public_key(gateway)

    def verify(*heads):
        options = [option for head in heads for option in ("--head", head)]
        return gateway.command_line("audit", "verify", log_of(gateway), "--public-key", key, *options)
    assert verify(":".join(first), ":".join(second)).returncode == 0
    changed = verify(f"{first[0]}:{second[1]}")
    assert changed.returncode == 1 and "as the daemon's log has it" in changed.stdout
    # With all that the recorder keeps beside the log, an older copy is whole.
    for name, content in older.items():
        with open(os.path.join(gateway.state_directory, name), "wb") as file:
            file.write(content)
    assert verify().returncode == 0 and verify(":".join(first)).returncode == 0
    cut = verify(":".join(second))
    assert cut.returncode == 1 and "the end was cut off" in cut.stdout, cut.stdout
    for wrong in ("7", "x:" + second[1], "0:" + second[1], "7:" + second[1].upper(), "7:abc"):
        result = verify(wrong)
        assert result.returncode == 2 and wrong in result.stderr, result.stderr
