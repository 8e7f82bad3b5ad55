"""What is denied is on disk before the client hears; a disk that fills or fails loses nothing and lets nothing pass unrecorded."""

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import pytest

from harness import failing_syncs as failing
from harness.eventually import eventually
from harness.gateway import NOBODY, private_directory
from harness.http import Connection, call
from harness.records import Calls, check_account, log_of, records_of, verify, write_policy

UNRECORDED = -31016
# Mounts a small disk that no other process sees, and goes on as the daemon's user.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size=$1,uid=65534,gid=65534,mode=700 none "$2" && shift 2 &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


@pytest.fixture
def full(make_gateway, fast_upstream, directory):
    """A gateway whose state, and with it its log, is on a disk of 16 MiB; `disk` is where this process sees that."""
    place = os.path.join(directory, "0", "state")
    gateway = make_gateway(
        fast_upstream.url, *write_policy(directory), "--audit-reserve-bytes", "1MiB", "--audit-sync", "100ms",
        as_root=True, launcher=["unshare", "--mount", "--propagation", "private", "sh", "-c", ON_A_SMALL_DISK, "sh", "16m",
                                place])
    gateway.start()
    gateway.state_directory = f"/proc/{gateway.process.pid}/root{place}"
    return gateway


def fill(gateway, leave=0):
    """Takes all room on the disk but `leave` bytes."""
    path = os.path.join(gateway.state_directory, "filler")
    with open(path, "wb", buffering=0) as file:
        size = 0
        # The log grows meanwhile: to the end, and then a little back.
        with contextlib.suppress(OSError):
            while size < 1 << 30:
                size += file.write(bytes(1 << 16))
        file.truncate(max(0, size - leave))
    return path


def reasons(records, text):
    return [record for record in records if record["kind"] == "recovery" and record["reason"].startswith(text)]


@pytest.mark.root
def test_a_full_disk_refuses_records_denials_and_recovers(full, directory):
    gateway = full
    load = Calls("full", connections=4).start(gateway.url)

    def outcomes(kind):
        with load.lock:
            return sum(1 for outcome in load.answered.values() if outcome == kind)

    def more(kind, count=20):
        goal = outcomes(kind) + count
        eventually(lambda: outcomes(kind) >= goal, lambda: f"{count} more {kind}:\n{gateway.log()[-2000:]}")

    more("result")
    filler = fill(gateway, leave=64 << 10)
    more(UNRECORDED)
    more("denied")
    stopped = reasons(records_of(gateway), "audit stopped")
    assert len(stopped) == 1, stopped
    # A recorder that begins on a full disk must not be the end of it.
    gateway.kill_and_wait("recorder")
    more(UNRECORDED)
    assert not reasons(records_of(gateway), "audit goes on"), "there is no room yet"
    os.unlink(filler)
    more("result", 50)
    eventually(lambda: reasons(records_of(gateway), "audit goes on"), "the log says that it goes on")
    load.stop()
    # The disk goes with the last process on it: its files are copied first.
    eventually(lambda: set(recorded(gateway, "request")) >= {
        name for name, outcome in load.answered.items() if outcome in ("result", "denied")}, "all is written")
    gateway.terminate()
    records = wait_and_read(gateway, directory)
    assert set(load.answered.values()) <= {"result", "denied", UNRECORDED}, set(load.answered.values())
    kinds = check_account(records, [load])
    print(f"{outcomes('result')} results, {outcomes('denied')} denials, {outcomes(UNRECORDED)} refused; {dict(kinds)}")


def recorded(gateway, kind):
    return [record.get("id") for record in records_of(gateway) if record["kind"] == kind]


