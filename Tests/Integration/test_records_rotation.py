"""Logs of several files: rotation by size and age, retention that says what it removed, and every change to any of the files found."""

import hashlib
import hmac
import json
import os
import shutil

import pytest

from harness.eventually import eventually
from harness.gateway import Gateway
from harness.http import Connection, call
from harness.records import closed_files, files_of, log_of, public_key, records_of, verify, write_policy

KEY = "a signing key that is long enough to be one"
SMALL = ("--audit-rotate-bytes", "64KiB", "--audit-sync", "20ms")


def talk(gateway, count, name="call"):
    """Calls with large arguments, so that files fill fast; some are denied."""
    with Connection(gateway.url) as connection:
        for number in range(count):
            tool = "exec_x" if number % 7 == 3 else "echo"
            reply = call(connection, tool, {"text": "x" * 8000}, f"{name}-{number}", "modern").json()
            assert reply["id"] == f"{name}-{number}"


def rotated(gateway, files):
    """Calls until so many files are closed."""
    names = iter(range(100))

    def enough():
        if len(closed_files(gateway)) < files:
            talk(gateway, 10, f"round-{next(names)}")
        return len(closed_files(gateway)) >= files
    eventually(enough, lambda: f"{files} files are closed: {os.listdir(gateway.state_directory)}\n{gateway.log()}")


def start(binary, directory, upstream):
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    gateway = Gateway(
        binary, directory, upstream.url, *write_policy(directory), *SMALL, environment={"MCPGW_AUDIT_SIGNING_KEY": KEY})
    gateway.start()
    rotated(gateway, 3)
    talk(gateway, 12, "last")
    gateway.stop()
    return gateway


@pytest.fixture(scope="module")
def original(binary, session_directory, fast_upstream):
    """A stopped gateway with a log of four files, and one of another installation."""
    return [start(binary, os.path.join(session_directory, name), fast_upstream) for name in ("one", "other")]


class Copy:
    """The files of a log in a directory of their own, to be changed; lines without their ends."""

    def __init__(self, gateway, directory):
        self.gateway, self.directory = gateway, os.path.join(directory, "copy")
        os.mkdir(self.directory)
        self.names = [os.path.basename(path) for path in files_of(gateway)]
        self.lines = {}
        for name in self.names:
            with open(os.path.join(gateway.state_directory, name), "rb") as file:
                self.lines[name] = file.read().split(b"\n")[:-1]
        shutil.copy(log_of(gateway) + ".state", self.directory)
        self.key = os.path.join(self.directory, "signing.key")
        with open(self.key, "w", encoding="ascii") as file:
            file.write(KEY)

    def verify(self):
        for name in self.names:
            with open(os.path.join(self.directory, name), "wb") as file:
                file.write(b"".join(line + b"\n" for line in self.lines[name]))
        for name in [*os.listdir(self.directory), "."]:
            os.chmod(os.path.join(self.directory, name), 0o755)
        return verify(
            self.gateway, "--signing-key-file", self.key, files=[os.path.join(self.directory, name) for name in self.names])

    def sign_again(self, key):
        """Makes the chain and each sig fit, as somebody with that key can; signatures of checkpoints stay as they are."""
        head = "0" * 64
        for name in self.names:
            for number, line in enumerate(self.lines[name]):
                start = line.index(b',"prev":"') + 9
                line = line[:start] + head.encode() + line[start + 64:]
                body = line[:line.rindex(b',"sig":"')]
                line = body + b',"sig":"' + hmac.new(key, body, hashlib.sha256).hexdigest().encode() + b'"}'
                head = hashlib.sha256(line).hexdigest()
                self.lines[name][number] = line


def edit(lines):
    lines[4] = lines[4].replace(b'"size":', b'"size":1')


def swap(lines):
    lines[4], lines[5] = lines[5], lines[4]


CHANGES = {
    "edit": edit,
    "delete": lambda lines: lines.pop(4),
    "delete the first": lambda lines: lines.pop(0),
    "delete the last": lambda lines: lines.pop(),
    "insert": lambda lines: lines.insert(5, lines[4]),
    "swap": swap,
    "cut the tail": lambda lines: lines.__delitem__(slice(-3, None)),
    "cut within a line": lambda lines: lines.__setitem__(-1, lines[-1][:-20]),
    "empty it": lambda lines: lines.clear(),
}


def test_the_log_as_it_was_written_is_whole(original, directory):
    one, _ = original
    copy = Copy(one, directory)
    result = copy.verify()
    assert result.returncode == 0 and "not proven" not in result.stdout, result.stdout + result.stderr
    records = records_of(one)
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1)), "the chain goes on across files"
    for path in closed_files(one):
        with open(path, "rb") as file:
            last = json.loads(file.read().splitlines()[-1])
        assert last["kind"] == "checkpoint" and "signature" in last and path.endswith(f".{last['seq']}")


