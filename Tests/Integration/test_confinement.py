"""Confinement of the workers as the kernel shows it from outside."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness.eventually import eventually
from harness.gateway import NOBODY
from harness.load import Load
from harness.processes import descriptors, listening_tcp_ports, status_fields

# Calls that nobody who is ready needs, whatever his role: none may even be tried.
NEVER_BY_ROUTE = {
    "socket", "connect", "bind", "listen", "accept", "accept4", "open", "openat", "openat2", "creat", "execve", "execveat",
    "fork", "vfork", "clone", "clone3", "ptrace", "mount", "unshare", "setns", "io_uring_setup", "kill", "pidfd_open",
    "memfd_create", "name_to_handle_at", "open_by_handle_at"}
NEVER_BY_INGRESS = NEVER_BY_ROUTE - {"accept", "accept4"}


def test_every_promise_of_confinement_is_kept_on_this_host(gateway):
    for worker in gateway.workers().values():
        confinement = worker["confinement"]
        assert confinement["missing"] == [], worker["role"]
        assert confinement["enforced"] == confinement["promised"] > 0, worker["role"]


def test_the_table_of_confinement_names_every_role(gateway):
    table = gateway.command_line("sandbox")
    assert table.returncode == 0, table.stderr
    for role in ("supervisor", "ingress", "route", "dialer", "launcher", "recorder", "console"):
        assert role in table.stdout
    as_json = gateway.command_line("sandbox", "--json")
    assert as_json.returncode == 0 and json.loads(as_json.stdout)


def test_every_thread_of_every_worker_is_confined(gateway):
    with Load(gateway.url, connections=4) as load:
        load.more_served()
        for role, worker in gateway.workers().items():
            tasks = os.listdir(f"/proc/{worker['pid']}/task")
            for task in tasks:
                fields = status_fields(f"{worker['pid']}/task/{task}")
                assert fields["NoNewPrivs"] == "1", role
                assert fields["Seccomp"] == "2", role
                assert int(fields["CapEff"], 16) == 0 == int(fields["CapPrm"], 16), role


def test_a_worker_has_no_more_threads_than_its_role_may_start(gateway):
    # The first thread, and what the table of `mcpgw sandbox` promises by construction: helpers of the route and the recorder
    # come with their work, four resolvers in the dialer.
    allowed = {"ingress": 1, "console": 1, "launcher": 1, "route": 2, "recorder": 2, "dialer": 5}
    with Load(gateway.url, connections=4) as load:
        load.more_served()
        for role, worker in gateway.workers().items():
            assert len(os.listdir(f"/proc/{worker['pid']}/task")) <= allowed[role], role


def test_no_worker_can_be_dumped_or_traced_by_its_own_user(gateway):
    for role, worker in gateway.workers().items():
        # The kernel gives /proc of a process that is not dumpable to root, or to the root of its user namespace.
        owner = os.stat(f"/proc/{worker['pid']}/maps").st_uid
        runner = NOBODY if os.geteuid() == 0 else os.geteuid()
        assert owner != runner, role


@pytest.mark.root
def test_no_worker_leaves_a_core_file(gateway):
    for role, worker in gateway.workers().items():
        with open(f"/proc/{worker['pid']}/limits", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("Max core file size"))
        assert line.split()[4:6] == ["0", "0"], role


@pytest.mark.root
def test_route_and_recorder_have_namespaces_of_their_own_and_an_empty_root(gateway):
    def namespace(pid, kind):
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    supervisor = gateway.process.pid
    for role in ("route", "recorder"):
        pid = gateway.pid(role)
        for kind in ("user", "mnt", "net", "ipc", "uts"):
            assert namespace(pid, kind) != namespace(supervisor, kind), (role, kind)
        assert os.listdir(f"/proc/{pid}/root") == [], role
    for role in ("ingress", "console"):
        # Theirs is the host's: in another every peer would be 65534.
        assert namespace(gateway.pid(role), "user") == namespace(supervisor, "user"), role


def kinds(pid):
    """How many descriptors of each kind a process has; a listening socket is a kind of its own."""
    found = {}
    for link in descriptors(pid).values():
        if link.startswith("socket:") and listening_tcp_ports([link]):
            kind = "listener"
        else:
            kind = re.sub(r"^/memfd:.*", "memfd", link.split(":[")[0])
        found[kind] = found.get(kind, 0) + 1
    return found


@pytest.mark.root
def test_a_worker_has_only_descriptors_of_its_role(gateway):
    mcp, metrics = (int(gateway.address(name).rsplit(":", 1)[1]) for name in ("mcp", "metrics"))
    for role, worker in gateway.workers().items():
        links = descriptors(worker["pid"])
        expected = {"ingress": {mcp}, "console": {metrics}}.get(role, set())
        assert listening_tcp_ports(links.values()) == expected, role
        for number, link in links.items():
            # No file, no directory, no device but /dev/null, nothing of /proc: only what confinement cannot misuse.
            ordinary = link.startswith(("socket:", "pipe:", "anon_inode:[event", "anon_inode:[timer", "anon_inode:[signal",
                                        "/memfd:")) or link == "/dev/null"
            log = number == 2 and link == gateway.log_path
            # The recorder's own: the directory of the audit log, and the files of the log.
            records = role == "recorder" and (link + "/").startswith(gateway.state_directory + "/")
            assert ordinary or log or records, (role, number, link)


@pytest.mark.root
def test_a_restarted_worker_has_the_descriptors_of_its_predecessor(gateway):
    for role in gateway.workers():
        before = kinds(gateway.pid(role))
        gateway.kill_and_wait(role)
        eventually(lambda: kinds(gateway.pid(role)) == before,
                   lambda: f"{role}: {kinds(gateway.pid(role))}, before {before}")


def trace(gateway, role, work, report):
    """The names of the system calls a worker makes while `work` runs."""
    pid = gateway.pid(role)
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", report, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        work()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=60)
    with open(report, encoding="utf-8", errors="replace") as file:
        calls = set(re.findall(r"^\d+ +(?:\[[^\]]*\] )?(\w+)\(", file.read(), re.MULTILINE))
    assert gateway.pid(role) == pid, "the traced worker lived on"
    return calls


@pytest.mark.root
@pytest.mark.parametrize("role, never", [("route", NEVER_BY_ROUTE), ("ingress", NEVER_BY_INGRESS)])
def test_a_worker_under_load_tries_nothing_it_must_not(gateway, directory, role, never):
    url = gateway.url

    def work():
        # New connections on both sides while it is watched: clients come and go, and the upstream's are dialled.
        for connections in (1, 8, 24):
            with Load(url, connections=connections) as load:
                load.more_served(300)
            assert load.bad() == {}, load.samples
        gateway.kill_and_wait("dialer")
        with Load(url, connections=32) as load:
            load.more_served(300)
        assert load.bad() == {}, load.samples

    calls = trace(gateway, role, work, os.path.join(directory, "strace"))
    assert {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"} & calls, f"it worked while watched: {calls}"
    assert calls & never == set()
