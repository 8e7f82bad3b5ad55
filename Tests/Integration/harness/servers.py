"""The MCP servers behind the gateway, and the clients in front of it, each with the Python it needs."""

import json
import os
import subprocess
import sys

from .eventually import eventually
from .http import get

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
DEMO = os.path.join(CHECKOUT, "contrib", "demo")


def python(era):
    """The interpreter of the virtual environment for that era; the tests themselves run in the modern one."""
    if era == "modern":
        return sys.executable
    environments = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(sys.executable))))
    return os.path.join(environments, "legacy", "bin", "python")


class Server:
    """A demo server in a process of its own."""

    KINDS = {"sdk1": "legacy", "sdk2": "modern", "fastmcp": "modern"}

    def __init__(self, kind, directory, *options):
        self.url_file = os.path.join(directory, f"{kind}{''.join(options)}.url")
        self.log_path = self.url_file + ".log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [python(self.KINDS[kind]), os.path.join(DEMO, f"server_{kind}.py"), "--url-file", self.url_file,
                 *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._announced, lambda: f"the address of {kind}", deadline=60)
        with open(self.url_file, encoding="ascii") as file:
            self.url = file.read().strip()

    def _announced(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8") as file:
                raise AssertionError(f"a demo server ended:\n{file.read()}")
        return os.path.exists(self.url_file)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def explore(client, url, *calls):
    """What a client sees: `legacy`, or a mode of the modern one (`modern:legacy`, `modern:auto`, `modern:REVISION`)."""
    era, _, mode = client.partition(":")
    command = [python(era), os.path.join(DEMO, f"client_{era}.py")]
    if mode:
        command += ["--mode", mode]
    result = subprocess.run([*command, url, *calls], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"{client} at {url} failed:\n{result.stderr[-6000:]}"
    return json.loads(result.stdout)


class FastUpstream:
    """The C server of the benchmarks: it answers at once, a call of the tool `hold` only when told."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), "the fast upstream did not start"

    def held(self):
        """How many calls of `hold` wait for their answer."""
        return int(get(self.url, "/held").body)

    def served(self):
        """How many POSTs have come."""
        return int(get(self.url, "/served").body)

    def release(self):
        """Answers the calls of `hold`."""
        get(self.url, "/release")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
