"""`session.key`: made once, kept, refused where others could have had it; and what happens without a place for it, or without the
library that seals."""

import ctypes
import os
import re
import stat

import pytest

from harness.clients import Client, metric
from harness.gateway import NOBODY, private_directory
from harness.http import get
from harness.scripted import ScriptedUpstream

FAST = ("--supervision-backoff-min", "1ms", "--supervision-backoff-max", "5ms", "--supervision-crash-limit", "3")
NAMES = ["session.key", "session.key.old"]
LENGTH = 32
GOOD = bytes(range(LENGTH))


@pytest.fixture
def upstream():
    with ScriptedUpstream() as upstream:
        yield upstream


def key_of(gateway, name="session.key"):
    with open(os.path.join(gateway.state_directory, name), "rb") as file:
        return file.read()


def put(path, content=GOOD, mode=0o600, owner=NOBODY):
    """Writes a file as the gateway's user would have it."""
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    if os.geteuid() == 0:
        os.chown(path, owner, owner)
    return path


def snapshot(path):
    status = os.lstat(path)
    content = None
    # What this user may not read it could not have written unnoticed either: the times tell.
    if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
        with open(path, "rb") as file:
            content = file.read()
    return status.st_mode, status.st_uid, status.st_ino, status.st_size, status.st_mtime_ns, content


def next_run(make_gateway, first, upstream, *options):
    """Another daemon, in the place of one that has ended."""
    second = make_gateway(upstream.url, *options)
    second.command[second.command.index("--state-dir") + 1] = second.state_directory = first.state_directory
    return second.start()


# Its life


def test_the_first_start_makes_a_key_for_its_user_alone_and_every_later_one_keeps_it(make_gateway, upstream):
    first = make_gateway(upstream.url).start()
    status = os.stat(os.path.join(first.state_directory, "session.key"))
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())
    key = key_of(first)
    assert len(key) == LENGTH and key != bytes(LENGTH)
    first.kill_and_wait("ingress", "route")
    assert key_of(first) == key
    first.stop()
    assert key_of(next_run(make_gateway, first, upstream)) == key
    assert key_of(make_gateway(upstream.url).start()) != key


@pytest.mark.parametrize("shared", [False, True])
def test_a_session_is_over_with_its_daemon_and_the_client_begins_another(make_gateway, upstream, shared):
    options = ("--session-shared", "true") if shared else ()
    first = make_gateway(upstream.url, *options).start()
    old = Client(first.url)
    assert "result" in old.call().json()
    first.stop()
    second = next_run(make_gateway, first, upstream, *options)
    seen = len(upstream.seen)
    old.url = second.url
    assert [old.call().status, old.request("GET").status, old.delete().status] == [404, 404, 404]
    assert len(upstream.seen) == seen, "an ended session reached the upstream"
    new = Client(second.url)
    assert "result" in new.call().json()
    assert old.call().status == 404


@pytest.mark.parametrize("what", ["the same key", "the older key", "another key"])
def test_a_kept_key_reads_what_it_sealed_before(make_gateway, upstream, what):
    # Several instances may share a key, so that one does not refuse what another sealed, before the route is asked.
    first = make_gateway(upstream.url, "--session-shared", "true").start()
    old = Client(first.url)
    first.stop()
    path = os.path.join(first.state_directory, "session.key")
    if what == "the older key":
        os.rename(path, path + ".old")
    elif what == "another key":
        os.remove(path)
    second = next_run(make_gateway, first, upstream, "--session-shared", "true")
    old.url = second.url
    assert old.call().status == 404
    assert metric(second, "mcpgw_sessions_refused_total") == (1 if what == "another key" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_was_put_there_is_used_as_it_is(make_gateway, upstream, name):
    gateway = make_gateway(upstream.url)
    path = os.path.join(gateway.state_directory, name)
    put(path)
    before = snapshot(path)
    gateway.start()
    assert "result" in Client(gateway.url).call().json()
    assert snapshot(path) == before
    assert (key_of(gateway) == before[-1]) == (name == "session.key")


# A key that is not safe to use


def put_key(refusal, name, content=GOOD, mode=0o600, owner=NOBODY):
    return put(os.path.join(refusal.state, name), content, mode, owner)


def assert_refused(refusal, path, *words):
    before = snapshot(path)
    message = refusal.proxy()
    assert path in message and all(word in message for word in words), message
    assert snapshot(path) == before, "what was refused was changed"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o666])
def test_a_key_that_others_could_have_had_is_refused(refusal, name, mode):
    assert_refused(refusal, put_key(refusal, name, mode=mode), "open to others", "chmod 600")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [0, 1, LENGTH - 1, LENGTH + 1, 2 * LENGTH, 100_000])
def test_a_key_of_another_length_is_refused(refusal, name, length):
    assert_refused(refusal, put_key(refusal, name, b"k" * length), "32 bytes")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["a directory", "a pipe", "a link", "a link to nothing"])