def wait_and_read(gateway, directory):
    """The records that a gateway on a disk of its own leaves behind, read while its recorder still holds the disk."""
    handle = os.open(gateway.state_directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        gateway.wait()
        gateway.state_directory = f"/proc/self/fd/{handle}"
        return records_of(gateway)
    finally:
        os.close(handle)


@pytest.mark.root
def test_a_full_disk_without_denials_stops_once_and_stays_so(full):
    gateway = full
    url = gateway.url
    filler = fill(gateway)
    with Connection(url) as connection:
        def refused():
            message = call(connection, "echo", identifier="x", era="modern").json()
            return message.get("error", {}).get("code") == UNRECORDED
        eventually(refused, "calls are refused")
        # A little room is none: with what was held back it would be enough for a moment.
        os.truncate(filler, os.path.getsize(filler) - (256 << 10))
        # That it stays so can only be watched: it would try again each second.
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            assert refused()
    records = records_of(gateway)
    assert len(reasons(records, "audit stopped")) <= 1 and not reasons(records, "audit goes on")
    assert gateway.log().count("until there is, only denials") <= 1


@pytest.mark.root
def test_a_denial_is_on_disk_before_the_client_hears_of_it(make_gateway, fast_upstream, directory):
    gateway = make_gateway(fast_upstream.url, *write_policy(directory)).start()
    url = gateway.url
    report = os.path.join(directory, "strace")
    pids = [gateway.pid(role) for role in ("recorder", "ingress")]
    tracer = subprocess.Popen(
        ["strace", "-f", "-s", "4096", "-o", report, "-e", "trace=write,writev,send,sendto,sendmsg,fsync,fdatasync",
         *(word for pid in pids for word in ("-p", str(pid)))],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in pids:
            assert "attached" in tracer.stderr.readline()
        with Connection(url) as connection:
            for number in range(20):
                reply = call(connection, "exec_x", {}, f"denied-{number}", "modern").json()
                assert reply["id"] == f"denied-{number}"
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=60)
    with open(report, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    recorder, ingress = pids
    for number in range(20):
        mark = re.compile(rf'denied-{number}\\"')
        written = next(i for i, line in enumerate(lines) if mark.search(line) and '\\"kind\\":\\"request' in line)
        answered = next(i for i, line in enumerate(lines) if mark.search(line) and line.startswith(f"{ingress} ")
                        and "HTTP/1.1" in line)
        synced = [i for i, line in enumerate(lines) if written < i < answered
                  and re.search(r"fdatasync.*= 0$", line)]
        assert synced, "\n".join(line[:200] for line in lines[written:answered + 1])


def test_a_directory_that_cannot_be_written_ends_the_start(make_gateway, fast_upstream, directory):
    place = private_directory(os.path.join(directory, "locked"))
    os.chmod(place, 0o500)
    gateway = make_gateway(fast_upstream.url, "--audit-log", os.path.join(place, "audit.jsonl")).launch()
    assert gateway.wait() == 2
    assert place in gateway.log()


def test_a_directory_that_vanishes_lets_nothing_pass_unrecorded(make_gateway, fast_upstream, directory):
    place = private_directory(os.path.join(directory, "gone"))
    gateway = make_gateway(
        fast_upstream.url, "--audit-log", os.path.join(place, "audit.jsonl"), "--audit-sync", "50ms").start()
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo", identifier=1, era="modern").json()
        for name in os.listdir(place):
            os.unlink(os.path.join(place, name))
        os.rmdir(place)

        def refused():
            message = call(connection, "echo", identifier=2, era="modern").json()
            return message.get("error", {}).get("code") == UNRECORDED
        eventually(refused, lambda: f"calls are refused:\n{gateway.log()}")
    assert "removed the audit log" in gateway.log() or "cannot open" in gateway.log()
    assert any("audit" in reason or "record" in reason for reason in gateway.degraded()), gateway.degraded()


def restart(gateway, *options):
    """Ends the daemon in order and starts it again with other options."""
    gateway.terminate()
    assert gateway.wait() == 0
    gateway.nothing_left()
    gateway.command += options
    gateway.launch()
    eventually(gateway.all_running, lambda: f"all workers run:\n{gateway.log()}")


def foreign(gateway):
    return [name for name in os.listdir(gateway.state_directory) if name.endswith(".foreign")]


def test_another_signing_key_keeps_the_log_and_begins_a_new_chain(make_gateway, fast_upstream, directory):
    gateway = make_gateway(
        fast_upstream.url, environment={"MCPGW_AUDIT_SIGNING_KEY": "the first key, of more than 32 bytes"}).start()

    def serve(identifier):
        with Connection(gateway.url) as connection:
            assert "result" in call(connection, "echo", identifier=identifier, era="modern").json()
        eventually(lambda: identifier in recorded(gateway, "response"), "it is recorded")

    serve("before")
    gateway.environment["MCPGW_AUDIT_SIGNING_KEY"] = "another key, of more than 32 bytes too"
    restart(gateway)
    serve("after")
    kept, = foreign(gateway)
    with open(os.path.join(gateway.state_directory, kept), "rb") as file:
        assert b'"before"' in file.read()
    first = records_of(gateway)[0]
    assert first["kind"] == "recovery" and "audit.signing_key" in first["reason"]
    gateway.stop()
    path = os.path.join(directory, "key")
    for key, status in (("another key, of more than 32 bytes too", 0), ("the first key, of more than 32 bytes", 1)):
        with open(path, "w", encoding="ascii") as file:
            file.write(key)
        result = verify(gateway, "--signing-key-file", path)
        assert result.returncode == status, result.stdout + result.stderr


@pytest.mark.parametrize("content", [
    b"no json at all\n", b'{"other":"program"}\n', b"\0" * 5000, b'{"timestamp":"x","seq":1,"prev":"' + b"0" * 64 + b'"}\n',
    b"a" * (1 << 20)], ids=["text", "json", "zeros", "forged", "one long line"])
def test_a_foreign_file_is_kept_and_a_new_chain_begins(make_gateway, fast_upstream, content):
    gateway = make_gateway(fast_upstream.url)
    with open(log_of(gateway), "wb") as file:
        file.write(content)
    if os.geteuid() == 0:
        os.chown(log_of(gateway), NOBODY, NOBODY)
    gateway.start()
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo", identifier="mine", era="modern").json()
    eventually(lambda: "mine" in recorded(gateway, "response"), lambda: f"it is recorded:\n{gateway.log()}")
    kept, = foreign(gateway)
    with open(os.path.join(gateway.state_directory, kept), "rb") as file:
        assert file.read() == content
    gateway.stop()
    assert verify(gateway).returncode == 0


@pytest.fixture
def failing_syncs():
    """Lets the first syncs of a gateway's recorder fail; answers with what tells of its writes and syncs."""
    tracers = []

    def start(gateway, count):
        tracers.append(subprocess.Popen(
            [sys.executable, failing.__file__, str(gateway.pid("recorder")), str(count)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert "attached" in tracers[0].stdout.readline(), tracers[0].stderr.read()

        def end():
            tracers[0].terminate()
            output, errors = tracers[0].communicate(timeout=60)
            assert not errors, errors
            return [json.loads(line) for line in output.splitlines()]
        return end
    yield start
    for tracer in tracers:
        tracer.kill()
        tracer.wait()


@pytest.mark.root
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the failing disk is for x86-64")
@pytest.mark.parametrize("count", [1, 3])
def test_what_a_failed_sync_may_have_lost_is_written_again_before_it_counts(
        make_gateway, fast_upstream, directory, failing_syncs, count):
    # Passes wait for the clock, so that the first sync is the denial's.
    gateway = make_gateway(fast_upstream.url, *write_policy(directory), "--audit-sync", "1h").start()

    def outcome(tool, identifier):
        return call(connection, tool, {}, identifier, "modern").json().get("error", {}).get("code")

    end = failing_syncs(gateway, count)
    with Connection(gateway.url) as connection:
        assert outcome("echo", "passed") is None
        assert outcome("exec_x", "lost") == UNRECORDED
        # Nothing passes before the disk took it all.
        eventually(lambda: outcome("echo", "after") is None, lambda: f"calls pass again:\n{gateway.log()[-2000:]}")
        assert outcome("exec_x", "kept") not in (None, UNRECORDED)
    events = end()
    syncs = [index for index, event in enumerate(events) if event["event"] == "sync"]
    assert [events[index]["failed"] for index in syncs[:count + 1]] == [True] * count + [False], events
    for failed, after in zip(syncs[:count], syncs[1:]):
        again = "".join(event["text"] for event in events[failed:after] if event["event"] == "write")
        assert '"id":"passed"' in again and '"id":"lost"' in again, again[:2000]
    eventually(lambda: "kept" in recorded(gateway, "request"), "all is written")
    records = records_of(gateway)
    # Written again at its place: it is there once.
    assert [record["id"] for record in records if record.get("action") == "block"] == ["lost", "kept"]
    assert [record["seq"] for record in records] == list(range(records[0]["seq"], records[0]["seq"] + len(records)))
    assert len(reasons(records, "a sync failed")) == 1
    gateway.stop()
    assert verify(gateway).returncode == 0
