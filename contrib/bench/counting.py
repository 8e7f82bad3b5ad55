"""Allocations per request: a library that counts them is preloaded into all processes of a gateway.

The workers get a fixed environment, so LD_PRELOAD would not reach them. The gateway runs in a mount namespace of its own instead,
with a copy of /etc that names the library in ld.so.preload; nothing of the product changes. That takes root.
"""

import os
import shutil
import struct
import subprocess
import tempfile

from harness.gateway import NOBODY, Gateway
from harness.http import Connection, tool_call
from costs import role

HERE = os.path.dirname(os.path.abspath(__file__))
THRESHOLD = os.path.join(HERE, "allocations.threshold")
# The reply's name and the path that asks the fast upstream for it.
REPLIES = {"json": "/200", "events": "/events/200"}
CONNECTIONS, WARM_UP, ROUNDS = 16, 30, 150

# $0 is a directory, $1 the library; then the user, the group and the command.
IN_OWN_ETC = f"""
set -e
mount -t tmpfs -o mode=0755 none "$0"
cp -a /etc/. "$0"
echo "$1" >>"$0/ld.so.preload"
mount --bind "$0" /etc
shift
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "$@"
"""


def obstacle():
    """Why allocations cannot be counted here; nothing if they can."""
    if os.geteuid() != 0:
        return "only root can preload a library into the workers"
    missing = [program for program in ("gcc", "unshare", "setpriv") if not shutil.which(program)]
    if missing:
        return f"there is no {', '.join(missing)}"
    trial = subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], capture_output=True, check=False)
    return "no mount namespace can be made here" if trial.returncode else None


class Counter:
    """The library, built for one directory, and what it counted."""

    def __init__(self, directory):
        self.counts = os.path.join(directory, "counts")
        # Not sticky: a pid's file passes from root to the gateway's user.
        os.mkdir(self.counts)
        os.chmod(self.counts, 0o777)
        self.etc = os.path.join(directory, "etc")
        os.mkdir(self.etc)
        self.library = os.path.join(directory, "allocations.so")
        subprocess.run(
            ["gcc", "-O2", "-Wall", "-shared", "-fPIC", f'-DCOUNTS="{self.counts}"', "-o", self.library,
             os.path.join(HERE, "allocations.c")], check=True)

    @property
    def launcher(self):
        """Stands before the gateway's command."""
        return "unshare", "--mount", "--propagation", "private", "--", "sh", "-c", IN_OWN_ETC, self.etc, self.library

    def read(self, processes):
        """Calls and bytes by the name of the process."""
        found = {}
        for process in processes:
            with open(os.path.join(self.counts, str(process.pid)), "rb") as file:
                found[role(process)] = struct.unpack("2Q", file.read(16))
        return found


def exchange(connections, requests):
    """One call on each connection, all in flight together."""
    for connection, (headers, body) in zip(connections, requests):
        connection.send("POST", headers=headers, body=body)
    for connection in connections:
        reply = connection.receive()
        if reply.status != 200 or "result" not in reply.json():
            raise SystemExit(f"not the answer that was to be counted: {reply.status} {reply.body[:300]}")


def count(binary, upstream):
    """Allocations and bytes per request by process, for each reply."""
    found = {}
    for reply, path in REPLIES.items():
        with tempfile.TemporaryDirectory(prefix="mcpgw-allocations-") as directory:
            os.chmod(directory, 0o755)
            counter = Counter(directory)
            with Gateway(binary, directory, upstream.url + path, launcher=counter.launcher, as_root=True) as gateway:
                url, processes = gateway.url, gateway.processes()
                connections = [Connection(url) for _ in range(CONNECTIONS)]
                requests = [tool_call("echo", {"text": "a" * 100}, number, "legacy") for number in range(CONNECTIONS)]
                for _ in range(WARM_UP):
                    exchange(connections, requests)
                before = counter.read(processes)
                for _ in range(ROUNDS):
                    exchange(connections, requests)
                after = counter.read(processes)
                for connection in connections:
                    connection.close()
            number = ROUNDS * CONNECTIONS
            found[reply] = {
                name: tuple((now - then) / number for now, then in zip(after[name], before[name])) for name in before}
    return found


def thresholds():
    """The most allocations per request by reply and process. Processes without a line may make next to none."""
    limits = {}
    with open(THRESHOLD, encoding="ascii") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                reply, process, limit = line.split()
                limits[reply, process] = float(limit)
    return limits


def limit_of(limits, reply, process):
    return limits.get((reply, process), 0.1)


def write_thresholds(found):
    """Puts what was measured into the file, and a margin: how requests fall into turns of the loop depends on what else runs."""
    with open(THRESHOLD, encoding="ascii") as file:
        comments = [line for line in file if line.startswith("#")]
    with open(THRESHOLD, "w", encoding="ascii") as file:
        file.writelines(comments)
        for reply, processes in found.items():
            for process, (calls, _) in sorted(processes.items()):
                if calls >= 0.1:
                    file.write(f"{reply} {process} {calls + max(1.5, calls * 0.05):.1f}\n")


def rows(found, limits):
    """The rows of a table: reply, process, allocations, bytes, limit."""
    return [
        [reply, process, f"{calls:.2f}", f"{size:.0f}", f"{limit_of(limits, reply, process):g}"]
        for reply, processes in found.items() for process, (calls, size) in sorted(processes.items())
        if calls >= 0.01 or (reply, process) in limits]


HEAD = ["reply of 200 B", "process", "allocations/request", "bytes/request", "at most"]


def excess(found, limits):
    """What is above its limit."""
    return [
        f"{reply}: {process} makes {calls:.2f} allocations per request, at most {limit_of(limits, reply, process):g}"
        for reply, processes in found.items() for process, (calls, _) in sorted(processes.items())
        if calls > limit_of(limits, reply, process)]