@pytest.mark.parametrize("place", [0, 1, -1], ids=["oldest", "middle", "newest"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_to_any_file_is_found(original, directory, change, place):
    copy = Copy(original[0], directory)
    name = copy.names[place]
    before = list(copy.lines[name])
    CHANGES[change](copy.lines[name])
    assert copy.lines[name] != before
    result = copy.verify()
    assert result.returncode == 1 and "FOUND" in result.stdout, result.stdout + result.stderr
    assert change in ("empty it", "delete the first") or name in result.stdout, result.stdout


@pytest.mark.parametrize("place", [0, 1, 2, -1], ids=["oldest", "second", "third", "newest"])
def test_a_file_that_is_gone_is_found(original, directory, place):
    copy = Copy(original[0], directory)
    copy.names.pop(place)
    result = copy.verify()
    assert result.returncode == 1 and "FOUND" in result.stdout, result.stdout + result.stderr


def test_files_that_were_swapped_are_found(original, directory):
    copy = Copy(original[0], directory)
    first, second = copy.names[:2]
    copy.lines[first], copy.lines[second] = copy.lines[second], copy.lines[first]
    assert copy.verify().returncode == 1


@pytest.mark.parametrize("key, found", [(b"another key, of somebody who has not ours", "sig"), (KEY.encode(), "signature")],
                         ids=["another key", "the stolen key"])
def test_a_log_that_was_signed_again_is_found(original, directory, key, found):
    copy = Copy(original[0], directory)
    edit(copy.lines[copy.names[1]])
    copy.sign_again(key)
    result = copy.verify()
    assert result.returncode == 1 and found in result.stdout, result.stdout + result.stderr


def test_the_whole_log_of_another_installation_is_found(original, directory):
    one, other = original
    copy = Copy(other, directory)
    copy.gateway = one
    result = copy.verify()
    assert result.returncode == 1 and "installation's key" in result.stdout, result.stdout + result.stderr


def test_a_file_is_closed_when_it_is_old_and_removed_when_its_time_is_over(make_gateway, fast_upstream, directory):
    gateway = make_gateway(
        fast_upstream.url, *write_policy(directory), "--audit-rotate-after", "1s", "--audit-keep", "1s", "--audit-sync",
        "50ms").start()

    def tombstones():
        return [record for record in records_of(gateway) if record["kind"] == "tombstone"]

    numbers = iter(range(1000))

    def removed():
        talk(gateway, 1, f"n{next(numbers)}")
        return len(seen) >= 2 or seen.update((one["detail"]["file"], one["detail"]["last"]) for one in tombstones())
    seen = set()
    eventually(removed, lambda: f"two files are removed: {os.listdir(gateway.state_directory)}\n{gateway.log()}")
    gateway.stop()
    assert all(not os.path.exists(os.path.join(gateway.state_directory, name)) for name, _ in seen)
    assert all("signature" in record for record in tombstones())
    assert records_of(gateway)[0]["seq"] > 1
    result = verify(gateway)
    assert result.returncode == 0, result.stdout + result.stderr
    # What nobody said was removed is found: the oldest that is left, taken away.
    oldest = files_of(gateway)[0]
    if oldest != log_of(gateway):
        os.unlink(oldest)
        assert verify(gateway).returncode == 1


def test_a_torn_line_after_a_rotation_is_cut_off_and_said(make_gateway, fast_upstream, directory):
    gateway = make_gateway(fast_upstream.url, *write_policy(directory), *SMALL).start()
    rotated(gateway, 1)
    gateway.terminate()
    assert gateway.wait() == 0
    gateway.nothing_left()
    # As if the end had come right after the rotation: nothing in the new file but the beginning of a line.
    last = records_of(gateway)[-1]["seq"]
    # It may have come just there already.
    if os.path.getsize(log_of(gateway)):
        os.rename(log_of(gateway), f"{log_of(gateway)}.20991231T235959Z.{last}")
    with open(log_of(gateway), "wb") as file:
        file.write(b'{"timestamp":"2026-11-2')
    if os.geteuid() == 0:
        shutil.chown(log_of(gateway), 65534, 65534)
    gateway.launch()
    eventually(gateway.all_running, lambda: f"all workers run:\n{gateway.log()}")
    talk(gateway, 3, "after")
    gateway.stop()
    recovery, = [record for record in records_of(gateway) if record["kind"] == "recovery"]
    assert recovery["detail"]["bytes"] == 23 and recovery["seq"] == last + 1
    result = verify(gateway)
    assert result.returncode == 0, result.stdout + result.stderr
    assert public_key(gateway)