def test_what_is_no_file_is_refused(refusal, directory, name, what):
    path = os.path.join(refusal.state, name)
    if what == "a directory":
        private_directory(path)
    elif what == "a pipe":
        os.mkfifo(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    else:
        target = os.path.join(directory, "elsewhere")
        if what == "a link":
            os.rename(put_key(refusal, name), target)
        os.symlink(target, path)
    assert_refused(refusal, path, "link" if "link" in what else "not a file")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_its_user_may_not_read_is_refused(refusal, name):
    assert_refused(refusal, put_key(refusal, name, mode=0), "cannot read")


@pytest.mark.root
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("owner, mode", [(0, 0o644), (1, 0o644), (1, 0o666)])
def test_a_key_of_another_user_is_refused(refusal, name, owner, mode):
    assert_refused(refusal, put_key(refusal, name, mode=mode, owner=owner), f"user id {owner}")


# No place for it


def without_state_option(gateway, **environment):
    at = gateway.command.index("--state-dir")
    del gateway.command[at:at + 2]
    # The audit log is another matter: without a place for it nothing is served.
    gateway.command += ["--audit-log", os.path.join(gateway.state_directory, "audit.jsonl")]
    gateway.environment.update(environment)
    return gateway


def closed_directory(directory):
    path = private_directory(os.path.join(directory, "closed"))
    os.chmod(path, 0o500)
    return path


@pytest.mark.parametrize("place", ["nothing named", "HOME", "XDG_STATE_HOME", "a file"])
def test_without_a_usual_place_sessions_end_with_the_daemon_and_it_says_so(make_gateway, upstream, directory, place):
    if place == "nothing named":
        environment, named = {}, "--state-dir"
    elif place == "a file":
        named = os.path.join(directory, "file")
        with open(named, "w", encoding="ascii"):
            pass
        environment = {"XDG_STATE_HOME": named}
    else:
        named = closed_directory(directory)
        environment = {place: named}
    gateway = without_state_option(make_gateway(upstream.url), **environment).start()
    # The log, the status in both forms, and readiness, which it does not touch.
    said = [line for line in gateway.log().splitlines() if "sessions end with this process" in line]
    assert len(said) == 1 and " warning " in said[0] and named in said[0], gateway.log()
    assert [named in line and "sessions end with this process" in line for line in gateway.degraded()] == [True]
    text = gateway.command_line("status", "--runtime-dir", gateway.runtime_directory).stdout
    assert named in text.split("DEGRADED")[1], text
    assert get(gateway.metrics_url, "/readyz").status == 200
    # The key is the daemon's, not the worker's.
    client = Client(gateway.url)
    gateway.kill_and_wait("ingress")
    assert "result" in client.call().json()


def test_a_usual_place_that_can_be_used_is_used(make_gateway, upstream, directory):
    home = private_directory(os.path.join(directory, "home"))
    gateway = without_state_option(make_gateway(upstream.url), HOME=home).start()
    assert gateway.degraded() == []
    gateway.state_directory = os.path.join(home, ".local", "state", "mcpgw")
    assert stat.S_IMODE(os.stat(gateway.state_directory).st_mode) == 0o700
    assert len(key_of(gateway)) == LENGTH


@pytest.mark.parametrize("by", ["--state-dir", "MCPGW_STATE_DIR", "STATE_DIRECTORY"])
def test_a_named_place_that_cannot_be_written_ends_the_start(refusal, directory, by):
    closed = closed_directory(directory)
    for path in (closed, os.path.join(closed, "below")):
        if by == "--state-dir":
            message = refusal.proxy(by, path)
        else:
            message = refusal.proxy(without=["--state-dir"], environment={by: path})
        assert path in message, message


def test_an_unsafe_key_in_a_usual_place_is_not_passed_over(refusal, directory):
    home = private_directory(os.path.join(directory, "home"))
    refusal.state = private_directory(os.path.join(home, "mcpgw"))
    path = put_key(refusal, "session.key", mode=0o644)
    assert path in refusal.proxy(without=["--state-dir"], environment={"XDG_STATE_HOME": home})


# No library


def library_path():
    """Where the loader finds libcrypto on this host."""
    ctypes.CDLL("libcrypto.so.3")
    with open("/proc/self/maps", encoding="utf-8") as file:
        return next(line.split()[5] for line in file if "/libcrypto.so.3" in line)


def hidden_library(directory, content):
    """Runs the product where libcrypto is another file, in mounts of its own, as the usual user."""
    other = os.path.join(directory, "not-a-library")
    with open(other, "wb") as file:
        file.write(content)
    os.chmod(other, 0o644)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            f'mount --bind "{other}" "{library_path()}" && exec "$@"', "sh",
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.mark.root
@pytest.mark.parametrize("content", [b"", b"\x7fELF and no more"])
def test_without_libcrypto_the_start_fails_and_says_what_is_missing(make_gateway, upstream, directory, content):
    launcher = hidden_library(directory, content)
    gateway = make_gateway(upstream.url, *FAST, launcher=launcher, as_root=True).launch()
    assert gateway.wait() == 2, gateway.log()
    log = gateway.log()
    assert "libcrypto.so.3 (package libssl3) could not be opened" in log, log
    # Whoever of those that need it is first.
    assert re.search("cannot start: (ingress|recorder|route)", log), log
    gateway.nothing_left()
    assert "READY=1" not in gateway.notify.receive()


@pytest.mark.root
def test_only_who_seals_records_or_compares_keys_has_libcrypto(gateway):
    """It costs time and memory at every start, and the others have nothing to seal, chain or cut."""
    path = library_path()
    with_it = set()
    for role, worker in gateway.workers().items():
        with open(f"/proc/{worker['pid']}/maps", encoding="utf-8") as file:
            if path in file.read():
                with_it.add(role)
    assert with_it == {"ingress", "route", "recorder", "console"}
