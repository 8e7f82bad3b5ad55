"""Bad input: exit status 2 and one message that says what and where, before anything runs."""

import os
import socket
import sys

import pytest

from harness.gateway import EXEC_WITH, NOBODY, private_directory
from harness.http import Connection, call


@pytest.mark.parametrize("option", ["--listen", "--metrics-addr"])
def test_a_port_in_use_is_named(refusal, option):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        message = refusal.proxy(option, address)
        assert address in message and "in use" in message.lower()


def test_an_address_of_another_host_is_named(refusal):
    # Reserved for documentation: no host has it. Nothing is sent.
    message = refusal.proxy("--listen", "192.0.2.1:9090")
    assert "192.0.2.1:9090" in message


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:65536", "127.0.0.1:-1", ""])
@pytest.mark.parametrize("option", ["--listen", "--metrics-addr"])
def test_an_address_that_is_none_is_named(refusal, option, address):
    message = refusal.proxy(option, address)
    assert option in message and address.rpartition(":")[2] in message


@pytest.mark.parametrize("url", [
    "", "nonsense", "127.0.0.1:8080", "ftp://127.0.0.1/mcp", "http://", "http:///mcp", "http://127.0.0.1:99999/mcp",
    "http://127.0.0.1:x/mcp", "http://a b/mcp", "http://127.0.0.1/mcp\r\nX: y", "http://127.0.0.1/mcp#fragment"])
def test_an_upstream_that_is_no_url_is_named(refusal, url):
    message = refusal.proxy("--upstream", url)
    assert "upstream" in message


def test_a_missing_upstream_is_named(refusal):
    assert "upstream" in refusal.proxy(upstream=None)


@pytest.mark.parametrize("option, value", [
    ("--drain-timeout", "soon"), ("--drain-timeout", "-1s"), ("--supervision-crash-limit", "many"),
    ("--supervision-crash-limit", "-1"), ("--supervision-backoff-min", "10 parsecs"), ("--supervision-ping-interval", "0s")])
def test_a_value_that_is_none_is_named_with_its_option(refusal, option, value):
    message = refusal.proxy(option, value)
    assert option.removeprefix("--").split("-")[0] in message and value in message


def test_an_unknown_option_is_named(refusal):
    assert "--no-such-option" in refusal.proxy("--no-such-option")


def test_an_unknown_command_is_named(refusal):
    assert "no-such-command" in refusal.run("no-such-command")


def test_a_bad_value_in_the_environment_is_named_with_its_variable(refusal):
    message = refusal.proxy(environment={"MCPGW_DRAIN_TIMEOUT": "soon"})
    assert "MCPGW_DRAIN_TIMEOUT" in message and "soon" in message


def test_an_option_wins_over_the_environment(make_gateway, fast_upstream):
    environment = {"MCPGW_UPSTREAM": "ftp://unused", "MCPGW_DRAIN_TIMEOUT": "7s"}
    gateway = make_gateway(fast_upstream.url, environment=environment).start()
    assert gateway.status()["routes"][0]["upstream"] == fast_upstream.url


def test_the_environment_alone_is_enough(make_gateway, fast_upstream):
    gateway = make_gateway(fast_upstream.url, environment={"MCPGW_UPSTREAM": fast_upstream.url})
    at = gateway.command.index("--upstream")
    del gateway.command[at:at + 2]
    gateway.start()
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()


@pytest.mark.parametrize("option", ["--state-dir", "--runtime-dir"])
def test_a_directory_without_the_right_to_write_is_named(refusal, directory, option):
    closed = private_directory(os.path.join(directory, "closed"))
    os.chmod(closed, 0o500)
    assert closed in refusal.proxy(option, closed)


@pytest.mark.parametrize("option", ["--state-dir", "--runtime-dir"])
def test_a_directory_that_is_a_file_is_named(refusal, directory, option):
    path = os.path.join(directory, "file")
    with open(path, "w", encoding="ascii"):
        pass
    assert path in refusal.proxy(option, path)


@pytest.mark.root
def test_a_port_only_root_may_bind_is_named(refusal):
    # A network namespace of its own: there the first unprivileged port is 1024, whatever this host says.
    launcher = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", "setpriv", f"--reuid={NOBODY}",
                f"--regid={NOBODY}", "--clear-groups"]
    assert "127.0.0.1:80" in refusal.proxy("--listen", "127.0.0.1:80", launcher=launcher, as_root=True)


def test_too_low_a_limit_of_descriptors_is_named_with_what_is_needed(refusal):
    message = refusal.proxy(launcher=["prlimit", "--nofile=16:16"])
    assert "16" in message and ("descriptor" in message or "RLIMIT_NOFILE" in message)


def listen_fds(count, *descriptors, names=None):
    """What hands those descriptors over as systemd does."""
    environment = {"LISTEN_FDS": count}
    if names is not None:
        environment["LISTEN_FDNAMES"] = names
    return {"environment": environment, "descriptors": descriptors,
            "launcher": [sys.executable, "-c", EXEC_WITH, "LISTEN_PID", *map(str, descriptors), "--"]}


@pytest.mark.parametrize("count", ["many", "-1", "1", "99999999999999999999", "1x"])
def test_a_wrong_listen_fds_is_named(refusal, count):
    # "1": it names a descriptor that is not there.
    assert "LISTEN_FDS" in refusal.proxy(**listen_fds(count))


def test_a_passed_file_is_no_listener(refusal):
    with open("/dev/null", "rb") as file:
        assert "LISTEN_FDS" in refusal.proxy(**listen_fds("1", file.fileno(), names="mcp"))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_passed_socket_that_does_not_listen_is_refused(refusal, kind):
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        assert "LISTEN_FDS" in refusal.proxy(**listen_fds("1", other.fileno(), names="mcp"))


@pytest.mark.parametrize("names", ["unheard-of", "mcp:metrics", "mcp:mcp"])
def test_names_that_do_not_fit_the_passed_sockets_are_named(refusal, names):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        assert "LISTEN_FDNAMES" in refusal.proxy(**listen_fds("1", one.fileno(), names=names))


@pytest.mark.parametrize("own", ["--state-dir", "--runtime-dir"])
def test_a_second_daemon_on_the_same_directory_is_refused_and_the_first_serves_on(refusal, gateway, own):
    shared = {"--state-dir": gateway.state_directory, "--runtime-dir": gateway.runtime_directory}[own]
    message = refusal.proxy(own, shared)
    assert shared in message
    assert gateway.status()["ready"]
    with Connection(gateway.url) as connection:
        assert "result" in call(connection, "echo").json()


def test_a_directory_left_by_a_killed_daemon_is_taken_over(make_gateway, fast_upstream):
    first = make_gateway(fast_upstream.url).start()
    first.process.kill()
    first.wait()
    first.nothing_left()
    second = make_gateway(fast_upstream.url)
    for option, path in (("--state-dir", first.state_directory), ("--runtime-dir", first.runtime_directory)):
        second.command[second.command.index(option) + 1] = path
    second.runtime_directory = first.runtime_directory
    second.start()
    assert second.status()["ready"]


@pytest.mark.root
def test_root_without_a_user_to_become_is_refused(refusal):
    assert "--user" in refusal.proxy(as_root=True)


@pytest.mark.root
@pytest.mark.parametrize("user", ["no-such-user", "root", "0", ""])
def test_a_user_that_cannot_be_become_is_named(refusal, user):
    message = refusal.proxy("--user", user, as_root=True)
    assert "user" in message and user in message


def test_status_without_a_daemon_says_where_it_looked(refusal):
    assert refusal.runtime in refusal.run("status", "--runtime-dir", refusal.runtime)
