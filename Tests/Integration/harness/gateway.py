"""Starts the gateway as a service manager would, watches it, and makes sure that nothing of it is left."""

import json
import os
import re
import signal
import subprocess
import sys

from . import processes
from .eventually import eventually
from .http import get
from .notify import NotifySocket

NOBODY = 65534
# What the supervisor and the workers write to standard error: time, level, role and pid.
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ [a-z]+\[\d+\]: .+$")

# Runs a command in its own place, with some descriptors moved to 3, 4, ... and its pid in a variable.
EXEC_WITH = """
import os, sys
end = sys.argv.index("--")
os.environ[sys.argv[1]] = str(os.getpid())
high = [os.dup2(int(number), 200 + index) for index, number in enumerate(sys.argv[2:end])]
os.closerange(3, 200)
for index, number in enumerate(high):
    os.dup2(number, 3 + index)
    os.close(number)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


def unprivileged():
    """The arguments of `subprocess` that give up root, if this is root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def private_directory(path):
    """A directory that only the user of the gateway can read."""
    os.makedirs(path, mode=0o700)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    return str(path)


class Gateway:
    """One running gateway. Use it as a context manager, or call `stop`: both check that no process is left."""

    def __init__(self, binary, directory, upstream, *options, environment=None, launcher=(), as_root=False,
                 listen="127.0.0.1:0", metrics="127.0.0.1:0", inherited=(), own_pid=None,
                 manager_reads=True):
        """Without an `upstream` the options name the servers. `launcher` stands before the command. `inherited` sockets become the descriptors 3, 4, ... as systemd passes
        them; the environment variable `own_pid` gets the pid of the gateway. A manager that does not read never takes
        in what is said on the notify socket."""
        self.binary, self.directory = str(binary), str(directory)
        self.state_directory = private_directory(os.path.join(self.directory, "state"))
        self.runtime_directory = private_directory(os.path.join(self.directory, "run"))
        self.notify = NotifySocket(os.path.join(self.directory, "notify"), manager_reads)
        self.log_path = os.path.join(self.directory, "log")
        self.inherited = [one.fileno() for one in inherited]
        if inherited or own_pid:
            launcher = [sys.executable, "-c", EXEC_WITH, own_pid or "LISTEN_PID", *map(str, self.inherited), "--"]
        self.command = [
            *launcher, self.binary, "proxy", "--state-dir", self.state_directory, "--runtime-dir",
            self.runtime_directory]
        self.command += ["--upstream", upstream] if upstream else []
        self.command += ["--listen", listen] if listen else []
        self.command += ["--metrics-addr", metrics] if metrics else []
        self.command += options
        self.environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.notify.path, **(environment or {})}
        self.user = {} if as_root else unprivileged()
        self.process = None
        self.stopped = False

    # Life and death

    def launch(self, stderr=None):
        """Starts the supervisor and does not wait for it. Without a `stderr` its log is kept."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log,
                start_new_session=True, pass_fds=self.inherited, **self.user)
        return self

    def start(self):
        self.launch()
        self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode} at start:\n{self.log()}")
            return "READY=1" in self.notify.receive()
        eventually(ready, lambda: f"READY=1; got {self.notify.messages}; log:\n{self.log()}")
        return self

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, deadline=60):
        """Waits for the supervisor's end and returns its exit status."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline} s:\n{self.log()}") from None

    def processes(self):
        """Everything that was started below the supervisor and still stands in `/proc`, zombies included."""
        return processes.of_session(self.process.pid)

    def nothing_left(self):
        def gone():
            self.process.poll()
            processes.reap(self.processes())
            return not self.processes()
        eventually(gone, lambda: f"everything gone; left: {self.processes()}\n{self.log()}")

    def stop(self):
        """Ends the gateway, in order if it still runs, and checks that no process and no zombie is left."""
        if self.stopped:
            return
        self.stopped = True
        if self.process is None:
            self.notify.close()
            return
        try:
            if self.process.poll() is None:
                self.terminate()
                self.wait()
            self.nothing_left()
        finally:
            for process in self.processes():
                if process.state != "Z":
                    os.kill(process.pid, signal.SIGKILL)
            self.process.poll()
            self.notify.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, _):
        try:
            self.stop()
        finally:
            if kind is not None:
                print(f"--- log of the gateway ---\n{self.log()}")

    # What it says

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def command_line(self, *arguments):
        """Runs another `mcpgw` as the same user."""
        return subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60, **self.user)

    def try_status(self):
        """The status, or nothing while nobody answers."""
        # The exit status says whether all is well: that is the caller's to judge.
        result = self.command_line("status", "--json", "--runtime-dir", self.runtime_directory)
        return json.loads(result.stdout) if result.stdout else None

    def status(self):
        result = self.command_line("status", "--json", "--runtime-dir", self.runtime_directory)
        assert result.stdout, f"no status (exit status {result.returncode}): {result.stderr}\n{self.log()}"
        return json.loads(result.stdout)

    def degraded(self, status=None):
        """What is worse than it should be. That this version has no policy is said always and not meant here."""
        return [reason for reason in (status or self.status())["degraded"] if not reason.startswith("no policy")]

    def address(self, listener):
        return next(one["address"] for one in self.status()["listeners"] if one["name"] == listener)

    @property
    def url(self):
        return f"http://{self.address('mcp')}/mcp"

    @property
    def metrics_url(self):
        return f"http://{self.address('metrics')}/metrics"

    def workers(self, status=None):
        """The workers by role; in these tests each role has one."""
        return {worker["role"]: worker for worker in (status or self.status())["workers"]}

    def restarts(self):
        """How often each role was restarted, without those that never were."""
        return {role: worker["restarts"] for role, worker in self.workers().items() if worker["restarts"]}

    def pid(self, role):
        return self.workers()[role]["pid"]

    def all_running(self):
        status = self.try_status()
        return status if status and all(worker["state"] == "running" for worker in status["workers"]) else None

    def metrics(self):
        """Every sample of `/metrics`: its name with labels, and its value."""
        reply = get(self.metrics_url, "/metrics")
        assert reply.status == 200, reply.body
        return parse_metrics(reply.body.decode())

    # What is done to it

    def kill(self, role, number=signal.SIGKILL):
        """Sends a signal to the worker of a role, and returns its pid."""
        pid = self.pid(role)
        os.kill(pid, number)
        return pid

    def kill_and_wait(self, *roles):
        """Kills workers, all at once, and waits until their successors run."""
        before = self.workers()
        for role in roles:
            os.kill(before[role]["pid"], signal.SIGKILL)

        def succeeded():
            status = self.all_running()
            now = self.workers(status) if status else {}
            return now and all(now[role]["pid"] != before[role]["pid"] for role in roles) and now
        return eventually(succeeded, lambda: f"{roles} run again: {self.try_status()}\n{self.log()}")


def parse_metrics(text):
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


def counters(samples):
    """Those that may never go down."""
    return {name: value for name, value in samples.items()
            if name.split("{")[0].endswith(("_total", "_count", "_bucket", "_sum"))}
